// Builds, activity and lineage: pure functions of the fold, like query.h.
#pragma once

#include <cstdint>
#include <vector>

#include "bel/query.h"

namespace databuild {

// What is going on. Recent partitions are those that the newest runs make and the newest instances
// are of, last updated first.
v1::ActivityResponse GetActivity(const QueryView& view);

// Open builds that make the partition or leave it to another build, in order of creation: the
// seed's "active builds for a partition".
std::vector<Index> ActiveBuilds(const BuildState& state, Index partition);

// What an instance was made from and what was made from it, one level each way.
struct Lineage {
  std::vector<Index> inputs;   // instances its run was told to read
  std::vector<Index> outputs;  // instances made by runs that read it, in order of their runs
  bool complete = true;        // false: more runs came after it than one query looks through
};
Lineage LineageOf(const BuildState& state, Index instance);

}  // namespace databuild
