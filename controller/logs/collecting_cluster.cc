#include "controller/logs/collecting_cluster.h"

#include <utility>

namespace databuild {
namespace {

LoggedRun ToLoggedRun(const ObservedPod& pod) {
  LoggedRun run;
  run.pod = pod.name;
  run.ended = pod.exit_code.has_value() || pod.finished_at != 0;
  run.running = pod.started_at != 0 && !run.ended;
  run.receipt = pod.receipt;
  run.exit_code = pod.exit_code;
  return run;
}

}  // namespace

CollectingCluster::CollectingCluster(Cluster& cluster, LogCollector& collector)
    : cluster_(cluster), collector_(collector) {}

bool CollectingCluster::Synced(const std::string& graph) const { return cluster_.Synced(graph); }

std::vector<Delta> CollectingCluster::TakeDeltas(const std::string& graph) {
  std::vector<Delta> deltas = cluster_.TakeDeltas(graph);
  for (const Delta& delta : deltas) Tell(graph, delta);
  const std::lock_guard lock(mutex_);
  for (Delta& stored : stored_[graph]) deltas.push_back(std::move(stored));
  stored_[graph].clear();
  return deltas;
}

// A Job that is shown without a pod proves nothing, also when it has ended: Jobs may be listed
// before pods. That there is none is known when the API server itself was asked.
void CollectingCluster::Tell(const std::string& graph, const Delta& delta) {
  if (const auto* changed = std::get_if<JobChanged>(&delta)) {
    const RunKey run{graph, changed->run_id};
    if (!changed->job) return collector_.Observe(run, std::nullopt);
    if (changed->job->pod) collector_.Observe(run, ToLoggedRun(*changed->job->pod));
  } else if (const auto* absent = std::get_if<PodsAbsent>(&delta)) {
    LoggedRun gone;
    gone.gone = true;
    collector_.Observe({graph, absent->run_id}, gone);
  }
}

void CollectingCluster::Submit(const std::string& graph, std::vector<Effect> effects) {
  cluster_.Submit(graph, std::move(effects));
}

void CollectingCluster::OnChange(std::function<void(const std::string& graph)> listener) {
  {
    const std::lock_guard lock(mutex_);
    listener_ = listener;
  }
  cluster_.OnChange(std::move(listener));
}

void CollectingCluster::NoteStored(const RunKey& run) {
  std::function<void(const std::string&)> listener;
  {
    const std::lock_guard lock(mutex_);
    stored_[run.graph].push_back(RunLogStored{run.run_id});
    listener = listener_;
  }
  if (listener) listener(run.graph);
}

}  // namespace databuild
