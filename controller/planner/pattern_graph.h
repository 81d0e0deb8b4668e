// PatternGraph: output patterns as one automaton, a trie whose edges are literal bytes and capture
// languages. It answers which patterns match a ref, which overlap another graph's, and whether a
// pattern can read a ref in two ways. Const methods may run concurrently.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "controller/planner/pattern_automaton.h"
#include "controller/planner/pattern_program.h"

namespace databuild {

class PatternGraph {
 public:
  using PatternId = uint32_t;

  PatternGraph();

  void Add(PatternId id, const PatternProgram& pattern);
  // `pattern` as it was added under `id`. Places that lead nowhere any more are kept, for the
  // pattern's return, and skipped.
  void Remove(PatternId id, const PatternProgram& pattern);

  std::vector<PatternId> Find(std::string_view ref) const;

  size_t live_nodes() const { return live_nodes_; }
  size_t dead_nodes() const { return nodes_.size() - live_nodes_; }

  // Where a reader of a ref can stand: at a node (state kDead), or in the capture that leads to it.
  struct Place {  // default: the start
    uint32_t node = 0;
    Dfa::State state = Dfa::kDead;
    bool at_node() const { return state == Dfa::kDead; }
    bool operator==(const Place&) const = default;
    auto operator<=>(const Place&) const = default;
  };

  // The places from `place` at which a byte is read, all of them literal edges or captures, each
  // with the node it leads to; appended to `readers`.
  struct Reader {
    uint32_t node;
    Dfa::State state;  // kDead: the literal byte that leads to the node
  };
  void ReadersFrom(Place place, std::vector<Reader>* readers) const;
  // Where the reader stands after `byte`, if it can read it.
  std::optional<Place> Read(const Reader& reader, unsigned char byte) const;
  // The one byte that a literal reader reads.
  std::optional<unsigned char> LiteralOf(const Reader& reader) const;
  // Of a capture's reader: bytes of one class lead to the same place.
  uint8_t ClassOf(const Reader& reader, unsigned char byte) const {
    return DfaOf(reader.node).ClassOf(byte);
  }
  // Patterns that end at `place`; appended.
  void EndsAt(Place place, std::vector<PatternId>* ids) const;

 private:
  static constexpr uint32_t kNone = 0;  // the root is nobody's child
  struct Node {
    uint32_t first_literal = kNone;
    uint32_t first_capture = kNone;
    uint32_t next_sibling = kNone;
    uint32_t live = 0;       // patterns that pass or end here
    uint32_t language = 0;   // of the capture that leads here
    unsigned char byte = 0;  // of the literal that leads here; 0 for captures
  };

  std::vector<uint32_t> Path(const PatternProgram& pattern);
  uint32_t Child(uint32_t parent, unsigned char byte, uint32_t language);
  uint32_t LanguageId(const CaptureLanguage& language);
  const Dfa& DfaOf(uint32_t node) const { return *languages_[nodes_[node].language]; }
  void Step(Place place, unsigned char byte, std::vector<Place>* next) const;
  static void SortUnique(std::vector<Place>* places);
  template <typename Visit>
  void VisitNodes(Place place, const Visit& visit) const;

  std::vector<Node> nodes_;
  std::vector<std::shared_ptr<const Dfa>> languages_;
  std::map<std::string, uint32_t> language_ids_;
  std::unordered_map<uint32_t, std::vector<PatternId>> ends_;  // by node
  size_t live_nodes_ = 1;
};

// A ref two graphs share, with the patterns that match it in each.
struct SharedRef {
  PatternGraph::PatternId a = 0;
  PatternGraph::PatternId b = 0;
  std::string witness;  // a shortest one for this pair
};
// One entry per pair of overlapping patterns, at most `limit`.
std::vector<SharedRef> FindSharedRefs(const PatternGraph& a, const PatternGraph& b, size_t limit);

// A ref that the one pattern of the graph can read with different captures, if there is one.
std::optional<std::string> FindAmbiguousRef(const PatternGraph& graph);

}  // namespace databuild
