// One page of partitions in order of ref: what all such lists do alike. Private to the query
// engine.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "bel/build_state.h"
#include "bel/query_page.h"

namespace databuild {

struct RefWalk {
  std::string_view prefix = {};      // of the refs
  std::string after = {};            // exclusive; empty: from the first one
  uint32_t size = kDefaultPageSize;  // rows of the page
  uint32_t skip = 0;                 // matching rows to leave out first
  RefKindSet kinds = kAllRefKinds;   // of the rows
};

// Where the walk goes on; nothing when it is at its end.
struct RefWalkEnd {
  bool has_more = false;
  std::string last;  // the ref to continue after
};

// Calls add(partition) for the first walk.size partitions of walk.kinds for which
// matches(partition) is true. Looks at kMaxCandidates at most; then the page is short and has more.
template <typename Matches, typename Add>
RefWalkEnd WalkByRef(const BuildState& state, RefWalk walk, Matches matches, Add add) {
  const RefOrder& order = state.by_ref();
  const RefBlocks& blocks = state.ref_blocks();
  RefWalkEnd end;
  std::string_view last;
  size_t rows = 0, examined = 0;
  auto at = walk.prefix.compare(walk.after) > 0 || walk.after.empty()
                ? order.lower_bound(walk.prefix)
                : order.upper_bound(walk.after);
  at = blocks.Skip(at, walk.kinds);
  while (at != order.end()) {
    const Index partition = *at;
    const std::string_view ref = state.partition(partition).ref;
    if (!ref.starts_with(walk.prefix)) break;
    const bool full = rows == walk.size;
    end.has_more = examined++ == kMaxCandidates;
    if (end.has_more) break;
    if ((SetOf(state.KindOf(partition)) & walk.kinds) != 0 && matches(partition)) {
      end.has_more = full;
      if (full) break;
      if (walk.skip > 0) {
        --walk.skip;
      } else {
        add(partition);
        ++rows;
      }
    }
    if (!full) last = ref;
    ++at;
    if (at != order.end() && !blocks.SameBlock(partition, *at)) at = blocks.Skip(at, walk.kinds);
  }
  end.last = last;
  return end;
}

}  // namespace databuild
