// The newest event_ids of a log and their idx, to leave out events appended twice. Two flat tables:
// when the young one holds `capacity` ids it becomes the old one, so between one and two times the
// capacity is known. Not thread-safe.
#pragma once

#include <cstdint>
#include <cstring>
#include <optional>
#include <utility>
#include <vector>

#include "bel/base/uuid.h"

namespace databuild {

class EventIdWindow {
 public:
  explicit EventIdWindow(size_t capacity) : capacity_(capacity) {}

  std::optional<int64_t> Find(const UuidBytes& id) const {
    for (const Table* table : {&young_, &old_}) {
      if (table->slots.empty()) continue;
      const Slot& slot = table->slots[table->PlaceOf(id)];
      if (slot.idx != 0) return slot.idx;
    }
    return std::nullopt;
  }

  void Add(const UuidBytes& id, int64_t idx) {
    if (young_.used == capacity_) old_ = std::exchange(young_, Table{});
    if ((young_.used + 1) * 2 > young_.slots.size()) young_.Grow();
    Slot& slot = young_.slots[young_.PlaceOf(id)];
    if (slot.idx == 0) ++young_.used;
    slot = {id, idx};
  }

 private:
  struct Slot {
    UuidBytes id{};
    int64_t idx = 0;  // 0: free
  };
  struct Table {
    std::vector<Slot> slots;  // a power of two, at most half full
    size_t used = 0;

    // Of the id, or of the free slot where it belongs.
    size_t PlaceOf(const UuidBytes& id) const {
      uint64_t halves[2];
      std::memcpy(halves, id.data(), sizeof(halves));
      // Mixed: version bits are the same in all of them.
      uint64_t hash = (halves[0] ^ (halves[1] >> 32 | halves[1] << 32)) * 0x9e3779b97f4a7c15u;
      hash ^= hash >> 32;
      size_t place = hash & (slots.size() - 1);
      while (slots[place].idx != 0 && slots[place].id != id)
        place = (place + 1) & (slots.size() - 1);
      return place;
    }

    void Grow() {
      std::vector<Slot> before(slots.empty() ? 64 : slots.size() * 2);
      before.swap(slots);
      for (const Slot& slot : before) {
        if (slot.idx != 0) slots[PlaceOf(slot.id)] = slot;
      }
    }
  };

  const size_t capacity_;
  Table young_, old_;
};

}  // namespace databuild
