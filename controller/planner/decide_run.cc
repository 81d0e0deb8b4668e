// Job runs: what the cluster shows of them becomes fact.
#include <algorithm>
#include <set>

#include "controller/planner/mutant.h"
#include "controller/planner/planner.h"
#include "controller/planner/run_outcome.h"

namespace databuild {
namespace {

// An event has at most 1 MiB; a longer manifest is recorded as the plan's.
constexpr size_t kMaxManifestBytes = 512 * 1'024;
// What stands in the log alone is waited for this long after the run's end.
constexpr DurationNs kOutputWait = 2 * kMinute;

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
  if (EndedWithoutPod(*job) && !snapshot_.podless_runs.contains(run.id) &&
      !IsMutant(Mutant::kNoPodList)) {
    return;  // ask first
  }
  RunVerdict verdict = Judge(run, *job);
  if (verdict.look_again_at > now_) WakeAt(verdict.look_again_at, {KeyKind::kRun, run.id});
  if (verdict.kind == RunVerdict::Kind::kEnded) {
    if (verdict.incomplete && !TakeOutput(index, verdict)) return;
    if (verdict.outcome == v1::JOB_OUTCOME_SUCCEEDED && run.kind == v1::JOB_KIND_CONFIGURE)
      return CompleteConfigure(index, std::move(verdict));
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
    event->set_kind(run.kind);
    event->set_started_at(verdict.started_at);
    event->set_cluster_uid(job->uid);
    event->set_job_name(job->name);
  }
}

RunVerdict Planner::Judge(const Run& run, const ObservedJob& job) const {
  const bool configure = run.kind == v1::JOB_KIND_CONFIGURE;
  RunVerdict verdict = JudgeRun(job, now_, configure);
  if (!configure || verdict.outcome != v1::JOB_OUTCOME_MISSING_DEPENDENCIES) return verdict;
  verdict.outcome = v1::JOB_OUTCOME_FAILED;  // it reads no data that could be missing
  verdict.message = "asked how its outputs are made, the job reported missing inputs";
  verdict.incomplete = false;
  return verdict;
}

// Of an ended run whose log holds what its receipt has no room for. False: it is being read.
bool Planner::AwaitsOutput(const Run& run, const RunVerdict& verdict) const {
  return verdict.incomplete && now_ < verdict.finished_at + kOutputWait &&
         !snapshot_.outputs.contains(run.id);
}

bool Planner::TakeOutput(Index index, RunVerdict& verdict) {
  const Run& run = state_.run(index);
  if (AwaitsOutput(run, verdict)) {
    WakeAt(verdict.finished_at + kOutputWait, {KeyKind::kRun, run.id});
    return false;
  }
  const auto read = snapshot_.outputs.find(run.id);
  if (read != snapshot_.outputs.end() && read->second.whole) {
    if (read->second.manifest.ByteSizeLong() > 0) verdict.manifest = read->second.manifest;
    if (!read->second.missing.empty()) verdict.missing = read->second.missing;
    verdict.config_response = read->second.config_response;
  } else if (verdict.outcome == v1::JOB_OUTCOME_SUCCEEDED && run.kind == v1::JOB_KIND_BUILD) {
    verdict.message = "its manifest was lost with its log; the one recorded is the plan's";
  } else {
    verdict.outcome = v1::JOB_OUTCOME_NO_RECEIPT;
    verdict.reason = "LogLost";
    verdict.message += " (but the log that says which is gone)";
  }
  return true;
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
  event->set_kind(run.kind);
  event->set_outcome(verdict.outcome);
  event->set_reason(verdict.reason);
  event->set_message(verdict.message);
  if (verdict.exit_code) event->set_exit_code(*verdict.exit_code);
  if (verdict.started_at) event->set_started_at(verdict.started_at);
  if (verdict.finished_at) event->set_finished_at(verdict.finished_at);
  for (const std::string& ref : verdict.missing) event->add_missing_dependencies()->set_str(ref);
  return event;
}

// What a run says it made that it was not told to make; empty if there is nothing.
std::string Planner::ForeignOutput(const Run& run, const RunVerdict& verdict) const {
  if (!verdict.manifest) return "";
  for (const v1::PartitionRef& output : verdict.manifest->outputs()) {
    const Index partition = state_.FindPartition(output.str());
    if (std::find(run.partitions.begin(), run.partitions.end(), partition) == run.partitions.end())
      return output.str();
  }
  return "";
}

// The run's own words about what it read and made; where it said nothing, the plan's.
v1::PartitionManifest Planner::ManifestOf(Index index, const RunVerdict& verdict) const {
  const Run& run = state_.run(index);
  v1::PartitionManifest manifest;
  if (verdict.manifest && verdict.manifest->ByteSizeLong() <= kMaxManifestBytes) {
    manifest.mutable_metadata()->insert(verdict.manifest->metadata().begin(),
                                        verdict.manifest->metadata().end());
  }
  manifest.mutable_task()->mutable_job()->set_label(state_.job(run.job).label);
  manifest.mutable_task()->set_generation(run.generation);
  for (size_t i = 0; i < run.partitions.size(); ++i) {
    const std::string& ref = state_.partition(run.partitions[i]).ref;
    manifest.add_outputs()->set_str(ref);
    v1::PartitionInstanceRef* made = manifest.add_output_instances();
    made->set_ref(ref);
    if (i < run.instances.size()) made->set_instance_id(state_.instance(run.instances[i]).id);
  }
  std::set<std::string> named;  // of the inputs; empty: all that it was given
  if (verdict.manifest && verdict.manifest->ByteSizeLong() <= kMaxManifestBytes) {
    for (const v1::PartitionInstanceRef& read : verdict.manifest->input_instances())
      named.insert(read.ref());
  }
  const bool all = named.empty();
  for (Index input : run.inputs) {
    const std::string& ref = state_.partition(state_.instance(input).partition).ref;
    if (!all && named.erase(ref) == 0) continue;
    v1::PartitionInstanceRef* read = manifest.add_input_instances();
    read->set_ref(ref);
    read->set_instance_id(state_.instance(input).id);
  }
  // What it read beyond the plan: which instance that was, nobody knows.
  for (const std::string& ref : named) manifest.add_input_instances()->set_ref(ref);
  manifest.set_start_time(verdict.started_at / kSecond);
  manifest.set_end_time(verdict.finished_at / kSecond);
  return manifest;
}

void Planner::CompleteRun(Index index, const RunVerdict& verdict) {
  const Run& run = state_.run(index);
  if (const std::string foreign = ForeignOutput(run, verdict); !foreign.empty()) {
    RunVerdict wrong = verdict;
    wrong.outcome = v1::JOB_OUTCOME_FAILED;
    wrong.reason = "ManifestInvalid";
    wrong.message = "its manifest names " + foreign + ", which the run was not to make";
    return FailRun(index, wrong);
  }
  v1::JobEvent* ended = EndEvent(index, v1::JOB_COMPLETED, verdict);
  v1::PartitionManifest* manifest = ended->add_manifests();
  *manifest = ManifestOf(index, verdict);
  for (const v1::PartitionInstanceRef& read : manifest->input_instances()) {
    if (!read.instance_id().empty()) *ended->add_input_instances() = read;
  }
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
    if (std::find(run.partitions.begin(), run.partitions.end(), partition) !=
        run.partitions.end()) {
      cause.message = "the run reported its own output " + ref + " as a missing input";
      return true;
    }
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
    // One that was only asked about stays as it was.
    if (run.kind == v1::JOB_KIND_CONFIGURE && to == v1::PARTITION_ANALYZED) continue;
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
