#include "bel/base/clock.h"

#include <limits>

#include "gtest/gtest.h"

namespace databuild {
namespace {

TEST(Rfc3339, WrittenWithoutFractionUnlessThereIsOne) {
  EXPECT_EQ(FormatRfc3339(0), "1970-01-01T00:00:00Z");
  EXPECT_EQ(FormatRfc3339(1'736'035'200 * kSecond), "2025-01-05T00:00:00Z");
  EXPECT_EQ(FormatRfc3339(1'736'035'209 * kSecond + 250 * kMillisecond), "2025-01-05T00:00:09.25Z");
  EXPECT_EQ(FormatRfc3339(1), "1970-01-01T00:00:00.000000001Z");
  EXPECT_EQ(FormatRfc3339(-1), "1969-12-31T23:59:59.999999999Z");
}

TEST(Rfc3339, ReadsOffsetsAndFractions) {
  EXPECT_EQ(ParseRfc3339("2025-01-05T00:00:00Z").value(), 1'736'035'200 * kSecond);
  EXPECT_EQ(ParseRfc3339("2025-01-05T02:00:00+02:00").value(), 1'736'035'200 * kSecond);
  EXPECT_EQ(ParseRfc3339("2025-01-04T23:30:00.5-00:30").value(),
            1'736'035'200 * kSecond + 500 * kMillisecond);
  EXPECT_EQ(ParseRfc3339("2024-02-29T12:00:00.000000001Z").value() % kSecond, 1);
}

TEST(Rfc3339, RefusesWhatIsNoTimeAndNamesIt) {
  for (const char* bad :
       {"", "2025-01-05", "2025-13-05T00:00:00Z", "2025-02-30T00:00:00Z", "2025-01-05T24:00:00Z",
        "2025-01-05T00:00:00", "2025-01-05T00:00:00Zx", "2025-01-05T00:00:00.Z",
        "2025-01-05T00:00:00.1234567890Z", "9999-01-05T00:00:00Z", "25-01-05T00:00:00Z"}) {
    const auto parsed = ParseRfc3339(bad);
    ASSERT_FALSE(parsed.ok()) << bad;
    EXPECT_EQ(parsed.error().code, Errc::kInvalidArgument);
    EXPECT_NE(parsed.error().message.find(bad), std::string::npos);
  }
}

TEST(Rfc3339, EveryWrittenTimeIsReadBack) {
  for (int64_t step = 0; step < 2'000; ++step) {
    const TimeNs time = step * 31'557'600'123'456'7 - 86'400 * kSecond * 365;
    EXPECT_EQ(ParseRfc3339(FormatRfc3339(time)).value(), time);
  }
}

TEST(Duration, ReadsGoStyle) {
  EXPECT_EQ(ParseDuration("72h").value(), 72 * kHour);
  EXPECT_EQ(ParseDuration("1h30m").value(), 90 * kMinute);
  EXPECT_EQ(ParseDuration("1.5s").value(), 1'500 * kMillisecond);
  EXPECT_EQ(ParseDuration("250ms").value(), 250 * kMillisecond);
  EXPECT_EQ(ParseDuration("3us2ns").value(), 3'002);
  EXPECT_EQ(ParseDuration("0").value(), 0);
  EXPECT_EQ(ParseDuration("0s").value(), 0);
}

TEST(Duration, RefusesSignsDaysBareNumbersAndOverflow) {
  for (const char* bad : {"", "1", "-1h", "+1h", "1d", "h", ".s", "1h 2m", "99999999999999999999h",
                          "2562048h", "1hh"}) {
    EXPECT_EQ(ParseDuration(bad).ok(), false) << bad;
  }
}

TEST(Duration, WrittenShortAndReadBack) {
  EXPECT_EQ(FormatDuration(90 * kMinute), "1h30m");
  EXPECT_EQ(FormatDuration(45 * kSecond), "45s");
  EXPECT_EQ(FormatDuration(250 * kMillisecond), "250ms");
  EXPECT_EQ(FormatDuration(1'500 * kMillisecond), "1.5s");
  EXPECT_EQ(FormatDuration(0), "0s");
  EXPECT_EQ(FormatDuration(72 * kHour), "72h");
  EXPECT_EQ(FormatDuration(-kMinute), "-1m");
  for (DurationNs duration = 1; duration < std::numeric_limits<int64_t>::max() / 7;
       duration = duration * 7 + 3) {
    EXPECT_EQ(ParseDuration(FormatDuration(duration)).value(), duration);
  }
}

TEST(SystemClock, IsPast2025) { EXPECT_GT(SystemClock().Now(), 1'735'689'600 * kSecond); }

}  // namespace
}  // namespace databuild
