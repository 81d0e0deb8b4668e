// Requests that wait for an event: parked here, holding no thread, until something may match or
// their time is over.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "bel/event_log.h"

namespace databuild {

struct ParkedCall {
  std::shared_ptr<const EventLog> log;
  int64_t since_idx = 0;
  std::shared_ptr<const EventMatcher> matcher;
  std::chrono::steady_clock::time_point deadline;
  std::function<bool()> gone;  // the client has left: forget the call
  std::function<void(bool expired)>
      resume;  // called once, on the thread of LongPolls: must hand over and return
};

// Any thread.
class LongPolls {
 public:
  explicit LongPolls(size_t capacity);
  // Resumes everything as expired.
  ~LongPolls();

  // False: no room, or stopping; `resume` will not be called.
  [[nodiscard]] bool Park(ParkedCall call);
  // Resumes everything as expired and parks nothing any more; nothing is resumed after it returns.
  // Idempotent, but not from two threads at once.
  void Stop();
  // Drops the calls whose client has left; nothing of theirs is resumed.
  void ForgetGone();
  size_t size() const;

 private:
  struct Parked {
    ParkedCall call;
    std::unique_ptr<EventLog::Watch> watch;
    bool ready = false;
  };

  void Ready(uint64_t id);
  void Run(std::stop_token stop);

  const size_t capacity_;
  mutable std::mutex mutex_;  // guards what follows; never held while a Watch is made or destroyed
  std::condition_variable_any changed_;
  std::map<uint64_t, Parked> parked_;
  std::vector<uint64_t> ready_;
  uint64_t next_id_ = 1;
  bool stopping_ = false;
  bool changed_since_look_ = false;
  std::jthread thread_;
};

}  // namespace databuild
