#include "controller/planner/want_progress.h"

#include <algorithm>

namespace databuild {

Index Missing::Next(Index from) const {
  Index next = kNone;
  for (const IndexSet& stage : by_stage) {
    if (!stage.empty()) next = std::min(next, stage.Next(from));
  }
  return next;
}

size_t Missing::count() const {
  size_t count = 0;
  for (const IndexSet& stage : by_stage) count += stage.size();
  return count;
}

bool WantProgress::Empty(const Missing& missing) {
  return missing.count() == 0 && missing.made_by_others.empty();
}

uint8_t WantProgress::StageOf(Index partition) const {
  if (state_.Usable(partition)) return kThere;
  const auto stage = [](Stage of) { return static_cast<uint8_t>(of); };
  const Index live = state_.LiveInstance(partition);
  if (live == kNone) {
    return stage(state_.RefStatus(partition) == v1::PARTITION_FAILED ? Stage::kFailed
                                                                     : Stage::kIdle);
  }
  const Instance& instance = state_.instance(live);
  if (instance.status == v1::PARTITION_BUILDING) return stage(Stage::kBuilding);
  return stage(instance.extra->failed_runs + instance.extra->lost_runs > 0 ? Stage::kRetrying
                                                                           : Stage::kWaiting);
}

bool WantProgress::MadeByOthers(Index want, Index partition) const {
  if (!state_.Usable(partition)) return false;
  const Index owner = state_.instance(state_.partition(partition).current).build;
  if (owner == kNone || state_.build(owner).want == want) return false;
  const auto& builds = state_.want(want).builds;
  return std::none_of(builds.begin(), builds.end(), [&](Index build) {
    const auto& delegations = state_.build(build).delegations;
    const auto known = delegations.find(partition);
    return known != delegations.end() && known->second.owner == owner;
  });
}

void WantProgress::Put(Missing& missing, Index want, Index partition) const {
  const uint8_t stage = StageOf(partition);
  if (stage < kStages) {
    missing.by_stage[stage].Insert(partition);
  } else if (MadeByOthers(want, partition)) {
    missing.made_by_others.Insert(partition);
  }
}

Missing WantProgress::WorkOut(Index want) const {
  Missing missing;
  for (Index partition : state_.want(want).partitions) Put(missing, want, partition);
  return missing;
}

const Missing& WantProgress::Of(Index want) const {
  static const Missing kNothing;
  const auto known = wants_.find(want);
  return known == wants_.end() ? kNothing : known->second;
}

void WantProgress::Reset() {
  wants_.clear();
  stages_.clear();
  for (Index want = 0; want < state_.wants().size(); ++want) {
    if (state_.want(want).Live()) Follow(want);
  }
}

// Other wants of a partition are looked at only where they do not know of its stage yet: a hundred
// thousand wants may share one.
void WantProgress::Follow(Index want) {
  wants_.erase(want);
  if (!state_.want(want).Live()) return;
  Missing missing;
  for (Index partition : state_.want(want).partitions) {
    if (partition >= stages_.size() || stages_[partition] != StageOf(partition)) Update(partition);
    Put(missing, want, partition);
  }
  if (Empty(missing)) {
    wants_.erase(want);
  } else {
    wants_[want] = std::move(missing);
  }
}

void WantProgress::Update(Index partition) {
  if (partition >= stages_.size()) stages_.resize(state_.partitions().size(), kUnknown);
  const uint8_t before = stages_[partition], now = StageOf(partition);
  stages_[partition] = now;
  for (Index want : state_.partition(partition).wants) {
    const auto known = wants_.find(want);
    if (known != wants_.end()) {
      if (before < kStages) known->second.by_stage[before].Erase(partition);
      known->second.made_by_others.Erase(partition);
    }
    if (now == kThere && !MadeByOthers(want, partition)) {
      if (known != wants_.end() && Empty(known->second)) wants_.erase(known);
    } else {
      Put(known == wants_.end() ? wants_[want] : known->second, want, partition);
    }
  }
}

void WantProgress::Delegated(Index want, Index partition) {
  const auto known = wants_.find(want);
  if (known == wants_.end() || MadeByOthers(want, partition)) return;
  known->second.made_by_others.Erase(partition);
  if (Empty(known->second)) wants_.erase(known);
}

}  // namespace databuild
