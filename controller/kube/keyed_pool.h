// A bounded pool of threads on which no two tasks with the same key are ever pending at once.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <set>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

namespace databuild::kube {

// Thread-safe. The destructor stops: tasks under way see their stop token, waiting ones are
// dropped.
class KeyedPool {
 public:
  using Task = std::function<void(std::stop_token)>;

  KeyedPool(int threads, size_t waiting_max);
  ~KeyedPool();
  KeyedPool(const KeyedPool&) = delete;
  KeyedPool& operator=(const KeyedPool&) = delete;

  // False: a task with this key waits or runs already, or too many wait; the task is dropped.
  bool Submit(const std::string& key, Task task);
  // Tasks that wait or run.
  size_t pending() const;
  void Stop();

 private:
  void Run(std::stop_token stop);

  const size_t waiting_max_;
  mutable std::mutex mutex_;  // guards what follows
  std::condition_variable_any changed_;
  std::deque<std::pair<std::string, Task>> waiting_;
  std::set<std::string> keys_;
  bool stopped_ = false;
  std::vector<std::jthread> threads_;
};

}  // namespace databuild::kube
