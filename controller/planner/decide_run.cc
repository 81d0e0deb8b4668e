// Job runs: what the cluster shows of them becomes fact.
#include <algorithm>

#include "controller/planner/mutant.h"
#include "controller/planner/planner.h"
#include "controller/planner/run_outcome.h"

namespace databuild {
namespace {

RunVerdict Lost(v1::JobOutcome outcome, std::string reason, std::string message, TimeNs now) {
  RunVerdict verdict;
  verdict.kind = RunVerdict::Kind::kEnded;
  verdict.outcome = outcome;
  verdict.reason = std::move(reason);
  verdict.message = std::move(message);
  verdict.finished_at = now;
  return verdict;
}

// Its id, or nothing.
std::string BuildOf(const BuildState& state, const Run& run) {
  return run.build == kNone ? "" : state.build(run.build).id.str();
}

}  // namespace

void Planner::DecideRun(Index index) {
  effect_dirty_.insert({KeyKind::kRun, state_.run(index).id});
  if (!state_.RunLive(index)) return;
  const Run& run = state_.run(index);
  const ObservedJob* job = snapshot_.FindJob(run.id);
  if (job && job->log_id != options_.log_id) job = nullptr;  // foreign: never adopted
  if (!job) return DecideUnseenRun(index);
  if (EndedWithoutPod(*job) && !snapshot_.podless_runs.contains(run.id)) return;  // ask first
  const RunVerdict verdict = JudgeRun(*job, now_);
  if (verdict.look_again_at > now_) WakeAt(verdict.look_again_at, {KeyKind::kRun, run.id});
  if (verdict.kind == RunVerdict::Kind::kEnded) {
    if (verdict.outcome == v1::JOB_OUTCOME_SUCCEEDED) return CompleteRun(index, verdict);
    if (!run.extra->cancel_requested) return FailRun(index, verdict);
    return;  // cancelled for certain only when the Job is confirmed gone
  }
  if (job->pod && !job->pod->node_ready && job->pod->node_lost_since + kNodeLost <= now_ &&
      state_.job(run.job).definition.on_node_lost_retry()) {
    return FailRun(index, Lost(v1::JOB_OUTCOME_NODE_LOST, reason::kNodeLost,
                               "node " + job->pod->node + " has not been ready for 10 min", now_));
  }
  if (verdict.kind == RunVerdict::Kind::kRunning && run.status == v1::JOB_SCHEDULED) {
    v1::JobEvent* event =
        batch_->Job(BuildOf(state_, run), run.id, state_.job(run.job).label, v1::JOB_RUNNING);
    event->set_started_at(verdict.started_at);
    event->set_cluster_uid(job->uid);
    event->set_job_name(job->name);
  }
}

// The informer shows no Job. That proves nothing: a live GET does.
void Planner::DecideUnseenRun(Index index) {
  const Run& run = state_.run(index);
  const auto refused = snapshot_.refused.find(run.id);
  if (refused != snapshot_.refused.end() && refused->second.too_large) {
    return FailRun(index, Lost(v1::JOB_OUTCOME_CREATE_REFUSED, reason::kRunTooLarge,
                               refused->second.message, now_));
  }
  if (!snapshot_.absent_runs.contains(run.id) && !IsMutant(Mutant::kNoLiveGet)) return;
  if (run.extra->cancel_requested) return CancelledRun(index);
  if (run.status == v1::JOB_RUNNING) {
    return FailRun(index, Lost(v1::JOB_OUTCOME_DELETED, "JobDeleted",
                               "the run's Job was deleted by somebody else", now_));
  }
  const ObservedDataJob* definition = Definition(run.job);
  if (!definition || definition->meta.generation != run.generation) {
    FailRun(index, Lost(v1::JOB_OUTCOME_JOB_CHANGED, "JobChanged",
                        "the DataJob changed before the run's Job was created", now_));
  }
}

v1::JobEvent* Planner::EndEvent(Index index, v1::JobStatus status, const RunVerdict& verdict) {
  const Run& run = state_.run(index);
  v1::JobEvent* event =
      batch_->Job(BuildOf(state_, run), run.id, state_.job(run.job).label, status);
  for (Index target : run.partitions) {
    event->add_target_partitions()->set_str(state_.partition(target).ref);
  }
  event->set_outcome(verdict.outcome);
  event->set_reason(verdict.reason);
  event->set_message(verdict.message);
  if (verdict.exit_code) event->set_exit_code(*verdict.exit_code);
  if (verdict.started_at) event->set_started_at(verdict.started_at);
  if (verdict.finished_at) event->set_finished_at(verdict.finished_at);
  for (const std::string& ref : verdict.missing) event->add_missing_dependencies()->set_str(ref);
  return event;
}

// The run's own words about what it made, if they fit what it was told to make; else the plan's.
v1::PartitionManifest Planner::ManifestOf(Index index, const RunVerdict& verdict) const {
  const Run& run = state_.run(index);
  v1::PartitionManifest manifest;
  if (verdict.manifest) {
    manifest.mutable_metadata()->insert(verdict.manifest->metadata().begin(),
                                        verdict.manifest->metadata().end());
  }
  for (size_t i = 0; i < run.partitions.size(); ++i) {
    const std::string& ref = state_.partition(run.partitions[i]).ref;
    manifest.add_outputs()->set_str(ref);
    v1::PartitionInstanceRef* made = manifest.add_output_instances();
    made->set_ref(ref);
    if (i < run.instances.size()) made->set_instance_id(state_.instance(run.instances[i]).id);
  }
  for (Index input : run.inputs) {
    v1::PartitionInstanceRef* read = manifest.add_input_instances();
    read->set_ref(state_.partition(state_.instance(input).partition).ref);
    read->set_instance_id(state_.instance(input).id);
  }
  manifest.set_start_time(verdict.started_at / kSecond);
  manifest.set_end_time(verdict.finished_at / kSecond);
  return manifest;
}

void Planner::CompleteRun(Index index, const RunVerdict& verdict) {
  const Run& run = state_.run(index);
  *EndEvent(index, v1::JOB_COMPLETED, verdict)->add_manifests() = ManifestOf(index, verdict);
  const std::vector<Index> taints = TaintsOf(index);
  for (Index instance : run.instances) {
    if (state_.InstanceFinal(instance) || !Claim(instance)) continue;
    v1::PartitionEvent* event = batch_->Partition(instance, v1::PARTITION_AVAILABLE);
    event->set_job_run_id(run.id);
    if (!taints.empty()) event->set_tainted_by(state_.taint(taints.front()).id);
  }
}

void Planner::FailRun(Index index, const RunVerdict& verdict) {
  EndEvent(index, v1::JOB_FAILED, verdict);
  ReturnInstances(index, verdict);
}

void Planner::CancelledRun(Index index) {
  RunVerdict verdict = Lost(v1::JOB_OUTCOME_CANCELLED, reason::kCancelled, "", now_);
  EndEvent(index, v1::JOB_CANCELLED, verdict);
  ReturnInstances(index, verdict);
}

// Whether the instances of a run that ended without data may not be tried again, and why.
bool Planner::Exhausted(Index index, const RunVerdict& verdict, CauseInfo& cause) const {
  const Run& run = state_.run(index);
  const v1::RetryPolicy& retry = state_.job(run.job).definition.retry();
  uint32_t failed = IsFailure(verdict.outcome) ? 1 : 0,
           lost = IsInfrastructure(verdict.outcome) ? 1 : 0;
  for (Index instance : run.instances) {
    failed = std::max(failed, state_.instance(instance).extra->failed_runs +
                                  (IsFailure(verdict.outcome) ? 1 : 0));
    lost = std::max(lost, state_.instance(instance).extra->lost_runs +
                              (IsInfrastructure(verdict.outcome) ? 1 : 0));
  }
  cause = {state_.partition(run.partitions.front()).ref, run.id, state_.job(run.job).label,
           verdict.reason, verdict.message};
  if (verdict.reason == reason::kRunTooLarge) return true;
  if (failed > retry.limit() && IsFailure(verdict.outcome)) return true;
  if (lost > retry.infrastructure_limit() && IsInfrastructure(verdict.outcome)) return true;
  if (verdict.outcome != v1::JOB_OUTCOME_MISSING_DEPENDENCIES) return false;
  for (const std::string& ref : verdict.missing) {
    const Index partition = state_.FindPartition(ref);
    const bool was_there = std::any_of(run.inputs.begin(), run.inputs.end(), [&](Index input) {
      return state_.instance(input).partition == partition;
    });
    if (!was_there) continue;
    cause.message = "the run was given " + ref + " and reported it missing again";
    return true;
  }
  if (verdict.missing.empty())
    cause.message = "the run reported missing dependencies but named none";
  return verdict.missing.empty();
}

void Planner::ReturnInstances(Index index, const RunVerdict& verdict) {
  const Run& run = state_.run(index);
  CauseInfo cause;
  const bool exhausted = Exhausted(index, verdict, cause);
  for (Index instance : run.instances) {
    const Instance& made = state_.instance(instance);
    if (state_.InstanceFinal(instance) || !Claim(instance)) continue;
    const Index want = made.build == kNone ? kNone : state_.build(made.build).want;
    const bool wanted = want != kNone && state_.want(want).Live();
    const v1::PartitionStatus to = !wanted     ? v1::PARTITION_CANCELLED
                                   : exhausted ? v1::PARTITION_FAILED
                                               : v1::PARTITION_ANALYZED;
    v1::PartitionEvent* event = batch_->Partition(instance, to);
    event->set_job_run_id(run.id);
    if (to == v1::PARTITION_ANALYZED) continue;
    CauseInfo own = cause;
    own.ref = state_.partition(made.partition).ref;
    if (!wanted) own.reason = reason::kCancelled;
    *event->mutable_cause() = ToProto(own);
  }
}

}  // namespace databuild
