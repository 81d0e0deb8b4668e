// A few threads for work that may block, with a bounded queue in front: over the bound work is
// refused, not piled up.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace databuild {

class WorkerPool {
 public:
  WorkerPool(int threads, size_t max_queue);
  // Finishes what is queued.
  ~WorkerPool();

  // False: the queue is full or the pool is stopping; `work` will not run. Any thread.
  [[nodiscard]] bool Submit(std::function<void()> work);

 private:
  void Run();

  const size_t max_queue_;
  std::mutex mutex_;  // guards what follows
  std::condition_variable changed_;
  std::deque<std::function<void()>> queue_;
  bool stopping_ = false;
  std::vector<std::jthread> threads_;
};

}  // namespace databuild
