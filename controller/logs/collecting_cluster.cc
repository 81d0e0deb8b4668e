#include "controller/logs/collecting_cluster.h"

#include <utility>

namespace databuild {
namespace {

LoggedRun ToLoggedRun(const ObservedJob& job) {
  LoggedRun run;
  if (!job.pod) {
    run.gone = job.job_gone || job.phase == JobPhase::kComplete || job.phase == JobPhase::kFailed;
    return run;
  }
  run.pod = job.pod->name;
  run.ended = job.pod->exit_code.has_value() || job.pod->finished_at != 0;
  run.running = job.pod->started_at != 0 && !run.ended;
  run.receipt = job.pod->receipt;
  run.exit_code = job.pod->exit_code;
  return run;
}

}  // namespace

CollectingCluster::CollectingCluster(Cluster& cluster, LogCollector& collector)
    : cluster_(cluster), collector_(collector) {}

bool CollectingCluster::Synced(const std::string& graph) const { return cluster_.Synced(graph); }

std::vector<Delta> CollectingCluster::TakeDeltas(const std::string& graph) {
  std::vector<Delta> deltas = cluster_.TakeDeltas(graph);
  for (const Delta& delta : deltas) {
    const auto* changed = std::get_if<JobChanged>(&delta);
    if (changed == nullptr) continue;
    std::optional<LoggedRun> seen;
    if (changed->job) seen = ToLoggedRun(*changed->job);
    collector_.Observe({graph, changed->run_id}, seen);
  }
  const std::lock_guard lock(mutex_);
  for (Delta& stored : stored_[graph]) deltas.push_back(std::move(stored));
  stored_[graph].clear();
  return deltas;
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
