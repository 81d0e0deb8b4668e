// BuildState: the fold. The only reducer over events; planner, API and metrics read it.
//
// Apply is total: it accepts every event ever written, in idx order, and never fails. What an event
// names and the state does not know is created as far as the event tells. One writer; readers hold
// the lock of the EventLog that owns it.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "bel/entities.h"
#include "bel/event_view.h"
#include "bel/name_table.h"
#include "bel/ref_blocks.h"
#include "bel/ref_order.h"
#include "bel/transition.h"

namespace databuild {

class BuildState final : public StatusView {
 public:
  BuildState() = default;
  BuildState(const BuildState&) = delete;
  BuildState& operator=(const BuildState&) = delete;

  void Apply(const EventView& event);
  // The same for an event that is not encoded yet.
  void Apply(const v1::BuildEvent& event);

  // Position of the last applied event; 0: none.
  int64_t idx() const { return idx_; }
  TimeNs last_event_at() const { return last_event_at_; }

  // StatusView.
  std::optional<int> StatusOf(EntityKind kind, std::string_view id) const override;
  bool HasMark(EntityKind kind, std::string_view id, std::string_view mark) const override;

  // ---- Look-ups: kNone if unknown.
  Index FindPartition(std::string_view ref) const;
  Index FindInstance(std::string_view id) const;
  Index FindRun(std::string_view id) const;
  Index FindBuild(std::string_view id) const;
  Index FindWant(std::string_view id) const;
  Index FindTaint(std::string_view id) const;
  Index FindJob(std::string_view label) const;

  const EntityList<Partition>& partitions() const { return partitions_; }
  const EntityList<Instance>& instances() const { return instances_; }
  const EntityList<Unit>& units() const { return units_; }
  const EntityList<Run>& runs() const { return runs_; }
  const EntityList<Build>& builds() const { return builds_; }
  const EntityList<Want>& wants() const { return wants_; }
  const EntityList<Taint>& taints() const { return taints_; }
  const EntityList<Job>& jobs() const { return jobs_; }
  const Partition& partition(Index i) const { return partitions_[i]; }
  const Instance& instance(Index i) const { return instances_[i]; }
  const Unit& unit(Index i) const { return units_[i]; }
  const Run& run(Index i) const { return runs_[i]; }
  const Build& build(Index i) const { return builds_[i]; }
  const Want& want(Index i) const { return wants_[i]; }
  const Taint& taint(Index i) const { return taints_[i]; }
  const Job& job(Index i) const { return jobs_[i]; }

  // Partitions in bytewise order of ref.
  const RefOrder& by_ref() const { return by_ref_; }
  // The same by what they are; see KindOf.
  const RefBlocks& ref_blocks() const { return ref_blocks_; }

  // Before many events are applied at once: partitions are put in order by EndReplay, all together.
  // Nobody may ask for their order in between.
  void BeginReplay() { replaying_ = true; }
  void EndReplay();

  // ---- What the fields mean together.
  // A current instance that no taint hits: the data may be used.
  bool Usable(Index partition) const {
    const Index current = partitions_[partition].current;
    return current != kNone && !instances_[current].Tainted();
  }
  // Another instance, which may be used, stands in the place of this one.
  bool Replaced(Index instance) const {
    const Index partition = instances_[instance].partition;
    return Usable(partition) && partitions_[partition].current != instance;
  }
  // The newest instance if it is not final (work is requested or under way), else kNone.
  Index LiveInstance(Index partition) const {
    const Index newest = partitions_[partition].newest;
    return newest == kNone || InstanceFinal(newest) ? kNone : newest;
  }
  // AVAILABLE while the current instance is usable; else the newest instance's status.
  v1::PartitionStatus RefStatus(Index partition) const {
    if (Usable(partition)) return v1::PARTITION_AVAILABLE;
    const Index newest = partitions_[partition].newest;
    return newest == kNone ? v1::PARTITION_UNKNOWN : instances_[newest].status;
  }
  // A current instance that taints hit.
  bool CurrentTainted(Index partition) const {
    const Index current = partitions_[partition].current;
    return current != kNone && instances_[current].Tainted();
  }
  RefKind KindOf(Index partition) const {
    return RefKindOf(RefStatus(partition), CurrentTainted(partition));
  }
  bool InstanceFinal(Index instance) const {
    const v1::PartitionStatus status = instances_[instance].status;
    return status == v1::PARTITION_AVAILABLE || status == v1::PARTITION_FAILED ||
           status == v1::PARTITION_CANCELLED;
  }
  bool RunLive(Index run) const;
  bool BuildOpen(Index build) const;
  // The want's newest build, or kNone.
  Index LastBuild(Index want) const;

  // ---- Counters, exact and maintained: by enum value.
  const std::map<int, uint64_t>& partitions_by_status() const { return partitions_by_status_; }
  const std::map<int, uint64_t>& wants_by_status() const { return wants_by_status_; }
  const std::map<int, uint64_t>& builds_by_status() const { return builds_by_status_; }
  const std::map<int, uint64_t>& runs_by_status() const { return runs_by_status_; }
  const std::map<int, uint64_t>& runs_by_outcome() const { return runs_by_outcome_; }
  const std::map<int, uint64_t>& taints_by_status() const { return taints_by_status_; }
  uint64_t delegations() const { return delegations_; }

 private:
  friend class StateAccess;
  // Entity by id, made when unknown.
  Index InternPartition(std::string_view ref);
  Index InternRun(std::string_view id);
  Index InternBuild(std::string_view id);
  Index InternWant(std::string_view id);
  Index InternTaint(std::string_view id);
  Index InternJob(std::string_view label);

  void RebuildBlocks();
  void KeepConfigs(const Run& run, const JobView& job_event);
  void CountFailure(const Run& run, TimeNs now);

  // One function per payload.
  void Apply(const EventView& event, const BuildRequestView& request);
  void Apply(const EventView& event, const PartitionView& change);
  void Apply(const EventView& event, const JobView& job);
  void Apply(const EventView& event, const DelegationView& delegation);
  void Apply(const EventView& event, const JobGraphView& graph);
  void Apply(const EventView& event, const InvalidationView& hit);
  void Apply(const EventView& event, const RunCancelView& cancel);
  void Apply(const EventView& event, const BuildCancelView& cancel);
  void Apply(const EventView& event, const WantView& change);
  void Apply(const EventView& event, const TaintView& change);
  void Apply(const EventView& event, const JobDefinitionView& change);
  void Apply(const EventView& event, const AdoptionView& adoption);
  void Apply(const EventView&, const std::monostate&) {}

  void CreateWant(Index want, const WantView& event, TimeNs now);
  void EndWant(Index want, TimeNs now);
  void CloseBuild(Index build);
  void BlockWant(Index build);
  void StartRun(Index run, const EventView& event, const JobView& job);
  void EndRun(Index run, const JobView& event, TimeNs now);
  void PlanTask(Index build, const TaskView& task);
  void Request(Index instance, const EventView& event);
  // Within a PartitionChange.
  void SetInstanceStatus(Index instance, v1::PartitionStatus status, TimeNs now);
  void CreateTaint(Index taint, const TaintView& event, TimeNs now);
  void HitInstance(Index taint, Index instance);
  void TaintResult(Index instance, Index named);
  void LiftTaint(Index taint);
  void Unblock(Index want);

  // Keeps partitions_by_status_ and the wants' `unavailable` right around any change of a
  // partition.
  class PartitionChange;

  int64_t idx_ = 0;
  TimeNs last_event_at_ = 0;
  EntityList<Partition> partitions_;
  EntityList<Instance> instances_;
  EntityList<Unit> units_;
  EntityList<Run> runs_;
  EntityList<Build> builds_;
  EntityList<Want> wants_;
  EntityList<Taint> taints_;
  EntityList<Job> jobs_;
  NameTable partition_names_, instance_names_, run_names_, build_names_, want_names_, taint_names_,
      job_names_;
  RefOrder by_ref_{partitions_};
  RefBlocks ref_blocks_{by_ref_};
  bool replaying_ = false;
  // Encoded tasks, by build; void without a last part.
  absl::btree_map<Index, std::vector<std::string>> open_plans_;
  std::map<int, uint64_t> partitions_by_status_, wants_by_status_, builds_by_status_,
      runs_by_status_, runs_by_outcome_, taints_by_status_;
  uint64_t delegations_ = 0;
};

}  // namespace databuild
