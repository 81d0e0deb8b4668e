// The contract of Storage, second part: sealed ranges, retention, and crashes between their steps.
#include <atomic>
#include <thread>

#include "bel/log_keeper.h"
#include "bel/storage_contract.h"
#include "gtest/gtest.h"
#include "tests/support/crashing_storage.h"

namespace databuild {
namespace {

constexpr char kCluster[] = "cluster-1";

class SegmentContract : public testing::TestWithParam<BackendUnderTest> {
 protected:
  void SetUp() override {
    site_ = GetParam().new_site();
    storage_ = site_->Open();
    log_ = storage_->Acquire({graph_, "holder", kCluster}).value();
  }
  std::vector<StoredEvent> Fill(int64_t count) {
    auto events = TestEvents(1, count, "x");
    EXPECT_TRUE(storage_->Append(graph_, log_.epoch, 0, events).ok());
    for (StoredEvent& event : events) event.epoch = log_.epoch;
    return events;
  }
  Status Seal(const std::vector<StoredEvent>& events, int64_t first, int64_t last) {
    return storage_->PutSegment(
        graph_, log_.epoch,
        EncodeSegment(std::span(events).subspan(static_cast<size_t>(first - 1),
                                                static_cast<size_t>(last - first + 1))));
  }
  std::vector<StoredEvent> ReadFrom(Storage& storage, int64_t since, int64_t limit = 7) {
    std::vector<StoredEvent> events;
    while (true) {
      const auto page = storage.List(graph_, {since, limit, 1 << 20});
      EXPECT_TRUE(page.ok()) << page.error().message;
      if (!page.ok() || page->events.empty()) return events;
      for (const StoredEvent& event : page->events) events.push_back(event);
      since = events.back().idx;
    }
  }
  // What a floor up to `idx` may rest on; nobody reads it here.
  void PutBase(int64_t idx) {
    ASSERT_TRUE(storage_->PutBaseChunk(graph_, log_.epoch, {idx, 0, "base"}).ok());
    ASSERT_TRUE(storage_->FinishBase(graph_, log_.epoch, {idx, 2, 1, 4, 0}).ok());
  }
  // Small, so that a short log has many segments.
  static KeepOptions Small() {
    KeepOptions options;
    options.hot_events = 10;
    options.segment_events = 8;
    return options;
  }

  std::string graph_ = "a";
  std::unique_ptr<StorageSite> site_;
  std::unique_ptr<Storage> storage_;
  Acquired log_;
};

TEST_P(SegmentContract, SealedEventsReadAsBeforeWhetherTheirRowsAreGoneOrNot) {
  const auto events = Fill(30);
  ASSERT_TRUE(Seal(events, 1, 8).ok());
  ASSERT_TRUE(Seal(events, 9, 20).ok());
  EXPECT_EQ(storage_->Head(graph_)->at.sealed, 20);
  EXPECT_EQ(storage_->Head(graph_)->at.floor, 0);
  for (const int64_t limit : {1, 3, 8, 20, 100}) EXPECT_EQ(ReadFrom(*storage_, 0, limit), events);
  EXPECT_EQ(storage_->DropSealedRows(graph_, log_.epoch).value(), 8);
  EXPECT_EQ(ReadFrom(*storage_, 0), events);
  EXPECT_EQ(storage_->DropSealedRows(graph_, log_.epoch).value(), 12);
  EXPECT_EQ(storage_->DropSealedRows(graph_, log_.epoch).value(), 0);
  for (const int64_t limit : {1, 3, 8, 20, 100}) EXPECT_EQ(ReadFrom(*storage_, 0, limit), events);
  for (int64_t since = 0; since <= 30; ++since) {
    EXPECT_EQ(ReadFrom(*storage_, since, 11).size(), static_cast<size_t>(30 - since));
  }
  const StoredPage page = storage_->List(graph_, {5, 100, 60}).value();  // by bytes, as out of rows
  EXPECT_EQ(page.events.size(), 2u);
  EXPECT_EQ(page.at.head, 30);
  const auto segments = storage_->Segments(graph_).value();
  ASSERT_EQ(segments.size(), 2u);
  EXPECT_EQ(segments[1].first_idx, 9);
  EXPECT_EQ(segments[1].last_idx, 20);
  EXPECT_EQ(segments[1].last_ts, events[19].ts);
  EXPECT_EQ(storage_->Append(graph_, log_.epoch, 30, TestEvents(31, 1, "y")).value(), 31);
}

TEST_P(SegmentContract, ASegmentMustFollowTheLastOneAndEndBelowTheHead) {
  const auto events = Fill(20);
  ASSERT_TRUE(Seal(events, 1, 5).ok());
  EXPECT_EQ(Seal(events, 1, 5).error().code, Errc::kConflict);
  EXPECT_EQ(Seal(events, 7, 9).error().code, Errc::kConflict);
  EXPECT_EQ(Seal(events, 4, 9).error().code, Errc::kConflict);
  const auto beyond = TestEvents(6, 30, "x");
  EXPECT_FALSE(storage_->PutSegment(graph_, log_.epoch, EncodeSegment(beyond)).ok());
  EXPECT_EQ(storage_->Head(graph_)->at.sealed, 5);
  EXPECT_EQ(storage_->DropSealedRows(graph_, log_.epoch).value(), 5);
  EXPECT_EQ(ReadFrom(*storage_, 0), events);
}

TEST_P(SegmentContract, ASegmentThatDiffersFromItsRowsIsRefused) {
  auto events = Fill(20);
  auto other = events;
  other[3].payload[0] = '?';
  other[3].crc32c = Crc32c(other[3].payload);
  EXPECT_EQ(Seal(other, 1, 8).error().code, Errc::kCorrupt);
  other = events;
  other[7].ts += 1;
  EXPECT_EQ(Seal(other, 1, 8).error().code, Errc::kCorrupt);
  EXPECT_EQ(storage_->Head(graph_)->at.sealed, 0);
  EXPECT_EQ(storage_->DropSealedRows(graph_, log_.epoch).value(), 0);
  EXPECT_EQ(ReadFrom(*storage_, 0), events);
}

TEST_P(SegmentContract, AFencedKeeperChangesNothing) {
  const auto events = Fill(20);
  const int64_t old = log_.epoch;
  ASSERT_TRUE(Seal(events, 1, 8).ok());
  log_ = storage_->Acquire({graph_, "another", kCluster}).value();
  const Segment next = EncodeSegment(std::span(events).subspan(8, 4));
  EXPECT_EQ(storage_->PutSegment(graph_, old, next).error().code, Errc::kFenced);
  EXPECT_EQ(storage_->DropSealedRows(graph_, old).error().code, Errc::kFenced);
  EXPECT_EQ(storage_->RaiseFloor(graph_, old, 8).error().code, Errc::kFenced);
  EXPECT_EQ(storage_->Head(graph_)->at.sealed, 8);
  EXPECT_EQ(storage_->Head(graph_)->at.floor, 0);
  EXPECT_EQ(ReadFrom(*storage_, 0), events);
}

TEST_P(SegmentContract, TheFloorGivesUpSealedEventsOnlyAndReadersBelowItAreTold) {
  const auto events = Fill(30);
  ASSERT_TRUE(Seal(events, 1, 8).ok());
  ASSERT_TRUE(Seal(events, 9, 16).ok());
  PutBase(30);
  EXPECT_EQ(storage_->RaiseFloor(graph_, log_.epoch, 17).error().code, Errc::kInvalidArgument);
  ASSERT_TRUE(storage_->RaiseFloor(graph_, log_.epoch, 8).ok());  // rows of it are still there
  ASSERT_TRUE(storage_->RaiseFloor(graph_, log_.epoch, 3).ok());  // and does not go back
  EXPECT_EQ(storage_->Head(graph_)->at.floor, 8);
  for (const int64_t since : {0, 7}) {
    const auto below = storage_->List(graph_, {since, 10, 1 << 20});
    ASSERT_FALSE(below.ok());
    EXPECT_EQ(below.error().code, Errc::kOutOfRange);
    EXPECT_NE(below.error().message.find("floor is 8"), std::string::npos) << below.error().message;
  }
  int64_t removed = 0;
  for (int i = 0; i < 5; ++i) removed += storage_->DropSealedRows(graph_, log_.epoch).value();
  EXPECT_EQ(removed, 16);
  EXPECT_EQ(ReadFrom(*storage_, 8), std::vector<StoredEvent>(events.begin() + 8, events.end()));
  EXPECT_EQ(storage_->Segments(graph_)->size(), 1u);
  EXPECT_EQ(storage_->List(graph_, {8, 10, 1 << 20})->at.floor, 8);
  EXPECT_EQ(storage_->Acquire({graph_, "next", kCluster})->floor, 8);
}

TEST_P(SegmentContract, TheKeeperSealsAllButTheHotEventsAndRetentionGoesByWholeSegments) {
  const auto events = Fill(60);
  KeepOptions options = Small();
  auto report = KeepLog(*storage_, {graph_, log_.epoch}, options, 0).value();
  EXPECT_EQ(report.segments_sealed, 6);
  EXPECT_EQ(report.rows_removed, 48);
  EXPECT_EQ(report.floor, 0);  // everything is kept by default
  EXPECT_EQ(ReadFrom(*storage_, 0), events);
  options.max_events = 30;
  int asked = 0;
  int64_t raised_to = 0;
  const KeptLog log{graph_, log_.epoch, [&] { ++asked; },
                    [&](int64_t floor) { raised_to = floor; }};
  report = KeepLog(*storage_, log, options, 0).value();
  EXPECT_EQ(report.floor, 0);  // no base stands for what would go
  EXPECT_EQ(report.wanted_floor, 24);
  EXPECT_EQ(asked, 1);
  PutBase(20);
  EXPECT_EQ(KeepLog(*storage_, log, options, 0)->floor, 16);  // 17 to 24 are no whole segment of it
  EXPECT_EQ(raised_to, 16);
  EXPECT_EQ(asked, 2);
  PutBase(60);
  EXPECT_EQ(KeepLog(*storage_, log, options, 0)->floor, 24);
  EXPECT_EQ(asked, 2);
  options.max_age = 1'000 * 100;  // events 1 to 39 are older than this at 140,001
  EXPECT_EQ(KeepLog(*storage_, log, options, 140'001)->floor, 40);
  EXPECT_EQ(ReadFrom(*storage_, 40), std::vector<StoredEvent>(events.begin() + 40, events.end()));
}

TEST_P(SegmentContract, RetentionSealsWhatItGivesUpHoweverHotItIs) {
  Fill(60);
  KeepOptions options = Small();
  options.hot_events = 1'000;
  EXPECT_EQ(KeepLog(*storage_, {graph_, log_.epoch}, options, 0)->segments_sealed, 0);
  options.max_events = 30;
  EXPECT_EQ(KeepLog(*storage_, {graph_, log_.epoch}, options, 0)->segments_sealed, 3);
  options.max_age = 1'000 * 100;  // the events up to idx 40 at 141,000
  EXPECT_EQ(KeepLog(*storage_, {graph_, log_.epoch}, options, 141'000)->segments_sealed, 2);
  options.max_age = 1'000 * 98;
  EXPECT_EQ(KeepLog(*storage_, {graph_, log_.epoch}, options, 138'000)->wanted_floor, 32);
}

TEST_P(SegmentContract, ARoundIsBoundedAndTheNextGoesOn) {
  const auto events = Fill(100);
  KeepOptions options = Small();
  options.max_segments = 4;
  EXPECT_TRUE(KeepLog(*storage_, {graph_, log_.epoch}, options, 0)->more);
  EXPECT_EQ(storage_->Head(graph_)->at.sealed, 32);
  EXPECT_TRUE(KeepLog(*storage_, {graph_, log_.epoch}, options, 0)->more);
  EXPECT_FALSE(KeepLog(*storage_, {graph_, log_.epoch}, options, 0)->more);
  EXPECT_EQ(storage_->Head(graph_)->at.sealed, 88);
  EXPECT_EQ(ReadFrom(*storage_, 0), events);
}

TEST_P(SegmentContract, ACrashBetweenAnyTwoStepsLeavesACompleteLogAndTheNextRoundGoesOn) {
  auto events = Fill(60);
  for (StoredEvent& event : events) event.epoch = 1;
  KeepOptions options = Small();
  options.max_events = 40;  // the floor ends at 16
  for (int step = 0;; ++step) {
    bool crashed = false;
    for (const bool carried_out : {false, true}) {
      graph_ = "crash-" + std::to_string(step) + (carried_out ? "-done" : "-not-done");
      log_ = storage_->Acquire({graph_, "holder", kCluster}).value();
      Fill(60);
      PutBase(60);
      CrashingStorage crashing(storage_.get(), step, carried_out);
      const auto report = KeepLog(crashing, {graph_, log_.epoch}, options, 0);
      crashed = crashing.crashed();
      EXPECT_EQ(report.ok(), !crashed);
      if (site_->durable()) {
        storage_.reset();
        storage_ = site_->Open();
      }
      log_ = storage_->Acquire({graph_, "holder", kCluster}).value();
      const auto rest = std::vector<StoredEvent>(events.begin() + log_.floor, events.end());
      ASSERT_EQ(ReadFrom(*storage_, log_.floor), rest) << "step " << step;
      ASSERT_TRUE(KeepLog(*storage_, {graph_, log_.epoch}, options, 0).ok());
      EXPECT_EQ(storage_->Head(graph_)->at.sealed, 48);
      EXPECT_EQ(storage_->Head(graph_)->at.floor, 16);
      EXPECT_EQ(storage_->DropSealedRows(graph_, log_.epoch).value(), 0);
      ASSERT_EQ(ReadFrom(*storage_, 16),
                std::vector<StoredEvent>(events.begin() + 16, events.end()));
    }
    if (!crashed) {
      EXPECT_GT(step, 12);  // six segments, six removals, the floor
      return;
    }
  }
}

TEST_P(SegmentContract, ReadersBesideTheKeeperSeeEveryEventOnceInOrder) {
  const auto events = Fill(400);
  std::atomic<bool> done = false;
  std::jthread reader([&] {
    while (!done) {
      const auto seen = ReadFrom(*storage_, 0, 23);
      ASSERT_EQ(seen.size(), events.size());
      for (size_t i = 0; i < seen.size(); ++i) ASSERT_EQ(seen[i], events[i]);
    }
  });
  EXPECT_TRUE(KeepLog(*storage_, {graph_, log_.epoch}, Small(), 0).ok());
  done = true;
}

INSTANTIATE_TEST_SUITE_P(Backends, SegmentContract, testing::ValuesIn(BackendsUnderTest()),
                         [](const auto& backend) { return backend.param.name; });

}  // namespace
}  // namespace databuild
