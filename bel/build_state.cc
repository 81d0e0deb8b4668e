// Look-ups, meanings and counters. What each event does is in build_state_work.cc and
// build_state_asks.cc.
#include "bel/build_state.h"

#include <algorithm>
#include <charconv>

#include "bel/base/check.h"
#include "bel/base/hash.h"
#include "bel/partition_change.h"

namespace databuild {

bool IsInfrastructure(v1::JobOutcome outcome) {
  switch (outcome) {
    case v1::JOB_OUTCOME_EVICTED:
    case v1::JOB_OUTCOME_NODE_LOST:
    case v1::JOB_OUTCOME_IMAGE_PULL:
    case v1::JOB_OUTCOME_DELETED:
    case v1::JOB_OUTCOME_NO_RECEIPT:
    case v1::JOB_OUTCOME_PREEMPTED:
    case v1::JOB_OUTCOME_CONFIG_ERROR:
    case v1::JOB_OUTCOME_CREATE_REFUSED:
      return true;
    default:
      return false;
  }
}

bool IsFailure(v1::JobOutcome outcome) {
  switch (outcome) {
    case v1::JOB_OUTCOME_FAILED:
    case v1::JOB_OUTCOME_OUT_OF_MEMORY:
    case v1::JOB_OUTCOME_TIMEOUT:
    case v1::JOB_OUTCOME_UNKNOWN:
      return true;
    default:
      return false;
  }
}

void BuildState::Apply(const EventView& event) {
  idx_ = event.idx;
  last_event_at_ = event.timestamp;
  std::visit([&](const auto& payload) { Apply(event, payload); }, event.payload);
}

void BuildState::EndReplay() {
  replaying_ = false;
  std::vector<Index> added;
  for (auto i = static_cast<Index>(by_ref_.size()); i < partitions_.size(); ++i) added.push_back(i);
  SortByRef(partitions_, added);
  const bool first = by_ref_.size() == 0;
  for (const Index partition : added) {
    if (first) {
      by_ref_.AddLast(partition);
    } else {
      by_ref_.Add(partition);
    }
  }
  RebuildBlocks();
}

void BuildState::RebuildBlocks() {
  // By partition first: in order of ref their instances lie all over the memory.
  std::vector<RefKind> kinds(partitions_.size());
  for (Index i = 0; i < kinds.size(); ++i) kinds[i] = KindOf(i);
  ref_blocks_.Rebuild(kinds);
}

void BuildState::Apply(const v1::BuildEvent& event) {
  const std::string bytes = event.SerializeAsString();
  EventDecoder decoder;
  EventView view;
  CHECK(decoder.Decode(bytes, view));
  Apply(view);
}

void BuildState::Apply(const EventView&, const RunCancelView& cancel) {
  const Index run = FindRun(cancel.job_run_id);
  if (run != kNone) runs_[run].extra.Edit().cancel_requested = true;
}

void BuildState::Apply(const EventView& event, const BuildCancelView& cancel) {
  const Index build = FindBuild(event.build_request_id);
  if (build == kNone) return;
  builds_[build].cancel_requested = true;
  builds_[build].cancel_reason = cancel.reason;
  builds_[build].last_idx = idx_;
}

std::optional<int> BuildState::StatusOf(EntityKind kind, std::string_view id) const {
  switch (kind) {
    case EntityKind::kInstance: {
      const Index i = FindInstance(id);
      return i == kNone ? std::nullopt : std::optional<int>(instances_[i].status);
    }
    case EntityKind::kRun: {
      const Index i = FindRun(id);
      return i == kNone ? std::nullopt : std::optional<int>(runs_[i].status);
    }
    case EntityKind::kBuild: {
      const Index i = FindBuild(id);
      return i == kNone ? std::nullopt : std::optional<int>(builds_[i].status);
    }
    case EntityKind::kWant: {
      const Index i = FindWant(id);
      return i == kNone ? std::nullopt : std::optional<int>(wants_[i].status);
    }
    case EntityKind::kTaint: {
      const Index i = FindTaint(id);
      return i == kNone ? std::nullopt : std::optional<int>(taints_[i].status);
    }
  }
  return std::nullopt;
}

namespace {

// "graph:<plan>/<part>"
std::pair<uint32_t, uint32_t> PlanAndPart(std::string_view mark) {
  uint32_t plan = 0, part = 0;
  const size_t colon = mark.find(':'), slash = mark.find('/');
  if (colon == std::string_view::npos || slash == std::string_view::npos) return {0, 0};
  std::from_chars(mark.data() + colon + 1, mark.data() + slash, plan);
  std::from_chars(mark.data() + slash + 1, mark.data() + mark.size(), part);
  return {plan, part};
}

}  // namespace

bool BuildState::HasMark(EntityKind kind, std::string_view id, std::string_view mark) const {
  if (kind == EntityKind::kWant) {
    const Index i = FindWant(id);
    if (i == kNone) return false;
    if (mark == "sla_violated") return wants_[i].sla_violated;
    return mark == "updated:" + std::to_string(wants_[i].generation) + "/" + wants_[i].retry_token;
  }
  if (kind == EntityKind::kBuild) {
    const Index i = FindBuild(id);
    if (i == kNone) return false;
    if (mark == "cancel") return builds_[i].cancel_requested;
    const auto [plan, part] = PlanAndPart(mark);
    return plan <= builds_[i].plan_number ||
           (plan == builds_[i].open_plan && part <= builds_[i].open_part);
  }
  if (kind == EntityKind::kRun) {
    const Index i = FindRun(id);
    return i != kNone && mark == "cancel" && runs_[i].extra->cancel_requested;
  }
  if (kind == EntityKind::kInstance && mark.starts_with("invalidated:")) {
    const Index i = FindInstance(id), taint = FindTaint(mark.substr(sizeof("invalidated:") - 1));
    if (i == kNone) return false;
    if (mark == "invalidated:") return instances_[i].extra->withdrawn;
    if (taint == kNone) return false;
    const auto& taints = instances_[i].extra->taints;
    return std::find(taints.begin(), taints.end(), taint) != taints.end();
  }
  return false;
}

Index BuildState::FindPartition(std::string_view ref) const {
  return partition_names_.Find(HashBytes(ref), [&](Index i) { return partitions_[i].ref == ref; });
}

Index BuildState::FindInstance(std::string_view id) const {
  return FindById(instance_names_, instances_, IdKey(id));
}

Index BuildState::FindRun(std::string_view id) const {
  return FindById(run_names_, runs_, IdKey(id));
}

Index BuildState::FindBuild(std::string_view id) const {
  return FindById(build_names_, builds_, IdKey(id));
}

Index BuildState::FindWant(std::string_view id) const {
  return FindById(want_names_, wants_, IdKey(id));
}

Index BuildState::FindTaint(std::string_view id) const {
  return FindById(taint_names_, taints_, IdKey(id));
}

Index BuildState::FindJob(std::string_view label) const {
  return job_names_.Find(HashBytes(label), [&](Index i) { return jobs_[i].label == label; });
}

bool BuildState::RunLive(Index run) const {
  return runs_[run].status == v1::JOB_SCHEDULED || runs_[run].status == v1::JOB_RUNNING;
}

bool BuildState::BuildOpen(Index build) const {
  switch (builds_[build].status) {
    case v1::BUILD_REQUEST_RECEIVED:
    case v1::BUILD_REQUEST_PLANNING:
    case v1::BUILD_REQUEST_ANALYSIS_COMPLETED:
    case v1::BUILD_REQUEST_EXECUTING:
      return true;
    default:
      return false;
  }
}

Index BuildState::LastBuild(Index want) const {
  return wants_[want].builds.empty() ? kNone : wants_[want].builds.back();
}

Index BuildState::InternPartition(std::string_view ref) {
  const uint64_t hash = HashBytes(ref);
  const Index known =
      partition_names_.Find(hash, [&](Index i) { return partitions_[i].ref == ref; });
  if (known != kNone) return known;
  const auto index = static_cast<Index>(partitions_.size());
  partitions_.emplace_back().ref = ref;
  partition_names_.Add(hash, index);
  if (!replaying_) ref_blocks_.Add(by_ref_.Add(index), [this](Index i) { return KindOf(i); });
  ++partitions_by_status_[v1::PARTITION_UNKNOWN];
  return index;
}

Index BuildState::InternRun(std::string_view id) {
  const auto [index, added] = InternById(run_names_, runs_, id);
  if (added) ++runs_by_status_[v1::JOB_UNKNOWN];
  return index;
}

Index BuildState::InternBuild(std::string_view id) {
  const auto [index, added] = InternById(build_names_, builds_, id);
  if (added) ++builds_by_status_[v1::BUILD_REQUEST_UNKNOWN];
  return index;
}

Index BuildState::InternWant(std::string_view id) {
  const auto [index, added] = InternById(want_names_, wants_, id);
  if (added) ++wants_by_status_[v1::WANT_UNKNOWN];
  return index;
}

Index BuildState::InternTaint(std::string_view id) {
  const auto [index, added] = InternById(taint_names_, taints_, id);
  if (added) ++taints_by_status_[v1::TAINT_UNKNOWN];
  return index;
}

Index BuildState::InternJob(std::string_view label) {
  if (const Index known = FindJob(label); known != kNone) return known;
  const auto index = static_cast<Index>(jobs_.size());
  jobs_.emplace_back().label = label;
  job_names_.Add(HashBytes(label), index);
  return index;
}

BuildState::PartitionChange::PartitionChange(BuildState& state, Index partition)
    : state_(state),
      partition_(partition),
      status_(state.RefStatus(partition)),
      usable_(status_ == v1::PARTITION_AVAILABLE && state.Usable(partition)),
      kind_(RefKindOf(status_, state.CurrentTainted(partition))) {}

BuildState::PartitionChange::~PartitionChange() {
  const v1::PartitionStatus status = state_.RefStatus(partition_);
  if (status != status_) {
    --state_.partitions_by_status_[status_];
    ++state_.partitions_by_status_[status];
  }
  const RefKind kind = RefKindOf(status, state_.CurrentTainted(partition_));
  if (kind != kind_ && !state_.replaying_) state_.ref_blocks_.Move(partition_, kind_, kind);
  const bool usable = status == v1::PARTITION_AVAILABLE && state_.Usable(partition_);
  if (usable == usable_) return;
  for (Index want : state_.partitions_[partition_].wants) {
    usable ? --state_.wants_[want].unavailable : ++state_.wants_[want].unavailable;
  }
}

}  // namespace databuild
