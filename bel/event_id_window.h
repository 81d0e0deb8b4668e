// The newest event_ids of a log and their idx, to leave out events appended twice. Not thread-safe.
#pragma once

#include <cstring>
#include <deque>
#include <optional>
#include <unordered_map>

#include "bel/base/uuid.h"

namespace databuild {

class EventIdWindow {
 public:
  explicit EventIdWindow(size_t capacity) : capacity_(capacity) {}

  std::optional<int64_t> Find(const UuidBytes& id) const {
    const auto found = by_id_.find(id);
    if (found == by_id_.end()) return std::nullopt;
    return found->second;
  }

  void Add(const UuidBytes& id, int64_t idx) {
    by_id_[id] = idx;
    order_.push_back(id);
    if (order_.size() <= capacity_) return;
    by_id_.erase(order_.front());
    order_.pop_front();
  }

 private:
  struct Hash {
    size_t operator()(const UuidBytes& id) const {
      uint64_t halves[2];
      std::memcpy(halves, id.data(), sizeof(halves));
      // Mixed: version bits are the same in all of them.
      return (halves[0] ^ halves[1] >> 32) * 0x9e3779b97f4a7c15u ^ halves[1];
    }
  };
  const size_t capacity_;
  std::unordered_map<UuidBytes, int64_t, Hash> by_id_;
  std::deque<UuidBytes> order_;
};

}  // namespace databuild
