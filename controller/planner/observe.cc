// What a change means for the planner: what has to be looked at again.
#include "controller/planner/planner.h"

namespace databuild {

void Planner::Observe(const Delta& delta) {
  const auto object = [&](KeyKind kind, const std::string& id, bool present) {
    Mark({kind, id});
    status_dirty_.insert({kind, id});
    if (present) {
      suspects_.erase(id);
    } else if (kind != KeyKind::kDataJob) {
      suspects_.insert(id);
      effect_dirty_.insert({kind, id});
    }
  };
  const auto run = [&](const std::string& id) {
    Mark({KeyKind::kRun, id});
    effect_dirty_.insert({KeyKind::kRun, id});
    const Index index = state_.FindRun(id);
    if (index == kNone) return;
    for (Index instance : state_.run(index).instances) MarkUnit(state_.instance(instance).unit);
    for (Index partition : state_.run(index).partitions) {
      // A new instance may wait for the end of this run.
      if (const Index live = state_.LiveInstance(partition); live != kNone)
        MarkUnit(state_.instance(live).unit);
      for (Index want : state_.partition(partition).wants) {
        status_dirty_.insert({KeyKind::kWant, state_.want(want).id});
      }
    }
  };
  if (const auto* want = std::get_if<WantChanged>(&delta)) {
    object(KeyKind::kWant, want->uid, want->want != nullptr);
  } else if (const auto* taint = std::get_if<TaintChanged>(&delta)) {
    object(KeyKind::kTaint, taint->uid, taint->taint != nullptr);
  } else if (const auto* job = std::get_if<DataJobChanged>(&delta)) {
    object(KeyKind::kDataJob, job->name, job->data_job != nullptr);
    effect_dirty_.insert({KeyKind::kDataJob, job->name});
  } else if (const auto* changed = std::get_if<JobChanged>(&delta)) {
    run(changed->run_id);
  } else if (const auto* external = std::get_if<ExternalChanged>(&delta)) {
    Mark({KeyKind::kExternal, external->external->ref});
  } else if (const auto* proof = std::get_if<TemplateProof>(&delta)) {
    for (const auto& [name, data_job] : snapshot_.data_jobs) {
      if (data_job->meta.uid == proof->uid) object(KeyKind::kDataJob, name, true);
    }
  } else if (const auto* created = std::get_if<JobCreated>(&delta)) {
    run(created->run_id);
  } else if (const auto* refused = std::get_if<JobRefused>(&delta)) {
    run(refused->run_id);
    WakeAt(refused->at + kRefusedRetry, {KeyKind::kRun, refused->run_id});
  } else if (const auto* absent = std::get_if<RunAbsent>(&delta)) {
    run(absent->run_id);
  } else if (const auto* podless = std::get_if<PodsAbsent>(&delta)) {
    run(podless->run_id);
  } else if (const auto* output = std::get_if<RunLogTail>(&delta)) {
    run(output->asked.run_id);
  } else if (const auto* stored = std::get_if<RunLogStored>(&delta)) {
    effect_dirty_.insert({KeyKind::kRun, stored->run_id});
  } else if (const auto* gone = std::get_if<ObjectAbsent>(&delta)) {
    Mark({gone->kind == ObjectKind::kWant ? KeyKind::kWant : KeyKind::kTaint, gone->uid});
  }
}

void Planner::MarkBuildAndWant(Index build) {
  if (build == kNone) return;
  MarkBuild(build);
  MarkWant(state_.build(build).want);
}

void Planner::Observe(const v1::BuildEvent& event) {
  const Index build =
      event.has_build_request_id() ? state_.FindBuild(event.build_request_id()) : kNone;
  switch (event.event_type_case()) {
    case v1::BuildEvent::kPartitionEvent:
      return ObserveInstance(state_.FindInstance(event.partition_event().instance_id()));
    case v1::BuildEvent::kJobEvent: {
      const Index run = state_.FindRun(event.job_event().job_run_id());
      return run == kNone ? void() : ObserveRun(run);
    }
    case v1::BuildEvent::kBuildCancelEvent:
      return MarkBuildAndWant(build);
    case v1::BuildEvent::kDelegationEvent:
      return ObserveDelegation(build, event.delegation_event());
    case v1::BuildEvent::kBuildRequestEvent:
      MarkBuildAndWant(build);
      // Only now may its units run.
      if (event.build_request_event().status().code() == v1::BUILD_REQUEST_EXECUTING)
        MarkUnitsOf(build);
      return;
    case v1::BuildEvent::kJobGraphEvent:
      return ObserveGraph(build, event.job_graph_event());
    case v1::BuildEvent::kJobRunCancelEvent:
      return MarkRun(state_.FindRun(event.job_run_cancel_event().job_run_id()));
    case v1::BuildEvent::kWantEvent:
      return ObserveWant(event.want_event());
    case v1::BuildEvent::kTaintEvent:
      return ObserveTaint(state_.FindTaint(event.taint_event().taint_id()));
    case v1::BuildEvent::kPartitionInvalidationEvent: {
      const std::string& ref = event.partition_invalidation_event().partition_ref().str();
      if (const Index hit = state_.FindPartition(ref); hit != kNone) MarkRef(hit);
      return;
    }
    case v1::BuildEvent::kJobDefinitionEvent: {
      const Index job = state_.FindJob(event.job_definition_event().job_label());
      catalogue_.Update(job);
      MarkJobUsers(job);
      MarkRejectedJobs();
      status_dirty_.insert({KeyKind::kDataJob, state_.job(job).definition.name()});
      return;
    }
    case v1::BuildEvent::kAdoptionEvent:
      return ObserveAdoption(event.adoption_event());
    case v1::BuildEvent::EVENT_TYPE_NOT_SET:
      return;
  }
}

void Planner::ObserveRun(Index index) {
  const Run& run = state_.run(index);
  if (run.status != v1::JOB_SKIPPED) MarkRun(index);
  for (Index taint : TaintsOf(index)) MarkTaint(taint);
  MarkBuildAndWant(run.build);
  if (run.kind == v1::JOB_KIND_CONFIGURE) {
    for (Index instance : run.instances) ObserveInstance(instance);
  }
  if (run.job != kNone && state_.job(run.job).defined) {
    status_dirty_.insert({KeyKind::kDataJob, state_.job(run.job).definition.name()});
  }
}

void Planner::ObserveInstance(Index instance) {
  if (instance == kNone) return;
  MarkUnit(state_.instance(instance).unit);
  FollowUnit(state_.instance(instance).unit);
  MarkBuild(state_.instance(instance).build);
  MarkRef(state_.instance(instance).partition);
}

void Planner::ObserveDelegation(Index build, const v1::DelegationEvent& delegation) {
  MarkBuildAndWant(build);
  const Index want = build == kNone ? kNone : state_.build(build).want;
  if (want == kNone) return;
  const auto delegated = [&](const v1::PartitionRef& ref) {
    const Index partition = state_.FindPartition(ref.str());
    if (partition != kNone) progress_.Delegated(want, partition);
  };
  delegated(delegation.partition_ref());
  for (const v1::PartitionRef& ref : delegation.partition_refs()) delegated(ref);
}

// Units of a build that is executing may be new or changed; those of others wait for that anyway.
void Planner::ObserveGraph(Index build, const v1::JobGraphEvent& graph) {
  MarkBuildAndWant(build);
  if (build == kNone || !graph.last()) return;
  if (state_.build(build).status != v1::BUILD_REQUEST_EXECUTING) return;
  if (graph.part() > 1) return MarkUnitsOf(build);
  for (const v1::Task& task : graph.job_graph().nodes()) {
    if (task.config().outputs().empty()) continue;
    const Index first = state_.FindPartition(task.config().outputs(0).str());
    const Index live = first == kNone ? kNone : state_.LiveInstance(first);
    if (live == kNone) continue;
    FollowUnit(state_.instance(live).unit);
    MarkUnit(state_.instance(live).unit);
  }
}

void Planner::ObserveAdoption(const v1::AdoptionEvent& adoption) {
  const Index from = state_.FindBuild(adoption.from_build_request_id());
  for (const std::string& id : adoption.instance_ids()) {
    const Index instance = state_.FindInstance(id);
    if (instance == kNone || state_.instance(instance).unit == kNone) continue;
    const Index unit = state_.instance(instance).unit;
    const auto open = open_units_.find(from);
    if (open != open_units_.end() && state_.unit(unit).build != from) open->second.Erase(unit);
    FollowUnit(unit);
    MarkUnit(unit);
  }
  if (OpenUnits(from).empty()) open_units_.erase(from);
  MarkBuildAndWant(from);
  MarkBuildAndWant(state_.FindBuild(adoption.to_build_request_id()));
}

void Planner::ObserveWant(const v1::WantEvent& event) {
  const Index want = state_.FindWant(event.want_id());
  if (want == kNone) return;
  MarkWant(want);
  effect_dirty_.insert({KeyKind::kWant, state_.want(want).id});
  const bool ended = !state_.want(want).Live();
  if (ended || event.lifecycle() == v1::WANT_CREATED) progress_.Follow(want);
  for (Index build : state_.want(want).builds) {
    if (!state_.BuildOpen(build)) continue;
    MarkBuild(build);
    if (ended || event.lifecycle() == v1::WANT_UPDATED) MarkUnitsOf(build);
  }
}

void Planner::ObserveTaint(Index index) {
  if (index == kNone) return;
  const Taint& taint = state_.taint(index);
  MarkTaint(index);
  status_dirty_.insert({KeyKind::kTaint, taint.id});
  for (Index hit : taint.instances) MarkRef(state_.instance(hit).partition);
  for (Index hit : taint.downstream) MarkRef(state_.instance(hit).partition);
}

}  // namespace databuild
