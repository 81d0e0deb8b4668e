// Private to the fold: the way of digests and snapshots to what BuildState keeps to itself.
#pragma once

#include <map>
#include <string>

#include "bel/build_state.h"
#include "bel/state_archive.h"

namespace databuild {

class StateAccess {
 public:
  static void EncodeGlobals(const BuildState& state, std::string& out) {
    StateWriter write(out);
    Globals(write, const_cast<BuildState&>(state));
    for (const auto* counts : Counts(state)) {
      // A count that has gone back to zero is as if it had never been.
      std::vector<std::pair<int, uint64_t>> used;
      for (const auto& entry : *counts) {
        if (entry.second != 0) used.push_back(entry);
      }
      write(static_cast<uint64_t>(used.size()));
      for (const auto& [key, count] : used) write(key, count);
    }
  }

 private:
  template <class Archive>
  static void Globals(Archive& archive, BuildState& state) {
    archive(state.idx_, state.last_event_at_, state.delegations_, state.open_plans_);
  }
  static std::vector<const std::map<int, uint64_t>*> Counts(const BuildState& state) {
    return {&state.partitions_by_status_, &state.wants_by_status_, &state.builds_by_status_,
            &state.runs_by_status_,       &state.runs_by_outcome_, &state.taints_by_status_};
  }
};

}  // namespace databuild
