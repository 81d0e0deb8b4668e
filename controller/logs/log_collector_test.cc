// The collector over pods of the test's own, which print what they are told.
#include "controller/logs/log_collector.h"

#include <gtest/gtest.h>

#include <atomic>

#include "bel/base/log.h"
#include "bel/memory_log_chunks.h"
#include "controller/logs/collecting_cluster.h"
#include "controller/logs/log_reader.h"
#include "controller/logs/log_testing.h"

namespace databuild {
namespace {

using std::chrono::nanoseconds;
using std::chrono::seconds;

// Pods by name. Thread-safe.
class TestPods final : public PodLogs {
 public:
  struct Pod {
    std::string log;
    bool ended = false;
    bool gone = false;
    bool stalls = false;  // what follows it never hears of its end
    bool refuses = false;
  };

  void Change(const std::string& name, const std::function<void(Pod&)>& change) {
    const std::lock_guard lock(mutex_);
    change(pods_[name]);
    changed_.notify_all();
  }
  int most_followed() const { return most_followed_; }
  size_t bytes_read() const { return bytes_read_; }

  Result<std::unique_ptr<PodLogStream>> Open(const PodLogRequest& request,
                                             std::stop_token) override {
    const std::lock_guard lock(mutex_);
    const auto pod = pods_.find(request.pod);
    if (pod == pods_.end() || pod->second.gone) return Error{Errc::kNotFound, "no pod"};
    if (pod->second.refuses) return Error{Errc::kUnavailable, "the kubelet does not answer"};
    size_t at = 0;
    // A line of TestLine was written at the second of its number.
    for (int64_t line = 1; (line + 1) * kSecond < request.since; ++line) {
      const size_t end = pod->second.log.find('\n', at);
      if (end == std::string::npos) break;
      at = end + 1;
    }
    return std::unique_ptr<PodLogStream>(std::make_unique<Stream>(*this, request, at));
  }

 private:
  class Stream final : public PodLogStream {
   public:
    Stream(TestPods& pods, PodLogRequest request, size_t at)
        : pods_(pods), request_(std::move(request)), at_(at) {
      if (!request_.follow) return;
      const int now = ++pods_.followed_;
      pods_.most_followed_ = std::max<int>(pods_.most_followed_, now);
    }
    ~Stream() override {
      if (request_.follow) --pods_.followed_;
    }
    Status Read(DurationNs wait, std::stop_token stop, std::string& out, bool& end) override {
      std::unique_lock lock(pods_.mutex_);
      Pod& pod = pods_.pods_[request_.pod];
      const auto over = [&] { return !request_.follow || (pod.ended && !pod.stalls) || pod.gone; };
      pods_.changed_.wait_for(lock, stop, nanoseconds(wait),
                              [&] { return at_ < pod.log.size() || over(); });
      if (stop.stop_requested()) return Error{Errc::kCancelled, "stopped"};
      const std::string piece = pod.log.substr(at_, 100'000);
      out += piece;
      at_ += piece.size();
      pods_.bytes_read_ += piece.size();
      end = over() && at_ == pod.log.size();
      return {};
    }

   private:
    TestPods& pods_;
    const PodLogRequest request_;
    size_t at_;
  };

  std::mutex mutex_;  // guards pods_
  std::condition_variable_any changed_;
  std::map<std::string, Pod> pods_;
  std::atomic<int> followed_ = 0, most_followed_ = 0;
  std::atomic<size_t> bytes_read_ = 0;
};

// Refuses to store while it is told to.
class RefusingChunks final : public LogChunks {
 public:
  Status Initialize() override { return {}; }
  Status Put(const RunKey& run, const LogChunk& chunk, TimeNs now) override {
    if (refuse) {
      ++refused;
      return Error{Errc::kUnavailable, "the database is away"};
    }
    return inner.Put(run, chunk, now);
  }
  Result<std::vector<LogChunkInfo>> List(const RunKey& run) override { return inner.List(run); }
  Result<LogChunk> Get(const RunKey& run, int64_t first) override { return inner.Get(run, first); }
  Status PutMark(const RunKey& run, const std::string& mark, TimeNs now) override {
    return inner.PutMark(run, mark, now);
  }
  Result<std::optional<std::string>> Mark(const RunKey& run) override { return inner.Mark(run); }
  Result<int64_t> RemoveOlder(const std::string& graph, TimeNs before) override {
    return inner.RemoveOlder(graph, before);
  }
  MemoryLogChunks inner;
  std::atomic<bool> refuse = false;
  std::atomic<int> refused = 0;
};

// A cluster that says what it is told to.
class ToldCluster final : public Cluster {
 public:
  bool Synced(const std::string&) const override { return true; }
  std::vector<Delta> TakeDeltas(const std::string&) override { return std::exchange(news, {}); }
  void Submit(const std::string&, std::vector<Effect>) override {}
  void OnChange(std::function<void(const std::string&)>) override {}
  std::vector<Delta> news;
};

class LogCollectorTest : public testing::Test {
 protected:
  void TearDown() override { SetLogSink(nullptr); }
  void StartCollector(int streams = 4) {
    LogCollectorOptions options;
    options.chunks = &chunks_;
    options.pods = &pods_;
    options.clock = &clock_;
    options.streams = streams;
    options.readers = 2;
    options.store_every = 20 * kMillisecond;
    options.deadline = deadline_;
    options.retry = 10 * kMillisecond;
    options.on_done = [this](const RunKey& run) {
      const std::lock_guard lock(mutex_);
      ++done_[run.run_id];
      changed_.notify_all();
    };
    collector_ = std::make_unique<LogCollector>(std::move(options));
    collector_->Start();
  }
  static std::string RunId(int number) {
    return "6ba7b810-9dad-11d1-80b4-" + std::to_string(100'000'000'000 + number);
  }
  static std::string PodOf(const std::string& run) { return "pod-" + run; }

  void Print(const std::string& run, int64_t first, int64_t last) {
    pods_.Change(PodOf(run), [&](TestPods::Pod& pod) {
      for (int64_t line = first; line <= last; ++line) pod.log += TestLine(line, run) + "\n";
    });
  }
  void ShowRunning(const std::string& run) {
    collector_->Observe({"sales", run}, LoggedRun{PodOf(run), true, false, false, "", {}});
  }
  void ShowEnded(const std::string& run, int64_t lines) {
    pods_.Change(PodOf(run), [](TestPods::Pod& pod) { pod.ended = true; });
    collector_->Observe({"sales", run},
                        LoggedRun{PodOf(run), false, true, false, TestReceipt(lines, run), 0});
  }
  void ShowGone(const std::string& run) {
    pods_.Change(PodOf(run), [](TestPods::Pod& pod) { pod.gone = true; });
    collector_->Observe({"sales", run}, std::nullopt);
  }
  void AwaitDone(const std::string& run) {
    std::unique_lock lock(mutex_);
    ASSERT_TRUE(changed_.wait_for(lock, seconds(60), [&] { return done_.contains(run); })) << run;
  }
  // Lines that are stored, polled for: storing tells nobody.
  void AwaitStored(const std::string& run, int64_t lines) {
    const auto deadline = std::chrono::steady_clock::now() + seconds(60);
    while (Stored(run) < lines) {
      ASSERT_LT(std::chrono::steady_clock::now(), deadline) << Stored(run);
      std::this_thread::yield();
    }
  }
  int64_t Stored(const std::string& run) {
    int64_t lines = 0;
    const auto chunks = chunks_.List({"sales", run}).value();
    for (const LogChunkInfo& info : chunks) lines += info.count();
    return lines;
  }
  v1::RunLogMark MarkOf(const std::string& run) {
    v1::RunLogMark mark;
    const auto bytes = chunks_.Mark({"sales", run});
    EXPECT_TRUE(bytes->has_value() && mark.ParseFromString(**bytes)) << run;
    return mark;
  }
  int DoneCount(const std::string& run) {
    const std::lock_guard lock(mutex_);
    return done_[run];
  }

  SystemClock clock_;
  RefusingChunks chunks_;
  TestPods pods_;
  DurationNs deadline_ = kMinute;
  std::atomic<int> told_ = 0;  // warnings of what was not stored
  std::mutex mutex_;           // guards done_
  std::condition_variable changed_;
  std::map<std::string, int> done_;
  std::unique_ptr<LogCollector> collector_;
};

TEST_F(LogCollectorTest, ARunIsFollowedReadToItsEndAndMarkedOnce) {
  StartCollector();
  const std::string run = RunId(1);
  Print(run, 1, 100);
  ShowRunning(run);
  AwaitStored(run, 100);
  Print(run, 101, 3'000);
  ShowEnded(run, 3'000);
  AwaitDone(run);
  EXPECT_TRUE(MarkOf(run).complete()) << MarkOf(run).reason();
  EXPECT_EQ(Stored(run), 3'000);
  ShowEnded(run, 3'000);  // shown again, as informers do
  ShowRunning(RunId(2));
  const auto deadline = std::chrono::steady_clock::now() + seconds(60);
  while (collector_->Look({"sales", run}).collecting) {
    ASSERT_LT(std::chrono::steady_clock::now(), deadline);
    std::this_thread::yield();
  }
  EXPECT_EQ(DoneCount(run), 1);
}

TEST_F(LogCollectorTest, ANewProcessGoesOnWhereTheOldOneDied) {
  const std::string run = RunId(1);
  int64_t line = 0;
  for (int life = 0; life < 5; ++life) {
    StartCollector();
    Print(run, line + 1, line + 200);
    line += 200;
    ShowRunning(run);
    AwaitStored(run, line - 100 * (life % 2));
    collector_.reset();
  }
  StartCollector();
  ShowEnded(run, line);
  AwaitDone(run);
  EXPECT_TRUE(MarkOf(run).complete()) << MarkOf(run).reason();
  collector_.reset();
  done_.clear();
  StartCollector();
  ShowEnded(run, line);
  AwaitDone(run);
  EXPECT_EQ(DoneCount(run), 1) << "a later process tells it too";
}

TEST_F(LogCollectorTest, APodThatIsGoneLeavesAnOpenGap) {
  StartCollector();
  const std::string run = RunId(1);
  Print(run, 1, 50);
  ShowRunning(run);
  AwaitStored(run, 50);
  ShowGone(run);
  AwaitDone(run);
  const v1::RunLogMark mark = MarkOf(run);
  EXPECT_FALSE(mark.complete());
  EXPECT_EQ(mark.reason(), "PodGone");
  ASSERT_EQ(mark.gaps_size(), 1);
  EXPECT_EQ(mark.gaps(0).first_sequence(), 51u);
  EXPECT_EQ(mark.gaps(0).last_sequence(), 0u);
}

TEST_F(LogCollectorTest, LinesThatTheKubeletRotatedAwayAreANamedGap) {
  StartCollector();
  const std::string run = RunId(1);
  Print(run, 61, 100);
  ShowEnded(run, 100);
  AwaitDone(run);
  const v1::RunLogMark mark = MarkOf(run);
  EXPECT_EQ(mark.reason(), "LogGap");
  ASSERT_EQ(mark.gaps_size(), 1);
  EXPECT_EQ(mark.gaps(0).first_sequence(), 1u);
  EXPECT_EQ(mark.gaps(0).last_sequence(), 60u);
}

TEST_F(LogCollectorTest, AFollowThatStallsDoesNotHoldUpTheEnd) {
  StartCollector();
  const std::string run = RunId(1);
  pods_.Change(PodOf(run), [](TestPods::Pod& pod) { pod.stalls = true; });
  Print(run, 1, 50);
  ShowRunning(run);
  AwaitStored(run, 50);
  ShowEnded(run, 50);
  AwaitDone(run);
  EXPECT_TRUE(MarkOf(run).complete());
}

TEST_F(LogCollectorTest, ReadsThatAlwaysFailEndAtTheDeadline) {
  deadline_ = 300 * kMillisecond;
  StartCollector();
  const std::string run = RunId(1);
  Print(run, 1, 50);
  pods_.Change(PodOf(run), [](TestPods::Pod& pod) { pod.refuses = true; });
  ShowEnded(run, 50);
  AwaitDone(run);
  EXPECT_EQ(MarkOf(run).reason(), "Unreadable");
  EXPECT_EQ(MarkOf(run).gaps(0).last_sequence(), 50u);
}

TEST_F(LogCollectorTest, ManyRunsShareFewStreams) {
  StartCollector(3);
  for (int run = 0; run < 40; ++run) {
    Print(RunId(run), 1, 300);
    ShowRunning(RunId(run));
  }
  for (int run = 0; run < 40; ++run) ShowEnded(RunId(run), 300);
  for (int run = 0; run < 40; ++run) AwaitDone(RunId(run));
  for (int run = 0; run < 40; ++run) EXPECT_TRUE(MarkOf(RunId(run)).complete());
  EXPECT_LE(pods_.most_followed(), 3);
}

TEST_F(LogCollectorTest, WhileNothingCanBeStoredLittleIsReadAndSomebodyIsTold) {
  SetLogSink([this](std::string_view line) {
    if (line.find("\"warn\"") != line.npos && line.find("not stored") != line.npos) ++told_;
  });
  chunks_.refuse = true;
  StartCollector();
  const std::string run = RunId(1);
  Print(run, 1, 60'000);  // 9 MB
  ShowRunning(run);
  const auto deadline = std::chrono::steady_clock::now() + seconds(60);
  while (chunks_.refused < 10) {
    ASSERT_LT(std::chrono::steady_clock::now(), deadline);
    std::this_thread::yield();
  }
  EXPECT_GE(told_, 1);
  EXPECT_LE(told_, 3) << "ever more seldom";
  EXPECT_LT(pods_.bytes_read(), 1u << 20);
  size_t held = 0;
  for (const LogChunk& chunk : collector_->Look({"sales", run}).pending) held += chunk.lines.size();
  EXPECT_GT(held, 0u);
  EXPECT_LT(held, 1u << 20);
  chunks_.refuse = false;
  ShowEnded(run, 60'000);
  AwaitDone(run);
  EXPECT_TRUE(MarkOf(run).complete()) << MarkOf(run).reason();
}

TEST_F(LogCollectorTest, AJobThatIsShownBeforeItsPodIsWaitedFor) {
  StartCollector();
  ToldCluster told;
  CollectingCluster cluster(told, *collector_);
  const std::string run = RunId(1);
  Print(run, 1, 50);
  pods_.Change(PodOf(run), [](TestPods::Pod& pod) { pod.ended = true; });
  ObservedJob job;
  job.run_id = run;
  job.phase = JobPhase::kComplete;
  told.news = {JobChanged{run, std::make_shared<ObservedJob>(job)}};
  EXPECT_EQ(cluster.TakeDeltas("sales").size(), 1u);
  EXPECT_FALSE(collector_->Look({"sales", run}).collecting);
  EXPECT_FALSE(chunks_.Mark({"sales", run})->has_value());
  job.pod.emplace();
  job.pod->name = PodOf(run);
  job.pod->started_at = job.pod->finished_at = 1;
  job.pod->exit_code = 0;
  job.pod->receipt = TestReceipt(50, run);
  told.news = {JobChanged{run, std::make_shared<ObservedJob>(job)}};
  cluster.TakeDeltas("sales");
  AwaitDone(run);
  EXPECT_TRUE(MarkOf(run).complete()) << MarkOf(run).reason();
}

TEST_F(LogCollectorTest, APodWhoseAbsenceIsConfirmedIsGone) {
  StartCollector();
  ToldCluster told;
  CollectingCluster cluster(told, *collector_);
  const std::string run = RunId(1);
  ObservedJob job;
  job.run_id = run;
  job.phase = JobPhase::kFailed;
  told.news = {JobChanged{run, std::make_shared<ObservedJob>(job)}, PodsAbsent{run}};
  cluster.TakeDeltas("sales");
  AwaitDone(run);
  EXPECT_EQ(MarkOf(run).reason(), "PodGone");
}

TEST_F(LogCollectorTest, PagesOfALogEndWithTheLog) {
  StartCollector();
  LogReader reader(chunks_, *collector_, clock_, deadline_);
  const std::string run = RunId(1);
  Print(run, 1, 25);
  ShowRunning(run);
  AwaitStored(run, 25);
  LogPageRequest request{"sales", run};
  request.limit = 10;
  for (int64_t after : {0, 10, 20}) {
    const LogPage page = reader.ReadLog(request).value();
    EXPECT_EQ(request.after, after);
    EXPECT_EQ(page.response.entries(0).sequence_number(), static_cast<uint64_t>(after) + 1);
    EXPECT_EQ(page.response.has_more(), after < 20);
    EXPECT_FALSE(page.finished);
    request.after = page.next;
  }
  LogPage page = reader.ReadLog(request).value();
  EXPECT_EQ(page.next, 25) << "unchanged: still running";
  EXPECT_EQ(page.response.incomplete_reason(), "Running");
  pods_.Change(PodOf(run), [](TestPods::Pod& pod) { pod.log += "not framed\n"; });
  ShowEnded(run, 25);
  AwaitDone(run);
  request.run_live = false;
  page = reader.ReadLog(request).value();
  EXPECT_TRUE(page.finished);
  EXPECT_TRUE(page.response.logs_complete());
  ASSERT_EQ(page.response.entries_size(), 1);
  EXPECT_EQ(page.response.entries(0).log().message(), "not framed");
  EXPECT_EQ(page.response.entries(0).sequence_number(), 0u);

  LogPageRequest late{"sales", run, false};
  late.since = 20 * kSecond;
  EXPECT_EQ(reader.ReadLog(late)->response.entries(0).sequence_number(), 21u);
  LogPageRequest loud{"sales", run, false};
  loud.min_level = v1::LogMessage::WARN;
  EXPECT_EQ(reader.ReadLog(loud)->response.entries_size(), 1) << "only the marked line";
}

TEST_F(LogCollectorTest, ALogThatNobodyCollectedSaysSo) {
  StartCollector();
  LogReader reader(chunks_, *collector_, clock_, deadline_);
  LogPageRequest request{"sales", RunId(1), false};
  EXPECT_TRUE(reader.ReadLog(request)->response.logs_complete()) << "it never started";
  request.run_started = true;
  request.run_ended_at = clock_.Now();
  LogPage page = reader.ReadLog(request).value();
  EXPECT_FALSE(page.finished) << "its Job may not have been seen yet";
  EXPECT_EQ(page.response.incomplete_reason(), "Collecting");
  request.run_ended_at = clock_.Now() - deadline_ - kSecond;
  page = reader.ReadLog(request).value();
  EXPECT_TRUE(page.finished);
  EXPECT_FALSE(page.response.logs_complete());
  EXPECT_EQ(page.response.incomplete_reason(), "NotCollected");
  ASSERT_EQ(page.response.gaps_size(), 1);
  EXPECT_EQ(page.response.gaps(0).first_sequence(), 1u);
}

}  // namespace
}  // namespace databuild
