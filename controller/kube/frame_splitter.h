// Cuts a stream of JSON values (a watch) into single values, whatever the pieces it arrives in.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "bel/base/result.h"

namespace databuild::kube {

// A value ends where its braces close: newlines between values are allowed, not needed.
// One thread at a time. After an error only Reset() helps.
class FrameSplitter {
 public:
  explicit FrameSplitter(size_t frame_bytes_max = 4 * 1024 * 1024) : max_(frame_bytes_max) {}

  void Append(std::string_view bytes);
  // The next complete value, valid until the next call; nothing if more bytes are needed.
  // Errors: kTooLarge, kCorrupt (something that is no object between values).
  Result<std::optional<std::string_view>> Next();
  void Reset();

 private:
  const size_t max_;
  std::string buffer_;
  size_t start_ = 0;  // of the value under way
  size_t at_ = 0;     // first byte not yet looked at
  int depth_ = 0;
  bool in_string_ = false;
  bool escaped_ = false;
};

}  // namespace databuild::kube
