// DataJobs: which definitions are in force.
#include "controller/planner/planner.h"

namespace databuild {
namespace {

std::string PolicyOrdinal(const ObservedDataJob& job, bool accepted, const std::string& reason) {
  return job.meta.uid + "/" + std::to_string(job.meta.generation) + "/" + job.spec_digest + "/" +
         job.meta.retry_token + "/" + (accepted ? "accepted" : reason);
}

void FillDefinition(const ObservedDataJob& job, v1::JobDefinitionEvent* event) {
  event->set_name(job.meta.name);
  event->set_uid(job.meta.uid);
  event->set_generation(job.meta.generation);
  event->set_spec_digest(job.spec_digest);
  for (const std::string& output : job.outputs) event->add_outputs(output);
  for (const InputSpec& input : job.inputs) {
    v1::JobInput* added = event->add_inputs();
    added->set_partition(input.partition);
    added->set_dep_type(input.materialize ? v1::MATERIALIZE : v1::QUERY);
  }
  event->set_suspend(job.suspend);
  event->mutable_retry()->set_limit(job.retry.limit);
  event->mutable_retry()->set_backoff_ms(static_cast<uint64_t>(job.retry.backoff / kMillisecond));
  event->mutable_retry()->set_max_backoff_ms(
      static_cast<uint64_t>(job.retry.max_backoff / kMillisecond));
  event->mutable_retry()->set_infrastructure_limit(job.retry.infrastructure_limit);
  event->set_max_concurrent_runs(job.max_concurrent_runs);
  event->set_batch_max(job.batch_max);
  for (const std::string& name : job.batch_by) event->add_batch_by(name);
  event->set_timeout_seconds(static_cast<uint64_t>(job.timeout / kSecond));
  event->set_retry_token(job.meta.retry_token);
  event->set_configure_container(job.configure_container);
  event->set_on_node_lost_retry(job.on_node_lost_retry);
}

}  // namespace

bool Planner::AcceptedBefore(const ObservedDataJob& job) const {
  const Index index = state_.FindJob(job.label);
  if (index == kNone || !state_.job(index).Accepted()) return false;
  const v1::JobDefinitionEvent& recorded = state_.job(index).definition;
  return recorded.uid() == job.meta.uid && recorded.generation() == job.meta.generation &&
         recorded.spec_digest() == job.spec_digest;
}

Planner::JobVerdict Planner::JudgeDataJob(const ObservedDataJob& job) const {
  if (!job.error.empty()) return {true, false, reason::kInvalidJob, job.error};
  if (const std::string misuse = ConfigureMisuse(job); !misuse.empty())
    return {true, false, reason::kInvalidJob, misuse};
  const Index recorded = state_.FindJob(job.label);
  if (recorded != kNone && state_.job(recorded).Accepted() &&
      state_.job(recorded).definition.name() != job.meta.name &&
      snapshot_.FindDataJob(state_.job(recorded).definition.name())) {
    return {true, false, reason::kInvalidJob,
            "spec.label " + job.label + " is taken by DataJob " +
                state_.job(recorded).definition.name() + "; labels are unique in a namespace"};
  }
  const Result<JobPatterns> patterns = CompileJob(TemplatesOf(job));
  if (!patterns.ok()) return {true, false, reason::kInvalidJob, patterns.error().message};
  const std::string conflicts = catalogue_.Conflicts(*patterns, job.label);
  if (!conflicts.empty()) return {true, false, reason::kAmbiguousProducer, conflicts};
  if (AcceptedBefore(job)) return {true, true, "Accepted", ""};
  const auto proof = snapshot_.proofs.find(job.meta.uid);
  if (proof == snapshot_.proofs.end() || proof->second.generation != job.meta.generation) return {};
  if (!proof->second.accepted) return {true, false, reason::kInvalidJob, proof->second.message};
  return {true, true, "Accepted", ""};
}

void Planner::DecideDataJob(const std::string& name) {
  const ObservedDataJob* job = snapshot_.FindDataJob(name);
  // What the log holds of this object under another label, or of an object that is gone.
  for (Index index = 0; index < state_.jobs().size(); ++index) {
    const Job& recorded = state_.job(index);
    if (!recorded.defined || recorded.definition.deleted() || recorded.definition.name() != name)
      continue;
    if (job && job->label == recorded.label && !job->meta.deleting) continue;
    v1::JobDefinitionEvent* event =
        batch_->Definition(recorded.label, recorded.definition.uid() + "/deleted/" +
                                               std::to_string(recorded.last_idx));
    const std::string label = event->job_label();
    *event = recorded.definition;
    event->set_job_label(label);
    event->set_accepted(false);
    event->set_deleted(true);
    event->set_reason(reason::kNoProducer);
    event->set_message("DataJob " + name + " was deleted");
  }
  unproved_jobs_.erase(name);
  if (!job || job->meta.deleting) return;
  unproved_jobs_.insert(name);  // until the log holds the verdict on it
  effect_dirty_.insert({KeyKind::kDataJob, name});
  const JobVerdict verdict = JudgeDataJob(*job);
  if (!verdict.known) return;
  status_dirty_.insert({KeyKind::kDataJob, name});
  const Index index = state_.FindJob(job->label);
  const Job* recorded = index == kNone || !state_.job(index).defined ? nullptr : &state_.job(index);
  // A label that another DataJob holds is that one's to record.
  if (recorded && recorded->Accepted() && recorded->definition.name() != name &&
      !verdict.accepted) {
    unproved_jobs_.erase(name);
    return;
  }
  if (recorded && !recorded->definition.deleted() && recorded->definition.uid() == job->meta.uid &&
      recorded->definition.generation() == job->meta.generation &&
      recorded->definition.spec_digest() == job->spec_digest &&
      recorded->definition.retry_token() == job->meta.retry_token &&
      recorded->definition.accepted() == verdict.accepted &&
      recorded->definition.message() == verdict.message) {
    unproved_jobs_.erase(name);
    return;
  }
  const std::string ordinal = PolicyOrdinal(*job, verdict.accepted, verdict.reason) + "/" +
                              std::to_string(recorded ? recorded->last_idx : 0);
  v1::JobDefinitionEvent* event = batch_->Definition(job->label, ordinal);
  FillDefinition(*job, event);
  event->set_accepted(verdict.accepted);
  event->set_reason(verdict.reason);
  event->set_message(verdict.message);
  Mark({KeyKind::kDataJob, name});
}

const ObservedDataJob* Planner::Definition(Index job) const { return DefinitionPtr(job).get(); }

std::shared_ptr<const ObservedDataJob> Planner::DefinitionPtr(Index job) const {
  if (job == kNone || !state_.job(job).Accepted()) return nullptr;
  const v1::JobDefinitionEvent& definition = state_.job(job).definition;
  const auto it = snapshot_.data_jobs.find(definition.name());
  if (it == snapshot_.data_jobs.end() || it->second->meta.uid != definition.uid() ||
      it->second->meta.generation != definition.generation()) {
    return nullptr;
  }
  return it->second;
}

}  // namespace databuild
