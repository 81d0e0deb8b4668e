// What events about work do: builds, plans, instances, runs, delegations, adoptions.
#include <algorithm>
#include <utility>

#include "bel/build_state.h"
#include "bel/partition_change.h"

namespace databuild {
namespace {

CauseInfo CauseOf(const CauseView& cause) {
  return {std::string(cause.partition_ref), std::string(cause.job_run_id),
          std::string(cause.job_label), std::string(cause.reason), std::string(cause.message)};
}

}  // namespace

void BuildState::Apply(const EventView& event, const BuildRequestView& request) {
  const Index index = InternBuild(event.build_request_id);
  Build& build = builds_[index];
  --builds_by_status_[build.status];
  build.status = static_cast<v1::BuildRequestStatusCode>(request.status.code);
  ++builds_by_status_[build.status];
  build.last_idx = idx_;
  const bool planning =
      build.status == v1::BUILD_REQUEST_RECEIVED || build.status == v1::BUILD_REQUEST_PLANNING;
  if (!planning && build.planned_idx == 0) build.planned_idx = idx_;
  if (!request.reason.empty()) build.reason = request.reason;
  if (!request.message.empty()) build.message = request.message;
  if (request.has_cause) build.cause.Edit() = CauseOf(request.cause);
  switch (build.status) {
    case v1::BUILD_REQUEST_RECEIVED: {
      build.received_at = event.timestamp;
      build.received_idx = idx_;
      build.ordinal = request.attempt;
      build.want = InternWant(request.want_id);
      wants_[build.want].builds.push_back(index);
      wants_[build.want].last_idx = idx_;
      Unblock(build.want);
      break;
    }
    case v1::BUILD_REQUEST_ANALYSIS_COMPLETED:
    case v1::BUILD_REQUEST_PRECONDITION_FAILED:
      build.unproducible.clear();
      for (const UnproducibleView missing : request.unproducible) {
        build.unproducible.push_back({InternPartition(missing.ref), missing.kind == "external"});
      }
      break;
    case v1::BUILD_REQUEST_EXECUTING:
      build.started_at = event.timestamp;
      break;
    default:
      break;
  }
  if (!BuildOpen(index)) {
    build.ended_at = event.timestamp;
    CloseBuild(index);
  }
}

void BuildState::CloseBuild(Index index) {
  Build& build = builds_[index];
  for (const auto& [partition, delegation] : build.delegations) {
    Erase(partitions_[partition].extra.Edit().delegators, index);
  }
  open_plans_.erase(index);
  if (build.want == kNone) return;
  wants_[build.want].last_idx = idx_;
  if (build.status == v1::BUILD_REQUEST_FAILED ||
      build.status == v1::BUILD_REQUEST_PRECONDITION_FAILED) {
    BlockWant(index);
  }
}

void BuildState::BlockWant(Index index) {
  const Build& build = builds_[index];
  Want& want = wants_[build.want];
  if (!want.Live()) return;
  IndexList roots;
  const auto add_root = [&](Index instance) {
    if (instance == kNone || !InstanceFinal(instance)) return;
    const Instance& made = instances_[instance];
    if (made.status == v1::PARTITION_AVAILABLE) return;
    roots.push_back(made.extra->cause.ref.empty() ? made.partition
                                                  : InternPartition(made.extra->cause.ref));
  };
  for (Index unit : build.units) {
    for (Index instance : units_[unit].instances) add_root(instance);
  }
  // A newer instance that failed does not hide a good one.
  for (const auto& [partition, delegation] : build.delegations) {
    if (!Usable(partition)) add_root(partitions_[partition].newest);
  }
  for (const Unproducible& missing : build.unproducible) roots.push_back(missing.partition);
  std::sort(roots.begin(), roots.end());
  roots.Truncate(std::unique(roots.begin(), roots.end()));
  want.blocked_on = roots;
  for (Index partition : roots) partitions_[partition].extra.Edit().blocked.push_back(build.want);
}

void BuildState::Unblock(Index index) {
  for (Index partition : wants_[index].blocked_on)
    Erase(partitions_[partition].extra.Edit().blocked, index);
  wants_[index].blocked_on.clear();
}

void BuildState::Apply(const EventView& event, const PartitionView& change) {
  const auto [index, added] = InternById(instance_names_, instances_, change.instance_id);
  Instance& instance = instances_[index];
  if (added) instance.partition = InternPartition(change.partition_ref.str);
  Partition& partition = partitions_[instance.partition];
  {
    const PartitionChange counted(*this, instance.partition);
    if (added) {
      instance.previous = std::exchange(partition.newest, index);
      instance.ordinal = change.ordinal ? change.ordinal : partition.instances + 1;
      partition.instances = std::max(partition.instances, instance.ordinal);
    }
    if (change.status_code == v1::PARTITION_REQUESTED) Request(index, event);
    if (change.has_cause) instance.extra.Edit().cause = CauseOf(change.cause);
    if (change.has_external) instance.extra.Edit().external = true;
    SetInstanceStatus(index, static_cast<v1::PartitionStatus>(change.status_code), event.timestamp);
  }
  if (!change.tainted_by.empty()) TaintResult(index, FindTaint(change.tainted_by));
  if (instance.build != kNone) {
    builds_[instance.build].last_idx = idx_;
    const Index want = builds_[instance.build].want;
    if (want != kNone) wants_[want].last_idx = idx_;
  }
  for (Index want : partition.wants) wants_[want].last_idx = idx_;
}

void BuildState::Request(Index index, const EventView& event) {
  Instance& instance = instances_[index];
  instance.requested_at = event.timestamp;
  instance.build = FindBuild(event.build_request_id);
  if (instance.build == kNone) return;
  ++builds_[instance.build].open_instances;
  builds_[instance.build].requested.push_back(index);
}

// The event names one taint; every taint in force that came while the run was live hits as well.
void BuildState::TaintResult(Index index, Index named) {
  const Index run = instances_[index].run;
  for (Index taint = 0; taint < taints_.size(); ++taint) {
    const auto& hit = taints_[taint].runs;
    const bool came = taints_[taint].status == v1::TAINT_CREATED && run != kNone &&
                      std::find(hit.begin(), hit.end(), run) != hit.end();
    if (!came && taint != named) continue;
    HitInstance(taint, index);
    AddOnce(taints_[taint].instances, index);
  }
}

void BuildState::SetInstanceStatus(Index index, v1::PartitionStatus status, TimeNs now) {
  Instance& instance = instances_[index];
  Partition& partition = partitions_[instance.partition];
  const bool was_final = InstanceFinal(index);
  instance.status = status;
  instance.updated_at = now;
  partition.last_updated = now;
  if (status == v1::PARTITION_AVAILABLE) {
    instance.available_idx = idx_;
    if (partition.current == kNone || instances_[partition.current].ordinal < instance.ordinal) {
      partition.current = index;
    }
  }
  if (was_final || !InstanceFinal(index)) return;
  if (instance.build != kNone && builds_[instance.build].open_instances > 0) {
    --builds_[instance.build].open_instances;
  }
  EraseIf(partition.waiters, [&](Index unit) {
    const auto& made = units_[unit].instances;
    return std::all_of(made.begin(), made.end(), [&](Index i) { return InstanceFinal(i); });
  });
}

void BuildState::Apply(const EventView& event, const JobGraphView& graph) {
  const Index index = InternBuild(event.build_request_id);
  Build& build = builds_[index];
  std::vector<std::string>& tasks = open_plans_[index];
  if (graph.part <= 1) tasks.clear();
  build.open_plan = graph.plan_number;
  build.open_part = graph.part;
  build.last_idx = idx_;
  for (const TaskView task : graph.job_graph.nodes) tasks.emplace_back(task.body);
  if (!graph.last) return;
  for (const std::string& task : tasks) PlanTask(index, TaskView::Read(task));
  build.plan_number = graph.plan_number;
  build.open_plan = build.open_part = 0;
  EraseIf(build.requested, [&](Index instance) { return instances_[instance].unit != kNone; });
  open_plans_.erase(index);
}

void BuildState::PlanTask(Index build, const TaskView& task) {
  if (task.config.outputs.empty()) return;
  const Index first = InternPartition((*task.config.outputs.begin()).str);
  const Index live = LiveInstance(first);
  Index index = live == kNone ? kNone : instances_[live].unit;
  const bool fresh = index == kNone;
  if (fresh) {
    index = static_cast<Index>(units_.size());
    Unit& made = units_.emplace_back();
    for (const RefView output : task.config.outputs) {
      const Index partition = InternPartition(output.str);
      const Index instance = LiveInstance(partition);
      made.partitions.push_back(partition);
      if (instance == kNone || instances_[instance].unit != kNone) continue;
      made.instances.push_back(instance);
      instances_[instance].unit = index;
    }
    made.build = build;
    builds_[build].units.push_back(index);
  }
  Unit& unit = units_[index];
  unit.job = InternJob(task.job.label);
  unit.generation = task.generation;
  unit.inputs.clear();
  for (const DataDepView input : task.config.inputs) {
    const Index partition = InternPartition(input.partition_ref.str);
    const bool materialize = input.dep_type_code == v1::MATERIALIZE;
    unit.inputs.push_back({partition, materialize});
    if (!materialize) continue;
    fresh ? partitions_[partition].waiters.push_back(index)
          : AddOnce(partitions_[partition].waiters, index);
  }
}

void BuildState::Apply(const EventView& event, const DelegationView& delegation) {
  const Index build = InternBuild(event.build_request_id);
  const Index owner = InternBuild(delegation.delegated_to_build_request_id);
  const auto delegate = [&](std::string_view ref) {
    if (ref.empty()) return;
    const Index partition = InternPartition(ref);
    builds_[build].delegations[partition] = {owner, delegation.historical ? 1U : 0U};
    if (BuildOpen(build)) AddOnce(partitions_[partition].extra.Edit().delegators, build);
    ++delegations_;
  };
  delegate(delegation.partition_ref.str);
  for (const RefView ref : delegation.partition_refs) delegate(ref.str);
  builds_[build].last_idx = idx_;
}

void BuildState::Apply(const EventView&, const AdoptionView& adoption) {
  const Index from = InternBuild(adoption.from_build_request_id);
  const Index to = InternBuild(adoption.to_build_request_id);
  for (const std::string_view id : adoption.instance_ids) {
    const Index index = FindInstance(id);
    if (index == kNone || instances_[index].build != from) continue;
    Instance& instance = instances_[index];
    instance.build = to;
    builds_[to].delegations.erase(instance.partition);
    Erase(partitions_[instance.partition].extra.Edit().delegators, to);
    if (!InstanceFinal(index)) {
      if (builds_[from].open_instances > 0) --builds_[from].open_instances;
      ++builds_[to].open_instances;
    }
    if (instance.unit == kNone) continue;
    units_[instance.unit].build = to;
    Erase(builds_[from].units, instance.unit);
    AddOnce(builds_[to].units, instance.unit);
  }
  builds_[from].last_idx = builds_[to].last_idx = idx_;
}

}  // namespace databuild
