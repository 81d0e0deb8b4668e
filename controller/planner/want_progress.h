// WantProgress: of every live want, which of its partitions are not there and how far each is; and
// which are there by the work of others without a build of the want saying so yet.
//
// A function of the BuildState alone, kept up to date partition by partition, so that no decision
// about a want walks all of its partitions. Owned by the planner; not thread-safe.
#pragma once

#include <array>
#include <cstdint>
#include <unordered_map>
#include <vector>

#include "bel/build_state.h"
#include "controller/planner/index_set.h"

namespace databuild {

// How far a partition is that is not there, in the order in which a status names them.
enum class Stage : uint8_t {
  kFailed,    // its newest instance failed
  kIdle,      // nothing is under way
  kRetrying,  // an attempt ended without the data, another is allowed
  kBuilding,  // a run is making it
  kWaiting,   // requested or analyzed
};
inline constexpr size_t kStages = 5;

// Partitions of one want.
struct Missing {
  std::array<IndexSet, kStages> by_stage;
  // There, made by a build of another want, and no build of this want delegates it to that build.
  IndexSet made_by_others;

  const IndexSet& of(Stage stage) const { return by_stage[static_cast<size_t>(stage)]; }
  // The least missing partition that is not below `from`; kNone if there is none.
  Index Next(Index from) const;
  size_t count() const;
};

class WantProgress {
 public:
  explicit WantProgress(const BuildState& state) : state_(state) {}

  // Everything is worked out again.
  void Reset();
  // The want was created, or ended.
  void Follow(Index want);
  // Something about the partition changed: its instances or what taints them.
  void Update(Index partition);
  // A build of the want was recorded as delegating the partition.
  void Delegated(Index want, Index partition);

  // Of a live want.
  const Missing& Of(Index want) const;
  // The same worked out anew, by a walk over all partitions; for wants that ended.
  Missing WorkOut(Index want) const;

 private:
  static constexpr uint8_t kThere = kStages;
  static constexpr uint8_t kUnknown = kStages + 1;
  uint8_t StageOf(Index partition) const;
  bool MadeByOthers(Index want, Index partition) const;
  void Put(Missing& missing, Index want, Index partition) const;
  static bool Empty(const Missing& missing);

  const BuildState& state_;
  std::vector<uint8_t> stages_;               // by partition: where the wants' sets have it
  std::unordered_map<Index, Missing> wants_;  // only those that something is said about
};

}  // namespace databuild
