#include "controller/planner/pattern_index.h"

#include <algorithm>
#include <map>
#include <optional>
#include <utility>

#include "controller/planner/pattern_graph.h"
#include "controller/planner/pattern_program.h"

namespace databuild {
namespace {

constexpr size_t kDeadNodesWorthARebuild = 4'096;

}  // namespace

// One entry per pattern, under the id that the graph knows it by; ids of removed ones are used
// again.
struct PatternIndex::Trie {
  struct Entry {
    JobKey job;
    OutputPattern pattern;
  };

  PatternGraph graph;
  std::vector<std::optional<Entry>> entries;  // by id
  std::vector<PatternGraph::PatternId> free_ids;
  std::map<JobKey, std::vector<PatternGraph::PatternId>> by_job;

  void Rebuild() {
    graph = PatternGraph();
    for (size_t id = 0; id < entries.size(); ++id) {
      if (!entries[id]) continue;
      graph.Add(static_cast<PatternGraph::PatternId>(id), entries[id]->pattern.program());
    }
  }
};

PatternIndex::PatternIndex() : trie_(std::make_unique<Trie>()) {}
PatternIndex::~PatternIndex() = default;
PatternIndex::PatternIndex(PatternIndex&&) noexcept = default;
PatternIndex& PatternIndex::operator=(PatternIndex&&) noexcept = default;

void PatternIndex::Add(JobKey job, const OutputPattern& pattern) {
  if (trie_->free_ids.empty()) {
    trie_->free_ids.push_back(static_cast<PatternGraph::PatternId>(trie_->entries.size()));
    trie_->entries.emplace_back();
  }
  PatternGraph::PatternId id = trie_->free_ids.back();
  trie_->free_ids.pop_back();
  trie_->entries[id] = Trie::Entry{job, pattern};
  trie_->by_job[job].push_back(id);
  trie_->graph.Add(id, pattern.program());
}

void PatternIndex::Remove(JobKey job) {
  auto found = trie_->by_job.find(job);
  if (found == trie_->by_job.end()) return;
  for (PatternGraph::PatternId id : found->second) {
    trie_->graph.Remove(id, trie_->entries[id]->pattern.program());
    trie_->entries[id].reset();
    trie_->free_ids.push_back(id);
  }
  trie_->by_job.erase(found);
  size_t dead = trie_->graph.dead_nodes();
  if (dead > kDeadNodesWorthARebuild && dead > trie_->graph.live_nodes()) trie_->Rebuild();
}

std::vector<PatternIndex::JobKey> PatternIndex::Find(std::string_view ref) const {
  std::vector<JobKey> jobs;
  for (PatternGraph::PatternId id : trie_->graph.Find(ref)) {
    jobs.push_back(trie_->entries[id]->job);
  }
  std::sort(jobs.begin(), jobs.end());
  jobs.erase(std::unique(jobs.begin(), jobs.end()), jobs.end());
  return jobs;
}

std::vector<PatternIndex::Overlap> PatternIndex::Overlaps(const OutputPattern& pattern,
                                                          size_t limit) const {
  PatternGraph other;
  other.Add(0, pattern.program());
  std::vector<Overlap> overlaps;
  for (SharedRef& shared : FindSharedRefs(trie_->graph, other, limit)) {
    const Trie::Entry& entry = *trie_->entries[shared.a];
    overlaps.push_back({entry.job, entry.pattern.text(), std::move(shared.witness)});
  }
  return overlaps;
}

size_t PatternIndex::size() const { return trie_->entries.size() - trie_->free_ids.size(); }

}  // namespace databuild
