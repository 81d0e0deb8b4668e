#include "bel/log_watchers.h"

#include <algorithm>

namespace databuild {

void EventLog::Watchers::Fire(Watch* watch) {
  if (!watch->ready_) return;
  const std::function<void()> ready = std::exchange(watch->ready_, nullptr);
  ready();
}

void EventLog::Watchers::Add(Watch* watch, const std::atomic<int64_t>& head) {
  std::lock_guard lock(mutex_);
  watches_.insert(watch);
  // After the insertion: an Announce that came before it has moved the head.
  if (head.load(std::memory_order_acquire) > watch->since_idx_) Fire(watch);
}

void EventLog::Watchers::Remove(Watch* watch) {
  std::lock_guard lock(mutex_);
  watches_.erase(watch);
}

void EventLog::Watchers::Announce(std::span<const StoredEvent> events) {
  std::lock_guard lock(mutex_);
  const auto waiting = [&] {
    return std::any_of(watches_.begin(), watches_.end(),
                       [](const Watch* watch) { return static_cast<bool>(watch->ready_); });
  };
  EventDecoder decoder;
  EventView view;
  for (const StoredEvent& event : events) {
    if (!waiting() || !decoder.Decode(event.payload, view)) continue;
    for (Watch* watch : watches_) {
      if (!watch->ready_ || event.idx <= watch->since_idx_) continue;
      if (watch->matcher_ == nullptr || watch->matcher_->Matches(view)) Fire(watch);
    }
  }
}

}  // namespace databuild
