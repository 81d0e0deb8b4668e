#include "bel/base/clock.h"

#include <array>
#include <chrono>
#include <limits>
#include <optional>
#include <string_view>

namespace databuild {
namespace {

using std::chrono::days;
using std::chrono::sys_days;
using std::chrono::year_month_day;

bool IsDigit(char c) { return c >= '0' && c <= '9'; }

// Reads exactly `count` digits at `pos` and moves it on.
std::optional<int> TakeNumber(std::string_view text, size_t& pos, size_t count) {
  if (pos + count > text.size()) return std::nullopt;
  int value = 0;
  for (size_t i = 0; i < count; ++i) {
    if (!IsDigit(text[pos + i])) return std::nullopt;
    value = value * 10 + (text[pos + i] - '0');
  }
  pos += count;
  return value;
}

bool TakeChar(std::string_view text, size_t& pos, std::string_view one_of) {
  if (pos >= text.size() || one_of.find(text[pos]) == std::string_view::npos) return false;
  ++pos;
  return true;
}

// Days since 1970 of "YYYY-MM-DD", nothing when there is no such day.
std::optional<int64_t> TakeDate(std::string_view text, size_t& pos) {
  const auto year = TakeNumber(text, pos, 4);
  if (!year || !TakeChar(text, pos, "-")) return std::nullopt;
  const auto month = TakeNumber(text, pos, 2);
  if (!month || !TakeChar(text, pos, "-")) return std::nullopt;
  const auto day = TakeNumber(text, pos, 2);
  if (!day) return std::nullopt;
  const year_month_day date{std::chrono::year(*year), std::chrono::month(*month),
                            std::chrono::day(*day)};
  if (!date.ok()) return std::nullopt;
  return sys_days(date).time_since_epoch().count();
}

std::optional<int64_t> TakeSecondsOfDay(std::string_view text, size_t& pos) {
  const auto hour = TakeNumber(text, pos, 2);
  if (!hour || *hour > 23 || !TakeChar(text, pos, ":")) return std::nullopt;
  const auto minute = TakeNumber(text, pos, 2);
  if (!minute || *minute > 59 || !TakeChar(text, pos, ":")) return std::nullopt;
  const auto second = TakeNumber(text, pos, 2);
  if (!second || *second > 60) return std::nullopt;  // 60: a leap second, counted as the next one
  return *hour * 3600 + *minute * 60 + *second;
}

// ".25" as nanoseconds; 0 when there is no fraction.
std::optional<int64_t> TakeFraction(std::string_view text, size_t& pos) {
  if (!TakeChar(text, pos, ".")) return 0;
  int64_t value = 0;
  int digits = 0;
  for (; pos < text.size() && IsDigit(text[pos]); ++pos) {
    if (++digits > 9) return std::nullopt;
    value = value * 10 + (text[pos] - '0');
  }
  if (digits == 0) return std::nullopt;
  for (; digits < 9; ++digits) value *= 10;
  return value;
}

// "Z" or "+02:00" as seconds east of UTC.
std::optional<int64_t> TakeOffset(std::string_view text, size_t& pos) {
  if (TakeChar(text, pos, "Zz")) return 0;
  if (pos >= text.size()) return std::nullopt;
  const int sign = text[pos] == '-' ? -1 : 1;
  if (!TakeChar(text, pos, "+-")) return std::nullopt;
  const auto hour = TakeNumber(text, pos, 2);
  if (!hour || *hour > 23 || !TakeChar(text, pos, ":")) return std::nullopt;
  const auto minute = TakeNumber(text, pos, 2);
  if (!minute || *minute > 59) return std::nullopt;
  return sign * (*hour * 3600 + *minute * 60);
}

std::optional<TimeNs> TakeDateTime(std::string_view text) {
  size_t pos = 0;
  const auto day = TakeDate(text, pos);
  if (!day || !TakeChar(text, pos, "Tt ")) return std::nullopt;
  const auto second = TakeSecondsOfDay(text, pos);
  if (!second) return std::nullopt;
  const auto fraction = TakeFraction(text, pos);
  if (!fraction) return std::nullopt;
  const auto offset = TakeOffset(text, pos);
  if (!offset || pos != text.size()) return std::nullopt;
  TimeNs time = 0;
  const int64_t seconds = *day * 86'400 + *second - *offset;
  if (__builtin_mul_overflow(seconds, kSecond, &time)) return std::nullopt;
  if (__builtin_add_overflow(time, *fraction, &time)) return std::nullopt;
  return time;
}

struct Unit {
  std::string_view name;
  DurationNs length;
};

// Longer names first, so that "ms" is not read as "m" followed by "s".
constexpr std::array<Unit, 8> kUnits = {{{"ns", 1},
                                         {"us", 1'000},
                                         {"\u00b5s", 1'000},
                                         {"\u03bcs", 1'000},
                                         {"ms", kMillisecond},
                                         {"h", kHour},
                                         {"m", kMinute},
                                         {"s", kSecond}}};

const Unit* TakeUnit(std::string_view text, size_t& pos) {
  for (const Unit& unit : kUnits) {
    if (text.substr(pos).starts_with(unit.name)) {
      pos += unit.name.size();
      return &unit;
    }
  }
  return nullptr;
}

// One "1.5h" of a duration, added to `total`. False: not a number with a unit, or too large.
bool TakeDurationPart(std::string_view text, size_t& pos, DurationNs& total) {
  int64_t whole = 0;
  size_t digits = 0;
  for (; pos < text.size() && IsDigit(text[pos]); ++pos, ++digits) {
    if (__builtin_mul_overflow(whole, 10, &whole)) return false;
    if (__builtin_add_overflow(whole, text[pos] - '0', &whole)) return false;
  }
  long double fraction = 0;
  if (TakeChar(text, pos, ".")) {
    long double scale = 1;
    for (; pos < text.size() && IsDigit(text[pos]); ++pos, ++digits) {
      scale /= 10;
      fraction += scale * (text[pos] - '0');
    }
  }
  if (digits == 0) return false;
  const Unit* unit = TakeUnit(text, pos);
  if (unit == nullptr) return false;
  DurationNs part = 0;
  if (__builtin_mul_overflow(whole, unit->length, &part)) return false;
  const auto rest = static_cast<DurationNs>(fraction * unit->length + 0.5L);
  return !__builtin_add_overflow(part, rest, &part) && !__builtin_add_overflow(total, part, &total);
}

// With zeros before it.
void AppendDigits(int64_t value, int digits, std::string& text) {
  const size_t begin = text.size();
  text.append(digits, '0');
  for (size_t at = text.size(); at > begin && value > 0; value /= 10)
    text[--at] = static_cast<char>('0' + value % 10);
}

// ".25" of a fraction with so many digits; nothing of none.
void AppendFraction(int64_t fraction, int digits, std::string& text) {
  if (fraction == 0) return;
  text.push_back('.');
  AppendDigits(fraction, digits, text);
  text.erase(text.find_last_not_of('0') + 1);
}

std::string Decimal(int64_t whole, int64_t fraction, int fraction_digits) {
  std::string text = std::to_string(whole);
  AppendFraction(fraction, fraction_digits, text);
  return text;
}

}  // namespace

TimeNs SystemClock::Now() const {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  return std::chrono::duration_cast<std::chrono::nanoseconds>(now).count();
}

std::string FormatRfc3339(TimeNs time) {
  int64_t seconds = time / kSecond;
  int64_t nanos = time % kSecond;
  if (nanos < 0) {
    nanos += kSecond;
    --seconds;
  }
  int64_t day = seconds / 86'400;
  int64_t of_day = seconds % 86'400;
  if (of_day < 0) {
    of_day += 86'400;
    --day;
  }
  const year_month_day date{sys_days{days{day}}};
  std::string text;
  text.reserve(sizeof "2025-01-05T00:00:00.000000000Z");
  const auto append = [&](int64_t value, int digits, char after) {
    AppendDigits(value, digits, text);
    text.push_back(after);
  };
  append(static_cast<int>(date.year()), 4, '-');
  append(static_cast<unsigned>(date.month()), 2, '-');
  append(static_cast<unsigned>(date.day()), 2, 'T');
  append(of_day / 3600, 2, ':');
  append(of_day / 60 % 60, 2, ':');
  AppendDigits(of_day % 60, 2, text);
  AppendFraction(nanos, 9, text);
  text.push_back('Z');
  return text;
}

Result<TimeNs> ParseRfc3339(const std::string& text) {
  if (const auto time = TakeDateTime(text)) return *time;
  return Error{Errc::kInvalidArgument,
               "\"" + text.substr(0, 64) + "\" is not a time; write it like 2025-01-05T00:00:00Z"};
}

Result<DurationNs> ParseDuration(const std::string& text) {
  if (text == "0") return DurationNs{0};
  DurationNs total = 0;
  size_t pos = 0;
  bool good = !text.empty();
  while (good && pos < text.size()) good = TakeDurationPart(text, pos, total);
  if (good) return total;
  return Error{Errc::kInvalidArgument, "\"" + text.substr(0, 64) +
                                           "\" is not a duration; write it like 72h, 1h30m, 45s "
                                           "or 250ms (units: h, m, s, ms, us, ns)"};
}

std::string FormatDuration(DurationNs duration) {
  if (duration < 0) {
    // Only our own arithmetic makes negative ones (time left); INT64_MIN has no positive twin.
    const DurationNs positive =
        duration == std::numeric_limits<int64_t>::min() ? -(duration + 1) : -duration;
    return "-" + FormatDuration(positive);
  }
  if (duration == 0) return "0s";
  if (duration < 1'000) return std::to_string(duration) + "ns";
  if (duration < kMillisecond) return Decimal(duration / 1'000, duration % 1'000, 3) + "us";
  if (duration < kSecond) {
    return Decimal(duration / kMillisecond, duration % kMillisecond, 6) + "ms";
  }
  std::string text;
  if (duration >= kHour) text += std::to_string(duration / kHour) + "h";
  if (duration % kHour >= kMinute) text += std::to_string(duration % kHour / kMinute) + "m";
  const DurationNs rest = duration % kMinute;
  if (rest != 0) text += Decimal(rest / kSecond, rest % kSecond, 9) + "s";
  return text;
}

}  // namespace databuild
