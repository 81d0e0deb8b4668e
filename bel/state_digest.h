// Parts of a BuildState and their digests: for comparing two folds and for snapshots.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "bel/build_state.h"

namespace databuild {

// Of the fields, their order and their meaning. A digest or snapshot of another version says
// nothing.
inline constexpr uint32_t kStateModelVersion = 3;

// kGlobals comes last: it names the position in the log.
enum class StateSection {
  kPartitions,
  kInstances,
  kUnits,
  kRuns,
  kBuilds,
  kWants,
  kTaints,
  kJobs,
  kGlobals,  // one element: position, counters, plans whose parts are arriving
};
inline constexpr int kStateSections = 9;
const char* StateSectionName(StateSection section);

// Elements [from, to) of a section.
struct StateRange {
  StateSection section = StateSection::kPartitions;
  size_t from = 0;
  size_t to = 0;
};

size_t StateSize(const BuildState& state, StateSection section);
// Appends the encoding (state_archive.h) of a range.
void EncodeState(const BuildState& state, const StateRange& range, std::string& out);

// Equal for folds of the same events, whatever the storage, process or snapshot they came from.
uint64_t StateDigest(const BuildState& state);
uint64_t StateDigest(const BuildState& state, const StateRange& range);
// 16 hex digits.
std::string FormatDigest(uint64_t digest);

}  // namespace databuild
