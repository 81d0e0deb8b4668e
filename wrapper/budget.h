// How much a run may say: a bound on all bytes, a rate, and what neither of them may touch.
//
// Pure: time comes in. Dropped lines take no sequence number, so a gap always means loss on the
// way.
#pragma once

#include <cstddef>
#include <cstdint>

#include "bel/base/clock.h"
#include "wrapper/protocol.h"

namespace databuild::exec {

struct BudgetLimits {
  int64_t bound_bytes = kDefaultOutputBoundBytes;  // 0: none
  int64_t rate_bytes = 0;  // a second; 0: none. Bursts of ten seconds' worth.
  int64_t protected_entries = kProtectedEntriesMax;
};

struct Dropped {
  uint64_t lines = 0;       // lines whose end, at least, was dropped
  uint64_t bytes = 0;       // of the job's own text
  uint64_t rate_lines = 0;  // of `lines`: because of the rate, not the bound
  bool operator==(const Dropped&) const = default;
};

class OutputBudget {
 public:
  explicit OutputBudget(const BudgetLimits& limits)
      : limits_(limits), tokens_(limits.rate_bytes * kBurstSeconds) {}

  // Whether one more entry may be written. Protected (WARN and above, metrics): always, for the
  // first `protected_entries`; after those they are entries like any other.
  bool Admit(bool is_protected, TimeNs now) {
    if (is_protected && protected_ < limits_.protected_entries) {
      ++protected_;
      return true;
    }
    if (exhausted()) return false;
    if (limits_.rate_bytes == 0) return true;
    Refill(now);
    return tokens_ > 0;
  }

  void Wrote(size_t bytes) {
    written_ += static_cast<int64_t>(bytes);
    tokens_ -= static_cast<int64_t>(bytes);
  }

  // Once true, stays true: no ordinary entry will ever be admitted again.
  bool exhausted() const {
    return limits_.bound_bytes != 0 &&
           written_ + static_cast<int64_t>(kEntryBytesMax) > limits_.bound_bytes;
  }

  // A line, or a piece of one: the line is counted with its last piece.
  void Drop(bool last_piece, size_t bytes) {
    dropped_.lines += last_piece ? 1 : 0;
    dropped_.rate_lines += last_piece && !exhausted() ? 1 : 0;
    dropped_.bytes += bytes;
  }

  // Whole lines beyond the bound.
  void DropLines(uint64_t lines, size_t bytes) {
    dropped_.lines += lines;
    dropped_.bytes += bytes;
  }

  const Dropped& dropped() const { return dropped_; }
  const BudgetLimits& limits() const { return limits_; }

 private:
  static constexpr int64_t kBurstSeconds = 10;

  void Refill(TimeNs now) {
    if (now <= refilled_) return;  // the clock stepped back: wait until it is past that point
    const int64_t whole = limits_.rate_bytes * kBurstSeconds;
    const int64_t elapsed_ms = refilled_ == 0 ? 0 : (now - refilled_) / kMillisecond;
    if (refilled_ != 0 && elapsed_ms == 0) return;
    refilled_ = now;
    if (elapsed_ms >= kBurstSeconds * 1000) {
      tokens_ = whole;
    } else {
      tokens_ += limits_.rate_bytes * elapsed_ms / 1000;
      if (tokens_ > whole) tokens_ = whole;
    }
  }

  const BudgetLimits limits_;
  int64_t written_ = 0;
  int64_t protected_ = 0;
  int64_t tokens_;
  TimeNs refilled_ = 0;
  Dropped dropped_;
};

}  // namespace databuild::exec
