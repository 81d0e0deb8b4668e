#include "controller/reconciler/graph_workers.h"

#include <algorithm>
#include <chrono>

#include "bel/base/log.h"

namespace databuild {
namespace {

constexpr DurationNs kOpenRetry = 2 * kSecond;
// A worker looks at its clock at least this often, whatever it was told.
constexpr DurationNs kLongestNap = 30 * kSecond;

}  // namespace

GraphWorkers::GraphWorkers(GraphWorkersOptions options)
    : options_(std::move(options)), slots_(options_.max_runs) {}

GraphWorkers::~GraphWorkers() { Stop(); }

void GraphWorkers::Wake(const std::string& graph) {
  const std::lock_guard lock(mutex_);
  if (stopped_) return;
  std::unique_ptr<Worker>& worker = workers_[graph];
  if (!worker) {
    worker = std::make_unique<Worker>();
    worker->graph = graph;
    worker->thread =
        std::jthread([this, raw = worker.get()](std::stop_token stop) { Run(*raw, stop); });
    return;
  }
  const std::lock_guard worker_lock(worker->mutex);
  worker->woken = true;
  worker->changed.notify_all();
}

void GraphWorkers::Stop() {
  std::map<std::string, std::unique_ptr<Worker>> ending;
  {
    const std::lock_guard lock(mutex_);
    stopped_ = true;
    ending.swap(workers_);
  }
  for (auto& [graph, worker] : ending) worker->thread.request_stop();
  for (auto& [graph, worker] : ending) worker->thread.join();
}

std::vector<std::string> GraphWorkers::Graphs() const {
  const std::lock_guard lock(mutex_);
  std::vector<std::string> names;
  for (const auto& [graph, worker] : workers_) {
    const std::lock_guard worker_lock(worker->mutex);
    if (worker->handle) names.push_back(graph);
  }
  return names;
}

std::shared_ptr<const GraphHandle> GraphWorkers::Find(const std::string& graph) const {
  const std::lock_guard lock(mutex_);
  const auto it = workers_.find(graph);
  if (it == workers_.end()) return nullptr;
  const std::lock_guard worker_lock(it->second->mutex);
  return it->second->handle;
}

Status GraphWorkers::Ready() const {
  const std::lock_guard lock(mutex_);
  for (const auto& [graph, worker] : workers_) {
    const std::lock_guard worker_lock(worker->mutex);
    if (!worker->handle) {
      return Error{Errc::kUnavailable, "graph " + graph + ": log not open" +
                                           (worker->error.empty() ? "" : ": " + worker->error)};
    }
    const LogHealth health = worker->handle->log->health();
    if (!health.writable) {
      return Error{Errc::kUnavailable, "graph " + graph + ": log not writable since " +
                                           FormatRfc3339(health.unwritable_since) + ": " +
                                           health.error.message};
    }
  }
  return {};
}

Status GraphWorkers::Progress(DurationNs limit) const {
  const TimeNs now = options_.log.clock->Now();
  const std::lock_guard lock(mutex_);
  for (const auto& [graph, worker] : workers_) {
    const std::lock_guard worker_lock(worker->mutex);
    if (worker->tick_started != 0 && now - worker->tick_started > limit) {
      return Error{Errc::kDeadlineExceeded, "graph " + graph + " has been inside one tick since " +
                                                FormatRfc3339(worker->tick_started)};
    }
  }
  return {};
}

Result<std::shared_ptr<EventLog>> GraphWorkers::TryOpen(const Worker& worker) const {
  LogOptions log_options = options_.log;
  log_options.graph = worker.graph;
  if (!log_options.snapshot_folder.empty()) log_options.snapshot_folder += "/" + worker.graph;
  if (options_.on_append) {
    log_options.on_append = [this, graph = worker.graph](const AppendSample& sample) {
      options_.on_append(graph, sample);
    };
  }
  if (auto followed = options_.followed ? options_.followed(worker.graph) : nullptr) {
    const Status taken = followed->TakeOver(log_options);
    if (taken.ok()) return followed;
    LogWarn("followed log not taken over; it is opened anew",
            {{"graph", worker.graph}, {"error", taken.error().message}});
  }
  ASSIGN_OR_RETURN(std::unique_ptr<EventLog> opened, EventLog::Open(std::move(log_options)));
  return std::shared_ptr<EventLog>(std::move(opened));
}

// Opens the log, trying again until it is there or nothing can help.
bool GraphWorkers::OpenLog(Worker& worker, std::stop_token stop) {
  while (!stop.stop_requested()) {
    const TimeNs start = options_.log.clock->Now();
    Result<std::shared_ptr<EventLog>> log = TryOpen(worker);
    if (log.ok()) {
      PlannerOptions planner = options_.planner;
      planner.graph = worker.graph;
      auto handle = std::make_shared<GraphHandle>();
      handle->log = std::move(*log);
      handle->reconciler = std::make_unique<GraphReconciler>(
          planner, GraphReconciler::Parts{handle->log.get(), options_.cluster, options_.log.clock,
                                          &slots_, options_.on_event});
      LogInfo("log open", {{"graph", worker.graph},
                           {"log_id", handle->log->log_id()},
                           {"epoch", handle->log->epoch()},
                           {"head", handle->log->head()},
                           {"took", FormatDuration(options_.log.clock->Now() - start)}});
      const std::lock_guard lock(worker.mutex);
      worker.handle = std::move(handle);
      worker.error.clear();
      return true;
    }
    LogError("log not open; trying again", {{"graph", worker.graph},
                                            {"code", ErrcName(log.error().code)},
                                            {"error", log.error().message}});
    std::unique_lock lock(worker.mutex);
    worker.error = log.error().message;
    worker.changed.wait_for(lock, stop, std::chrono::nanoseconds(kOpenRetry), [] { return false; });
  }
  return false;
}

void GraphWorkers::Run(Worker& worker, std::stop_token stop) {
  if (!OpenLog(worker, stop)) return;
  const std::shared_ptr<const GraphHandle> handle = worker.handle;
  while (!stop.stop_requested()) {
    {
      const std::lock_guard lock(worker.mutex);
      worker.woken = false;
      worker.tick_started = options_.log.clock->Now();
    }
    const TickReport report = handle->reconciler->Tick();
    if (options_.on_tick) options_.on_tick(worker.graph, report);
    const TimeNs now = options_.log.clock->Now();
    const TimeNs wake =
        std::min(handle->reconciler->NextWake().value_or(now + kLongestNap), now + kLongestNap);
    std::unique_lock lock(worker.mutex);
    worker.tick_started = 0;
    if (wake <= now) continue;
    worker.changed.wait_for(lock, stop, std::chrono::nanoseconds(wake - now),
                            [&] { return worker.woken; });
  }
}

}  // namespace databuild
