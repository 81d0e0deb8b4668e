// PlannerWorld: the operator without threads and without Kubernetes. The real planner, reconciler,
// event log and fold over storage in memory, a fake cluster and a fake clock; tests take the turns.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "bel/build_state.h"
#include "bel/event_log.h"
#include "bel/memory_storage.h"
#include "controller/reconciler/reconciler.h"
#include "tests/support/fake_cluster.h"
#include "tests/support/faulty_storage.h"

namespace databuild {

// What goes wrong around every operator process.
struct WorldFaults {
  FaultyStorage::Faults storage;
  ClusterFaults cluster;
};

class PlannerWorld {
 public:
  // `max_runs`: of the whole operator, 0: no limit.
  explicit PlannerWorld(PlannerOptions options = Defaults(), uint32_t max_runs = 0);
  ~PlannerWorld();
  static PlannerOptions Defaults();

  // One turn. Returns the number of events appended. A process that dies in it is replaced.
  size_t Tick();
  // Turns until nothing is decided, without moving time or Jobs.
  void Settle();
  // Settles, lets Jobs go on and, when nothing moves, jumps to the next timer; until the world is
  // quiet or `horizon` has passed. Bounded.
  void Run(DurationNs horizon = kHour);
  // The operator dies and comes back: the log is replayed, the cluster listed afresh.
  void Restart();
  // Another process takes the log over; the one before goes on until it finds out.
  void TakeOver();
  // One turn of the process that was taken over from, if it has not found out yet.
  void TickFormer();
  void Advance(DurationNs by) { clock.now += by; }
  // Runs of another graph, which count against the limit of the whole operator.
  void SetRunsElsewhere(uint32_t runs) { slots_.Settle("elsewhere", runs, false); }
  // From now on; also of processes to come.
  void SetFaults(const WorldFaults& faults);

  // --- Asking
  const BuildState& state() const;
  std::string RefStatus(const std::string& ref) const;  // "available", "failed", "wanted", ...
  std::string WantStatusName(const std::string& name) const;
  const Want& WantOf(const std::string& name) const;
  std::vector<std::string> BuildStatuses(const std::string& want) const;
  PartitionReason Why(const std::string& want, const std::string& ref) const;
  const EventLog& event_log() const;
  // The planner itself, between two turns.
  void Ask(const std::function<void(const BuildState&, Planner*)>& ask) const;
  size_t CountEvents(v1::BuildEvent::EventTypeCase type) const;
  // Runs of the ref, and the largest number of them that were ever live at once.
  size_t RunsOf(const std::string& ref) const;
  size_t MostLiveRunsOf(const std::string& ref) const;
  // The first event the transition table refused, empty if none was.
  const std::string& violation() const { return violation_; }
  // One line per event, for a failing test to print.
  std::string Transcript() const;
  // Folds the log anew: "", or the part in which the live state differs.
  std::string ReplayDiffers() const;

  FakeClock clock;
  FakeCluster cluster{clock};
  std::vector<v1::BuildEvent> log;  // all that is recorded, in order

 private:
  struct Process;
  std::unique_ptr<Process> NewProcess();
  void Judge(const TickReport& report);
  void ReadLog();

  PlannerOptions options_;
  WorldFaults faults_;
  RunSlots slots_;
  uint64_t next_holder_ = 1;
  MemoryStorage storage_;
  std::unique_ptr<Process> process_;
  std::unique_ptr<Process> former_;  // was taken over from
  std::string violation_;
};

}  // namespace databuild
