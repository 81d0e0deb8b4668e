// How many requests one caller may have under way or waiting, so that nobody takes all the workers
// and all the room for waiting calls.
#pragma once

#include <memory>
#include <string>

#include "bel/base/result.h"

namespace databuild {

// Any thread.
class CallerBudget {
 public:
  // 0: without limit.
  explicit CallerBudget(size_t most_at_once);

  // One request's share, given back when the last copy goes, also after the budget has gone.
  // kTooLarge: the caller has as many under way as one may.
  Result<std::shared_ptr<const void>> Take(const std::string& caller);

 private:
  struct Counts;

  const size_t most_;
  const std::shared_ptr<Counts> counts_;
};

}  // namespace databuild
