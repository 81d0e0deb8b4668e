// Dirty keys, timers and the order in which one tick decides.
#include "controller/planner/planner.h"

#include <algorithm>

namespace databuild {

Planner::Planner(PlannerOptions options, const BuildState& state, const Snapshot& snapshot)
    : options_(std::move(options)), state_(state), snapshot_(snapshot), catalogue_(state) {
  MarkAllDirty();
}

void Planner::MarkAllDirty() {
  for (Index job = 0; job < state_.jobs().size(); ++job) catalogue_.Update(job);
  for (const auto& [uid, want] : snapshot_.wants) Mark({KeyKind::kWant, uid});
  for (const auto& [uid, taint] : snapshot_.taints) Mark({KeyKind::kTaint, uid});
  for (const auto& [name, job] : snapshot_.data_jobs) Mark({KeyKind::kDataJob, name});
  for (Index want = 0; want < state_.wants().size(); ++want) {
    if (state_.want(want).Live()) MarkWant(want);
  }
  open_taints_.clear();
  for (Index taint = 0; taint < state_.taints().size(); ++taint) MarkTaint(taint);
  for (Index run = 0; run < state_.runs().size(); ++run) {
    if (state_.RunLive(run) || snapshot_.FindJob(state_.run(run).id)) MarkRun(run);
  }
  for (Index build = 0; build < state_.builds().size(); ++build) {
    if (!state_.BuildOpen(build)) continue;
    MarkBuild(build);
    for (Index unit : state_.build(build).units) MarkUnit(unit);
  }
  DropGoneDefinitions();
}

void Planner::DropGoneDefinitions() {
  for (const Job& job : state_.jobs()) {
    if (job.defined && !job.definition.deleted()) Mark({KeyKind::kDataJob, job.definition.name()});
  }
}

void Planner::MarkWant(Index want) {
  if (want == kNone) return;
  const std::string& id = state_.want(want).id;
  Mark({KeyKind::kWant, id});
  status_dirty_.insert({KeyKind::kWant, id});
}

void Planner::MarkBuild(Index build) {
  if (build != kNone && state_.BuildOpen(build)) Mark({KeyKind::kBuild, "", build});
}

void Planner::MarkUnit(Index unit) {
  if (unit != kNone) Mark({KeyKind::kUnit, "", unit});
}

void Planner::MarkRun(Index run) {
  if (run == kNone) return;
  Mark({KeyKind::kRun, state_.run(run).id});
  effect_dirty_.insert({KeyKind::kRun, state_.run(run).id});
}

void Planner::MarkTaint(Index taint) {
  if (state_.taint(taint).status != v1::TAINT_CREATED) {
    open_taints_.erase(taint);
    return;
  }
  open_taints_.insert(taint);
  Mark({KeyKind::kTaint, state_.taint(taint).id});
}

// Taints in force that hit what the run makes.
std::vector<Index> Planner::TaintsOf(Index run) const {
  std::vector<Index> taints;
  for (Index taint : open_taints_) {
    const auto& hit = state_.taint(taint).runs;
    if (std::find(hit.begin(), hit.end(), run) != hit.end()) taints.push_back(taint);
  }
  return taints;
}

// Everything that looks at a ref.
void Planner::MarkRef(Index partition) {
  const Partition& ref = state_.partition(partition);
  for (Index unit : ref.waiters) MarkUnit(unit);
  for (Index build : ref.extra->delegators) MarkBuild(build);
  for (Index want : ref.wants) MarkWant(want);
  for (Index want : ref.extra->blocked) MarkWant(want);
  for (Index instance = ref.newest; instance != kNone;
       instance = state_.instance(instance).previous) {
    for (Index taint : state_.instance(instance).extra->taints) MarkTaint(taint);
  }
}

// Units that still have to be scheduled by this job, and wants that may be waiting for its change.
void Planner::MarkJobUsers(Index job) {
  for (Index build = 0; build < state_.builds().size(); ++build) {
    if (!state_.BuildOpen(build)) continue;
    for (Index unit : state_.build(build).units) {
      if (state_.unit(unit).job == job) MarkUnit(unit);
    }
    MarkBuild(build);
  }
  for (Index want = 0; want < state_.wants().size(); ++want) {
    if (state_.want(want).Live() && state_.want(want).unavailable > 0) MarkWant(want);
  }
}

void Planner::MarkRejectedJobs() {
  for (const auto& [name, data_job] : snapshot_.data_jobs) {
    const Index job = state_.FindJob(data_job->label);
    if (job == kNone || !state_.job(job).Accepted()) Mark({KeyKind::kDataJob, name});
  }
}

void Planner::WakeAt(TimeNs at, Key key) { timers_.insert({at, std::move(key)}); }

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
    for (Index partition : state_.run(index).partitions) {
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
    case v1::BuildEvent::kPartitionEvent: {
      const Index instance = state_.FindInstance(event.partition_event().instance_id());
      if (instance == kNone) return;
      MarkUnit(state_.instance(instance).unit);
      MarkBuild(state_.instance(instance).build);
      return MarkRef(state_.instance(instance).partition);
    }
    case v1::BuildEvent::kJobEvent: {
      const Index run = state_.FindRun(event.job_event().job_run_id());
      return run == kNone ? void() : ObserveRun(run);
    }
    case v1::BuildEvent::kBuildCancelEvent:
    case v1::BuildEvent::kDelegationEvent:
      return MarkBuildAndWant(build);
    case v1::BuildEvent::kBuildRequestEvent:
    case v1::BuildEvent::kJobGraphEvent:
      MarkBuildAndWant(build);
      if (build == kNone) return;
      for (Index unit : state_.build(build).units) MarkUnit(unit);
      return;
    case v1::BuildEvent::kJobRunCancelEvent:
      return MarkRun(state_.FindRun(event.job_run_cancel_event().job_run_id()));
    case v1::BuildEvent::kWantEvent:
      return ObserveWant(state_.FindWant(event.want_event().want_id()));
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
      MarkBuildAndWant(state_.FindBuild(event.adoption_event().from_build_request_id()));
      MarkBuildAndWant(state_.FindBuild(event.adoption_event().to_build_request_id()));
      return;
    case v1::BuildEvent::EVENT_TYPE_NOT_SET:
      return;
  }
}

void Planner::ObserveRun(Index index) {
  const Run& run = state_.run(index);
  if (run.status != v1::JOB_SKIPPED) MarkRun(index);
  for (Index taint : TaintsOf(index)) MarkTaint(taint);
  MarkBuildAndWant(run.build);
  if (run.job != kNone && state_.job(run.job).defined) {
    status_dirty_.insert({KeyKind::kDataJob, state_.job(run.job).definition.name()});
  }
}

void Planner::ObserveWant(Index want) {
  if (want == kNone) return;
  MarkWant(want);
  effect_dirty_.insert({KeyKind::kWant, state_.want(want).id});
  for (Index build : state_.want(want).builds) {
    if (!state_.BuildOpen(build)) continue;
    MarkBuild(build);
    for (Index unit : state_.build(build).units) MarkUnit(unit);
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

std::vector<v1::BuildEvent> Planner::DecideEvents(TimeNs now, uint32_t slots) {
  EventBatch batch(state_, options_.log_id);
  batch_ = &batch;
  now_ = now;
  claimed_.clear();
  cancelled_runs_.clear();
  revised_.clear();
  ended_.clear();
  planned_ = gave_up_ = false;
  while (!timers_.empty() && timers_.begin()->first <= now) {
    const Key key = timers_.begin()->second;
    timers_.erase(timers_.begin());
    Mark(key);
    status_dirty_.insert(key.kind == KeyKind::kWant ? key : Key{KeyKind::kWant, ""});
    if (key.kind == KeyKind::kRun || key.kind == KeyKind::kWant || key.kind == KeyKind::kTaint ||
        key.kind == KeyKind::kDataJob) {
      effect_dirty_.insert(key);
    }
  }
  status_dirty_.erase(Key{KeyKind::kWant, ""});
  // Keys are ordered by kind: wants, taints, DataJobs, runs, builds, then units, so that what a
  // build gives up is claimed before its units are looked at.
  // A taint changes what may be used: all after it is decided from the state with it, next round.
  bool tainted = false;
  std::set<Key> keys;
  keys.swap(dirty_);
  for (auto it = keys.begin(); it != keys.end(); it = keys.erase(it)) {
    if (Full() || (tainted && it->kind > KeyKind::kTaint)) break;
    const size_t before = batch.size();
    Decide(*it);
    tainted |= it->kind == KeyKind::kTaint && batch.size() > before;
  }
  dirty_.merge(keys);
  for (const auto& [build, tasks] : revisions_) EmitGraph(build, tasks);
  revisions_.clear();
  if (!Full() && !tainted) Schedule(slots);
  batch_ = nullptr;
  return batch.Take();
}

void Planner::Decide(const Key& key) {
  switch (key.kind) {
    case KeyKind::kWant:
      return DecideWant(key.id);
    case KeyKind::kTaint:
      return DecideTaint(key.id);
    case KeyKind::kDataJob:
      return DecideDataJob(key.id);
    case KeyKind::kRun: {
      const Index run = state_.FindRun(key.id);
      if (run != kNone) DecideRun(run);
      return;
    }
    case KeyKind::kBuild:
      return DecideBuild(key.index);
    case KeyKind::kUnit:
      return DecideUnit(key.index);
  }
}

bool Planner::HasWork(TimeNs now) const {
  return !dirty_.empty() || !effect_dirty_.empty() || !status_dirty_.empty() ||
         (!timers_.empty() && timers_.begin()->first <= now);
}

std::optional<TimeNs> Planner::NextWake() const {
  if (timers_.empty()) return std::nullopt;
  return timers_.begin()->first;
}

uint32_t Planner::LiveRuns() const {
  uint32_t live = 0;
  for (const int status : {v1::JOB_SCHEDULED, v1::JOB_RUNNING}) {
    const auto it = state_.runs_by_status().find(status);
    if (it != state_.runs_by_status().end()) live += static_cast<uint32_t>(it->second);
  }
  return live;
}

}  // namespace databuild
