// What events about what people ask for do: wants and taints.
#include <algorithm>

#include "bel/build_state.h"
#include "bel/partition_change.h"
#include "bel/range.h"

namespace databuild {
namespace {

std::optional<DurationNs> Seconds(const WireOptional& seconds) {
  if (!seconds.present) return std::nullopt;
  return static_cast<DurationNs>(static_cast<uint64_t>(seconds.value) * kSecond);
}

}  // namespace

void BuildState::Apply(const EventView& event, const WantView& want_event) {
  const Index index = InternWant(want_event.want_id);
  Want& want = wants_[index];
  want.last_idx = idx_;
  switch (want_event.lifecycle) {
    case v1::WANT_SLA_VIOLATED:
      want.sla_violated = true;
      return;
    case v1::WANT_UPDATED:
      want.priority = want_event.priority;
      want.suspend = want_event.suspend;
      if (want.retry_token != want_event.retry_token) want.retry_idx = idx_;
      want.retry_token = want_event.retry_token;
      want.generation = want_event.generation;
      want.comment = want_event.comment;
      return;
    default:
      break;
  }
  --wants_by_status_[want.status];
  want.status = static_cast<v1::WantLifecycle>(want_event.lifecycle);
  ++wants_by_status_[want.status];
  if (want.status == v1::WANT_CREATED) CreateWant(index, want_event, event.timestamp);
  if (want.status == v1::WANT_SATISFIED && want.first_satisfied_at == 0) {
    want.first_satisfied_at = event.timestamp;
  }
  if (!want.Live()) EndWant(index, event.timestamp);
}

void BuildState::CreateWant(Index index, const WantView& event, TimeNs now) {
  Want& want = wants_[index];
  want.name = event.name;
  want.created_at = event.created_at ? event.created_at : now;
  want.data_timestamp = event.data_timestamp ? event.data_timestamp : want.created_at;
  want.ttl = Seconds(event.ttl_seconds);
  want.sla = Seconds(event.sla_seconds);
  want.delete_after = Seconds(event.delete_after_seconds);
  want.priority = event.priority;
  want.suspend = event.suspend;
  want.source = MakeAskedBy(event.source.source_type.code, event.source.authenticated);
  want.source_name = event.source.name;
  want.comment = event.comment;
  want.correlation_id = event.correlation_id;
  want.retry_token = event.retry_token;
  want.generation = event.generation;
  want.created_idx = idx_;
  want.ranges.clear();
  for (v1::PartitionRange range : event.requested_ranges) want.ranges.push_back(std::move(range));
  const auto add = [&](std::string_view ref) {
    const Index partition = InternPartition(ref);
    auto& wants = partitions_[partition].wants;
    if (!wants.empty() && wants.back() == index) return;  // listed and in a range
    wants.push_back(index);
    want.partitions.push_back(partition);
    if (!Usable(partition)) ++want.unavailable;
  };
  for (const RefView ref : event.requested_partitions) add(ref.str);
  for (const v1::PartitionRange& range : want.ranges) {
    (void)ForEachRef(range, add);  // total on replay: a range that cannot be read names nothing
  }
}

void BuildState::EndWant(Index index, TimeNs now) {
  Want& want = wants_[index];
  want.ended_at = now;
  for (Index partition : want.partitions) Erase(partitions_[partition].wants, index);
  Unblock(index);
}

void BuildState::Apply(const EventView& event, const TaintView& taint_event) {
  const Index index = InternTaint(taint_event.taint_id);
  Taint& taint = taints_[index];
  --taints_by_status_[taint.status];
  taint.status = static_cast<v1::TaintLifecycle>(taint_event.lifecycle);
  ++taints_by_status_[taint.status];
  taint.last_idx = idx_;
  if (taint.status == v1::TAINT_CREATED) return CreateTaint(index, taint_event, event.timestamp);
  taint.ended_at = event.timestamp;
  if (taint.status == v1::TAINT_LIFTED) LiftTaint(index);
}

void BuildState::CreateTaint(Index index, const TaintView& event, TimeNs now) {
  Taint& taint = taints_[index];
  taint.name = event.name;
  taint.created_at = event.created_at ? event.created_at : now;
  taint.created_idx = idx_;
  taint.cascade = event.cascade == v1::CASCADE_DOWNSTREAM;
  taint.source = MakeAskedBy(event.source_type.code, event.source_authenticated);
  taint.source_name = event.source_name;
  taint.comment = event.comment;
  taint.globs.clear();
  for (const std::string_view glob : event.globs) taint.globs.emplace_back(glob);
  for (const RefView ref : event.refs) taint.partitions.push_back(InternPartition(ref.str));
  for (const InstanceRefView hit : event.tainted_instances) {
    if (const Index i = FindInstance(hit.instance_id); i != kNone) taint.instances.push_back(i);
  }
  for (const InstanceRefView hit : event.downstream_instances) {
    if (const Index i = FindInstance(hit.instance_id); i != kNone) taint.downstream.push_back(i);
  }
  for (const std::string_view id : event.tainted_run_ids) {
    if (const Index run = FindRun(id); run != kNone) taint.runs.push_back(run);
  }
  for (IndexList* list : {&taint.instances, &taint.downstream, &taint.runs}) {
    std::sort(list->begin(), list->end());
    list->Truncate(std::unique(list->begin(), list->end()));
  }
}

void BuildState::Apply(const EventView& event, const InvalidationView& hit) {
  const Index partition = InternPartition(hit.partition_ref.str);
  Partition::Extra& extra = partitions_[partition].extra.Edit();
  ++extra.invalidations;
  extra.last_invalidated = event.timestamp;
  const Index taint = FindTaint(hit.taint_id), instance = FindInstance(hit.instance_id);
  if (instance == kNone) return;
  if (taint != kNone) return HitInstance(taint, instance);
  if (!hit.taint_id.empty()) return;
  const PartitionChange change(*this, partition);  // a peer took it back
  instances_[instance].extra.Edit().withdrawn = true;
  for (Index want : partitions_[partition].wants)
    wants_[want].last_idx = wants_[want].taint_idx = idx_;
}

void BuildState::HitInstance(Index taint, Index instance) {
  const Index partition = instances_[instance].partition;
  const PartitionChange change(*this, partition);
  AddOnce(instances_[instance].extra.Edit().taints, taint);
  for (Index want : partitions_[partition].wants)
    wants_[want].last_idx = wants_[want].taint_idx = idx_;
}

void BuildState::LiftTaint(Index index) {
  const auto lift = [&](Index instance) {
    const Index partition = instances_[instance].partition;
    const PartitionChange change(*this, partition);
    Erase(instances_[instance].extra.Edit().taints, index);
    for (Index want : partitions_[partition].wants) wants_[want].last_idx = idx_;
  };
  for (Index instance : taints_[index].instances) lift(instance);
  for (Index instance : taints_[index].downstream) lift(instance);
}

}  // namespace databuild
