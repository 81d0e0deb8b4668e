// One page of a list in order of creation, newest first: what all such lists do alike. Private to
// the query engine.
#pragma once

#include <algorithm>
#include <cstdint>
#include <set>

#include "bel/entities.h"
#include "bel/query_page.h"

namespace databuild {

struct Walk {
  uint64_t before = 0;                    // exclusive; rows at and above it came with pages before
  uint32_t size = kDefaultPageSize;       // rows of the page
  uint32_t skip = 0;                      // matching rows to leave out first
  const std::set<Index>* only = nullptr;  // positions to look at, instead of all
};

// Walk.before of a page of `count` rows in all.
inline Result<uint64_t> WalkBefore(const PageStart& start, uint64_t count) {
  if (!start.after) return count;
  ASSIGN_OR_RETURN(const uint64_t after, PositionOf(start));
  return std::min(count, after);
}

// Where the walk goes on; nothing when it is at its end.
struct WalkEnd {
  bool has_more = false;
  uint64_t last = 0;  // the position to continue before
};

// Calls add(index) for the first walk.size positions for which matches(index) is true. Looks at
// kMaxCandidates at most; then the page is short and has more.
template <typename Matches, typename Add>
WalkEnd WalkNewestFirst(Walk walk, Matches matches, Add add) {
  WalkEnd end{false, walk.before};
  size_t rows = 0, examined = 0;
  const auto visit = [&](Index index) {  // false: stop
    if (examined++ == kMaxCandidates) end.has_more = true;
    if (end.has_more) return false;
    const bool matching = matches(index);
    end.has_more = matching && rows == walk.size;
    if (rows == walk.size) return !matching;
    end.last = index;
    if (!matching) return true;
    if (walk.skip > 0) {
      --walk.skip;
    } else {
      add(index);
      ++rows;
    }
    return true;
  };
  if (walk.only == nullptr) {
    for (uint64_t at = walk.before; at > 0 && visit(static_cast<Index>(at - 1));) --at;
    return end;
  }
  for (auto at = walk.only->rbegin(); at != walk.only->rend(); ++at) {
    if (*at < walk.before && !visit(*at)) break;
  }
  return end;
}

}  // namespace databuild
