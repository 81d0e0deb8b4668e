// Two groups on their way at once: order, failure of the first, and a queue that is full.
#include <atomic>
#include <condition_variable>
#include <thread>

#include "bel/event_log_testing.h"
#include "bel/log_writer.h"
#include "bel/memory_storage.h"
#include "gtest/gtest.h"

namespace databuild {
namespace {

// Memory whose appends are answered only when the test says so. Thread-safe.
class GatedStorage final : public Storage {
 public:
  Status Initialize() override { return {}; }
  Result<Acquired> Acquire(const AcquireRequest& request) override {
    return memory.Acquire(request);
  }
  std::vector<Result<int64_t>> AppendAll(std::span<const AppendBatch> batches) override {
    return BeginAppend(batches)->Wait();
  }
  std::unique_ptr<AppendInFlight> BeginAppend(std::span<const AppendBatch> batches) override {
    std::lock_guard lock(mutex_);
    ++begun_;
    changed_.notify_all();
    if (lose_next_ > 0) {
      --lose_next_;
      return std::make_unique<Gated>(this, std::vector<Result<int64_t>>(batches.size(), Away()));
    }
    return std::make_unique<Gated>(this, memory.AppendAll(batches));
  }
  int max_in_flight() const override { return 2; }
  Result<int64_t> Import(const AppendBatch& batch) override { return memory.Import(batch); }
  Result<StoredPage> List(const std::string& graph, const ListRange& range) override {
    return memory.List(graph, range);
  }
  Result<GraphHead> Head(const std::string& graph) override { return memory.Head(graph); }
  Result<std::vector<GraphHead>> Graphs() override { return memory.Graphs(); }
  const char* name() const override { return "gated"; }

  void AwaitBegun(int groups) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return begun_ >= groups; });
  }
  int begun() {
    std::lock_guard lock(mutex_);
    return begun_;
  }
  void Answer(int groups) {
    std::lock_guard lock(mutex_);
    answers_ += groups;
    changed_.notify_all();
  }
  // The next groups do not arrive, and the caller does not know.
  void LoseNext(int groups) {
    std::lock_guard lock(mutex_);
    lose_next_ = groups;
  }

  MemoryStorage memory;

 private:
  static Error Away() { return Error{Errc::kUnavailable, "the storage is away"}; }

  class Gated final : public AppendInFlight {
   public:
    Gated(GatedStorage* storage, std::vector<Result<int64_t>> results)
        : storage_(storage), number_(storage->begun_), results_(std::move(results)) {}
    std::vector<Result<int64_t>> Wait() override {
      std::unique_lock lock(storage_->mutex_);
      storage_->changed_.wait(lock, [&] { return storage_->answers_ >= number_; });
      return std::move(results_);
    }

   private:
    GatedStorage* const storage_;
    const int number_;  // answered in order
    std::vector<Result<int64_t>> results_;
  };

  std::mutex mutex_;
  std::condition_variable changed_;
  int begun_ = 0, answers_ = 0, lose_next_ = 0;
};

constexpr int kManyAnswers = 1'000'000;

class TwoInFlight : public testing::TestWithParam<LogWriter::Mode> {
 protected:
  LogOptions Options() {
    LogOptions options;
    options.storage = &storage_;
    options.graph = "sales";
    options.holder = "pod-1";
    options.cluster_uid = "cluster-1";
    options.clock = &clock_;
    options.writer = &writer_;
    options.append_timeout = 60 * kSecond;
    return options;
  }
  // Appends want `i` in a thread of its own.
  void Append(EventLog* log, int i) {
    callers_.emplace_back([this, log, i] {
      const auto idx = log->Append({WantCreated(std::to_string(i))});
      EXPECT_TRUE(idx.ok()) << idx.error().message;
      if (idx.ok()) ++appended_;
    });
  }

  GatedStorage storage_;
  TickingClock clock_;
  LogWriter writer_{&storage_, GetParam()};
  std::atomic<int> appended_ = 0;
  std::vector<std::jthread> callers_;
};

TEST_P(TwoInFlight, ASecondGroupIsSentWhileTheFirstCommitsAndAThirdWaits) {
  const auto log = OpenLog(Options());
  Append(log.get(), 1);
  storage_.AwaitBegun(1);
  Append(log.get(), 2);
  storage_.AwaitBegun(2);
  for (int i = 3; i <= 8; ++i) Append(log.get(), i);
  EXPECT_EQ(log->head(), 0);  // nothing is shown before it is durable
  EXPECT_EQ(storage_.begun(), 2);
  storage_.Answer(1);
  storage_.AwaitBegun(3);
  storage_.Answer(kManyAnswers);
  callers_.clear();
  EXPECT_EQ(appended_, 8);
  EXPECT_EQ(log->head(), 8);
  EXPECT_EQ(log->epoch(), 1);
  EXPECT_EQ(ReadWhole(*log).size(), 8u);
}

TEST_P(TwoInFlight, WhenTheFirstIsLostTheSecondFailsWithItAndBothAreSentAgain) {
  const auto log = OpenLog(Options());
  storage_.LoseNext(1);
  Append(log.get(), 1);
  storage_.AwaitBegun(1);
  Append(log.get(), 2);
  storage_.AwaitBegun(2);
  EXPECT_EQ(storage_.memory.Head("sales")->at.head, 0);  // the second was refused: not its head
  storage_.Answer(kManyAnswers);
  callers_.clear();
  EXPECT_EQ(appended_, 2);
  EXPECT_EQ(log->epoch(), 2);
  EXPECT_EQ(storage_.memory.Head("sales")->at.head, 2);
  const auto events = ReadWhole(*log);
  ASSERT_EQ(events.size(), 2u);
  EXPECT_EQ(events[0].want_event().want_id(), "1");
  EXPECT_EQ(events[1].want_event().want_id(), "2");
}

TEST_P(TwoInFlight, RecoveryWaitsUntilNothingOfTheStreamIsOnItsWay) {
  const auto log = OpenLog(Options());
  storage_.LoseNext(1);
  Append(log.get(), 1);
  storage_.AwaitBegun(1);
  Append(log.get(), 2);
  storage_.AwaitBegun(2);
  storage_.Answer(1);  // the first is lost; the second is still out
  while (log->health().writable) std::this_thread::yield();
  EXPECT_EQ(storage_.memory.Head("sales")->at.epoch, 1);
  storage_.Answer(kManyAnswers);
  callers_.clear();
  EXPECT_EQ(storage_.memory.Head("sales")->at.epoch, 2);
  EXPECT_EQ(storage_.memory.Head("sales")->at.head, 2);
  EXPECT_TRUE(log->health().writable);
}

TEST_P(TwoInFlight, AQueueThatIsFullRefusesCleanlyAndLosesNothingItTook) {
  LogOptions options = Options();
  const auto log = OpenLog(options);
  constexpr int kPerBatch = 8'192;
  std::atomic<int> taken = 0, refused = 0;
  for (int i = 0; i < 12; ++i) {
    callers_.emplace_back([&, i] {
      std::vector<v1::BuildEvent> events;
      for (int n = 0; n < kPerBatch; ++n) {
        events.push_back(WantCreated(std::to_string(i) + "-" + std::to_string(n)));
      }
      const auto result = log->Append(std::move(events));
      if (result.ok()) {
        ++taken;
      } else {
        EXPECT_EQ(result.error().code, Errc::kUnavailable);
        EXPECT_NE(result.error().message.find("nothing was recorded"), std::string::npos);
        ++refused;
      }
    });
  }
  while (refused < 12 - kMaxQueuedEvents / kPerBatch) std::this_thread::yield();
  storage_.Answer(kManyAnswers);
  callers_.clear();
  EXPECT_EQ(taken, kMaxQueuedEvents / kPerBatch);
  EXPECT_EQ(log->head(), kMaxQueuedEvents);
  EXPECT_EQ(storage_.memory.Head("sales")->at.head, kMaxQueuedEvents);
  // There is room again.
  EXPECT_EQ(log->Append({WantCreated("late")}).value().front(), kMaxQueuedEvents + 1);
}

INSTANTIATE_TEST_SUITE_P(Modes, TwoInFlight,
                         testing::Values(LogWriter::Mode::kInline, LogWriter::Mode::kThread),
                         [](const auto& mode) {
                           return mode.param == LogWriter::Mode::kInline ? "inline" : "thread";
                         });

}  // namespace
}  // namespace databuild
