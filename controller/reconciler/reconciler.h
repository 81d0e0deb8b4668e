// GraphReconciler: one turn of one graph. Take what happened, decide events, append them, decide
// effects, hand them over. Knows neither threads nor metrics nor Kubernetes.
//
// Owned by the graph's worker thread; the simulator calls Tick itself.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "bel/base/clock.h"
#include "bel/event_log.h"
#include "controller/planner/planner.h"
#include "controller/reconciler/cluster.h"

namespace databuild {

// Hands out the operator-wide limit of live runs. While several graphs want more than there is,
// what those that are content leave over is shared among them in equal parts: none takes a slot
// beyond its part before the others have theirs. Thread-safe. 0: no limit.
class RunSlots {
 public:
  explicit RunSlots(uint32_t limit) : limit_(limit) {}
  // `live`: runs of the graph that are SCHEDULED or RUNNING now. Returns how many more it may
  // start; all of them count as taken until Settle says how many runs it has with those it starts.
  uint32_t Ask(const std::string& graph, uint32_t live);
  // `waits`: it would start more runs if it were granted more.
  void Settle(const std::string& graph, uint32_t live, bool waits);
  // Nobody asks for the graph any more; its runs go on.
  void Leave(const std::string& graph);

 private:
  struct Share {
    uint32_t live = 0;  // grants included
    bool waits = false;
  };
  const uint32_t limit_;
  std::mutex mutex_;
  std::map<std::string, Share> shares_;  // by graph
};

struct TickReport {
  size_t deltas = 0;
  size_t events = 0;
  size_t effects = 0;
  size_t rounds = 0;
  DurationNs took = 0;
  std::optional<Error> append_error;
  std::vector<std::string> effect_kinds;  // one per effect
};

// A tick goes on to effects after this many rounds of deciding and appending, or events; with one
// more round it stays at the 8,192 events of core.md "One tick".
inline constexpr size_t kMaxRoundsPerTick = 64;
inline constexpr size_t kMaxEventsPerTick = 4'096;
// After an append that failed nothing is decided for this long.
inline constexpr DurationNs kAppendRetry = kSecond;

// A graph that was refused slots asks again after this long: other graphs do not tell it when they
// free some.
inline constexpr DurationNs kSlotRetry = 500 * kMillisecond;

class GraphReconciler {
 public:
  struct Parts {
    EventLog* log = nullptr;
    Cluster* cluster = nullptr;
    const Clock* clock = nullptr;
    RunSlots* slots = nullptr;
    // For every event appended here, after it was applied, under the log's readers' lock. May be
    // empty.
    std::function<void(const std::string& graph, const v1::BuildEvent&, const BuildState&)>
        on_event;
  };
  GraphReconciler(PlannerOptions options, Parts parts);
  ~GraphReconciler();
  GraphReconciler(const GraphReconciler&) = delete;
  GraphReconciler& operator=(const GraphReconciler&) = delete;

  TickReport Tick();
  // When Tick should run again although nothing changes; nullopt: never.
  std::optional<TimeNs> NextWake() const;

  // Calls `read` with the state, under the log's readers' lock, and a way to ask why a partition is
  // not there (empty before the first synced tick). Thread-safe against Tick; do not call Tick
  // inside.
  using Explainer = std::function<PartitionReason(Index want, Index partition)>;
  void Read(const std::function<void(const BuildState&, const Explainer&)>& read) const;
  // The same with the planner itself; nullptr before the first synced tick.
  void Ask(const std::function<void(const BuildState&, Planner*)>& ask) const;

 private:
  bool DecideAndAppend(TickReport& report);

  PlannerOptions options_;
  Parts parts_;
  mutable std::mutex
      mutex_;  // guards snapshot_ and planner_ between Tick and Read; taken before the log's lock
  Snapshot snapshot_;
  std::unique_ptr<Planner> planner_;  // from the first synced tick on
  std::optional<TimeNs> blocked_until_;
  bool more_ = false;
  bool starved_ = false;  // units are ready, and the operator-wide limit left no slot for them
};

const char* EffectKind(const Effect& effect);

}  // namespace databuild
