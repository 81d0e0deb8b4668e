// What events about job runs and job definitions do.
#include <algorithm>

#include "bel/base/check.h"
#include "bel/build_state.h"

namespace databuild {

void BuildState::Apply(const EventView& event, const JobView& job_event) {
  const Index index = InternRun(job_event.job_run_id);
  Run& run = runs_[index];
  const bool was_live = RunLive(index);
  --runs_by_status_[run.status];
  run.status = static_cast<v1::JobStatus>(job_event.status_code);
  ++runs_by_status_[run.status];
  run.last_idx = idx_;
  if (!job_event.job_name.empty()) run.job_name = job_event.job_name;
  if (job_event.started_at) run.started_at = job_event.started_at;
  switch (run.status) {
    case v1::JOB_SCHEDULED:
    case v1::JOB_SKIPPED:
      StartRun(index, event, job_event);
      break;
    case v1::JOB_RUNNING:
      if (!run.started_at) run.started_at = event.timestamp;
      break;
    default:
      if (was_live) EndRun(index, job_event, event.timestamp);
      break;
  }
  for (Index partition : run.partitions) {
    for (Index want : partitions_[partition].wants) wants_[want].last_idx = idx_;
  }
}

void BuildState::StartRun(Index index, const EventView& event, const JobView& job_event) {
  Run& run = runs_[index];
  run.job = InternJob(job_event.job_label.label);
  run.build = FindBuild(event.build_request_id);
  run.kind = static_cast<v1::JobKind>(job_event.kind);
  run.generation = job_event.generation;
  run.attempt = job_event.attempt;
  run.scheduled_at = event.timestamp;
  run.scheduled_idx = idx_;
  if (!job_event.message.empty()) run.extra.Edit().message = job_event.message;
  for (const RefView ref : job_event.target_partitions) {
    run.partitions.push_back(InternPartition(ref.str));
  }
  Job& job = jobs_[run.job];
  const bool configure = run.kind == v1::JOB_KIND_CONFIGURE;
  (configure ? job.last_configure : job.last_run) = index;
  job.last_idx = idx_;
  if (run.status == v1::JOB_SKIPPED) {
    run.ended_at = event.timestamp;
    ++job.runs_skipped;
    if (run.build != kNone) ++builds_[run.build].runs_skipped;
    return;
  }
  for (const std::string_view id : job_event.instance_ids) {
    const Index instance = FindInstance(id);
    if (instance == kNone) continue;
    run.instances.push_back(instance);
    instances_[instance].run = index;
    ++instances_[instance].runs;
  }
  for (const InstanceRefView input : job_event.input_instances) {
    const Index instance = FindInstance(input.instance_id);
    if (instance != kNone) run.inputs.push_back(instance);
  }
  if (configure) return;
  ++job.active_runs;
  if (run.build != kNone) ++builds_[run.build].runs_total;
}

void BuildState::EndRun(Index index, const JobView& job_event, TimeNs now) {
  Run& run = runs_[index];
  run.ended_at = job_event.finished_at ? job_event.finished_at : now;
  run.outcome = static_cast<v1::JobOutcome>(job_event.outcome);
  ++runs_by_outcome_[run.outcome];
  if (!job_event.reason.empty()) run.extra.Edit().reason = job_event.reason;
  if (!job_event.message.empty()) run.extra.Edit().message = job_event.message;
  if (job_event.exit_code.present) {
    run.exit_code = static_cast<int32_t>(job_event.exit_code.value);
  }
  if (run.status == v1::JOB_COMPLETED && !job_event.input_instances.empty()) {
    run.inputs.clear();  // what its manifest says it read
    for (const InstanceRefView input : job_event.input_instances) {
      const Index instance = FindInstance(input.instance_id);
      if (instance != kNone) run.inputs.push_back(instance);
    }
  }
  for (const RefView ref : job_event.missing_dependencies) {
    run.extra.Edit().missing.push_back(InternPartition(ref.str));
  }
  if (run.status == v1::JOB_FAILED) CountFailure(run, now);
  Job& job = jobs_[run.job == kNone ? InternJob("") : run.job];
  job.last_idx = idx_;
  if (run.kind == v1::JOB_KIND_CONFIGURE) return KeepConfigs(run, job_event);
  if (job.active_runs > 0) --job.active_runs;
  Build* build = run.build == kNone ? nullptr : &builds_[run.build];
  if (run.status == v1::JOB_COMPLETED) {
    ++job.runs_completed;
    job.partitions_made += run.partitions.size();
    if (build) ++build->runs_completed;
  } else if (run.status == v1::JOB_CANCELLED) {
    ++job.runs_cancelled;
    if (build) ++build->runs_cancelled;
  } else {
    ++job.runs_failed;
    if (build) ++build->runs_failed;
  }
}

// An answer that was asked of an older definition is of no use to the one in force.
void BuildState::KeepConfigs(const Run& run, const JobView& job_event) {
  Job& job = jobs_[run.job];
  if (run.scheduled_idx < job.accepted_idx) return;
  for (const std::string_view body : job_event.configs) {
    v1::JobConfig config;
    if (!config.ParseFromArray(body.data(), static_cast<int>(body.size())) ||
        config.outputs().empty()) {
      continue;
    }
    job.configs[InternPartition(config.outputs(0).str())] = std::string(body);
  }
}

void BuildState::CountFailure(const Run& run, TimeNs now) {
  for (Index instance : run.instances) {
    Instance::Extra& made = instances_[instance].extra.Edit();
    made.last_failure_at = now;
    if (IsFailure(run.outcome)) ++made.failed_runs;
    if (IsInfrastructure(run.outcome)) ++made.lost_runs;
  }
}

void BuildState::Apply(const EventView&, const JobDefinitionView& change) {
  v1::JobDefinitionEvent definition;
  CHECK(definition.ParseFromArray(change.body.data(), static_cast<int>(change.body.size())));
  Job& job = jobs_[InternJob(definition.job_label())];
  const v1::JobDefinitionEvent& before = job.definition;
  const bool same = job.Accepted() && before.uid() == definition.uid() &&
                    before.generation() == definition.generation() &&
                    before.spec_digest() == definition.spec_digest();
  if (definition.accepted() && !definition.deleted() && !same) job.accepted_idx = idx_;
  if (!same) job.configs.clear();
  if (job.defined && before.retry_token() != definition.retry_token()) job.retry_idx = idx_;
  job.definition = std::move(definition);
  job.defined = true;
  job.last_idx = idx_;
}

}  // namespace databuild
