// A log that is followed while another process writes it, and taken over.
#include <chrono>
#include <thread>

#include "bel/event_log_testing.h"
#include "bel/log_keeper.h"
#include "bel/memory_storage.h"
#include "bel/state_digest.h"
#include "gtest/gtest.h"

namespace databuild {
namespace {

constexpr int kWants = 50;

uint64_t DigestOf(const EventLog& log) {
  return log.WithState([](const BuildState& state) { return StateDigest(state); });
}

class FollowedLog : public testing::Test {
 protected:
  LogOptions Options(const std::string& holder = "leader") {
    LogOptions options;
    options.storage = &storage_;
    options.graph = "sales";
    options.holder = holder;
    options.cluster_uid = "cluster";
    options.clock = &clock_;
    return options;
  }
  static void Add(EventLog& log, int from, int to) {
    for (int i = from; i < to; ++i) {
      ASSERT_TRUE(log.Append({WantCreated("w" + std::to_string(i))}).ok());
    }
  }
  std::unique_ptr<EventLog> Follow() {
    auto log = EventLog::Follow(Options("standby"));
    EXPECT_TRUE(log.ok()) << log.error().message;
    return std::move(log.value());
  }

  MemoryStorage storage_;
  TickingClock clock_;
};

TEST_F(FollowedLog, ReadsWhatTheWriterHasWritten) {
  EXPECT_EQ(EventLog::Follow(Options()).error().code, Errc::kNotFound);
  const auto leader = OpenLog(Options());
  Add(*leader, 0, kWants);
  const auto standby = Follow();
  EXPECT_FALSE(standby->writing());
  EXPECT_EQ(DigestOf(*standby), DigestOf(*leader));
  Add(*leader, kWants, 2 * kWants);
  EXPECT_EQ(standby->head(), kWants);
  ASSERT_TRUE(standby->CatchUp().ok());
  EXPECT_EQ(standby->head(), 2 * kWants);
  EXPECT_EQ(standby->epoch(), leader->epoch());
  EXPECT_EQ(standby->log_id(), leader->log_id());
  EXPECT_EQ(DigestOf(*standby), DigestOf(*leader));
  EXPECT_EQ(ReadWhole(*standby, 7).size(), static_cast<size_t>(2 * kWants));
  v1::EventFilter filter;
  filter.add_want_ids("w60");
  ListRequest request;
  request.matcher = std::make_shared<EventMatcher>(EventMatcher::Compile(filter).value());
  EXPECT_EQ(standby->ListEvents(request)->count, 1);
}

TEST_F(FollowedLog, WhoWaitsIsToldWhatCameIn) {
  const auto leader = OpenLog(Options());
  const auto standby = Follow();
  std::jthread polling([&](const std::stop_token& stop) {
    while (!stop.stop_requested()) ASSERT_TRUE(standby->CatchUp().ok());
  });
  std::jthread waiting([&] {
    ListRequest request;
    request.wait = 30 * kSecond;
    const auto page = standby->ListEvents(request);
    ASSERT_TRUE(page.ok());
    EXPECT_EQ(page->count, 1);
  });
  Add(*leader, 0, 1);
  waiting.join();
}

TEST_F(FollowedLog, DoesNotAppend) {
  const auto leader = OpenLog(Options());
  Add(*leader, 0, 3);
  const auto standby = Follow();
  EXPECT_EQ(standby->Append({WantCreated("mine")}).error().code, Errc::kFenced);
  EXPECT_EQ(storage_.Head("sales")->at.head, 3);
  EXPECT_EQ(storage_.Head("sales")->at.epoch, leader->epoch());
}

TEST_F(FollowedLog, IsTakenOverFromWhereItIs) {
  const auto leader = OpenLog(Options());
  Add(*leader, 0, kWants);
  const auto standby = Follow();
  Add(*leader, kWants, kWants + 10);
  ASSERT_TRUE(standby->CatchUp().ok());
  Add(*leader, kWants + 10, kWants + 15);  // not seen yet
  LogOptions options = Options("standby");
  options.verify = true;
  ASSERT_TRUE(standby->TakeOver(options).ok());
  EXPECT_TRUE(standby->writing());
  EXPECT_EQ(standby->opened_from(), kWants + 10);
  EXPECT_EQ(standby->head(), kWants + 15);
  EXPECT_GT(standby->epoch(), leader->epoch());
  EXPECT_EQ(leader->Append({WantCreated("late")}).error().code, Errc::kFenced);
  // An event is recorded once, whoever recorded it first.
  EXPECT_EQ(standby->Append({WantCreated("w7")})->front(), 8);
  EXPECT_EQ(standby->Append({WantCreated("w61")})->front(), 62);
  EXPECT_EQ(standby->Append({WantMoved("w7", v1::WANT_CREATED)}).error().code,
            Errc::kInvalidTransition);
  EXPECT_EQ(standby->Append({WantCreated("new")})->front(), kWants + 16);
  EXPECT_EQ(DigestOf(*OpenLog(Options())), DigestOf(*standby));
}

TEST_F(FollowedLog, IsFollowedAnewWhenTheFloorHasPassed) {
  LogOptions options = Options();
  options.verify = true;
  options.snapshot_interval = 0;
  const auto leader = OpenLog(options);
  Add(*leader, 0, 5);
  const auto standby = Follow();
  Add(*leader, 5, kWants);
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(30);
  while (leader->verification().base_idx < kWants) {
    ASSERT_LT(std::chrono::steady_clock::now(), deadline);
    leader->WantBase();
    std::this_thread::yield();
  }
  KeepOptions keep;
  keep.segment_events = 10;
  keep.max_events = 10;
  ASSERT_EQ(KeepLog(storage_, {"sales", leader->epoch()}, keep, 0)->floor, 40);
  EXPECT_EQ(standby->CatchUp().error().code, Errc::kConflict);
  EXPECT_EQ(standby->TakeOver(Options("standby")).error().code, Errc::kConflict);
  const auto anew = Follow();
  EXPECT_EQ(anew->floor(), 40);
  EXPECT_EQ(DigestOf(*anew), DigestOf(*leader));
}

}  // namespace
}  // namespace databuild
