// SequenceSet: which sequence numbers are there, as ranges. Bounded: a job that jumps about makes
// at most kMaxRanges of them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <utility>
#include <vector>

namespace databuild {

class SequenceSet {
 public:
  static constexpr size_t kMaxRanges = 1'000;

  bool Contains(int64_t sequence) const;
  // False: it is there already, or would be a range too many.
  bool Add(int64_t sequence) { return AddRange(sequence, sequence); }
  // False, and nothing changes, when a part of it is there or it would be a range too many.
  bool AddRange(int64_t first, int64_t last);
  // The largest; 0: none.
  int64_t last() const;
  // Ranges from 1 up to `up_to` that are not there.
  std::vector<std::pair<int64_t, int64_t>> Missing(int64_t up_to) const;

 private:
  std::map<int64_t, int64_t> ranges_;  // first -> last; never adjacent
};

}  // namespace databuild
