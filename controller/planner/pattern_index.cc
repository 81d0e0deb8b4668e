#include "controller/planner/pattern_index.h"

#include <algorithm>
#include <unordered_map>
#include <utility>

#include "controller/planner/pattern_graph.h"
#include "controller/planner/pattern_program.h"

namespace databuild {
namespace {

constexpr size_t kDeadNodesWorthARebuild = 4'096;

}  // namespace

// One entry per pattern, under the id that the graph knows it by.
struct PatternIndex::Trie {
  struct Entry {
    JobKey job;
    OutputPattern pattern;
  };

  PatternGraph graph;
  std::unordered_map<PatternGraph::PatternId, Entry> entries;
  std::map<JobKey, std::vector<PatternGraph::PatternId>> by_job;
  PatternGraph::PatternId next_id = 0;

  void Rebuild() {
    graph = PatternGraph();
    for (const auto& [job, ids] : by_job) {
      for (PatternGraph::PatternId id : ids) graph.Add(id, entries.at(id).pattern.program());
    }
  }
};

PatternIndex::PatternIndex() : trie_(std::make_unique<Trie>()) {}
PatternIndex::~PatternIndex() = default;
PatternIndex::PatternIndex(PatternIndex&&) noexcept = default;
PatternIndex& PatternIndex::operator=(PatternIndex&&) noexcept = default;

void PatternIndex::Add(JobKey job, const OutputPattern& pattern) {
  PatternGraph::PatternId id = trie_->next_id++;
  trie_->graph.Add(id, pattern.program());
  trie_->entries.emplace(id, Trie::Entry{job, pattern});
  trie_->by_job[job].push_back(id);
}

void PatternIndex::Remove(JobKey job) {
  auto found = trie_->by_job.find(job);
  if (found == trie_->by_job.end()) return;
  for (PatternGraph::PatternId id : found->second) {
    auto entry = trie_->entries.find(id);
    trie_->graph.Remove(id, entry->second.pattern.program());
    trie_->entries.erase(entry);
  }
  trie_->by_job.erase(found);
  size_t dead = trie_->graph.dead_nodes();
  if (dead > kDeadNodesWorthARebuild && dead > trie_->graph.live_nodes()) trie_->Rebuild();
}

std::vector<PatternIndex::JobKey> PatternIndex::Find(std::string_view ref) const {
  std::vector<JobKey> jobs;
  for (PatternGraph::PatternId id : trie_->graph.Find(ref)) {
    jobs.push_back(trie_->entries.at(id).job);
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
    const Trie::Entry& entry = trie_->entries.at(shared.a);
    overlaps.push_back({entry.job, entry.pattern.text(), std::move(shared.witness)});
  }
  return overlaps;
}

size_t PatternIndex::size() const { return trie_->entries.size(); }

}  // namespace databuild
