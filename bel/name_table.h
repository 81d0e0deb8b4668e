// From the hash of a name to the index of the entity that has it: open addressing over pairs of
// tag and index, 8 bytes each, 64 to 80 % full. The names themselves stay with the entities, so
// whoever looks says which index it means. Cut into shards: no single Add moves more than a
// fraction of the table. Not thread-safe.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>
#include <utility>
#include <vector>

#include "bel/entities.h"

namespace databuild {

class NameTable {
 public:
  // The index with this hash for which `is` holds, or kNone.
  template <class Is>
  Index Find(uint64_t hash, Is&& is) const {
    const std::vector<Slot>& slots = shards_[hash >> kShardShift].slots;
    if (slots.empty()) return kNone;
    const auto tag = static_cast<uint32_t>(hash);
    for (size_t at = Home(tag, slots.size());; at = at + 1 == slots.size() ? 0 : at + 1) {
      if (slots[at].index == kNone) return kNone;
      if (slots[at].tag == tag && is(slots[at].index)) return slots[at].index;
    }
  }

  // Before so many names are added to an empty table.
  void Reserve(size_t names) {
    for (Shard& shard : shards_) shard.slots.resize(names / shards_.size() * 4 / 3 + 8);
  }

  // A name that is not in the table yet.
  void Add(uint64_t hash, Index index) {
    Shard& shard = shards_[hash >> kShardShift];
    if ((shard.used + 1) * 5 > shard.slots.size() * 4) Grow(shard);
    Put(shard.slots, {static_cast<uint32_t>(hash), index});
    ++shard.used;
  }

 private:
  static constexpr int kShardShift = 56;  // 256 shards
  struct Slot {
    uint32_t tag = 0;
    Index index = kNone;  // kNone: free
  };
  struct Shard {
    std::vector<Slot> slots;
    size_t used = 0;
  };

  // Tags spread evenly over any size.
  static size_t Home(uint32_t tag, size_t size) {
    return static_cast<size_t>(static_cast<uint64_t>(tag) * size >> 32);
  }
  static void Put(std::vector<Slot>& slots, Slot slot) {
    size_t at = Home(slot.tag, slots.size());
    while (slots[at].index != kNone) at = at + 1 == slots.size() ? 0 : at + 1;
    slots[at] = slot;
  }
  static void Grow(Shard& shard) {
    std::vector<Slot> slots(shard.slots.size() + shard.slots.size() / 4 + 8);
    for (const Slot& slot : shard.slots) {
      if (slot.index != kNone) Put(slots, slot);
    }
    shard.slots = std::move(slots);
  }

  std::array<Shard, 256> shards_;
};

// Of a list of entities with ids: the one with this id, or kNone.
template <class List>
Index FindById(const NameTable& names, const List& list, const IdKey& key) {
  return names.Find(key.hash(), [&](Index i) { return list[i].id.Is(key); });
}

// The same, made when there is none, and whether it was made.
template <class List>
std::pair<Index, bool> InternById(NameTable& names, List& list, std::string_view id) {
  const IdKey key(id);
  if (const Index known = FindById(names, list, key); known != kNone) return {known, false};
  const auto index = static_cast<Index>(list.size());
  list.emplace_back().id = EntityId(key);
  names.Add(key.hash(), index);
  return {index, true};
}

}  // namespace databuild
