// Calendar days, ISO 8601 periods and the time formats of partition patterns. Pure arithmetic on
// the proleptic Gregorian calendar, years 0001 to 9999; no time zones, no clock.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "bel/base/result.h"

namespace databuild {

// A day, counted from 1970-01-01 (day 0).
using Day = int32_t;

inline constexpr Day kFirstDay = -719'162;  // 0001-01-01
inline constexpr Day kLastDay = 2'932'896;  // 9999-12-31

struct CivilDate {
  int year = 1970;
  int month = 1;  // 1 to 12
  int day = 1;    // 1 to 31
  bool operator==(const CivilDate&) const = default;
};

int DaysInMonth(int year, int month);
// Algorithm: days of 400-year eras that begin on March 1st.
Day DayOfDate(const CivilDate& date);
CivilDate DateOfDay(Day day);

// Exactly YYYY-MM-DD, YYYY-MM or YYYY of a real date; nothing else.
std::optional<Day> ParseDate(std::string_view text);
std::optional<Day> ParseMonth(std::string_view text);  // its first day
std::optional<Day> ParseYear(std::string_view text);   // its first day

// One signed ISO 8601 period of years, months, weeks and days.
struct Period {
  int64_t months = 0;
  int64_t days = 0;
  bool operator==(const Period&) const = default;
};
// Applied one after the other: P1M-P1D is "a month later, then a day back".
using PeriodSum = std::vector<Period>;

// "P1M", "-P6D", "P1Y2M3W4D", "P1M-P1D". The error says what is wrong, not where the text stood.
Result<PeriodSum> ParsePeriods(std::string_view text);

// Nothing when the result, or a step on the way, leaves 0001..9999. Months go first and clamp to
// the end of the month, then days.
std::optional<Day> AddPeriod(Day day, const Period& period);
std::optional<Day> AddPeriods(Day day, const PeriodSum& periods);

enum class TimeUnit { kDay, kWeek, kMonth, kYear };

// A checked format string of %Y %m %d %j %G %V %u %% and literal text.
class TimeFormat {
 public:
  static Result<TimeFormat> Parse(std::string_view text);

  std::string Format(Day day) const;
  // The smallest unit that the text tells apart.
  TimeUnit unit() const { return unit_; }

 private:
  std::string text_;
  TimeUnit unit_ = TimeUnit::kYear;
};

// The first day of the unit after the one `day` lies in; may be beyond kLastDay.
Day NextUnit(Day day, TimeUnit unit);

}  // namespace databuild
