// Private to the fold: keeps what is counted about a partition right around any change of it.
#pragma once

#include "bel/build_state.h"

namespace databuild {

// Scope of a change: compares the partition's status and usability at its start and its end.
class BuildState::PartitionChange {
 public:
  PartitionChange(BuildState& state, Index partition);
  ~PartitionChange();
  PartitionChange(const PartitionChange&) = delete;
  PartitionChange& operator=(const PartitionChange&) = delete;

 private:
  BuildState& state_;
  Index partition_;
  v1::PartitionStatus status_;
  bool usable_;
  RefKind kind_;
};

}  // namespace databuild
