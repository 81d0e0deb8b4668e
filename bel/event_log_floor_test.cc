// A log whose beginning retention has removed: it opens from a snapshot that covers what is gone,
// or not at all.
#include <chrono>
#include <thread>

#include "bel/event_log_testing.h"
#include "bel/log_keeper.h"
#include "bel/sqlite_storage.h"
#include "gtest/gtest.h"
#include "tests/support/temp_folder.h"

namespace databuild {
namespace {

constexpr int kWants = 30;

class LogWithAFloor : public ::testing::Test {
 protected:
  // A snapshot covers all wants, then the first 20 events are given up.
  void SetUp() override {
    ASSERT_TRUE(storage_.Initialize().ok());
    LogOptions options = Options(folder_.path());
    options.verify = true;
    options.snapshot_events = 1;
    options.snapshot_interval = 0;
    const auto log = OpenLog(options);
    for (int i = 0; i < kWants; ++i) {
      ASSERT_TRUE(log->Append({WantCreated("w" + std::to_string(i))}).ok());
    }
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(30);
    while (log->verification().snapshot_idx < kWants) {
      ASSERT_LT(std::chrono::steady_clock::now(), deadline);
      std::this_thread::yield();
    }
    KeepOptions keep;
    keep.hot_events = 0;
    keep.segment_events = 10;
    keep.keep_events = 10;
    const auto kept = KeepLog(storage_, {"sales", log->epoch(), kWants}, keep, clock_.Now());
    ASSERT_TRUE(kept.ok()) << kept.error().message;
    ASSERT_EQ(kept->floor, 20);
  }

  LogOptions Options(const std::string& snapshots) {
    LogOptions options;
    options.storage = &storage_;
    options.graph = "sales";
    options.holder = "test";
    options.cluster_uid = "cluster";
    options.clock = &clock_;
    options.snapshot_folder = snapshots;
    return options;
  }

  TempFolder folder_;
  TickingClock clock_;
  SqliteStorage storage_{folder_.File("bel.db"), StorageTimeouts{}};
};

TEST_F(LogWithAFloor, OpensFromASnapshotAndKnowsWhatIsGone) {
  const auto log = OpenLog(Options(folder_.path()));
  EXPECT_EQ(log->floor(), 20);
  EXPECT_EQ(log->head(), kWants);
  EXPECT_EQ(log->WithState(
                [](const BuildState& state) { return state.StatusOf(EntityKind::kWant, "w0"); }),
            std::optional<int>(v1::WANT_CREATED));
  ListRequest below;
  below.since_idx = 19;
  const auto refused = log->ListEvents(below);
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code, Errc::kOutOfRange);
  EXPECT_NE(refused.error().message.find("the floor is 20"), std::string::npos)
      << refused.error().message;
  ListRequest rest;
  rest.since_idx = 20;
  EXPECT_EQ(log->ListEvents(rest)->count, kWants - 20);
}

TEST_F(LogWithAFloor, DoesNotOpenWithoutASnapshotThatCoversWhatIsGone) {
  const TempFolder empty;
  for (const std::string& snapshots : {std::string(), empty.path()}) {
    const auto log = EventLog::Open(Options(snapshots));
    ASSERT_FALSE(log.ok());
    EXPECT_EQ(log.error().code, Errc::kOutOfRange);
    EXPECT_NE(log.error().message.find("up to idx 20 are gone"), std::string::npos)
        << log.error().message;
  }
}

}  // namespace
}  // namespace databuild
