#include "bel/ref_order.h"

#include <algorithm>
#include <cstring>

namespace databuild {
namespace {

struct Piece {
  uint64_t word;  // eight bytes of the ref, the first one highest
  Index partition;
};

struct Part {
  size_t from, to;  // pieces whose refs are equal up to `depth`
  size_t depth;
};

uint64_t WordAt(std::string_view ref, size_t depth) {
  char bytes[8] = {};
  if (depth < ref.size())
    std::memcpy(bytes, ref.data() + depth, std::min<size_t>(8, ref.size() - depth));
  uint64_t word = 0;
  std::memcpy(&word, bytes, sizeof word);
  return __builtin_bswap64(word);
}

}  // namespace

// Refs have long beginnings in common and lie all over the memory: so they are compared eight bytes
// at a time, and those are brought together first.
void SortByRef(const EntityList<Partition>& partitions, std::vector<Index>& order) {
  constexpr size_t kFew = 16;
  std::vector<Piece> pieces;
  pieces.reserve(order.size());
  for (const Index partition : order) pieces.push_back({0, partition});
  const auto ref = [&](const Piece& piece) { return partitions[piece.partition].ref.view(); };
  const auto at = [&](size_t i) { return pieces.begin() + static_cast<std::ptrdiff_t>(i); };
  std::vector<Part> parts = {{0, pieces.size(), 0}};
  while (!parts.empty()) {
    const Part part = parts.back();
    parts.pop_back();
    bool ends = false;  // one of them within these eight bytes: zeros would be taken for its own
    for (size_t i = part.from; i < part.to; ++i) {
      pieces[i].word = WordAt(ref(pieces[i]), part.depth);
      ends = ends || ref(pieces[i]).size() < part.depth + 8;
    }
    if (ends || part.to - part.from <= kFew) {
      std::sort(at(part.from), at(part.to), [&](const Piece& a, const Piece& b) {
        return a.word != b.word ? a.word < b.word : ref(a) < ref(b);
      });
      continue;
    }
    std::sort(at(part.from), at(part.to),
              [](const Piece& a, const Piece& b) { return a.word < b.word; });
    for (size_t from = part.from; from < part.to;) {
      size_t to = from + 1;
      while (to < part.to && pieces[to].word == pieces[from].word) ++to;
      if (to - from > 1) parts.push_back({from, to, part.depth + 8});
      from = to;
    }
  }
  std::transform(pieces.begin(), pieces.end(), order.begin(),
                 [](const Piece& piece) { return piece.partition; });
}

}  // namespace databuild
