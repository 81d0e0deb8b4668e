#include "bel/ref_blocks.h"

#include <iterator>

#include "bel/base/check.h"

namespace databuild {
namespace {

// A scan looks at every partition of a block that holds what is asked for: two cache lines each.
constexpr uint32_t kMostInBlock = 128;
constexpr uint32_t kFilled = 96;  // on Rebuild: leaves room before the first split

}  // namespace

RefKind RefKindOf(v1::PartitionStatus status, bool tainted) {
  constexpr int kCancelledSlot = 7;
  int slot = static_cast<int>(status);
  if (status == v1::PARTITION_CANCELLED) {
    slot = kCancelledSlot;
  } else if (slot < 0 || slot >= kCancelledSlot) {
    slot = v1::PARTITION_UNKNOWN;  // of a later release: nothing that can be asked for
  }
  return static_cast<RefKind>(slot * 2 + (tainted ? 1 : 0));
}

bool RefBlocks::Block::HasOneOf(RefKindSet kinds) const {
  for (size_t kind = 0; kind < kRefKinds; ++kind) {
    if (counts[kind] != 0 && (kinds >> kind & 1) != 0) return true;
  }
  return false;
}

void RefBlocks::Add(RefOrder::const_iterator at, const KindOf& kind_of) {
  const Index partition = *at;
  if (partition >= block_of_.size()) block_of_.resize(partition + 1, kNone);
  if (blocks_.empty()) blocks_.emplace_back();
  // It belongs to the block of the one before it; without one it is the first of all.
  uint32_t block = 0;
  if (at == order_.begin()) {
    blocks_[0].first = partition;
  } else {
    block = block_of_[*std::prev(at)];
  }
  block_of_[partition] = block;
  ++blocks_[block].counts[kind_of(partition)];
  if (++blocks_[block].size > kMostInBlock) Split(block, kind_of);
}

void RefBlocks::Move(Index partition, RefKind from, RefKind to) {
  Block& block = blocks_[block_of_[partition]];
  --block.counts[from];
  ++block.counts[to];
}

// The second half goes into a new block behind it.
void RefBlocks::Split(uint32_t full, const KindOf& kind_of) {
  const auto added = static_cast<uint32_t>(blocks_.size());
  Block second;
  second.next = blocks_[full].next;
  auto at = order_.find(blocks_[full].first);
  std::advance(at, blocks_[full].size / 2);
  second.first = *at;
  second.size = blocks_[full].size - blocks_[full].size / 2;
  for (uint32_t i = 0; i < second.size; ++i, ++at) {
    block_of_[*at] = added;
    const RefKind kind = kind_of(*at);
    --blocks_[full].counts[kind];
    ++second.counts[kind];
  }
  blocks_[full].size -= second.size;
  blocks_[full].next = added;
  blocks_.push_back(second);
}

void RefBlocks::Rebuild(const std::vector<RefKind>& kinds) {
  CHECK(kinds.size() == order_.size());
  blocks_.clear();
  blocks_.reserve(kinds.size() / kFilled + 1);
  block_of_.assign(kinds.size(), kNone);
  for (const Index partition : order_) {
    if (blocks_.empty() || blocks_.back().size == kFilled) {
      if (!blocks_.empty()) blocks_.back().next = static_cast<uint32_t>(blocks_.size());
      blocks_.emplace_back().first = partition;
    }
    Block& block = blocks_.back();
    ++block.size;
    ++block.counts[kinds[partition]];
    block_of_[partition] = static_cast<uint32_t>(blocks_.size() - 1);
  }
}

RefOrder::const_iterator RefBlocks::Skip(RefOrder::const_iterator at, RefKindSet kinds) const {
  if (at == order_.end() || kinds == kAllRefKinds) return at;
  const uint32_t own = block_of_[*at];
  uint32_t block = own;
  while (block != kNone && !blocks_[block].HasOneOf(kinds)) block = blocks_[block].next;
  if (block == own) return at;
  return block == kNone ? order_.end() : order_.find(blocks_[block].first);
}

}  // namespace databuild
