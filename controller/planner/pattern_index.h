// PatternIndex: which job makes a ref, among 10,000 patterns, in about the length of the ref.
//
// A trie whose edges are literal bytes and capture languages, shared by all patterns that begin
// alike; a lookup walks it with the set of places the ref so far can stand at. Exact: it answers
// what OutputPattern::Match would answer pattern by pattern.
// Const methods may run concurrently; Add and Remove need the owner to exclude them.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "controller/planner/pattern.h"

namespace databuild {

class PatternIndex {
 public:
  using JobKey = uint32_t;  // chosen by the owner; one key may have several patterns

  struct Overlap {
    JobKey job = 0;
    std::string pattern;  // the one in the index, as written
    std::string witness;  // a shortest ref that both match
  };

  PatternIndex();
  ~PatternIndex();
  PatternIndex(PatternIndex&&) noexcept;
  PatternIndex& operator=(PatternIndex&&) noexcept;

  void Add(JobKey job, const OutputPattern& pattern);
  // Every pattern of the job.
  void Remove(JobKey job);

  // Every job with a pattern that matches, ascending, each once: none is NoProducer, more than one
  // is AmbiguousProducer.
  std::vector<JobKey> Find(std::string_view ref) const;

  // Jobs whose patterns share a ref with `pattern`, one entry per pattern, at most `limit`.
  std::vector<Overlap> Overlaps(const OutputPattern& pattern, size_t limit) const;

  size_t size() const;  // patterns

 private:
  struct Trie;
  std::unique_ptr<Trie> trie_;
};

}  // namespace databuild
