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

void EventLog::Watchers::Announce(const std::vector<v1::BuildEvent>& events) {
  std::lock_guard lock(mutex_);
  for (Watch* watch : watches_) {
    if (!watch->ready_) continue;
    const bool wanted = std::any_of(events.begin(), events.end(), [&](const v1::BuildEvent& event) {
      return event.idx() > watch->since_idx_ &&
             (watch->matcher_ == nullptr || watch->matcher_->Matches(event));
    });
    if (wanted) Fire(watch);
  }
}

}  // namespace databuild
