// LogFollower: a log read by somebody who does not write it. It asks for the head every 200 ms and
// fetches what is new by idx, in order, each event once.
//
// When the log becomes another one (restored, replaced) or its floor passed the follower, the sink
// is told to forget everything and gets the events above the floor again. Never a silent skip.
//
// Poll is one step, for one thread; Start does it on a thread of its own. The rest is thread-safe.
#pragma once

#include <atomic>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <span>
#include <stop_token>
#include <string>
#include <thread>

#include "bel/base/clock.h"
#include "bel/base/result.h"
#include "bel/storage.h"

namespace databuild {

inline constexpr DurationNs kFollowPoll = 200 * kMillisecond;

// All are called on the thread that polls.
struct FollowSink {
  // Everything known is void; the next event is at.floor + 1. Also called before the first event.
  std::function<void(const Acquired& at)> reset;
  // The next events. An error ends the step; the same events come again.
  std::function<Status(std::span<const StoredEvent> events, const Acquired& at)> events;
};

struct FollowOptions {
  Storage* storage = nullptr;  // outlives the follower; may be read-only
  std::string graph;
  FollowSink sink;
  DurationNs poll = kFollowPoll;
  ListRange page{0, 8'192, 16 << 20};  // limits of one fetch
  // The sink knows this log up to here already; empty: nothing, and it is reset first.
  std::string log_id = "";
  int64_t idx = 0;
};

class LogFollower {
 public:
  explicit LogFollower(FollowOptions options);
  ~LogFollower();
  LogFollower(const LogFollower&) = delete;
  LogFollower& operator=(const LogFollower&) = delete;

  // Fetches until the head that it found, at most. True: something was new. A log that is not there
  // yet is nothing new.
  Result<bool> Poll();

  // Polls until destroyed; errors are logged once and tried again.
  void Start();

  int64_t idx() const { return idx_.load(std::memory_order_acquire); }    // newest event delivered
  int64_t head() const { return head_.load(std::memory_order_acquire); }  // newest one known of
  // How long the storage has not answered; 0: the last step went well.
  DurationNs stale_for() const;

 private:
  Result<bool> Step();
  void Reset(const Acquired& at);
  void Loop(std::stop_token stop);

  const FollowOptions options_;
  std::string log_id_;  // empty: nothing seen yet; of the polling thread
  std::atomic<int64_t> idx_ = 0;
  std::atomic<int64_t> head_ = 0;
  std::atomic<TimeNs> failing_since_ = 0;  // monotonic
  std::mutex mutex_;                       // for waiting only
  std::condition_variable_any stopped_;
  std::jthread thread_;  // last: stops first
};

}  // namespace databuild
