#include "controller/planner/pattern_graph.h"

#include <algorithm>

#include "bel/base/check.h"

namespace databuild {

PatternGraph::PatternGraph() : nodes_(1) {}

uint32_t PatternGraph::LanguageId(const CaptureLanguage& language) {
  auto [it, added] = language_ids_.emplace(language.name, static_cast<uint32_t>(languages_.size()));
  if (added) languages_.push_back(language.dfa);
  return it->second;
}

// `byte` 0 asks for the child behind a capture of `language`.
uint32_t PatternGraph::Child(uint32_t parent, unsigned char byte, uint32_t language) {
  uint32_t first = byte != 0 ? nodes_[parent].first_literal : nodes_[parent].first_capture;
  for (uint32_t node = first; node != kNone; node = nodes_[node].next_sibling) {
    if (nodes_[node].byte == byte && nodes_[node].language == language) return node;
  }
  uint32_t added = static_cast<uint32_t>(nodes_.size());
  nodes_.push_back({.next_sibling = first, .language = language, .byte = byte});
  (byte != 0 ? nodes_[parent].first_literal : nodes_[parent].first_capture) = added;
  return added;
}

std::vector<uint32_t> PatternGraph::Path(const PatternProgram& pattern) {
  std::vector<uint32_t> path;
  uint32_t node = 0;
  for (const PatternToken& token : pattern.tokens()) {
    if (token.capture) {
      path.push_back(node = Child(node, 0, LanguageId(token.language)));
    }
    for (char c : token.literal) {
      path.push_back(node = Child(node, static_cast<unsigned char>(c), 0));
    }
  }
  return path;
}

void PatternGraph::Add(PatternId id, const PatternProgram& pattern) {
  std::vector<uint32_t> path = Path(pattern);
  for (uint32_t node : path) {
    if (nodes_[node].live++ == 0) ++live_nodes_;
  }
  ends_[path.back()].push_back(id);
}

void PatternGraph::Remove(PatternId id, const PatternProgram& pattern) {
  std::vector<uint32_t> path = Path(pattern);
  auto end = ends_.find(path.back());
  CHECK(end != ends_.end());
  CHECK(std::erase(end->second, id) == 1);
  if (end->second.empty()) ends_.erase(end);
  for (uint32_t node : path) {
    if (--nodes_[node].live == 0) --live_nodes_;
  }
}

// Every node a reader at `place` is at without reading on.
template <typename Visit>
void PatternGraph::VisitNodes(Place place, const Visit& visit) const {
  if (!place.at_node() && !DfaOf(place.node).Accepts(place.state)) return;
  visit(place.node);
  for (uint32_t child = nodes_[place.node].first_capture; child != kNone;
       child = nodes_[child].next_sibling) {
    bool may_be_empty = nodes_[child].live > 0 && DfaOf(child).Accepts(Dfa::kStart);
    if (may_be_empty) VisitNodes({child, Dfa::kDead}, visit);
  }
}

void PatternGraph::ReadersFrom(Place place, std::vector<Reader>* readers) const {
  if (!place.at_node()) readers->push_back({place.node, place.state});
  VisitNodes(place, [&](uint32_t node) {
    for (uint32_t child = nodes_[node].first_literal; child != kNone;
         child = nodes_[child].next_sibling) {
      if (nodes_[child].live > 0) readers->push_back({child, Dfa::kDead});
    }
    for (uint32_t child = nodes_[node].first_capture; child != kNone;
         child = nodes_[child].next_sibling) {
      if (nodes_[child].live > 0) readers->push_back({child, Dfa::kStart});
    }
  });
}

std::optional<PatternGraph::Place> PatternGraph::Read(const Reader& reader,
                                                      unsigned char byte) const {
  if (reader.state == Dfa::kDead) {
    if (nodes_[reader.node].byte != byte) return std::nullopt;
    return Place{reader.node, Dfa::kDead};
  }
  Dfa::State next = DfaOf(reader.node).Next(reader.state, byte);
  if (next == Dfa::kDead) return std::nullopt;
  return Place{reader.node, next};
}

std::optional<unsigned char> PatternGraph::LiteralOf(const Reader& reader) const {
  if (reader.state != Dfa::kDead) return std::nullopt;
  return nodes_[reader.node].byte;
}

void PatternGraph::EndsAt(Place place, std::vector<PatternId>* ids) const {
  VisitNodes(place, [&](uint32_t node) {
    auto end = ends_.find(node);
    if (end != ends_.end()) ids->insert(ids->end(), end->second.begin(), end->second.end());
  });
}

// Appends where `place` leads by `byte`.
void PatternGraph::Step(Place place, unsigned char byte, std::vector<Place>* next) const {
  if (!place.at_node()) {
    Dfa::State state = DfaOf(place.node).Next(place.state, byte);
    if (state != Dfa::kDead) next->push_back({place.node, state});
  }
  VisitNodes(place, [&](uint32_t node) {
    for (uint32_t child = nodes_[node].first_literal; child != kNone;
         child = nodes_[child].next_sibling) {
      if (nodes_[child].byte != byte) continue;
      if (nodes_[child].live > 0) next->push_back({child, Dfa::kDead});
      break;
    }
    for (uint32_t child = nodes_[node].first_capture; child != kNone;
         child = nodes_[child].next_sibling) {
      if (nodes_[child].live == 0) continue;
      Dfa::State state = DfaOf(child).Next(Dfa::kStart, byte);
      if (state != Dfa::kDead) next->push_back({child, state});
    }
  });
}

void PatternGraph::SortUnique(std::vector<Place>* places) {
  if (places->size() < 2) return;
  std::sort(places->begin(), places->end());
  places->erase(std::unique(places->begin(), places->end()), places->end());
}

std::vector<PatternGraph::PatternId> PatternGraph::Find(std::string_view ref) const {
  std::vector<PatternId> found;
  if (ref.empty() || ref.size() > kMaxRefBytes) return found;
  std::vector<Place> places{Place{}};
  std::vector<Place> next;
  for (char c : ref) {
    next.clear();
    for (const Place& place : places) Step(place, static_cast<unsigned char>(c), &next);
    if (next.empty()) return found;
    SortUnique(&next);
    places.swap(next);
  }
  for (const Place& place : places) EndsAt(place, &found);
  std::sort(found.begin(), found.end());
  found.erase(std::unique(found.begin(), found.end()), found.end());
  return found;
}

}  // namespace databuild
