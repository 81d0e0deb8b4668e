// Faults of the storage: what EventLog makes of lost replies, outages and other writers.
#include "bel/log_writer.h"

#include <atomic>
#include <set>
#include <thread>

#include "bel/event_log_testing.h"
#include "bel/memory_storage.h"
#include "gtest/gtest.h"

namespace databuild {
namespace {

// Memory that fails on demand. Thread-safe.
class FaultyStorage final : public Storage {
 public:
  enum Fault { kNone, kReplyLost, kNotDone };

  Status Initialize() override { return {}; }
  Result<Acquired> Acquire(const AcquireRequest& request) override {
    if (down) return Down();
    return memory.Acquire(request);
  }
  std::vector<Result<int64_t>> AppendAll(std::span<const AppendBatch> batches) override {
    const int append = ++appends;
    Fault fault = next_fault.exchange(kNone);
    if (fault_every != 0 && append % fault_every == 0)
      fault = append % 2 == 0 ? kReplyLost : kNotDone;
    if (down || fault == kNotDone) return std::vector<Result<int64_t>>(batches.size(), Down());
    auto results = memory.AppendAll(batches);
    if (fault == kReplyLost) return std::vector<Result<int64_t>>(batches.size(), Down());
    return results;
  }
  Result<int64_t> Import(const AppendBatch& batch) override { return memory.Import(batch); }
  Result<StoredPage> List(const std::string& graph, const ListRange& range) override {
    if (down) return Down();
    return memory.List(graph, range);
  }
  Result<GraphHead> Head(const std::string& graph) override { return memory.Head(graph); }
  Result<std::vector<GraphHead>> Graphs() override { return memory.Graphs(); }
  const char* name() const override { return "faulty"; }

  MemoryStorage memory;
  std::atomic<bool> down = false;
  std::atomic<Fault> next_fault = kNone;
  std::atomic<int> fault_every = 0;  // both kinds in turn, if odd
  std::atomic<int> appends = 0;

 private:
  static Error Down() { return Error{Errc::kUnavailable, "the storage is away"}; }
};

class StorageFaults : public testing::TestWithParam<LogWriter::Mode> {
 protected:
  LogOptions Options() {
    if (writer_ == nullptr) writer_ = std::make_unique<LogWriter>(&storage_, GetParam());
    LogOptions options;
    options.storage = &storage_;
    options.graph = "sales";
    options.holder = "pod-1";
    options.cluster_uid = "cluster-1";
    options.clock = &clock_;
    options.writer = writer_.get();
    return options;
  }

  FaultyStorage storage_;
  TickingClock clock_;
  std::unique_ptr<LogWriter> writer_;
};

TEST_P(StorageFaults, ALostReplyOfACommittedAppendIsFoundOutAndReportedAsSuccess) {
  const auto log = OpenLog(Options());
  ASSERT_TRUE(log->Append({WantCreated("w1")}).ok());
  storage_.next_fault = FaultyStorage::kReplyLost;
  EXPECT_EQ(log->Append({WantCreated("w2"), WantMoved("w1", v1::WANT_SATISFIED)}).value(),
            (std::vector<int64_t>{2, 3}));
  EXPECT_EQ(log->epoch(), 2);
  EXPECT_EQ(log->Append({WantCreated("w3")}).value(), (std::vector<int64_t>{4}));
  EXPECT_EQ(storage_.Head("sales")->at.head, 4);
  EXPECT_EQ(log->head(), 4);
}

TEST_P(StorageFaults, AnAppendThatDidNotArriveIsSentAgainWithTheSameBytes) {
  const auto log = OpenLog(Options());
  storage_.next_fault = FaultyStorage::kNotDone;
  EXPECT_EQ(log->Append({WantCreated("w1")}).value(), (std::vector<int64_t>{1}));
  EXPECT_EQ(storage_.appends, 2);
  EXPECT_EQ(storage_.Head("sales")->at.head, 1);
  EXPECT_TRUE(log->health().writable);
}

TEST_P(StorageFaults, WhileTheStorageIsAwayAppendsFailReadsGoOnAndNothingIsDoubledAfterwards) {
  LogOptions options = Options();
  options.append_timeout = 30 * kMillisecond;
  const auto log = OpenLog(options);
  ASSERT_TRUE(log->Append({WantCreated("w1")}).ok());
  storage_.down = true;
  const auto failed = log->Append({WantCreated("w2")});
  ASSERT_FALSE(failed.ok());
  EXPECT_EQ(failed.error().code, Errc::kUnavailable);
  EXPECT_NE(failed.error().message.find("the storage is away"), std::string::npos)
      << failed.error().message;
  EXPECT_EQ(log->Append({WantCreated("w3")}).error().code, Errc::kUnavailable);
  EXPECT_FALSE(log->health().writable);
  EXPECT_GT(log->health().unwritable_since, 0);
  EXPECT_EQ(log->head(), 1);
  EXPECT_EQ(log->ListEvents({})->count, 1);
  storage_.down = false;
  // w2 was accepted before the loss was known: the retry finds it, w3 was refused cleanly.
  Result<std::vector<int64_t>> again = Error{};
  for (int attempt = 0; attempt < 400 && !again.ok(); ++attempt)
    again = log->Append({WantCreated("w2")});
  EXPECT_EQ(again.value(), (std::vector<int64_t>{2}));
  EXPECT_EQ(log->Append({WantCreated("w3")}).value(), (std::vector<int64_t>{3}));
  EXPECT_TRUE(log->health().writable);
  EXPECT_EQ(storage_.Head("sales")->at.head, 3);
}

TEST_P(StorageFaults, AnotherWriterDuringTheOutageFences) {
  LogOptions options = Options();
  options.append_timeout = 30 * kMillisecond;
  std::atomic<int> told = 0;
  options.on_terminal = [&](const Error&) { ++told; };
  const auto log = OpenLog(options);
  storage_.down = true;
  ASSERT_EQ(log->Append({WantCreated("w1")}).error().code, Errc::kUnavailable);
  ASSERT_TRUE(storage_.memory.Acquire({"sales", "pod-2", "cluster-1"}).ok());
  storage_.down = false;
  Errc code = Errc::kUnavailable;
  for (int attempt = 0; attempt < 400 && code == Errc::kUnavailable; ++attempt) {
    code = log->Append({WantCreated("w2")}).error().code;
  }
  EXPECT_EQ(code, Errc::kFenced);
  EXPECT_EQ(told, 1);
  EXPECT_EQ(storage_.Head("sales")->at.head, 0);
}

TEST_P(StorageFaults, EventsOfAnotherWriterWhereOursShouldBeAreNeverTakenForOurs) {
  LogOptions options = Options();
  options.append_timeout = 30 * kMillisecond;
  const auto log = OpenLog(options);
  storage_.down = true;
  ASSERT_EQ(log->Append({WantCreated("w1")}).error().code, Errc::kUnavailable);
  // Somebody writes with our epoch and holder: only a damaged or shared database does that.
  StoredEvent foreign;
  foreign.idx = 1;
  foreign.ts = 1;
  foreign.event_id = EventId("foreign");
  const int64_t epoch = storage_.Head("sales")->at.epoch;
  ASSERT_TRUE(storage_.memory.Append("sales", epoch, 0, {&foreign, 1}).ok());
  storage_.down = false;
  Errc code = Errc::kUnavailable;
  for (int attempt = 0; attempt < 400 && code == Errc::kUnavailable; ++attempt) {
    code = log->Append({WantCreated("w2")}).error().code;
  }
  EXPECT_EQ(code, Errc::kCorrupt);
}

TEST_P(StorageFaults, RandomFaultsUnderManyCallersLoseAndDoubleNothing) {
  const auto log = OpenLog(Options());
  constexpr int kCallers = 4, kAppends = 80;
  storage_.fault_every = 5;
  std::atomic<int> acknowledged = 0;
  {
    std::vector<std::jthread> callers;
    for (int caller = 0; caller < kCallers; ++caller) {
      callers.emplace_back([&, caller] {
        for (int i = 0; i < kAppends; ++i) {
          const std::string want = std::to_string(caller) + "-" + std::to_string(i);
          Result<std::vector<int64_t>> idx = Error{};
          for (int attempt = 0; attempt < 50 && !idx.ok(); ++attempt)
            idx = log->Append({WantCreated(want)});
          ASSERT_TRUE(idx.ok()) << idx.error().message;
          ++acknowledged;
        }
      });
    }
  }
  EXPECT_GT(log->epoch(), 5);  // every fault takes a new one
  EXPECT_EQ(acknowledged, kCallers * kAppends);
  const auto events = ReadWhole(*log);
  ASSERT_EQ(events.size(), static_cast<size_t>(kCallers * kAppends));
  std::set<std::string> wants;
  for (const auto& event : events) wants.insert(event.want_event().want_id());
  EXPECT_EQ(wants.size(), events.size());
  EXPECT_EQ(storage_.Head("sales")->at.head, static_cast<int64_t>(events.size()));
}

TEST_P(StorageFaults, AFloodIsRefusedRatherThanPiledUp) {
  LogOptions options = Options();
  options.append_timeout = kMillisecond;
  const auto log = OpenLog(options);
  storage_.down = true;
  int refused_cleanly = 0;
  for (int i = 0; i < 20; ++i) {
    std::vector<v1::BuildEvent> events;
    for (int n = 0; n < 100; ++n)
      events.push_back(WantCreated(std::to_string(i) + "-" + std::to_string(n)));
    const auto result = log->Append(events);
    ASSERT_EQ(result.error().code, Errc::kUnavailable);
    if (result.error().message.find("nothing was recorded") != std::string::npos) ++refused_cleanly;
  }
  EXPECT_EQ(refused_cleanly, 19);  // all but the one that found out
}

TEST_P(StorageFaults, ClosingALogWhileTheStorageIsAwayDoesNotHang) {
  LogOptions options = Options();
  options.append_timeout = kMillisecond;
  auto log = OpenLog(options);
  storage_.down = true;
  ASSERT_FALSE(log->Append({WantCreated("w1")}).ok());
  log.reset();
  writer_.reset();
}

INSTANTIATE_TEST_SUITE_P(Modes, StorageFaults,
                         testing::Values(LogWriter::Mode::kInline, LogWriter::Mode::kThread),
                         [](const auto& mode) {
                           return mode.param == LogWriter::Mode::kInline ? "inline" : "thread";
                         });

}  // namespace
}  // namespace databuild
