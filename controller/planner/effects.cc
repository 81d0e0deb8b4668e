// What the cluster lacks that the log says should be there.
#include <algorithm>

#include "controller/planner/planner.h"
#include "controller/planner/run_outcome.h"

namespace databuild {

std::vector<Effect> Planner::DecideEffects(TimeNs now) {
  now_ = now;
  std::vector<Effect> effects;
  std::set<Key> keys;
  keys.swap(effect_dirty_);
  for (const Key& key : keys) {
    if (key.kind == KeyKind::kRun) {
      const Index run = state_.FindRun(key.id);
      if (run != kNone) EffectsForRun(run, effects);
      continue;
    }
    EffectsForObject(key, effects);
  }
  // What a plan changes is told once, when it is whole.
  if (!open_plan_) StatusEffects(effects);
  return effects;
}

std::optional<CreateJob> Planner::CreateJobFor(Index index) {
  const Run& run = state_.run(index);
  std::shared_ptr<const ObservedDataJob> definition = DefinitionPtr(run.job);
  if (!definition || definition->meta.generation != run.generation) return std::nullopt;
  CreateJob create;
  create.run_id = run.id;
  create.log_id = options_.log_id;
  create.job_label = state_.job(run.job).label;
  create.attempt = run.attempt;
  create.configure = run.kind == v1::JOB_KIND_CONFIGURE;
  for (size_t i = 0; i < run.partitions.size(); ++i) {
    create.outputs.emplace_back(
        state_.partition(run.partitions[i]).ref,
        i < run.instances.size() ? state_.instance(run.instances[i]).id.str() : "");
  }
  for (Index input : run.inputs) {
    const Instance& read = state_.instance(input);
    create.inputs.emplace_back(state_.partition(read.partition).ref, read.id);
  }
  std::sort(create.inputs.begin(), create.inputs.end());
  if (create.configure) {
    create.args.emplace_back("config");
    for (const auto& [ref, id] : create.outputs) create.args.push_back(ref);
    create.definition = std::move(definition);
    return create;
  }
  // The command line is the same pure function of the definition that was recorded on SCHEDULED.
  const JobPatterns* patterns = CommandsOf(run.job);
  if (!patterns) return std::nullopt;
  CommandContext context;
  context.captures = patterns->Match(create.outputs.front().first).value_or(Captures{});
  for (const auto& [ref, id] : create.outputs) context.outputs.push_back(ref);
  for (const auto& [ref, id] : create.inputs) context.inputs.push_back(ref);
  context.job_run_id = run.id;
  Result<std::optional<CommandLine>> command = CommandOf(run.job, context);
  if (!command.ok() || !*command) return std::nullopt;
  create.args = std::move((*command)->args);
  create.env = std::move((*command)->env);
  create.definition = std::move(definition);
  return create;
}

void Planner::EffectsForRun(Index index, std::vector<Effect>& effects) {
  const Run& run = state_.run(index);
  const Key key{KeyKind::kRun, run.id};
  const ObservedJob* job = snapshot_.FindJob(run.id);
  const std::string name = run.job == kNone ? "" : state_.job(run.job).definition.name();
  const auto retry = [&] { WakeAt(now_ + kEffectRetry, key); };
  if (state_.RunLive(index)) {
    if (job && job->log_id != options_.log_id) return;  // foreign: reported by its refusal
    if (run.extra->cancel_requested) {
      if (job && !job->job_gone && !job->deleting) {
        effects.push_back(DeleteJob{run.id, name, job->uid});
        return retry();
      }
      if (!job && !snapshot_.absent_runs.contains(run.id)) {
        effects.push_back(ConfirmRunAbsent{run.id, name});
        return retry();
      }
      return;
    }
    if (job && job->pod && AwaitsOutput(run, Judge(run, *job))) {
      const std::optional<Receipt> receipt = ParseReceipt(job->pod->receipt);
      effects.push_back(ReadRunOutput{run.id, job->pod->name, receipt->last_sequence,
                                      receipt->manifest ? 0 : receipt->manifest_parts});
      return retry();
    }
    if (job) {
      if (!EndedWithoutPod(*job) || snapshot_.podless_runs.contains(run.id)) return;
      effects.push_back(ConfirmRunAbsent{run.id, name});
      return retry();
    }
    // The informer has not shown it yet; only after a while it is worth another try.
    const auto created = snapshot_.created.find(run.id);
    if (created != snapshot_.created.end() && now_ < created->second + kEffectRetry)
      return WakeAt(created->second + kEffectRetry, key);
    if (run.status == v1::JOB_RUNNING) {
      if (snapshot_.absent_runs.contains(run.id)) return;
      effects.push_back(ConfirmRunAbsent{run.id, name});
      return retry();
    }
    const auto refused = snapshot_.refused.find(run.id);
    if (refused != snapshot_.refused.end()) {
      if (refused->second.too_large) return;
      if (now_ < refused->second.at + kRefusedRetry)
        return WakeAt(refused->second.at + kRefusedRetry, key);
    }
    if (std::optional<CreateJob> create = CreateJobFor(index)) {
      effects.push_back(std::move(*create));
    } else {
      effects.push_back(ConfirmRunAbsent{run.id, name});
    }
    return retry();
  }
  if (!job || job->job_gone || job->deleting || job->log_id != options_.log_id) return;
  // A pod that may still come to work must not.
  const bool unread = job->pod && (job->pod->started_at || job->pod->finished_at) &&
                      !snapshot_.logged_runs.contains(run.id);
  const DurationNs stays =
      std::max(options_.keep_finished_jobs, unread ? options_.log_deadline : 0);
  const TimeNs due = MayStillWork(*job) ? now_ : run.ended_at + stays;
  if (now_ < due) return WakeAt(due, key);
  effects.push_back(DeleteJob{run.id, name, job->uid});
  retry();
}

void Planner::EffectsForObject(const Key& key, std::vector<Effect>& effects) {
  const auto retry = [&] { WakeAt(now_ + kEffectRetry, key); };
  if (key.kind == KeyKind::kDataJob) {
    const auto it = snapshot_.data_jobs.find(key.id);
    if (it == snapshot_.data_jobs.end() || !it->second->error.empty()) return;
    const auto proof = snapshot_.proofs.find(it->second->meta.uid);
    if (proof != snapshot_.proofs.end() && proof->second.generation == it->second->meta.generation)
      return;
    if (AcceptedBefore(*it->second)) return;  // proved before the operator was restarted
    effects.push_back(ProveTemplate{it->second});
    return retry();
  }
  if (key.kind == KeyKind::kWant) {
    const Index want = state_.FindWant(key.id);
    if (want == kNone) return;
    const Want& recorded = state_.want(want);
    if (recorded.Live() && suspects_.contains(key.id) && !snapshot_.wants.contains(key.id) &&
        !snapshot_.absent_objects.contains(key.id)) {
      effects.push_back(ConfirmObjectAbsent{ObjectKind::kWant, recorded.name, recorded.id});
      return retry();
    }
    const bool due = recorded.status == v1::WANT_EXPIRED && recorded.delete_after &&
                     now_ >= recorded.ended_at + *recorded.delete_after;
    if (due && snapshot_.wants.contains(key.id)) {
      effects.push_back(DeleteWant{recorded.name, recorded.id});
      retry();
    }
    return;
  }
  const Index taint = state_.FindTaint(key.id);
  if (taint == kNone || state_.taint(taint).status != v1::TAINT_CREATED) return;
  if (!suspects_.contains(key.id) || snapshot_.taints.contains(key.id)) return;
  if (snapshot_.absent_objects.contains(key.id)) return;
  effects.push_back(ConfirmObjectAbsent{ObjectKind::kTaint, state_.taint(taint).name, key.id});
  retry();
}

// The status of every object that something happened to.
void Planner::StatusEffects(std::vector<Effect>& effects) {
  marked_wants_.Clear();
  std::set<Key> keys;
  keys.swap(status_dirty_);
  for (const Key& key : keys) {
    if (key.kind == KeyKind::kWant) {
      if (const ObservedWant* want = snapshot_.FindWant(key.id)) {
        effects.push_back(
            PatchStatus{ObjectKind::kWant, want->meta.name, key.id, StatusOfWant(*want)});
      }
    } else if (key.kind == KeyKind::kTaint) {
      if (const ObservedTaint* taint = snapshot_.FindTaint(key.id)) {
        effects.push_back(
            PatchStatus{ObjectKind::kTaint, taint->meta.name, key.id, StatusOfTaint(*taint)});
      }
    } else if (key.kind == KeyKind::kDataJob) {
      if (const ObservedDataJob* job = snapshot_.FindDataJob(key.id)) {
        effects.push_back(
            PatchStatus{ObjectKind::kDataJob, key.id, job->meta.uid, StatusOfDataJob(*job)});
      }
    }
  }
}

}  // namespace databuild
