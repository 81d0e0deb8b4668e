// Which partitions of the order by ref are of a kind, without looking at each: the order in blocks
// of about a hundred, each with its number of partitions by kind. A list of the few that failed
// among ten million steps over the blocks that have none.
//
// Kept beside RefOrder by the fold: a change of kind costs one counter. Not thread-safe while it
// changes.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <vector>

#include "bel/entities.h"
#include "bel/ref_order.h"

namespace databuild {

// A partition's status, and whether its current instance is tainted, as one small number.
using RefKind = uint8_t;
inline constexpr size_t kRefKinds = 16;
RefKind RefKindOf(v1::PartitionStatus status, bool tainted);

// Several kinds, one bit each.
using RefKindSet = uint16_t;
inline constexpr RefKindSet kAllRefKinds = 0xFFFF;
inline RefKindSet SetOf(RefKind kind) { return static_cast<RefKindSet>(1u << kind); }

class RefBlocks {
 public:
  using KindOf = std::function<RefKind(Index partition)>;

  // `order` outlives it.
  explicit RefBlocks(const RefOrder& order) : order_(order) {}

  // After the partition at `at` came into the order.
  void Add(RefOrder::const_iterator at, const KindOf& kind_of);
  void Move(Index partition, RefKind from, RefKind to);
  // From the order as it is now, which has `kinds`.size() partitions: kinds by partition.
  void Rebuild(const std::vector<RefKind>& kinds);

  // `at`, or the first partition after it whose block holds one of the kinds; the order's end if
  // there is none. The partition itself may be of another kind.
  RefOrder::const_iterator Skip(RefOrder::const_iterator at, RefKindSet kinds) const;
  // Whether both lie in one block, so that Skip would not move from the one to the other.
  bool SameBlock(Index a, Index b) const { return block_of_[a] == block_of_[b]; }

 private:
  struct Block {
    Index first = kNone;    // its first partition
    uint32_t next = kNone;  // the block behind it
    uint32_t size = 0;
    std::array<uint32_t, kRefKinds> counts{};

    bool HasOneOf(RefKindSet kinds) const;
  };

  void Split(uint32_t full, const KindOf& kind_of);

  const RefOrder& order_;
  std::vector<Block> blocks_;
  std::vector<uint32_t> block_of_;  // by partition
};

}  // namespace databuild
