// The logs of a storage as a standby follows them.
#include "bel/followed_logs.h"

#include <chrono>
#include <thread>

#include "bel/event_log_testing.h"
#include "bel/memory_storage.h"
#include "gtest/gtest.h"

namespace databuild {
namespace {

template <class Done>
bool Await(Done&& done) {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(30);
  while (!done() && std::chrono::steady_clock::now() < deadline) std::this_thread::yield();
  return done();
}

class FollowedLogsTest : public testing::Test {
 protected:
  LogOptions Options(const std::string& graph = "") {
    LogOptions options;
    options.storage = &storage_;
    options.graph = graph;
    options.holder = "leader";
    options.cluster_uid = "cluster";
    options.clock = &clock_;
    return options;
  }
  FollowedLogs::Options Following() {
    return {Options(), [](const GraphHead& head) { return head.graph != "foreign"; }, kMillisecond};
  }
  static int64_t HeadOf(const FollowedLogs& followed, const std::string& graph) {
    const std::shared_ptr<EventLog> log = followed.Find(graph);
    return log == nullptr ? -1 : log->head();
  }

  MemoryStorage storage_;
  TickingClock clock_;
};

TEST_F(FollowedLogsTest, EveryGraphOfOursIsReadAlsoOnesThatComeLater) {
  const auto sales = OpenLog(Options("sales"));
  const auto foreign = OpenLog(Options("foreign"));
  ASSERT_TRUE(sales->Append({WantCreated("a")}).ok());
  FollowedLogs followed(Following());
  ASSERT_TRUE(Await([&] { return HeadOf(followed, "sales") == 1; }));
  const auto finance = OpenLog(Options("finance"));
  ASSERT_TRUE(finance->Append({WantCreated("b")}).ok());
  ASSERT_TRUE(sales->Append({WantCreated("c")}).ok());
  EXPECT_TRUE(
      Await([&] { return HeadOf(followed, "finance") == 1 && HeadOf(followed, "sales") == 2; }));
  EXPECT_EQ(followed.Graphs(), (std::vector<std::string>{"finance", "sales"}));
  EXPECT_EQ(followed.Find("foreign"), nullptr);
  EXPECT_TRUE(Await([&] { return followed.CaughtUp(10 * kSecond).ok(); }));
}

TEST_F(FollowedLogsTest, WhatWasFollowedIsTakenOver) {
  const auto leader = OpenLog(Options("sales"));
  ASSERT_TRUE(leader->Append({WantCreated("a")}).ok());
  FollowedLogs followed(Following());
  ASSERT_TRUE(Await([&] { return HeadOf(followed, "sales") == 1; }));
  followed.Stop();
  EXPECT_FALSE(followed.CaughtUp(0).ok());
  ASSERT_TRUE(leader->Append({WantCreated("b")}).ok());
  const std::shared_ptr<EventLog> log = followed.Find("sales");
  ASSERT_TRUE(log->TakeOver(Options("sales")).ok());
  EXPECT_EQ(log->opened_from(), 1);
  EXPECT_EQ(log->Append({WantCreated("c")})->front(), 3);
  followed.Forget("sales");
  EXPECT_EQ(followed.Find("sales"), nullptr);
}

}  // namespace
}  // namespace databuild
