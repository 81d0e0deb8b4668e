#include "controller/logs/log_collector.h"

#include <algorithm>
#include <atomic>
#include <bit>

#include "bel/base/log.h"

namespace databuild {
namespace {

using std::chrono::nanoseconds;
using std::chrono::steady_clock;

constexpr size_t kHeldBytes = 512 << 10;
// A read looks up this often whether the container has ended or lines are due to be stored.
constexpr DurationNs kLookUp = kSecond;
// Container and kubelet share a clock; since_time is to the second.
constexpr DurationNs kOverlap = 2 * kSecond;
constexpr int kMaxDoublings = 4;

std::pair<std::string, std::string> KeyOf(const RunKey& run) { return {run.graph, run.run_id}; }

}  // namespace

struct LogCollector::Task {
  Task(const LogCollectorOptions& options, RunKey key)
      : run(std::move(key)), log({options.chunks, options.clock, run, [this, &options](auto& line) {
                                    if (options.on_line) options.on_line(run, job_label, line);
                                  }}) {}

  const RunKey run;
  std::string job_label;
  RunLog log;  // fed by the thread that is busy with the task
  bool begun = false;
  std::atomic<int> failures = 0;  // in a row

  // Guarded by the collector's mutex.
  LoggedRun seen;
  bool shown = true;  // the cluster has its Job or pods
  bool busy = false;
  bool following = false;
  SteadyTime not_before{};
  SteadyTime give_up = SteadyTime::max();  // set when the end is seen
};

LogCollector::LogCollector(LogCollectorOptions options) : options_(std::move(options)) {}
LogCollector::~LogCollector() { Stop(); }

void LogCollector::Start() {
  const std::lock_guard lock(mutex_);
  if (std::exchange(started_, true)) return;
  for (int i = 0; i < options_.streams + options_.readers; ++i) {
    const bool may_follow = i < options_.streams;
    threads_.emplace_back([this, may_follow](std::stop_token stop) { Work(stop, may_follow); });
  }
}

void LogCollector::Stop() {
  std::vector<std::jthread> ending;
  {
    const std::lock_guard lock(mutex_);
    ending.swap(threads_);
  }
  for (std::jthread& thread : ending) thread.request_stop();
}

void LogCollector::Observe(const RunKey& run, const std::optional<LoggedRun>& seen) {
  const auto key = KeyOf(run);
  const std::lock_guard lock(mutex_);
  if (!seen) done_.erase(key);
  auto found = tasks_.find(key);
  if (found == tasks_.end()) {
    const bool something = seen && (seen->running || seen->ended || seen->gone);
    if (!something || done_.contains(key)) return;
    found = tasks_.emplace(key, std::make_shared<Task>(options_, run)).first;
  }
  Task& task = *found->second;
  task.shown = seen.has_value();
  if (!seen || seen->gone) {
    task.seen.gone = true;  // what was known of its end stays known
  } else {
    task.seen = *seen;
  }
  if (task.seen.ended || task.seen.gone) {
    task.give_up = std::min(task.give_up, steady_clock::now() + nanoseconds(options_.deadline));
    if (task.failures == 0) task.not_before = {};
  }
  changed_.notify_all();
}

LogCollector::Live LogCollector::Look(const RunKey& run) const {
  std::shared_ptr<Task> task;
  {
    const std::lock_guard lock(mutex_);
    const auto found = tasks_.find(KeyOf(run));
    if (found == tasks_.end()) return {};
    task = found->second;
  }
  return {task->log.Pending(), true};
}

LoggedRun LogCollector::Seen(const Task& task) const {
  const std::lock_guard lock(mutex_);
  return task.seen;
}

// ---- Who does what next

void LogCollector::Work(std::stop_token stop, bool may_follow) {
  while (const std::shared_ptr<Task> task = Take(stop, may_follow)) {
    const Step step = Collect(*task, stop);
    if (step == Step::kDone && options_.on_done && task->begun) options_.on_done(task->run);
    Return(*task, step);
  }
}

// Runs that have ended come first: their pods may go. `wake`: when to look again.
std::shared_ptr<LogCollector::Task> LogCollector::Next(bool may_follow, SteadyTime now,
                                                       SteadyTime& wake) const {
  std::shared_ptr<Task> next;
  for (const auto& [key, task] : tasks_) {
    const bool ended = task->seen.ended || task->seen.gone;
    const bool can = ended || (may_follow && following_ < options_.streams);
    if (task->busy || !can) continue;
    if (task->not_before > now) {
      wake = std::min(wake, task->not_before);
      continue;
    }
    if (ended) return task;
    if (!next || task->not_before < next->not_before) next = task;
  }
  return next;
}

std::shared_ptr<LogCollector::Task> LogCollector::Take(std::stop_token stop, bool may_follow) {
  std::unique_lock lock(mutex_);
  while (!stop.stop_requested()) {
    const SteadyTime now = steady_clock::now();
    SteadyTime wake = now + std::chrono::seconds(30);
    if (const std::shared_ptr<Task> task = Next(may_follow, now, wake)) {
      task->busy = true;
      task->following = !task->seen.ended && !task->seen.gone;
      if (task->following) ++following_;
      return task;
    }
    // Woken by whatever changes; the predicate is looked at again above.
    changed_.wait_until(lock, stop, wake,
                        [woken = false]() mutable { return std::exchange(woken, true); });
  }
  return nullptr;
}

void LogCollector::Return(Task& task, Step step) {
  const std::lock_guard lock(mutex_);
  if (task.following) --following_;
  task.busy = task.following = false;
  if (step == Step::kDone) {
    const auto key = KeyOf(task.run);
    if (task.shown) done_.insert(key);
    tasks_.erase(key);  // `task` lives on as long as its worker holds it
  } else {
    const int doublings = std::min(task.failures.load(), kMaxDoublings);
    const bool ended = task.seen.ended || task.seen.gone;
    const DurationNs pause = step == Step::kAgain && ended ? 0 : options_.retry << doublings;
    task.not_before = steady_clock::now() + nanoseconds(pause);
  }
  changed_.notify_all();
}

LogCollector::Step LogCollector::Failed(Task& task, const char* what, const Error& error) {
  const auto failures = static_cast<unsigned>(++task.failures);
  // What lasts is told, ever more seldom: the run's Job stays until its log is stored.
  const bool lasts = failures >= 4 && std::has_single_bit(failures);
  Log(lasts ? LogLevel::kWarn : LogLevel::kDebug, what,
      {{"graph", task.run.graph},
       {"job_run_id", task.run.run_id},
       {"error", error.message},
       {"failures", failures}});
  return Step::kFailed;
}

// ---- One run

LogCollector::Step LogCollector::Collect(Task& task, std::stop_token stop) {
  if (!task.begun) {
    const Step begun = Begin(task);
    if (!task.begun || begun == Step::kDone) return begun;
  }
  // What could not be stored before comes first.
  if (Status stored = Store(task); !stored.ok())
    return Failed(task, "log lines not stored; trying again", stored.error());
  const LoggedRun seen = Seen(task);
  if (seen.ended || seen.gone) return Close(task, seen, stop);
  const TimeNs newest = task.log.newest_time();
  const Status read =
      Read(task, {task.run.graph, seen.pod, true, newest > kOverlap ? newest - kOverlap : 0}, stop);
  if (!read.ok()) return Failed(task, "following a log ended; trying again", read.error());
  task.failures = 0;
  return Step::kAgain;
}

LogCollector::Step LogCollector::Begin(Task& task) {
  switch (options_.known ? options_.known(task.run, &task.job_label) : RunKnown::kOurs) {
    case RunKnown::kNotYet:
      return Step::kFailed;
    case RunKnown::kForeign:
      return Step::kDone;
    case RunKnown::kOurs:
      break;
  }
  const auto mark = options_.chunks->Mark(task.run);
  if (!mark.ok()) return Failed(task, "log not resumed; trying again", mark.error());
  if (!mark->has_value()) {
    if (Status resumed = task.log.Resume(); !resumed.ok())
      return Failed(task, "log not resumed; trying again", resumed.error());
  }
  task.begun = true;
  return mark->has_value() ? Step::kDone : Step::kAgain;
}

LogCollector::Step LogCollector::Close(Task& task, const LoggedRun& seen, std::stop_token stop) {
  const auto receipt = ParseLogReceipt(seen.receipt, seen.exit_code);
  std::string reason = seen.gone ? "PodGone" : "";
  const bool unread = !task.log.HasAllOf(receipt) || task.log.unframed_lines() > 0;
  if (!seen.gone && unread) {
    if (Status read = ReadRest(task, seen, stop); !read.ok()) {
      bool over = false;
      {
        const std::lock_guard lock(mutex_);
        over = steady_clock::now() >= task.give_up;
      }
      const bool gone = read.error().code == Errc::kNotFound;
      if (stop.stop_requested() || (!over && !gone))
        return Failed(task, "log not read to its end; trying again", read.error());
      reason = gone ? "PodGone" : "Unreadable";
      if (Status stored = Store(task); !stored.ok())
        return Failed(task, "log lines not stored; trying again", stored.error());
    }
  }
  const Result<v1::RunLogMark> mark = task.log.Conclude(receipt, reason);
  if (!mark.ok()) return Failed(task, "log not concluded; trying again", mark.error());
  if (!mark->complete()) {
    LogWarn("the log of a run is incomplete", {{"graph", task.run.graph},
                                               {"job_run_id", task.run.run_id},
                                               {"reason", mark->reason()},
                                               {"gaps", mark->gaps_size()}});
  }
  if (options_.on_mark) options_.on_mark(task.run, *mark);
  return Step::kDone;
}

// What the container has left, behind the newest line; all of it where that is not enough.
Status LogCollector::ReadRest(Task& task, const LoggedRun& seen, std::stop_token stop) {
  const auto receipt = ParseLogReceipt(seen.receipt, seen.exit_code);
  const TimeNs newest = task.log.newest_time();
  PodLogRequest request{task.run.graph, seen.pod, false, 0};
  if (newest > kOverlap && task.log.unframed_lines() == 0) {
    request.since = newest - kOverlap;
    RETURN_IF_ERROR(Read(task, request, stop));
    if (task.log.HasAllOf(receipt) && task.log.unframed_lines() == 0) return {};
    request.since = 0;
  }
  return Read(task, request, stop);
}

// One read, to its end; one that follows ends as well when the container is seen to have ended and
// nothing comes any more. Everything is stored when it is done.
Status LogCollector::Read(Task& task, const PodLogRequest& request, std::stop_token stop) {
  ASSIGN_OR_RETURN(const std::unique_ptr<PodLogStream> stream, options_.pods->Open(request, stop));
  task.log.BeginRead(request.since == 0);
  LineCutter cutter;
  const LineCutter::Take take = [&](std::string_view line, bool cut) { task.log.Add(line, cut); };
  std::string bytes;
  bool end = false;
  while (!end) {
    bytes.clear();
    RETURN_IF_ERROR(stream->Read(kLookUp, stop, bytes, end));
    // In pieces: a burst is stored as it is cut.
    for (size_t at = 0; at < bytes.size(); at += kHeldBytes / 4) {
      cutter.Push(std::string_view(bytes).substr(at, kHeldBytes / 4), take);
      if (task.log.pending_bytes() >= kHeldBytes) RETURN_IF_ERROR(Store(task));
    }
    const bool due = task.log.pending_bytes() > 0 &&
                     options_.clock->Now() >= task.log.pending_since() + options_.store_every;
    if (due) RETURN_IF_ERROR(Store(task));
    if (!request.follow || !bytes.empty()) continue;
    const LoggedRun seen = Seen(task);
    if (seen.ended || seen.gone) break;
  }
  if (!request.follow && end) cutter.End(take);
  return Store(task);
}

Status LogCollector::Store(Task& task) {
  Status stored = task.log.Store();
  if (stored.ok() || stored.error().code != Errc::kConflict) return stored;
  // Another operator was here; what it stored is as good.
  RETURN_IF_ERROR(task.log.Resume());
  return stored;
}

}  // namespace databuild
