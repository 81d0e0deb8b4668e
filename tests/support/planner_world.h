// PlannerWorld: the real planner over the real fold and transition table, with a fake cluster and a
// fake clock. Every event the planner decides is checked against the transition table, one by one,
// as an append would.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "bel/build_state.h"
#include "controller/planner/planner.h"
#include "tests/support/fake_cluster.h"

namespace databuild {

class PlannerWorld {
 public:
  explicit PlannerWorld(PlannerOptions options = Defaults());
  static PlannerOptions Defaults();

  // One tick. Returns the number of events decided.
  size_t Tick();
  // Ticks until nothing is decided, without moving time or Jobs.
  void Settle();
  // Settles, lets Jobs go on and, when nothing moves, jumps to the next timer; until the world is
  // quiet or `horizon` has passed. Bounded.
  void Run(DurationNs horizon = kHour);
  // The operator dies and comes back: a new planner over the log so far and a fresh list of the
  // cluster.
  void Restart();
  void Advance(DurationNs by) { clock.now += by; }

  // --- Asking
  std::string RefStatus(const std::string& ref) const;  // "available", "failed", "wanted", ...
  std::string WantStatusName(const std::string& name) const;
  const Want& WantOf(const std::string& name) const;
  std::vector<std::string> BuildStatuses(const std::string& want) const;
  PartitionReason Why(const std::string& want, const std::string& ref) const;
  size_t CountEvents(v1::BuildEvent::EventTypeCase type) const;
  // Runs of the ref, and the largest number of them that were ever live at once.
  size_t RunsOf(const std::string& ref) const;
  size_t MostLiveRunsOf(const std::string& ref) const;
  // The first event the transition table refused, empty if none was.
  const std::string& violation() const { return violation_; }
  // One line per event, for a failing test to print.
  std::string Transcript() const;
  // Replays the log into a new fold and compares what both say.
  bool ReplayAgrees() const;

  FakeClock clock;
  FakeCluster cluster{clock};
  BuildState state;
  std::vector<v1::BuildEvent> log;

 private:
  PlannerOptions options_;
  Snapshot snapshot_;
  std::unique_ptr<Planner> planner_;
  std::string violation_;
};

}  // namespace databuild
