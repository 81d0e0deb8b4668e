// Dirty keys, timers and the order in which one tick decides.
#include "controller/planner/planner.h"

#include <algorithm>

namespace databuild {

Planner::Planner(PlannerOptions options, const BuildState& state, const Snapshot& snapshot)
    : options_(std::move(options)),
      state_(state),
      snapshot_(snapshot),
      catalogue_(state, options_.peers),
      progress_(state) {
  MarkAllDirty();
}

void Planner::MarkAllDirty() {
  open_plan_.reset();
  progress_.Reset();
  open_units_.clear();
  to_configure_.clear();
  for (Index job = 0; job < state_.jobs().size(); ++job) catalogue_.Update(job);
  // Statuses too, of all objects: the process before may have died between an event and its
  // telling.
  const auto object = [&](KeyKind kind, const std::string& id) {
    Mark({kind, id});
    status_dirty_.insert({kind, id});
  };
  for (const auto& [uid, want] : snapshot_.wants) object(KeyKind::kWant, uid);
  for (const auto& [uid, taint] : snapshot_.taints) object(KeyKind::kTaint, uid);
  for (const auto& [name, job] : snapshot_.data_jobs) object(KeyKind::kDataJob, name);
  for (const auto& [ref, external] : snapshot_.externals) Mark({KeyKind::kExternal, ref});
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
    for (Index unit : state_.build(build).units) {
      FollowUnit(unit);
      MarkUnit(unit);
    }
  }
  DropGoneDefinitions();
}

void Planner::DropGoneDefinitions() {
  for (const Job& job : state_.jobs()) {
    if (job.defined && !job.definition.deleted()) Mark({KeyKind::kDataJob, job.definition.name()});
  }
}

void Planner::Mark(Key key) {
  if (key.kind == KeyKind::kBuild) {
    dirty_builds_.Insert(key.index);
  } else if (key.kind == KeyKind::kUnit) {
    dirty_units_.Insert(key.index);
  } else {
    dirty_.insert(std::move(key));
  }
}

void Planner::MarkWant(Index want) {
  if (want == kNone || !marked_wants_.Insert(want)) return;
  const std::string& id = state_.want(want).id;
  Mark({KeyKind::kWant, id});
  status_dirty_.insert({KeyKind::kWant, id});
}

void Planner::MarkBuild(Index build) {
  if (build != kNone && state_.BuildOpen(build)) dirty_builds_.Insert(build);
}

void Planner::MarkUnit(Index unit) {
  if (unit != kNone) dirty_units_.Insert(unit);
}

bool Planner::Claim(Index instance) {
  const Index unit = state_.instance(instance).unit;
  if (unit != kNone) SetReady(unit, false);
  return claimed_.insert(instance).second;
}

// Keeps the open units of its build right.
void Planner::FollowUnit(Index unit) {
  if (unit == kNone || state_.unit(unit).build == kNone) return;
  const Index build = state_.unit(unit).build;
  if (UnitOpen(unit)) {
    open_units_[build].Insert(unit);
  } else if (const auto open = open_units_.find(build); open != open_units_.end()) {
    open->second.Erase(unit);
    if (open->second.empty()) open_units_.erase(open);
  }
}

const IndexSet& Planner::OpenUnits(Index build) const {
  static const IndexSet kNothing;
  const auto open = open_units_.find(build);
  return open == open_units_.end() ? kNothing : open->second;
}

void Planner::MarkUnitsOf(Index build) {
  const IndexSet& open = OpenUnits(build);
  for (Index unit = open.First(); unit != kNone; unit = open.Next(unit + 1)) MarkUnit(unit);
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
  progress_.Update(partition);
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
    const IndexSet& open = OpenUnits(build);
    for (Index unit = open.First(); unit != kNone; unit = open.Next(unit + 1)) {
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

std::vector<v1::BuildEvent> Planner::DecideEvents(TimeNs now, uint32_t slots) {
  EventBatch batch(state_, options_.log_id);
  batch_ = &batch;
  now_ = now;
  claimed_.clear();
  cancelled_runs_.clear();
  revised_.clear();
  ended_.clear();
  planned_ = gave_up_ = false;
  looked_at_ = 0;
  FireTimers();
  if (open_plan_) {
    GoOnPlanning();
  } else if (DecideObjects()) {
    DecideBuildsAndUnits();
    for (auto& [build, tasks] : revisions_) EmitGraph(build, std::move(tasks));
    revisions_.clear();
    if (!Enough()) Schedule(slots);
  }
  unfinished_ = open_plan_ || looked_at_ >= kKeysPerRound;
  batch_ = nullptr;
  return batch.Take();
}

void Planner::FireTimers() {
  while (!timers_.empty() && timers_.begin()->first <= now_) {
    const Key key = timers_.begin()->second;
    timers_.erase(timers_.begin());
    Mark(key);
    if (key.kind == KeyKind::kWant) status_dirty_.insert(key);
    if (key.kind != KeyKind::kBuild && key.kind != KeyKind::kUnit) effect_dirty_.insert(key);
  }
}

// Wants, taints, DataJobs, what peers say, runs: in this order, so that what a build gives up is
// claimed before its units are looked at. False when a taint or a peer ends the round: it changes
// what may be used, so all after it is decided from the state with it.
bool Planner::DecideObjects() {
  bool tainted = false;
  marked_wants_.Clear();
  std::set<Key> keys;
  keys.swap(dirty_);
  for (auto it = keys.begin(); it != keys.end(); it = keys.erase(it)) {
    if (Enough() || (tainted && it->kind > KeyKind::kExternal)) break;
    const size_t before = batch_->size();
    ++looked_at_;
    Decide(*it);
    tainted |=
        (it->kind == KeyKind::kTaint || it->kind == KeyKind::kExternal) && batch_->size() > before;
  }
  dirty_.merge(keys);
  return !tainted;
}

// What marks itself again stays for the next round.
void Planner::DecideBuildsAndUnits() {
  for (Index build = dirty_builds_.First(); build != kNone && !Enough();
       build = dirty_builds_.Next(build + 1)) {
    ++looked_at_;
    dirty_builds_.Erase(build);
    DecideBuild(build);
  }
  for (Index unit = dirty_units_.First(); unit != kNone && !Enough();
       unit = dirty_units_.Next(unit + 1)) {
    ++looked_at_;
    dirty_units_.Erase(unit);
    DecideUnit(unit);
  }
}

void Planner::Decide(const Key& key) {
  switch (key.kind) {
    case KeyKind::kWant:
      return DecideWant(key.id);
    case KeyKind::kTaint:
      return DecideTaint(key.id);
    case KeyKind::kDataJob:
      return DecideDataJob(key.id);
    case KeyKind::kExternal:
      return DecideExternal(key.id);
    case KeyKind::kRun: {
      const Index run = state_.FindRun(key.id);
      if (run != kNone) DecideRun(run);
      return;
    }
    case KeyKind::kBuild:
    case KeyKind::kUnit:
      return;  // have sets of their own
  }
}

bool Planner::HasWork(TimeNs now) const {
  return !dirty_.empty() || !dirty_builds_.empty() || !dirty_units_.empty() || open_plan_ ||
         !effect_dirty_.empty() || !status_dirty_.empty() ||
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
