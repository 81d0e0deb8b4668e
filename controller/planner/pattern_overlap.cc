// Overlap and ambiguity: breadth first search over pairs of places that two readers of the same ref
// can stand at. Finite, because every capture is a finite automaton; hence exact, and the first ref
// found is a shortest one.
#include <algorithm>
#include <bitset>
#include <deque>
#include <set>
#include <unordered_set>

#include "controller/planner/pattern_graph.h"

namespace databuild {
namespace {

using Place = PatternGraph::Place;
using Reader = PatternGraph::Reader;

// Two readers of the same bytes. `diverged`: they were at different places at some time.
struct PlacePair {
  Place a;
  Place b;
  bool diverged = false;
  bool operator==(const PlacePair&) const = default;
};

struct PlacePairHash {
  size_t operator()(const PlacePair& pair) const {
    uint64_t a = (uint64_t{pair.a.node} << 16 | pair.a.state) * 0x9E3779B97F4A7C15u;
    uint64_t b = (uint64_t{pair.b.node} << 16 | pair.b.state) + (pair.diverged ? 1ULL << 63 : 0);
    return static_cast<size_t>((a ^ (a >> 29) ^ b) * 0xBF58476D1CE4E5B9u);
  }
};

// Every byte a ref may have, those first that make a readable witness.
const std::string& BytesByPreference() {
  static const std::string bytes = [] {
    std::string preferred = "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ-_./=";
    for (unsigned char byte = kFirstRefByte; byte <= kLastRefByte; ++byte) {
      char c = static_cast<char>(byte);
      if (preferred.find(c) == std::string::npos) preferred.push_back(c);
    }
    return preferred;
  }();
  return bytes;
}

class PairSearch {
 public:
  // Whether pairs remember that their readers ever parted: only then the way matters, not the end.
  enum class Memory { kNone, kDivergence };

  PairSearch(const PatternGraph& a, const PatternGraph& b, Memory memory)
      : a_(a), b_(b), memory_(memory) {
    Reach({}, 0, 0);
  }

  // The next pair in order of distance from the start, or null when all were seen.
  const PlacePair* Next() {
    if (at_ >= 0) Expand(static_cast<size_t>(at_));
    if (static_cast<size_t>(++at_) == steps_.size()) return nullptr;
    return &steps_[static_cast<size_t>(at_)].pair;
  }

  // The bytes read on the way to the pair Next() returned last.
  std::string Witness() const {
    std::string reversed;
    for (size_t i = static_cast<size_t>(at_); i != 0; i = steps_[i].parent) {
      reversed.push_back(steps_[i].byte);
    }
    return {reversed.rbegin(), reversed.rend()};
  }

 private:
  struct Step {
    PlacePair pair;
    size_t parent;
    char byte;
    size_t length;
  };

  void Reach(PlacePair pair, size_t parent, char byte) {
    if (!seen_.insert(pair).second) return;
    size_t length = steps_.empty() ? 0 : steps_[parent].length + 1;
    if (length <= kMaxRefBytes) steps_.push_back({pair, parent, byte, length});
  }

  void Expand(size_t step) {
    readers_a_.clear();
    readers_b_.clear();
    a_.ReadersFrom(steps_[step].pair.a, &readers_a_);
    b_.ReadersFrom(steps_[step].pair.b, &readers_b_);
    for (const Reader& a : readers_a_) {
      for (const Reader& b : readers_b_) ExpandReaders(step, a, b);
    }
  }

  void ExpandReaders(size_t step, const Reader& a, const Reader& b) {
    std::optional<unsigned char> literal = a_.LiteralOf(a);
    if (!literal) literal = b_.LiteralOf(b);
    if (literal) return ExpandByte(step, a, b, *literal);
    // Of bytes that neither capture tells apart the first one speaks for all.
    seen_classes_.reset();
    for (char c : BytesByPreference()) {
      unsigned char byte = static_cast<unsigned char>(c);
      size_t classes = a_.ClassOf(a, byte) * kMaxClasses + b_.ClassOf(b, byte);
      if (seen_classes_[classes]) continue;
      seen_classes_.set(classes);
      ExpandByte(step, a, b, byte);
    }
  }

  void ExpandByte(size_t step, const Reader& a, const Reader& b, unsigned char byte) {
    std::optional<Place> next_a = a_.Read(a, byte);
    if (!next_a) return;
    std::optional<Place> next_b = b_.Read(b, byte);
    if (!next_b) return;
    bool diverged =
        memory_ == Memory::kDivergence && (steps_[step].pair.diverged || *next_a != *next_b);
    Reach({*next_a, *next_b, diverged}, step, static_cast<char>(byte));
  }

  const PatternGraph& a_;
  const PatternGraph& b_;
  const Memory memory_;
  std::deque<Step> steps_;  // in order of length
  std::unordered_set<PlacePair, PlacePairHash> seen_;
  std::vector<Reader> readers_a_;
  std::vector<Reader> readers_b_;
  static constexpr size_t kMaxClasses = kLastRefByte - kFirstRefByte + 2;
  std::bitset<kMaxClasses * kMaxClasses> seen_classes_;
  int64_t at_ = -1;
};

PatternGraph GraphOf(const OutputPattern& pattern) {
  PatternGraph graph;
  graph.Add(0, pattern.program());
  return graph;
}

}  // namespace

std::vector<SharedRef> FindSharedRefs(const PatternGraph& a, const PatternGraph& b, size_t limit) {
  std::vector<SharedRef> shared;
  std::set<std::pair<PatternGraph::PatternId, PatternGraph::PatternId>> known;
  PairSearch search(a, b, PairSearch::Memory::kNone);
  std::vector<PatternGraph::PatternId> ends_a;
  std::vector<PatternGraph::PatternId> ends_b;
  while (const PlacePair* pair = search.Next()) {
    ends_a.clear();
    ends_b.clear();
    a.EndsAt(pair->a, &ends_a);
    if (ends_a.empty() || pair->a == Place{}) continue;
    b.EndsAt(pair->b, &ends_b);
    for (PatternGraph::PatternId id_a : ends_a) {
      for (PatternGraph::PatternId id_b : ends_b) {
        if (!known.insert({id_a, id_b}).second) continue;
        if (shared.size() < limit) shared.push_back({id_a, id_b, search.Witness()});
      }
    }
    if (shared.size() >= limit) break;
  }
  return shared;
}

std::optional<std::string> FindAmbiguousRef(const PatternGraph& graph) {
  PairSearch search(graph, graph, PairSearch::Memory::kDivergence);
  std::vector<PatternGraph::PatternId> ends;
  while (const PlacePair* pair = search.Next()) {
    if (!pair->diverged) continue;
    ends.clear();
    graph.EndsAt(pair->a, &ends);
    if (ends.empty()) continue;
    ends.clear();
    graph.EndsAt(pair->b, &ends);
    if (!ends.empty()) return search.Witness();
  }
  return std::nullopt;
}

std::optional<std::string> FindOverlap(const OutputPattern& a, const OutputPattern& b) {
  PatternGraph graph_a = GraphOf(a);
  PatternGraph graph_b = GraphOf(b);
  std::vector<SharedRef> shared = FindSharedRefs(graph_a, graph_b, 1);
  if (shared.empty()) return std::nullopt;
  return shared[0].witness;
}

}  // namespace databuild
