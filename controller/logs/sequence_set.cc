#include "controller/logs/sequence_set.h"

#include <iterator>

namespace databuild {

bool SequenceSet::Contains(int64_t sequence) const {
  const auto after = ranges_.upper_bound(sequence);
  return after != ranges_.begin() && std::prev(after)->second >= sequence;
}

bool SequenceSet::AddRange(int64_t first, int64_t last) {
  auto after = ranges_.upper_bound(last);
  auto before = after == ranges_.begin() ? ranges_.end() : std::prev(after);
  if (before != ranges_.end() && before->second >= first) return false;
  const bool joins_before = before != ranges_.end() && before->second == first - 1;
  const bool joins_after = after != ranges_.end() && after->first - 1 == last;
  if (!joins_before && !joins_after && ranges_.size() >= kMaxRanges) return false;
  const int64_t end = joins_after ? after->second : last;
  if (joins_after) ranges_.erase(after);
  if (joins_before) {
    before->second = end;
  } else {
    ranges_.emplace(first, end);
  }
  return true;
}

int64_t SequenceSet::last() const { return ranges_.empty() ? 0 : ranges_.rbegin()->second; }

std::vector<std::pair<int64_t, int64_t>> SequenceSet::Missing(int64_t up_to) const {
  std::vector<std::pair<int64_t, int64_t>> missing;
  int64_t next = 1;
  for (const auto& [first, last] : ranges_) {
    if (first > up_to) break;
    if (first > next) missing.emplace_back(next, first - 1);
    next = last + 1;
  }
  if (next <= up_to) missing.emplace_back(next, up_to);
  return missing;
}

}  // namespace databuild
