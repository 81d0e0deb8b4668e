#include "controller/kube/keyed_pool.h"

namespace databuild::kube {

KeyedPool::KeyedPool(int threads, size_t waiting_max) : waiting_max_(waiting_max) {
  for (int i = 0; i < threads; ++i)
    threads_.emplace_back([this](std::stop_token stop) { Run(stop); });
}

KeyedPool::~KeyedPool() { Stop(); }

void KeyedPool::Stop() {
  {
    std::lock_guard lock(mutex_);
    stopped_ = true;
  }
  for (std::jthread& thread : threads_) thread.request_stop();
  for (std::jthread& thread : threads_) {
    if (thread.joinable()) thread.join();
  }
}

bool KeyedPool::Submit(const std::string& key, Task task) {
  std::lock_guard lock(mutex_);
  if (stopped_ || waiting_.size() >= waiting_max_ || !keys_.insert(key).second) return false;
  waiting_.emplace_back(key, std::move(task));
  changed_.notify_one();
  return true;
}

size_t KeyedPool::pending() const {
  std::lock_guard lock(mutex_);
  return keys_.size();
}

void KeyedPool::Run(std::stop_token stop) {
  std::unique_lock lock(mutex_);
  while (changed_.wait(lock, stop, [this] { return !waiting_.empty(); })) {
    if (stop.stop_requested()) return;
    auto [key, task] = std::move(waiting_.front());
    waiting_.pop_front();
    lock.unlock();
    task(stop);
    lock.lock();
    keys_.erase(key);
  }
}

}  // namespace databuild::kube
