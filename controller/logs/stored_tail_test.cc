#include "controller/logs/stored_tail.h"

#include <gtest/gtest.h>

#include "bel/memory_log_chunks.h"
#include "controller/logs/log_testing.h"
#include "controller/logs/run_log.h"

namespace databuild {
namespace {

class StoredTailTest : public testing::Test {
 protected:
  RunLogSetup Collected() { return {&chunks_, &clock_, run_, nullptr}; }
  // Lines first to last come and are stored.
  static void Store(RunLog& log, int64_t first, int64_t last) {
    for (int64_t line = first; line <= last; ++line) log.Add(TestLine(line), false);
    ASSERT_TRUE(log.Store().ok());
  }
  static std::string Lines(int64_t first, int64_t last) {
    std::string lines;
    for (int64_t line = first; line <= last; ++line) lines += TestLine(line) + "\n";
    return lines;
  }
  std::optional<std::string> Tail(int64_t lines) {
    const auto tail = StoredTail(chunks_, run_, lines);
    EXPECT_TRUE(tail.ok()) << tail.error().message;
    return tail.ok() ? *tail : std::nullopt;
  }

  MemoryLogChunks chunks_;
  SystemClock clock_;
  const RunKey run_{"sales", kTestRun};
};

TEST_F(StoredTailTest, ThereIsNoneBeforeAllIsStored) {
  RunLog log(Collected());
  EXPECT_EQ(Tail(5), std::nullopt);
  Store(log, 1, 10);
  EXPECT_EQ(Tail(5), std::nullopt) << "more may come";
  ASSERT_TRUE(log.Conclude(ParseLogReceipt(TestReceipt(11), 0), "PodGone").ok());
  EXPECT_EQ(Tail(5), std::nullopt) << "line 11 is lost";
}

TEST_F(StoredTailTest, TheNewestLinesComeInOrderOverAllChunks) {
  RunLog log(Collected());
  Store(log, 1, 10);
  Store(log, 11, 13);
  Store(log, 14, 30);
  ASSERT_TRUE(log.Conclude(ParseLogReceipt(TestReceipt(30), 0), "")->complete());
  EXPECT_EQ(Tail(1), Lines(30, 30));
  EXPECT_EQ(Tail(17), Lines(14, 30));
  EXPECT_EQ(Tail(20), Lines(11, 30));
  EXPECT_EQ(Tail(25), Lines(6, 30));
  EXPECT_EQ(Tail(1'000), Lines(1, 30));
}

TEST_F(StoredTailTest, LinesThatTwoOperatorsStoredComeOnce) {
  RunLog first(Collected()), second(Collected());
  Store(first, 1, 20);
  Store(second, 11, 30);
  ASSERT_TRUE(second.Resume().ok());
  ASSERT_TRUE(second.Conclude(ParseLogReceipt(TestReceipt(30), 0), "")->complete());
  ASSERT_EQ(chunks_.List(run_)->size(), 2u);
  EXPECT_EQ(Tail(25), Lines(6, 30));
}

}  // namespace
}  // namespace databuild
