// LogCollector: brings the lines of every job run from its pod into LogChunks, before the Job goes.
//
// A run that lives is followed, by at most `streams` at a time; one that has ended is read to its
// end by whichever thread is free, `readers` of which do nothing else. Then its log is marked,
// complete or with the ranges that are missing, and on_done tells so: only then the Job may be
// deleted. What is stored is the memory: after a crash each run goes on behind its last stored
// line. Lines not yet stored take at most about 1 MiB a stream; while they cannot be stored nothing
// more is read.
//
// Thread-safe. Observe never blocks.
#pragma once

#include <chrono>
#include <condition_variable>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "bel/log_chunks.h"
#include "controller/logs/pod_logs.h"
#include "controller/logs/run_log.h"

namespace databuild {

// What the cluster shows of a run, as far as its log is concerned.
struct LoggedRun {
  std::string pod;
  bool running = false;  // the container has started and not ended
  bool ended = false;    // it has ended, and its pod is still there
  bool gone = false;     // the pod is not there any more
  std::string receipt;   // termination message
  std::optional<int32_t> exit_code;
};

enum class RunKnown { kNotYet, kForeign, kOurs };

struct LogCollectorOptions {
  LogChunks* chunks = nullptr;  // these outlive the collector
  PodLogs* pods = nullptr;
  const Clock* clock = nullptr;
  int streams = 32;
  int readers = 4;
  DurationNs store_every = 5 * kSecond;  // lines of a run that goes on are stored at least so often
  DurationNs deadline = 10 * kMinute;    // of reading after the end
  DurationNs retry = kSecond;            // doubled up to 16 times as long while a read fails
  // Whether the graph's log has this run, and the label of its job. kNotYet: ask again.
  std::function<RunKnown(const RunKey& run, std::string* job_label)> known;
  // The run's log is marked; called once per process and run, on a thread of the collector.
  std::function<void(const RunKey& run)> on_done;
  // For metrics; may be empty. Called on threads of the collector.
  std::function<void(const RunKey& run, const std::string& job_label, const LogLine& line)> on_line;
  std::function<void(const RunKey& run, const v1::RunLogMark& mark)> on_mark;
};

class LogCollector {
 public:
  explicit LogCollector(LogCollectorOptions options);
  ~LogCollector();  // Stop

  void Start();
  // Ends every read. Idempotent.
  void Stop();

  // What the cluster shows now; nothing: neither Job nor pods.
  void Observe(const RunKey& run, const std::optional<LoggedRun>& seen);

  // For readers: lines that came and are not stored yet, and whether more may come or be stored.
  // Ask this before LogChunks, else a line may be missed that was stored in between.
  struct Live {
    std::vector<LogChunk> pending;
    bool collecting = false;
  };
  Live Look(const RunKey& run) const;

 private:
  using SteadyTime = std::chrono::steady_clock::time_point;
  struct Task;
  enum class Step { kAgain, kFailed, kDone };

  void Work(std::stop_token stop, bool may_follow);
  std::shared_ptr<Task> Take(std::stop_token stop, bool may_follow);
  std::shared_ptr<Task> Next(bool may_follow, SteadyTime now, SteadyTime& wake) const;
  void Return(Task& task, Step step);
  LoggedRun Seen(const Task& task) const;

  Step Collect(Task& task, std::stop_token stop);
  Step Begin(Task& task);
  Step Close(Task& task, const LoggedRun& seen, std::stop_token stop);
  Status ReadRest(Task& task, const LoggedRun& seen, std::stop_token stop);
  Status Read(Task& task, const PodLogRequest& request, std::stop_token stop);
  Status Store(Task& task);
  Step Failed(Task& task, const char* what, const Error& error);

  const LogCollectorOptions options_;
  mutable std::mutex mutex_;  // guards what follows
  std::condition_variable_any changed_;
  std::map<std::pair<std::string, std::string>, std::shared_ptr<Task>> tasks_;
  std::set<std::pair<std::string, std::string>> done_;  // whose Job is still shown
  int following_ = 0;
  bool started_ = false;
  std::vector<std::jthread> threads_;  // last: they end first
};

}  // namespace databuild
