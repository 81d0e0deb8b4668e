// Builds: planned, executed, ended; and what happens to their work when their want is no more.
#include <algorithm>
#include <functional>

#include "controller/planner/mutant.h"
#include "controller/planner/planner.h"

namespace databuild {
namespace {

// Reasons of a cause for which a build ends with PRECONDITION_FAILED.
bool IsUnmade(const std::string& why) {
  return why == reason::kNoProducer || why == reason::kWaitingForExternal;
}

}  // namespace

void Planner::DecideBuild(Index index) {
  if (!state_.BuildOpen(index)) return;
  const Build& build = state_.build(index);
  if (build.want == kNone || !state_.want(build.want).Live()) return CloseUnwanted(index);
  switch (build.status) {
    case v1::BUILD_REQUEST_RECEIVED:
      batch_->Build(build.id, v1::BUILD_REQUEST_PLANNING);
      return;
    case v1::BUILD_REQUEST_PLANNING:
      if (MayPlan(index)) PlanBuild(index, std::nullopt);
      return;
    case v1::BUILD_REQUEST_ANALYSIS_COMPLETED:
      batch_->Build(build.id, state_.want(build.want).unavailable == 0
                                  ? v1::BUILD_REQUEST_COMPLETED
                                  : v1::BUILD_REQUEST_EXECUTING);
      return;
    case v1::BUILD_REQUEST_EXECUTING:
      return ExecuteBuild(index);
    default:
      return;
  }
}

// A plan names who makes what. So in one round either one build is planned, or builds give work up:
// whoever may not now is looked at in the next round.
bool Planner::MayPlan(Index index) {
  if (planned_ || gave_up_ || revised_.contains(index)) {
    Mark({KeyKind::kBuild, "", index});
    return false;
  }
  return planned_ = true;
}

bool Planner::MayGiveUp(Index index) {
  if (planned_) {
    Mark({KeyKind::kBuild, "", index});
    return false;
  }
  return gave_up_ = true;
}

void Planner::ExecuteBuild(Index index) {
  const Build& build = state_.build(index);
  if (state_.want(build.want).unavailable == 0) {
    if (build.open_instances == 0) return EndBuild(index, v1::BUILD_REQUEST_COMPLETED, {});
    // All that was asked for is there: what was not started is not needed, what runs may finish.
    if (MayGiveUp(index) && !AdoptAway(index)) CancelUnstarted(index, reason::kAvailable);
    return;
  }
  if (HasUnasked(build)) needs_revision_[index].whole = true;
  if (const auto revision = needs_revision_.find(index); revision != needs_revision_.end()) {
    if (!MayPlan(index)) return;
    const size_t before = batch_->size();
    PlanBuild(index, std::move(revision->second));
    needs_revision_.erase(index);
    if (batch_->size() != before || open_plan_) return;
  }
  if (build.open_instances > 0) {
    if (may_be_doomed_.contains(index) || !build.unproducible.empty()) CancelDoomed(index);
    return;
  }
  DecideEnd(index);
}

bool Planner::IsUnproducible(Index partition) const {
  return !state_.Usable(partition) && state_.LiveInstance(partition) == kNone &&
         catalogue_.Find(state_.partition(partition).ref).kind != Producer::Kind::kOne;
}

// Whether another build makes something this want misses, and this build says so; or must say so.
std::pair<bool, bool> Planner::WaitsForOthers(Index index) const {
  const Build& build = state_.build(index);
  const Missing& missing = progress_.Of(build.want);
  bool unsaid = false;
  for (const Stage stage : {Stage::kBuilding, Stage::kWaiting, Stage::kRetrying}) {
    const IndexSet& live = missing.of(stage);
    for (Index at = live.First(); at != kNone; at = live.Next(at + 1)) {
      const auto known = build.delegations.find(at);
      const Index owner = state_.instance(state_.LiveInstance(at)).build;
      if (known != build.delegations.end() && known->second.owner == owner) return {true, false};
      unsaid = true;
    }
  }
  return {false, unsaid};
}

// Nothing of its own is open: done, failed, without a way, waiting for others, or in need of a
// revision.
void Planner::DecideEnd(Index index) {
  const Build& build = state_.build(index);
  const auto [pending, unsaid] = WaitsForOthers(index);
  if (pending && IsMutant(Mutant::kDelegationIsSuccess))
    return EndBuild(index, v1::BUILD_REQUEST_COMPLETED, {});
  if (pending) return;
  std::optional<CauseInfo> failure, unproducible;
  // False: it can be made, by a revision.
  const auto look = [&](Index partition) {
    const Partition& ref = state_.partition(partition);
    const Instance* newest = ref.newest == kNone ? nullptr : &state_.instance(ref.newest);
    if (newest && newest->status == v1::PARTITION_FAILED &&
        newest->updated_at > build.received_at) {
      if (!failure) failure = newest->extra->cause;
    } else if (newest && newest->status == v1::PARTITION_CANCELLED &&
               !newest->extra->cause.ref.empty() && newest->updated_at > build.received_at &&
               IsUnproducible(state_.FindPartition(newest->extra->cause.ref))) {
      if (!unproducible) unproducible = newest->extra->cause;
    } else if (IsUnproducible(partition)) {
      if (!unproducible) unproducible = Unmade(ref.ref);
    } else {
      return false;
    }
    return true;
  };
  bool revise = unsaid;
  for (const Stage stage : {Stage::kFailed, Stage::kIdle}) {
    const IndexSet& idle = progress_.Of(build.want).of(stage);
    for (Index at = idle.First(); at != kNone && !revise; at = idle.Next(at + 1)) {
      revise = !look(at);
    }
  }
  if (revise) return Revise(index, kNone);
  if (failure) return EndBuild(index, v1::BUILD_REQUEST_FAILED, *failure);
  if (unproducible) return EndBuild(index, v1::BUILD_REQUEST_PRECONDITION_FAILED, *unproducible);
}

void Planner::EndBuild(Index index, v1::BuildRequestStatusCode status, const CauseInfo& cause) {
  const Build& build = state_.build(index);
  needs_revision_.erase(index);
  may_be_doomed_.erase(index);
  going_on_.erase(index);
  ended_.insert(index);
  v1::BuildRequestEvent* event = batch_->Build(build.id, status);
  if (build.want != kNone) event->set_want_id(state_.want(build.want).id);
  if (!cause.reason.empty()) {
    *event->mutable_cause() = ToProto(cause);
    event->set_reason(cause.reason);
    event->set_message(cause.message);
  }
  if (status != v1::BUILD_REQUEST_PRECONDITION_FAILED) return;
  std::set<std::string> refs;
  if (!cause.ref.empty()) refs.insert(cause.ref);
  for (const Unproducible& missing : build.unproducible) {
    if (IsUnproducible(missing.partition)) refs.insert(state_.partition(missing.partition).ref);
  }
  for (Index unit : build.units) {
    for (Index instance : state_.unit(unit).instances) {
      const Instance& made = state_.instance(instance);
      if (made.status == v1::PARTITION_CANCELLED && IsUnmade(made.extra->cause.reason))
        refs.insert(made.extra->cause.ref);
    }
  }
  size_t listed = 0;
  for (const std::string& ref : refs) {
    if (++listed > kMaxRefsPerEvent) break;
    v1::UnproduciblePartition* missing = event->add_unproducible();
    missing->set_ref(ref);
    missing->set_kind(catalogue_.FindPeer(ref) ? "external" : "no_producer");
  }
}

// The want was deleted or expired.
void Planner::CloseUnwanted(Index index) {
  const Build& build = state_.build(index);
  const bool deleted = build.want == kNone || state_.want(build.want).status == v1::WANT_CANCELLED;
  const std::string why = deleted ? reason::kCancelled : reason::kExpired;
  if (deleted && !build.cancel_requested) {
    v1::BuildCancelEvent* event = batch_->CancelBuild(build.id);
    event->set_reason("the Want was deleted");
  }
  if (!MayGiveUp(index) || AdoptAway(index)) return;
  if (build.open_instances == 0) {
    const Index want = build.want;
    const std::string name = want == kNone ? "" : state_.want(want).name;
    return EndBuild(
        index, v1::BUILD_REQUEST_CANCELLED,
        {"", "", "", why, deleted ? "Want " + name + " was deleted" : "Want " + name + " expired"});
  }
  CancelConfigures(index);
  CancelUnstarted(index, why);
  if (!deleted) return;  // live runs of an expired want end by themselves and their data counts
  const IndexSet& open = OpenUnits(index);
  for (Index unit = open.First(); unit != kNone; unit = open.Next(unit + 1)) {
    for (Index instance : state_.unit(unit).instances) {
      const Instance& made = state_.instance(instance);
      if (made.status != v1::PARTITION_BUILDING || made.run == kNone) continue;
      if (claimed_.contains(instance)) continue;  // its run ends in this very tick
      const Run& run = state_.run(made.run);
      if (!state_.RunLive(made.run) || run.extra->cancel_requested ||
          !cancelled_runs_.insert(made.run).second) {
        continue;
      }
      const bool shared = std::any_of(run.instances.begin(), run.instances.end(), [&](Index other) {
        const Index owner = state_.instance(other).build;
        return owner != index && owner != kNone && state_.BuildOpen(owner) &&
               !state_.InstanceFinal(other);
      });
      if (!shared) batch_->CancelRun(build.id, run.id)->set_reason("the Want was deleted");
    }
  }
}

Index Planner::OldestDelegator(Index partition, Index except) const {
  Index oldest = kNone;
  for (Index other : state_.partition(partition).extra->delegators) {
    if (other == except || !state_.BuildOpen(other) || ended_.contains(other)) continue;
    const Build& build = state_.build(other);
    if (build.want == kNone || !state_.want(build.want).Live()) continue;
    if (build.status != v1::BUILD_REQUEST_PLANNING && build.status != v1::BUILD_REQUEST_EXECUTING)
      continue;
    const auto known = build.delegations.find(partition);
    if (known == build.delegations.end() || known->second.owner != except) continue;
    if (oldest == kNone || build.received_idx < state_.build(oldest).received_idx) oldest = other;
  }
  return oldest;
}

// Hands unfinished units that another build delegates to, with their inputs, to the oldest such
// build. One adopter a tick; true if there was one.
bool Planner::AdoptAway(Index index) {
  if (IsMutant(Mutant::kNoAdoption)) return false;
  Index adopter = kNone;
  std::vector<Index> units;
  std::set<Index> taken;
  const std::function<void(Index)> take = [&](Index unit) {
    if (!UnitOpen(unit) || state_.unit(unit).build != index || !taken.insert(unit).second) return;
    units.push_back(unit);
    for (const UnitInput& input : state_.unit(unit).inputs) {
      const Index live = state_.LiveInstance(input.partition);
      if (input.materialize && live != kNone && state_.instance(live).unit != kNone) {
        take(state_.instance(live).unit);
      }
    }
  };
  const IndexSet& open = OpenUnits(index);
  for (Index unit = open.First(); unit != kNone; unit = open.Next(unit + 1)) {
    for (Index partition : state_.unit(unit).partitions) {
      const Index oldest = OldestDelegator(partition, index);
      if (oldest == kNone) continue;
      if (adopter == kNone) adopter = oldest;
      if (oldest == adopter) take(unit);
    }
  }
  if (adopter == kNone) return false;
  if (revised_.contains(adopter)) {
    Mark({KeyKind::kBuild, "", index});  // one revision of a build's graph a tick
    return true;
  }
  AdoptUnits(index, adopter, units);
  return true;
}

void Planner::AdoptUnits(Index from, Index to, const std::vector<Index>& units) {
  const std::string& from_id = state_.build(from).id;
  const std::string& to_id = state_.build(to).id;
  v1::AdoptionEvent* adoption = nullptr;
  std::vector<v1::Task> tasks;
  std::map<Index, std::vector<Index>> others;  // build -> partitions it delegates
  for (Index index : units) {
    const Unit& unit = state_.unit(index);
    tasks.push_back(TaskOf(unit));
    for (Index instance : unit.instances) {
      const Instance& made = state_.instance(instance);
      if (state_.InstanceFinal(instance)) continue;
      Claim(instance);
      const std::string& ref = state_.partition(made.partition).ref;
      if (!adoption || static_cast<size_t>(adoption->partition_refs_size()) == kMaxRefsPerEvent)
        adoption = batch_->Adoption(from_id, to_id, ref);
      adoption->add_partition_refs()->set_str(ref);
      adoption->add_instance_ids(made.id);
      for (Index other : state_.partition(made.partition).extra->delegators) {
        if (other != to && other != from && state_.BuildOpen(other))
          others[other].push_back(made.partition);
      }
    }
  }
  EmitGraph(to, std::move(tasks));
  for (const auto& [other, partitions] : others) {
    v1::DelegationEvent* event = nullptr;
    for (Index partition : partitions) {
      const std::string& ref = state_.partition(partition).ref;
      if (!event || static_cast<size_t>(event->partition_refs_size()) == kMaxRefsPerEvent) {
        event = batch_->Delegation(state_.build(other).id, to_id, ref);
        event->set_message("adopted");
      }
      event->add_partition_refs()->set_str(ref);
      event->add_instance_ids(state_.instance(state_.LiveInstance(partition)).id);
    }
  }
}

void Planner::CancelUnstarted(Index index, const std::string& why) {
  const Build& build = state_.build(index);
  const auto cancel = [&](Index instance) {
    const Instance& made = state_.instance(instance);
    if (made.status != v1::PARTITION_REQUESTED && made.status != v1::PARTITION_ANALYZED) return;
    if (made.build != index || !Claim(instance)) return;
    v1::PartitionEvent* event = batch_->Partition(instance, v1::PARTITION_CANCELLED);
    event->mutable_cause()->set_reason(why);
  };
  const IndexSet& open = OpenUnits(index);
  for (Index unit = open.First(); unit != kNone; unit = open.Next(unit + 1)) {
    SetReady(unit, false);
    if (Full()) continue;  // between units only: the outputs of one are cancelled together
    for (Index instance : state_.unit(unit).instances) cancel(instance);
  }
  for (Index instance : build.requested) {
    if (!Full()) cancel(instance);
  }
}

// When all that is left waits for refs that nobody makes, it is cancelled with that cause.
bool Planner::CancelDoomed(Index index) {
  const Build& build = state_.build(index);
  const bool asked = std::any_of(build.requested.begin(), build.requested.end(), [&](Index one) {
    const Instance& made = state_.instance(one);
    return made.status == v1::PARTITION_REQUESTED &&
           catalogue_.Find(state_.partition(made.partition).ref).kind == Producer::Kind::kOne;
  });
  if (asked) return false;  // its job has yet to say how it is made
  std::unordered_map<Index, std::optional<CauseInfo>> verdicts;
  const std::function<std::optional<CauseInfo>(Index)> doom =
      [&](Index unit) -> std::optional<CauseInfo> {
    if (const auto known = verdicts.find(unit); known != verdicts.end()) return known->second;
    verdicts[unit] = std::nullopt;
    if (!UnitWaits(unit)) return std::nullopt;
    for (const UnitInput& input : state_.unit(unit).inputs) {
      if (!input.materialize || state_.Usable(input.partition)) continue;
      const Index live = state_.LiveInstance(input.partition);
      if (live == kNone) {
        if (IsUnproducible(input.partition)) {
          return verdicts[unit] = Unmade(state_.partition(input.partition).ref);
        }
        continue;
      }
      if (state_.instance(live).unit == kNone) continue;
      if (const auto deeper = doom(state_.instance(live).unit)) return verdicts[unit] = deeper;
    }
    return std::nullopt;
  };
  std::vector<std::pair<Index, CauseInfo>> doomed;
  const IndexSet& open = OpenUnits(index);
  if (const auto last = going_on_.find(index);
      last != going_on_.end() && open.Contains(last->second) && !doom(last->second)) {
    return false;
  }
  for (Index unit = open.First(); unit != kNone; unit = open.Next(unit + 1)) {
    const std::optional<CauseInfo> cause = doom(unit);
    if (!cause) {
      going_on_[index] = unit;
      return false;
    }
    doomed.emplace_back(unit, *cause);
  }
  for (const auto& [unit, cause] : doomed) EndUnit(unit, v1::PARTITION_CANCELLED, cause);
  for (Index instance : build.requested) {
    if (state_.instance(instance).status != v1::PARTITION_REQUESTED || !Claim(instance)) continue;
    const CauseInfo cause = Unmade(state_.partition(state_.instance(instance).partition).ref);
    *batch_->Partition(instance, v1::PARTITION_CANCELLED)->mutable_cause() = ToProto(cause);
  }
  return true;
}

}  // namespace databuild
