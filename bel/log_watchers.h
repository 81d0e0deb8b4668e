// The readers who wait for news of one log; part of EventLog.
#pragma once

#include <atomic>
#include <mutex>
#include <unordered_set>
#include <vector>

#include "bel/event_log.h"

namespace databuild {

// Thread-safe. Callbacks run under the lock: after Remove none of the watch runs or will.
class EventLog::Watchers {
 public:
  // Fires at once when the head is beyond the watch already.
  void Add(Watch* watch, const std::atomic<int64_t>& head);
  void Remove(Watch* watch);
  // The head has moved: events are folded and readable.
  void Announce(std::span<const StoredEvent> events);

 private:
  void Fire(Watch* watch);
  std::mutex mutex_;
  std::unordered_set<Watch*> watches_;
};

}  // namespace databuild
