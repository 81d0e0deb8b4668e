#include "bel/ranges/calendar.h"

#include <algorithm>

#include "bel/base/check.h"

namespace databuild {
namespace {

constexpr int64_t kDaysPerEra = 146'097;  // 400 years
constexpr int64_t kEraToEpoch = 719'468;  // days from 0000-03-01 to 1970-01-01
constexpr int64_t kMaxPeriodNumber = 9'999'999;

bool IsDigit(char c) { return c >= '0' && c <= '9'; }

// The value of `text` if it is all digits.
std::optional<int> Digits(std::string_view text) {
  int value = 0;
  for (char c : text) {
    if (!IsDigit(c)) return std::nullopt;
    value = value * 10 + (c - '0');
  }
  return value;
}

std::optional<Day> MakeDay(std::optional<int> year, std::optional<int> month,
                           std::optional<int> day) {
  if (!year || !month || !day || *year < 1 || *month < 1 || *month > 12) return std::nullopt;
  if (*day < 1 || *day > DaysInMonth(*year, *month)) return std::nullopt;
  return DayOfDate({*year, *month, *day});
}

void AppendPadded(std::string* out, int value, int width) {
  std::string digits = std::to_string(value);
  out->append(static_cast<size_t>(std::max(0, width - static_cast<int>(digits.size()))), '0');
  out->append(digits);
}

// 1 is Monday, 7 is Sunday. 1970-01-01 was a Thursday.
int IsoWeekday(Day day) { return static_cast<int>(((int64_t{day} + 3) % 7 + 7) % 7) + 1; }

struct IsoWeek {
  int year;
  int week;
};

// A week belongs to the year its Thursday lies in.
IsoWeek IsoWeekOf(Day day) {
  Day thursday = day + 4 - IsoWeekday(day);
  int year = DateOfDay(thursday).year;
  return {year, (thursday - DayOfDate({year, 1, 1})) / 7 + 1};
}

Error BadPeriod(std::string_view text, const std::string& why) {
  return {Errc::kInvalidArgument,
          "\"" + std::string(text) + "\" is not a period: " + why +
              "; write ISO 8601 periods of days, weeks, months or years, as in -P6D or P1M-P1D"};
}

// Adds `number` of `designator` to the period; its rank (Y=0 to D=3) must rise.
bool AddDesignator(char designator, int64_t number, int* rank, Period* period) {
  static constexpr std::string_view kDesignators = "YMWD";
  size_t position = kDesignators.find(designator);
  if (position == std::string_view::npos || static_cast<int>(position) < *rank) return false;
  *rank = static_cast<int>(position) + 1;
  if (designator == 'Y') period->months += 12 * number;
  if (designator == 'M') period->months += number;
  if (designator == 'W') period->days += 7 * number;
  if (designator == 'D') period->days += number;
  return true;
}

}  // namespace

int DaysInMonth(int year, int month) {
  static constexpr int kDays[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  CHECK(month >= 1 && month <= 12);
  bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
  return month == 2 && leap ? 29 : kDays[month - 1];
}

Day DayOfDate(const CivilDate& date) {
  int64_t year = date.year - (date.month <= 2 ? 1 : 0);
  int64_t era = (year >= 0 ? year : year - 399) / 400;
  int64_t year_of_era = year - era * 400;
  int64_t day_of_year = (153 * (date.month + (date.month > 2 ? -3 : 9)) + 2) / 5 + date.day - 1;
  int64_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
  return static_cast<Day>(era * kDaysPerEra + day_of_era - kEraToEpoch);
}

CivilDate DateOfDay(Day day) {
  int64_t shifted = int64_t{day} + kEraToEpoch;
  int64_t era = (shifted >= 0 ? shifted : shifted - kDaysPerEra + 1) / kDaysPerEra;
  int64_t day_of_era = shifted - era * kDaysPerEra;
  int64_t year_of_era =
      (day_of_era - day_of_era / 1'460 + day_of_era / 36'524 - day_of_era / 146'096) / 365;
  int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
  int64_t shifted_month = (5 * day_of_year + 2) / 153;
  int day_of_month = static_cast<int>(day_of_year - (153 * shifted_month + 2) / 5 + 1);
  int month = static_cast<int>(shifted_month < 10 ? shifted_month + 3 : shifted_month - 9);
  int year = static_cast<int>(year_of_era + era * 400) + (month <= 2 ? 1 : 0);
  return {year, month, day_of_month};
}

std::optional<Day> ParseDate(std::string_view text) {
  if (text.size() != 10 || text[4] != '-' || text[7] != '-') return std::nullopt;
  return MakeDay(Digits(text.substr(0, 4)), Digits(text.substr(5, 2)), Digits(text.substr(8, 2)));
}

std::optional<Day> ParseMonth(std::string_view text) {
  if (text.size() != 7 || text[4] != '-') return std::nullopt;
  return MakeDay(Digits(text.substr(0, 4)), Digits(text.substr(5, 2)), 1);
}

std::optional<Day> ParseYear(std::string_view text) {
  if (text.size() != 4) return std::nullopt;
  return MakeDay(Digits(text), 1, 1);
}

Result<PeriodSum> ParsePeriods(std::string_view text) {
  PeriodSum sum;
  size_t i = 0;
  while (i < text.size()) {
    int sign = text[i] == '-' ? -1 : 1;
    if (text[i] == '-' || text[i] == '+') ++i;
    if (i == text.size() || text[i] != 'P') return BadPeriod(text, "a P is missing");
    ++i;
    Period period;
    int rank = 0;
    size_t parts = 0;
    while (i < text.size() && IsDigit(text[i])) {
      int64_t number = 0;
      while (i < text.size() && IsDigit(text[i])) {
        number = number * 10 + (text[i++] - '0');
        if (number > kMaxPeriodNumber) return BadPeriod(text, "a number is over 9999999");
      }
      if (i == text.size()) return BadPeriod(text, "the last number has no unit");
      if (!AddDesignator(text[i], sign * number, &rank, &period)) {
        return BadPeriod(text, std::string("'") + text[i] +
                                   "' cannot stand there, the units are Y, "
                                   "M, W, D in this order");
      }
      ++i;
      ++parts;
    }
    if (parts == 0) return BadPeriod(text, "no number follows the P");
    sum.push_back(period);
  }
  if (sum.empty()) return BadPeriod(text, "it is empty");
  return sum;
}

std::optional<Day> AddPeriod(Day day, const Period& period) {
  CivilDate date = DateOfDay(day);
  int64_t month_index = int64_t{date.year} * 12 + date.month - 1 + period.months;
  if (month_index < 12 || month_index >= 10'000 * 12) return std::nullopt;
  int year = static_cast<int>(month_index / 12);
  int month = static_cast<int>(month_index % 12) + 1;
  int64_t result = DayOfDate({year, month, std::min(date.day, DaysInMonth(year, month))});
  result += period.days;
  if (result < kFirstDay || result > kLastDay) return std::nullopt;
  return static_cast<Day>(result);
}

std::optional<Day> AddPeriods(Day day, const PeriodSum& periods) {
  std::optional<Day> result = day;
  for (const Period& period : periods) {
    result = AddPeriod(*result, period);
    if (!result) return std::nullopt;
  }
  return result;
}

Result<TimeFormat> TimeFormat::Parse(std::string_view text) {
  TimeFormat format;
  format.text_ = std::string(text);
  bool has_verb = false;
  bool has_calendar_verb = false;  // %Y or %m, whose borders lie inside ISO weeks
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') continue;
    char verb = ++i < text.size() ? text[i] : '\0';
    if (verb == '%') continue;
    has_verb = true;
    TimeUnit unit = TimeUnit::kYear;
    if (verb == 'd' || verb == 'j' || verb == 'u') {
      unit = TimeUnit::kDay;
    } else if (verb == 'V' || verb == 'G') {
      unit = TimeUnit::kWeek;
    } else if (verb == 'm') {
      unit = TimeUnit::kMonth;
    } else if (verb != 'Y') {
      return Error{Errc::kInvalidArgument,
                   "\"" + std::string(text) + "\" is not a time format: %" +
                       (verb == '\0' ? std::string() : std::string(1, verb)) +
                       " is not known; use %Y %m %d %j, %G %V %u for ISO weeks, %% for a percent"};
    }
    has_calendar_verb = has_calendar_verb || verb == 'Y' || verb == 'm';
    format.unit_ = std::min(format.unit_, unit);
  }
  if (format.unit_ == TimeUnit::kWeek && has_calendar_verb) format.unit_ = TimeUnit::kDay;
  if (!has_verb) {
    return Error{Errc::kInvalidArgument, "\"" + std::string(text) +
                                             "\" is not a time format: it says nothing of the "
                                             "date; use %Y %m %d %j %G %V %u"};
  }
  return format;
}

std::string TimeFormat::Format(Day day) const {
  CivilDate date = DateOfDay(day);
  std::string out;
  for (size_t i = 0; i < text_.size(); ++i) {
    if (text_[i] != '%') {
      out.push_back(text_[i]);
      continue;
    }
    switch (text_[++i]) {
      case 'Y':
        AppendPadded(&out, date.year, 4);
        break;
      case 'm':
        AppendPadded(&out, date.month, 2);
        break;
      case 'd':
        AppendPadded(&out, date.day, 2);
        break;
      case 'j':
        AppendPadded(&out, day - DayOfDate({date.year, 1, 1}) + 1, 3);
        break;
      case 'G':
        AppendPadded(&out, IsoWeekOf(day).year, 4);
        break;
      case 'V':
        AppendPadded(&out, IsoWeekOf(day).week, 2);
        break;
      case 'u':
        AppendPadded(&out, IsoWeekday(day), 1);
        break;
      default:
        out.push_back('%');
    }
  }
  return out;
}

Day NextUnit(Day day, TimeUnit unit) {
  CivilDate date = DateOfDay(day);
  switch (unit) {
    case TimeUnit::kDay:
      return day + 1;
    case TimeUnit::kWeek:
      return day + 8 - IsoWeekday(day);
    case TimeUnit::kMonth:
      return day + DaysInMonth(date.year, date.month) - date.day + 1;
    case TimeUnit::kYear:
      break;
  }
  return DayOfDate({date.year + 1, 1, 1});
}

}  // namespace databuild
