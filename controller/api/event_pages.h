// Events read for answers: pages decoded, and the newest ones that match, for pages that scroll
// backwards, timelines, and answers that include events.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>

#include "bel/base/result.h"
#include "databuild/v1/databuild.pb.h"

namespace databuild {

class EventLog;
class EventMatcher;
struct RawPage;

// With the names beside enums filled in.
Result<v1::EventPage> DecodePage(const RawPage& raw);

struct NewestQuery {
  std::shared_ptr<const EventMatcher> matcher;           // nullptr: everything
  std::function<bool(const v1::BuildEvent&)> keep = {};  // of those that match; empty: all
  int64_t since_idx = 0;                                 // exclusive; nothing older is looked for
  int64_t last_idx = INT64_MAX;                          // inclusive
  size_t limit = 100;                                    // events
  int64_t most_looked_at = INT64_MAX;                    // positions of the log
  size_t most_read = 50'000;                             // matching events
};

struct NewestEvents {
  std::deque<v1::BuildEvent> events;  // ascending by idx, enum names filled in
  int64_t from = 0;  // every match behind this idx is among `events`, up to last_idx
  bool cut = false;  // older ones may have been left out
};

Result<NewestEvents> ReadNewest(const EventLog& log, const NewestQuery& query);

}  // namespace databuild
