#include "controller/api/long_polls.h"

#include <algorithm>

namespace databuild {

LongPolls::LongPolls(size_t capacity)
    : capacity_(capacity), thread_([this](std::stop_token stop) { Run(stop); }) {}

LongPolls::~LongPolls() { Stop(); }

bool LongPolls::Park(ParkedCall call) {
  const auto log = call.log;
  const auto matcher = call.matcher;
  const int64_t since_idx = call.since_idx;
  uint64_t id = 0;
  {
    std::unique_lock lock(mutex_);
    if (parked_.size() >= capacity_) {
      lock.unlock();
      ForgetGone();
      lock.lock();
    }
    if (stopping_ || parked_.size() >= capacity_) return false;
    id = next_id_++;
    parked_.emplace(id, Parked{std::move(call), nullptr, false});
  }
  // The watch may report at once, and the call may be resumed before the watch has been put beside
  // it.
  auto watch = log->WatchFor(since_idx, matcher, [this, id] { Ready(id); });
  {
    std::lock_guard lock(mutex_);
    const auto it = parked_.find(id);
    if (it != parked_.end()) it->second.watch = std::move(watch);
    changed_since_look_ = true;
  }
  changed_.notify_all();  // its deadline may be the next one
  return true;
}

void LongPolls::Stop() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
    changed_since_look_ = true;
  }
  changed_.notify_all();
  thread_.request_stop();
  if (thread_.joinable()) thread_.join();
}

size_t LongPolls::size() const {
  std::lock_guard lock(mutex_);
  return parked_.size();
}

// Called by the log with a lock of its own held.
void LongPolls::Ready(uint64_t id) {
  {
    std::lock_guard lock(mutex_);
    const auto it = parked_.find(id);
    if (it == parked_.end() || it->second.ready) return;
    it->second.ready = true;
    ready_.push_back(id);
    changed_since_look_ = true;
  }
  changed_.notify_all();
}

void LongPolls::ForgetGone() {
  std::vector<Parked> gone;
  std::lock_guard lock(mutex_);
  for (auto it = parked_.begin(); it != parked_.end();) {
    if (it->second.ready || !it->second.call.gone()) {
      ++it;
      continue;
    }
    gone.push_back(std::move(it->second));
    it = parked_.erase(it);
  }
}

void LongPolls::Run(std::stop_token stop) {
  std::unique_lock lock(mutex_);
  while (true) {
    std::vector<Parked> due;
    for (uint64_t id : ready_) {
      const auto it = parked_.find(id);
      if (it == parked_.end()) continue;
      due.push_back(std::move(it->second));
      parked_.erase(it);
    }
    ready_.clear();
    const auto now = std::chrono::steady_clock::now();
    auto next = std::chrono::steady_clock::time_point::max();
    for (auto it = parked_.begin(); it != parked_.end();) {
      if (!stopping_ && it->second.call.deadline > now) {
        next = std::min(next, it->second.call.deadline);
        ++it;
        continue;
      }
      due.push_back(std::move(it->second));
      it = parked_.erase(it);
    }
    if (due.empty()) {
      if (stop.stop_requested()) return;
      changed_since_look_ = false;
      const auto changed = [this] { return changed_since_look_; };
      if (next == std::chrono::steady_clock::time_point::max()) {
        changed_.wait(lock, stop, changed);
      } else {
        changed_.wait_until(lock, stop, next, changed);
      }
      continue;
    }
    lock.unlock();
    for (Parked& parked : due) {
      parked.watch.reset();
      parked.call.resume(!parked.ready);
    }
    due.clear();
    lock.lock();
  }
}

}  // namespace databuild
