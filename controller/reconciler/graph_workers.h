// GraphWorkers: one thread per graph. Opens the graph's log, then ticks whenever the cluster has
// news or something is due. A graph is only ever decided on by its own thread.
#pragma once

#include <condition_variable>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "controller/reconciler/reconciler.h"

namespace databuild {

struct GraphWorkersOptions {
  LogOptions log;  // graph and on_append are set here; snapshot_folder holds a folder per graph
  PlannerOptions planner;  // graph and log_id are set here
  // The graph's log as a standby has followed it, to be taken over; nullptr: open it. May be empty.
  std::function<std::shared_ptr<EventLog>(const std::string& graph)> followed;
  uint32_t max_runs = 0;  // of the whole operator, 0: no limit
  Cluster* cluster = nullptr;
  // Called on the worker's thread after every tick.
  std::function<void(const std::string& graph, const TickReport& report)> on_tick;
  // After every durable group of a graph's events.
  std::function<void(const std::string& graph, const AppendSample& sample)> on_append;
  // For every event this process appended, after it was applied, under the readers' lock.
  std::function<void(const std::string& graph, const v1::BuildEvent& event,
                     const BuildState& state)>
      on_event;
};

// What readers get of one graph; alive for as long as they hold it.
struct GraphHandle {
  std::shared_ptr<EventLog> log;
  std::unique_ptr<GraphReconciler> reconciler;
};

// Thread-safe.
class GraphWorkers {
 public:
  explicit GraphWorkers(GraphWorkersOptions options);
  ~GraphWorkers();  // Stop

  // Wakes the graph's worker; makes it if there is none.
  void Wake(const std::string& graph);
  // Ends every worker after the tick it is in. Idempotent.
  void Stop();

  // Graphs whose log is open.
  std::vector<std::string> Graphs() const;
  std::shared_ptr<const GraphHandle> Find(const std::string& graph) const;

  // Every known graph's log is open and writable; the error names the first that is not.
  Status Ready() const;
  // No worker has been inside one tick for longer than `limit`.
  Status Progress(DurationNs limit) const;

 private:
  struct Worker {
    std::string graph;
    mutable std::mutex mutex;
    std::condition_variable_any changed;
    bool woken = true;
    TimeNs tick_started = 0;  // 0: not in a tick
    std::shared_ptr<const GraphHandle> handle;
    std::string error;    // why the log is not open
    std::jthread thread;  // last: ends first
  };

  void Run(Worker& worker, std::stop_token stop);
  Result<std::shared_ptr<EventLog>> TryOpen(const Worker& worker) const;
  bool OpenLog(Worker& worker, std::stop_token stop);

  GraphWorkersOptions options_;
  RunSlots slots_;
  mutable std::mutex mutex_;  // guards workers_ and stopped_; taken before a worker's
  std::map<std::string, std::unique_ptr<Worker>> workers_;
  bool stopped_ = false;
};

}  // namespace databuild
