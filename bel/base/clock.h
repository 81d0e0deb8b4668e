// Time in the product: Unix nanoseconds in an int64, read through a Clock that tests replace.
#pragma once

#include <cstdint>
#include <string>

#include "bel/base/result.h"

namespace databuild {

using TimeNs = int64_t;      // Unix time in nanoseconds, UTC
using DurationNs = int64_t;  // nanoseconds

inline constexpr DurationNs kMillisecond = 1'000'000;
inline constexpr DurationNs kSecond = 1'000 * kMillisecond;
inline constexpr DurationNs kMinute = 60 * kSecond;
inline constexpr DurationNs kHour = 60 * kMinute;
inline constexpr DurationNs kDay = 24 * kHour;

// Thread-safe. Now() is wall time; it may step back, so order comes from the log's idx, never from
// it.
class Clock {
 public:
  virtual ~Clock() = default;
  virtual TimeNs Now() const = 0;
};

class SystemClock final : public Clock {
 public:
  TimeNs Now() const override;
};

// "2025-01-05T00:00:00Z", with fractional seconds only when there are any.
std::string FormatRfc3339(TimeNs time);
// Accepts what Kubernetes writes: date-time with Z or an offset, optional fraction (up to 9
// digits).
Result<TimeNs> ParseRfc3339(const std::string& text);
// Go-style durations as in Kubernetes objects: "72h", "1h30m", "1.5s", "250ms". No sign, no days.
Result<DurationNs> ParseDuration(const std::string& text);
// "1h30m", "45s", "250ms": the shortest text ParseDuration reads back.
std::string FormatDuration(DurationNs duration);

}  // namespace databuild
