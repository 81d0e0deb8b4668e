// The second fold: it agrees with the first, tells when it does not, and restarts begin with what
// it wrote.
#include <chrono>
#include <filesystem>
#include <fstream>
#include <thread>

#include "bel/base/crc32c.h"
#include "bel/event_codec.h"
#include "bel/event_log_testing.h"
#include "bel/memory_storage.h"
#include "bel/state_digest.h"
#include "bel/state_snapshot.h"
#include "gtest/gtest.h"
#include "tests/support/temp_folder.h"

namespace databuild {
namespace {

using std::chrono::steady_clock;

constexpr int kWants = 400;

// Gives one event back other than it was written, its checksum being right.
class ForgetfulStorage final : public Storage {
 public:
  Status Initialize() override { return storage_.Initialize(); }
  Result<Acquired> Acquire(const AcquireRequest& request) override {
    return storage_.Acquire(request);
  }
  std::vector<Result<int64_t>> AppendAll(std::span<const AppendBatch> batches) override {
    return storage_.AppendAll(batches);
  }
  Result<int64_t> Import(const AppendBatch& batch) override { return storage_.Import(batch); }
  Result<GraphHead> Head(const std::string& graph) override { return storage_.Head(graph); }
  Result<std::vector<GraphHead>> Graphs() override { return storage_.Graphs(); }
  const char* name() const override { return "forgetful"; }
  Result<StoredPage> List(const std::string& graph, const ListRange& range) override {
    auto page = storage_.List(graph, range);
    if (!page.ok()) return page;
    for (StoredEvent& stored : page->events) {
      if (stored.idx != forgotten) continue;
      auto event = DecodeEvent(stored);
      CHECK(event.ok());
      event->mutable_want_event()->set_comment("not what was written");
      auto encoded = EncodeEvent(*event);
      CHECK(encoded.ok());
      stored.payload = encoded->payload;
      stored.crc32c = encoded->crc32c;
    }
    return page;
  }

  std::atomic<int64_t> forgotten = 0;

 private:
  MemoryStorage storage_;
};

template <class Done>
bool Await(Done&& done) {
  const auto deadline = steady_clock::now() + std::chrono::seconds(30);
  while (!done() && steady_clock::now() < deadline) std::this_thread::yield();
  return done();
}

uint64_t DigestOf(const EventLog& log) {
  return log.WithState([](const BuildState& state) { return StateDigest(state); });
}

class LogVerifierTest : public testing::Test {
 protected:
  LogVerifierTest() { CHECK(storage_.Initialize().ok()); }

  LogOptions Options() {
    LogOptions options;
    options.storage = &storage_;
    options.graph = "g";
    options.clock = &clock_;
    return options;
  }
  std::unique_ptr<EventLog> OpenVerified(int64_t snapshot_events) {
    LogOptions options = Options();
    options.verify = true;
    options.snapshot_folder = folder_.path();
    options.snapshot_events = snapshot_events;
    options.snapshot_interval = 0;
    return OpenLog(options);
  }
  std::unique_ptr<EventLog> OpenFromSnapshot() {
    LogOptions options = Options();
    options.snapshot_folder = folder_.path();
    return OpenLog(options);
  }
  static void Add(EventLog& log, int from, int to) {
    for (int i = from; i < to; ++i) {
      ASSERT_TRUE(
          log.Append({WantCreated("w" + std::to_string(i), "r" + std::to_string(i % 70))}).ok());
    }
  }
  // Writes a history with a snapshot, then some more events.
  void History() {
    const auto log = OpenVerified(1);
    Add(*log, 0, kWants);
    ASSERT_TRUE(Await([&] { return log->verification().snapshot_idx == kWants; }));
    Add(*log, kWants, kWants + 50);
    ASSERT_TRUE(Await([&] { return log->verification().snapshot_idx == kWants + 50; }));
    Add(*log, kWants + 50, kWants + 70);
  }

  TempFolder folder_;
  ForgetfulStorage storage_;
  TickingClock clock_;
};

TEST_F(LogVerifierTest, TwoFoldsOfTheSameLogAgree) {
  const auto log = OpenVerified(0);
  Add(*log, 0, kWants);
  ASSERT_TRUE(
      Await([&] { return log->verification().rounds > 0 && log->verification().idx == kWants; }));
  EXPECT_EQ(log->verification().mismatches, 0u);
}

TEST_F(LogVerifierTest, AFoldThatIsNotWhatTheLogSaysIsFound) {
  storage_.forgotten = kWants / 2;
  const auto log = OpenVerified(0);  // empty: the events below are folded as they are appended
  Add(*log, 0, kWants);
  EXPECT_TRUE(Await([&] { return log->verification().mismatches > 0; }));
}

TEST_F(LogVerifierTest, ARestartBeginsWithTheNewestSnapshot) {
  History();
  const auto replayed = OpenLog(Options());
  EXPECT_EQ(replayed->opened_from(), 0);
  const uint64_t digest = DigestOf(*replayed);
  const auto log = OpenFromSnapshot();
  EXPECT_GE(log->opened_from(), kWants);
  EXPECT_LT(log->opened_from(), kWants + 70);
  EXPECT_EQ(log->head(), kWants + 70);
  EXPECT_EQ(DigestOf(*log), digest);
  EXPECT_EQ(ReadWhole(*log).size(), static_cast<size_t>(kWants + 70));
  // An event that was recorded before the snapshot is known.
  const auto again = log->Append({WantCreated("w7", "r7")});
  ASSERT_TRUE(again.ok());
  EXPECT_EQ(again->front(), 8);
  // And its postings are there.
  v1::EventFilter filter;
  filter.add_want_ids("w7");
  const auto matcher = EventMatcher::Compile(filter);
  ASSERT_TRUE(matcher.ok());
  ListRequest request;
  request.matcher = std::make_shared<EventMatcher>(*matcher);
  const auto page = log->ListEvents(request);
  ASSERT_TRUE(page.ok());
  EXPECT_EQ(page->count, 1);
  EXPECT_EQ(log->filtered_pages().by_postings, 1u);
}

TEST_F(LogVerifierTest, ADamagedSnapshotIsPassedOver) {
  History();
  const uint64_t digest = DigestOf(*OpenLog(Options()));
  const std::vector<std::string> paths = ListSnapshots(folder_.path());
  ASSERT_EQ(paths.size(), 2u);
  std::filesystem::resize_file(paths[0], std::filesystem::file_size(paths[0]) - 1);
  {
    const auto log = OpenFromSnapshot();
    EXPECT_EQ(log->opened_from(), SnapshotIdx(paths[1]));
    EXPECT_EQ(DigestOf(*log), digest);
  }
  std::filesystem::resize_file(paths[1], 100);
  const auto log = OpenFromSnapshot();
  EXPECT_EQ(log->opened_from(), 0);
  EXPECT_EQ(DigestOf(*log), digest);
}

TEST_F(LogVerifierTest, ASnapshotOfAnotherLogIsPassedOver) {
  History();
  ForgetfulStorage other;
  ASSERT_TRUE(other.Initialize().ok());
  LogOptions options = Options();
  options.storage = &other;
  {
    const auto log = OpenLog(options);
    Add(*log, 0, 2 * kWants);  // longer than the snapshot's
  }
  options.snapshot_folder = folder_.path();
  const auto log = OpenLog(options);
  EXPECT_EQ(log->opened_from(), 0);
  EXPECT_EQ(log->head(), 2 * kWants);
}

TEST_F(LogVerifierTest, WithoutVerifierNothingIsWritten) {
  {
    const auto log = OpenFromSnapshot();
    Add(*log, 0, 200);
    EXPECT_EQ(log->verification().rounds, 0u);
  }
  EXPECT_TRUE(ListSnapshots(folder_.path()).empty());
}

}  // namespace
}  // namespace databuild
