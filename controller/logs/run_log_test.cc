#include "controller/logs/run_log.h"

#include <gtest/gtest.h>

#include "bel/memory_log_chunks.h"
#include "controller/logs/log_testing.h"
#include "wrapper/digest.h"

namespace databuild {
namespace {

class RunLogTest : public testing::Test {
 protected:
  RunLogSetup Collected() { return {&chunks_, &clock_, {"sales", kTestRun}, nullptr}; }
  static void AddLines(RunLog& log, int64_t first, int64_t last) {
    for (int64_t line = first; line <= last; ++line) log.Add(TestLine(line), false);
  }
  static std::optional<LogReceipt> Receipt(int64_t last) {
    return ParseLogReceipt(TestReceipt(last), 0);
  }

  MemoryLogChunks chunks_;
  SystemClock clock_;
};

TEST_F(RunLogTest, AWholeLogIsProvedByItsDigest) {
  RunLog log(Collected());
  AddLines(log, 1, 500);
  ASSERT_TRUE(log.Store().ok());
  AddLines(log, 400, 900);  // a second read begins a little earlier
  ASSERT_TRUE(log.Store().ok());
  ASSERT_TRUE(log.HasAllOf(Receipt(900)));
  const auto mark = log.Conclude(Receipt(900), "");
  ASSERT_TRUE(mark.ok()) << mark.error().message;
  EXPECT_TRUE(mark->complete()) << mark->reason();
  EXPECT_EQ(mark->last_sequence(), 900u);
}

TEST_F(RunLogTest, ALineThatWasChangedOnTheWayIsNoticed) {
  RunLog log(Collected());
  AddLines(log, 1, 9);
  std::string line = TestLine(10);
  line.replace(line.find("line 10"), 7, "line 11");
  log.Add(line, false);
  ASSERT_TRUE(log.Store().ok());
  const auto mark = log.Conclude(Receipt(10), "");
  EXPECT_FALSE(mark->complete());
  EXPECT_EQ(mark->reason(), "DigestMismatch");
}

TEST_F(RunLogTest, GapsAreNamedAndFilledByALaterRead) {
  RunLog log(Collected());
  AddLines(log, 1, 10);
  AddLines(log, 21, 30);
  ASSERT_TRUE(log.Store().ok());
  EXPECT_FALSE(log.HasAllOf(Receipt(30)));
  AddLines(log, 1, 14);
  AddLines(log, 18, 30);
  ASSERT_TRUE(log.Store().ok());
  const auto mark = log.Conclude(Receipt(33), "");
  EXPECT_FALSE(mark->complete());
  EXPECT_EQ(mark->reason(), "LogGap");
  ASSERT_EQ(mark->gaps_size(), 2);
  EXPECT_EQ(mark->gaps(0).first_sequence(), 15u);
  EXPECT_EQ(mark->gaps(0).last_sequence(), 17u);
  EXPECT_EQ(mark->gaps(1).first_sequence(), 31u);
  EXPECT_EQ(mark->gaps(1).last_sequence(), 33u);
}

TEST_F(RunLogTest, WithoutAReceiptNobodyKnowsTheEnd) {
  RunLog log(Collected());
  AddLines(log, 1, 10);
  ASSERT_TRUE(log.Store().ok());
  const auto mark = log.Conclude(std::nullopt, "PodGone");
  EXPECT_EQ(mark->reason(), "PodGone");
  ASSERT_EQ(mark->gaps_size(), 1);
  EXPECT_EQ(mark->gaps(0).first_sequence(), 11u);
  EXPECT_EQ(mark->gaps(0).last_sequence(), 0u);
}

TEST_F(RunLogTest, ASecondProcessGoesOnBehindWhatIsStored) {
  {
    RunLog log(Collected());
    AddLines(log, 1, 100);
    ASSERT_TRUE(log.Store().ok());
    AddLines(log, 101, 120);  // not stored: the process dies
  }
  RunLog log(Collected());
  ASSERT_TRUE(log.Resume().ok());
  EXPECT_EQ(log.newest_time(), 100 * kSecond);
  AddLines(log, 90, 150);
  EXPECT_EQ(log.Pending().front().info.first_sequence, 101);
  ASSERT_TRUE(log.Store().ok());
  EXPECT_TRUE(log.Conclude(Receipt(150), "")->complete());
}

TEST_F(RunLogTest, TwoOperatorsThatOverlapLoseNothing) {
  RunLog first(Collected()), second(Collected());
  ASSERT_TRUE(second.Resume().ok());
  AddLines(first, 1, 40);
  ASSERT_TRUE(first.Store().ok());
  AddLines(second, 1, 60);
  const Status conflict = second.Store();
  ASSERT_FALSE(conflict.ok());
  EXPECT_EQ(conflict.error().code, Errc::kConflict);
  ASSERT_TRUE(second.Resume().ok());
  AddLines(second, 1, 60);
  ASSERT_TRUE(second.Store().ok());
  AddLines(first, 41, 50);
  EXPECT_TRUE(first.Store().ok()) << "all of it is there";
  EXPECT_TRUE(second.Conclude(Receipt(60), "")->complete());
}

TEST_F(RunLogTest, ForeignLinesAreKeptMarkedAndBounded) {
  RunLog log(Collected());
  log.BeginRead(true);
  log.Add(std::string("\x1b[31mred\xff\0tail", 14), false);
  log.Add(std::string(kMaxLogLineBytes, 'x'), true);
  for (int i = 0; i < 100'000; ++i) log.Add("plain " + std::to_string(i), false);
  AddLines(log, 1, 3);
  ASSERT_TRUE(log.Store().ok());
  const auto mark = log.Conclude(Receipt(3), "");
  ASSERT_TRUE(mark.ok()) << mark.error().message;
  EXPECT_TRUE(mark->complete()) << "they have no numbers: " << mark->reason();
  EXPECT_EQ(mark->unframed_lines(), 100'002u);
  ASSERT_EQ(mark->unframed_size(), static_cast<int>(kKeptUnframedLines));
  const v1::LogMessage& red = mark->unframed(0).log();
  EXPECT_EQ(red.message(), "\uFFFD[31mred\uFFFD\uFFFDtail");
  EXPECT_EQ(red.fields().at("stream"), "unframed");
  EXPECT_EQ(red.fields().at("reason"), "NotJson");
  EXPECT_EQ(mark->unframed(1).log().fields().at("reason"), "TooLong");
  EXPECT_LE(mark->unframed(1).log().message().size(), kKeptUnframedBytes);
}

TEST_F(RunLogTest, NumbersThatJumpMakeABoundedNumberOfChunks) {
  RunLog log(Collected());
  for (int64_t i = 1; i <= 100'000; ++i) log.Add(TestLine(i * 2), false);
  log.Add(TestLine(kMaxLogSequence), false);
  ASSERT_TRUE(log.Store().ok());
  EXPECT_EQ(chunks_.List({"sales", kTestRun})->size(), SequenceSet::kMaxRanges);
  const auto mark = log.Conclude(std::nullopt, "");
  ASSERT_TRUE(mark.ok()) << mark.error().message;
  EXPECT_FALSE(mark->complete());
  EXPECT_LE(mark->gaps_size(), static_cast<int>(SequenceSet::kMaxRanges) + 1);
}

TEST(LogReceipt, OneThatTheUserWroteDoesNotCount) {
  EXPECT_TRUE(ParseLogReceipt(TestReceipt(5), 0).has_value());
  EXPECT_FALSE(ParseLogReceipt(TestReceipt(5), 1).has_value()) << "another exit code";
  EXPECT_FALSE(ParseLogReceipt(TestReceipt(5), std::nullopt).has_value());
  for (const char* text :
       {"", "x", "[]", "{}", R"({"exitStatus":0})", R"({"exitStatus":0,"lastSequence":"-1"})",
        R"({"exitStatus":0,"lastSequence":"1e9"})"}) {
    EXPECT_FALSE(ParseLogReceipt(text, 0).has_value()) << text;
  }
}

TEST(PrintableText, IsValidUtf8OfBoundedLength) {
  EXPECT_EQ(PrintableText("a\tb\u00e9\u20ac\U0001F600", 100), "a\tb\u00e9\u20ac\U0001F600");
  EXPECT_EQ(PrintableText("\xC0\x80\xED\xA0\x80\xF4\x90\x80\x80", 100).find('\xC0'),
            std::string::npos);
  EXPECT_LE(PrintableText(std::string(1000, '\xff'), 512).size(), 512u + 3);
}

}  // namespace
}  // namespace databuild
