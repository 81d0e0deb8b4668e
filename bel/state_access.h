// Private to the fold: the way of digests and snapshots to what BuildState and Postings keep to
// themselves.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "bel/build_state.h"
#include "bel/postings.h"
#include "bel/state_digest.h"

namespace databuild {

class StateAccess {
 public:
  static void EncodeGlobals(const BuildState& state, std::string& out);

  // Appends the elements of one frame. False: they cannot be read.
  static bool DecodeSection(StateSection section, size_t elements, std::string_view content,
                            BuildState& state);

  // Partitions by ref. Slow for a state that is being replayed: they are sorted here.
  static std::vector<Index> OrderOfRefs(const BuildState& state);
  // A piece of that list, in memory's order of bytes.
  static bool DecodeOrder(std::string_view content, BuildState& state);

  // Hands over the postings part by part; ends with false as soon as `put` does.
  static bool EncodePostings(const Postings& postings,
                             const std::function<bool(uint32_t part, std::string_view)>& put);
  static bool DecodePostings(uint32_t part, std::string_view content, Postings& postings);

  // After the last part: makes the look-ups. False: the parts do not fit together.
  static bool Complete(BuildState& state, Postings& postings);
};

}  // namespace databuild
