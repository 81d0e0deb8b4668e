#include "bel/log_follower.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "bel/base/log.h"

namespace databuild {
namespace {

TimeNs MonotonicNow() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

}  // namespace

LogFollower::LogFollower(FollowOptions options)
    : options_(std::move(options)), log_id_(options_.log_id), idx_(options_.idx) {
  CHECK(options_.storage != nullptr && options_.sink.reset && options_.sink.events);
}

LogFollower::~LogFollower() = default;

void LogFollower::Start() {
  thread_ = std::jthread([this](std::stop_token stop) { Loop(std::move(stop)); });
}

DurationNs LogFollower::stale_for() const {
  const TimeNs since = failing_since_.load();
  return since == 0 ? 0 : MonotonicNow() - since;
}

void LogFollower::Reset(const Acquired& at) {
  if (!log_id_.empty()) {
    LogWarn("the log that is followed has changed; it is read anew", {{"graph", options_.graph},
                                                                      {"log_id", at.log_id},
                                                                      {"was", log_id_},
                                                                      {"idx", idx_.load()},
                                                                      {"floor", at.floor},
                                                                      {"head", at.head}});
  }
  log_id_ = at.log_id;
  idx_.store(at.floor, std::memory_order_release);
  options_.sink.reset(at);
}

Result<bool> LogFollower::Step() {
  const Result<GraphHead> found = options_.storage->Head(options_.graph);
  if (!found.ok() && found.error().code == Errc::kNotFound) return false;
  if (!found.ok()) return found.error();
  const Acquired& at = found->at;
  head_.store(at.head, std::memory_order_release);
  bool news = false;
  if (at.log_id != log_id_ || at.head < idx() || at.floor > idx()) {
    Reset(at);
    news = true;
  }
  while (idx() < at.head) {
    ListRange range = options_.page;
    range.since_idx = idx();
    range.limit = std::min(range.limit, at.head - idx());
    const auto page = options_.storage->List(options_.graph, range);
    // Changed since the head was read: the next step sees it there.
    if (!page.ok() && page.error().code == Errc::kOutOfRange) return true;
    if (!page.ok()) return page.error();
    if (page->at.log_id != log_id_ || page->events.empty()) return true;
    RETURN_IF_ERROR(options_.sink.events(page->events, page->at));
    idx_.store(page->events.back().idx, std::memory_order_release);
    news = true;
  }
  return news;
}

Result<bool> LogFollower::Poll() {
  const Result<bool> step = Step();
  if (step.ok()) {
    failing_since_ = 0;
  } else if (failing_since_ == 0) {
    failing_since_ = MonotonicNow();
    LogWarn("the log cannot be followed",
            {{"graph", options_.graph}, {"error", step.error().message}});
  }
  return step;
}

void LogFollower::Loop(std::stop_token stop) {
  std::unique_lock lock(mutex_);
  while (!stop.stop_requested()) {
    lock.unlock();
    const Result<bool> step = Poll();
    lock.lock();
    if (step.ok() && *step) continue;
    stopped_.wait_for(lock, stop, std::chrono::nanoseconds(options_.poll), [] { return false; });
  }
}

}  // namespace databuild
