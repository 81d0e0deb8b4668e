// Answers remembered for a while: bounded, least recently used goes first, and a clock that steps
// back makes entries expire rather than live longer. Thread-safe.
#pragma once

#include <list>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>
#include <utility>

#include "bel/base/clock.h"

namespace databuild {

template <typename Value>
class ExpiringCache {
 public:
  explicit ExpiringCache(size_t capacity) : capacity_(capacity) {}

  std::optional<Value> Find(const std::string& key, TimeNs now) {
    std::lock_guard lock(mutex_);
    const auto it = entries_.find(key);
    if (it == entries_.end()) return std::nullopt;
    if (now < it->second->stored_at || now >= it->second->expires_at) {
      order_.erase(it->second);
      entries_.erase(it);
      return std::nullopt;
    }
    order_.splice(order_.begin(), order_, it->second);
    return it->second->value;
  }

  void Store(const std::string& key, Value value, TimeNs now, DurationNs ttl) {
    std::lock_guard lock(mutex_);
    if (const auto it = entries_.find(key); it != entries_.end()) {
      order_.erase(it->second);
      entries_.erase(it);
    }
    if (entries_.size() >= capacity_) {
      entries_.erase(order_.back().key);
      order_.pop_back();
    }
    order_.push_front({key, std::move(value), now, now + ttl});
    entries_.emplace(key, order_.begin());
  }

  size_t size() const {
    std::lock_guard lock(mutex_);
    return entries_.size();
  }

 private:
  struct Entry {
    std::string key;
    Value value;
    TimeNs stored_at;
    TimeNs expires_at;
  };

  const size_t capacity_;  // at least 1
  mutable std::mutex mutex_;
  std::list<Entry> order_;  // most recently used first
  std::unordered_map<std::string, typename std::list<Entry>::iterator> entries_;
};

}  // namespace databuild
