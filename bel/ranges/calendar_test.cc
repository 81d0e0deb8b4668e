#include "bel/ranges/calendar.h"

#include <gtest/gtest.h>

#include <random>

namespace databuild {
namespace {

std::string Iso(Day day) { return TimeFormat::Parse("%Y-%m-%d")->Format(day); }

Day DayOf(const std::string& text) { return ParseDate(text).value(); }

TEST(Calendar, EveryDayOfEveryYearFollowsTheOneBefore) {
  CivilDate date{1, 1, 1};
  for (Day day = kFirstDay; day <= kLastDay; ++day) {
    ASSERT_EQ(DateOfDay(day), date) << day;
    ASSERT_EQ(DayOfDate(date), day);
    bool leap = date.year % 400 == 0 || (date.year % 4 == 0 && date.year % 100 != 0);
    static constexpr int kLengths[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    int length = kLengths[date.month - 1] + (leap && date.month == 2 ? 1 : 0);
    if (++date.day <= length) continue;
    date.day = 1;
    if (++date.month <= 12) continue;
    date.month = 1;
    ++date.year;
  }
  EXPECT_EQ(date, (CivilDate{10'000, 1, 1}));
  EXPECT_EQ(Iso(0), "1970-01-01");
}

TEST(Calendar, OnlyRealDatesInTheirOneFormAreRead) {
  for (const char* good : {"2025-01-05", "2024-02-29", "2000-02-29", "0001-01-01", "9999-12-31"}) {
    ASSERT_TRUE(ParseDate(good)) << good;
    EXPECT_EQ(Iso(*ParseDate(good)), good);
  }
  for (const char* bad : {"2025-02-29", "1900-02-29", "2025-13-01", "2025-00-01", "2025-04-31",
                          "0000-01-01", "2025-1-05", "2025-01-5", "20250105", "2025/01/05", "",
                          "+025-01-01", "2025-01-0a", "12025-01-01", "2025-01-05 "}) {
    EXPECT_FALSE(ParseDate(bad)) << bad;
  }
  EXPECT_TRUE(ParseMonth("2025-12"));
  EXPECT_FALSE(ParseMonth("2025-13"));
  EXPECT_TRUE(ParseYear("0001"));
  EXPECT_FALSE(ParseYear("0000"));
}

TEST(Calendar, DayPeriodsWalkDayByDay) {
  std::mt19937 random(1);
  for (int round = 0; round < 2'000; ++round) {
    Day start = std::uniform_int_distribution<Day>(kFirstDay + 1'000, kLastDay - 1'000)(random);
    int distance = std::uniform_int_distribution<int>(-999, 999)(random);
    CivilDate walked = DateOfDay(start);
    for (int i = 0; i < std::abs(distance); ++i) {
      if (distance > 0 && ++walked.day > DaysInMonth(walked.year, walked.month)) {
        walked.day = 1;
        if (++walked.month > 12) walked = {walked.year + 1, 1, 1};
      }
      if (distance < 0 && --walked.day < 1) {
        if (--walked.month < 1) walked = {walked.year - 1, 12, 31};
        walked.day = DaysInMonth(walked.year, walked.month);
      }
    }
    EXPECT_EQ(DateOfDay(*AddPeriod(start, {0, distance})), walked);
  }
}

TEST(Calendar, MonthPeriodsClampToTheMonthsEnd) {
  struct Case {
    const char* from;
    const char* periods;
    const char* to;
  };
  for (const Case& c : std::initializer_list<Case>{{"2025-01-31", "P1M", "2025-02-28"},
                                                   {"2024-01-31", "P1M", "2024-02-29"},
                                                   {"2024-02-29", "P1Y", "2025-02-28"},
                                                   {"2024-02-29", "-P4Y", "2020-02-29"},
                                                   {"2025-03-31", "-P1M", "2025-02-28"},
                                                   {"2025-01-01", "P1M-P1D", "2025-01-31"},
                                                   {"2025-01-31", "P1M-P1D", "2025-02-27"},
                                                   {"2025-01-31", "-P1D+P1M", "2025-02-28"},
                                                   {"2025-01-31", "P1M1D", "2025-03-01"},
                                                   {"2025-01-05", "-P1W", "2024-12-29"},
                                                   {"2025-01-05", "P0D", "2025-01-05"},
                                                   {"2025-06-15", "P1Y2M3W4D", "2026-09-09"},
                                                   {"0001-01-01", "P9998Y", "9999-01-01"}}) {
    EXPECT_EQ(Iso(*AddPeriods(DayOf(c.from), *ParsePeriods(c.periods))), c.to)
        << c.from << " " << c.periods;
  }
}

TEST(Calendar, LeavingTheCalendarIsNoDate) {
  EXPECT_FALSE(AddPeriods(DayOf("9999-12-31"), *ParsePeriods("P1D")));
  EXPECT_FALSE(AddPeriods(DayOf("0001-01-31"), *ParsePeriods("-P1M")));
  EXPECT_FALSE(AddPeriods(DayOf("9999-12-01"), *ParsePeriods("P1M-P1M")));  // on the way, too
  EXPECT_FALSE(AddPeriods(DayOf("2025-01-01"), *ParsePeriods("P9999999Y")));
}

TEST(Calendar, PeriodsAreRefusedWithTheirFault) {
  struct Case {
    const char* text;
    const char* says;
  };
  for (const Case& c : std::initializer_list<Case>{{"", "empty"},
                                                   {"1D", "P is missing"},
                                                   {"P", "no number"},
                                                   {"P1", "no unit"},
                                                   {"P1H", "'H'"},
                                                   {"PT1H", "no number"},
                                                   {"P1D1M", "'M'"},
                                                   {"P1D2D", "'D'"},
                                                   {"P1M-", "P is missing"},
                                                   {"P99999999D", "over 9999999"},
                                                   {"P1.5D", "'.'"},
                                                   {"P1D ", "P is missing"}}) {
    Result<PeriodSum> periods = ParsePeriods(c.text);
    ASSERT_FALSE(periods.ok()) << c.text;
    EXPECT_NE(periods.error().message.find(c.says), std::string::npos) << periods.error().message;
  }
}

TEST(Calendar, FormatsWriteTheCalendarAndIsoWeeks) {
  struct Case {
    const char* date;
    const char* format;
    const char* text;
  };
  for (const Case& c : std::initializer_list<Case>{{"2025-01-05", "%Y/%m/%d", "2025/01/05"},
                                                   {"2025-12-31", "%Y%j", "2025365"},
                                                   {"2024-12-31", "%j", "366"},
                                                   {"0007-01-05", "%Y", "0007"},
                                                   {"2024-12-30", "%G-W%V-%u", "2025-W01-1"},
                                                   {"2021-01-03", "%G-W%V-%u", "2020-W53-7"},
                                                   {"2025-01-05", "100%%/%d", "100%/05"}}) {
    EXPECT_EQ(TimeFormat::Parse(c.format)->Format(DayOf(c.date)), c.text);
  }
  for (const char* bad : {"", "day", "%%", "%H", "%Y-%", "%y"}) {
    EXPECT_FALSE(TimeFormat::Parse(bad).ok()) << bad;
  }
}

TEST(Calendar, TheUnitOfAFormatIsTheSmallestItTellsApart) {
  EXPECT_EQ(TimeFormat::Parse("%Y")->unit(), TimeUnit::kYear);
  EXPECT_EQ(TimeFormat::Parse("%Y-%m")->unit(), TimeUnit::kMonth);
  EXPECT_EQ(TimeFormat::Parse("%Y-%m-%d")->unit(), TimeUnit::kDay);
  EXPECT_EQ(TimeFormat::Parse("%G-W%V")->unit(), TimeUnit::kWeek);
  EXPECT_EQ(TimeFormat::Parse("%Y-W%V")->unit(), TimeUnit::kDay);  // weeks cross years
}

// Walking a window unit by unit sees every text that walking it day by day sees.
TEST(Calendar, StepsOfAUnitMissNoText) {
  std::mt19937 random(2);
  for (const char* text : {"%Y", "%Y-%m", "%Y-%m-%d", "%G-W%V", "%Y-%V", "%G", "%m", "%j"}) {
    TimeFormat format = *TimeFormat::Parse(text);
    for (int round = 0; round < 200; ++round) {
      Day first = std::uniform_int_distribution<Day>(0, 30'000)(random);
      Day last = first + std::uniform_int_distribution<Day>(0, 900)(random);
      std::vector<std::string> by_unit;
      for (Day day = first; day <= last; day = NextUnit(day, format.unit())) {
        if (by_unit.empty() || by_unit.back() != format.Format(day)) {
          by_unit.push_back(format.Format(day));
        }
      }
      std::vector<std::string> by_day;
      for (Day day = first; day <= last; ++day) {
        if (by_day.empty() || by_day.back() != format.Format(day)) {
          by_day.push_back(format.Format(day));
        }
      }
      ASSERT_EQ(by_unit, by_day) << text << " from " << Iso(first) << " to " << Iso(last);
    }
  }
}

}  // namespace
}  // namespace databuild
