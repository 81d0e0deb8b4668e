#include "controller/planner/index_set.h"

#include <bit>

namespace databuild {

bool IndexSet::Insert(Index index) {
  uint64_t& block = blocks_[index / kBits];
  const uint64_t bit = uint64_t{1} << (index % kBits);
  if (block & bit) return false;
  block |= bit;
  ++size_;
  return true;
}

bool IndexSet::Erase(Index index) {
  const auto block = blocks_.find(index / kBits);
  const uint64_t bit = uint64_t{1} << (index % kBits);
  if (block == blocks_.end() || !(block->second & bit)) return false;
  block->second &= ~bit;
  if (block->second == 0) blocks_.erase(block);
  --size_;
  return true;
}

bool IndexSet::Contains(Index index) const {
  const auto block = blocks_.find(index / kBits);
  return block != blocks_.end() && ((block->second >> (index % kBits)) & 1);
}

Index IndexSet::Next(Index from) const {
  auto block = blocks_.lower_bound(from / kBits);
  if (block == blocks_.end()) return kNone;
  uint64_t bits = block->second;
  if (block->first == from / kBits) bits &= ~uint64_t{0} << (from % kBits);
  if (bits == 0) {
    if (++block == blocks_.end()) return kNone;
    bits = block->second;
  }
  return block->first * kBits + static_cast<Index>(std::countr_zero(bits));
}

void IndexSet::Clear() {
  blocks_.clear();
  size_ = 0;
}

}  // namespace databuild
