#include "bel/followed_logs.h"

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

FollowedLogs::FollowedLogs(Options options)
    : options_(std::move(options)), thread_([this](const std::stop_token& stop) { Run(stop); }) {}

void FollowedLogs::Stop() {
  thread_.request_stop();
  if (thread_.joinable()) thread_.join();
}

std::vector<std::string> FollowedLogs::Graphs() const {
  const std::lock_guard lock(mutex_);
  std::vector<std::string> graphs;
  for (const auto& entry : logs_) graphs.push_back(entry.first);
  return graphs;
}

std::shared_ptr<EventLog> FollowedLogs::Find(const std::string& graph) const {
  const std::lock_guard lock(mutex_);
  const auto found = logs_.find(graph);
  return found == logs_.end() ? nullptr : found->second;
}

void FollowedLogs::Forget(const std::string& graph) {
  const std::lock_guard lock(mutex_);
  logs_.erase(graph);
}

DurationNs FollowedLogs::Age() const {
  const std::lock_guard lock(mutex_);
  return read_at_ == 0 ? 0 : MonotonicNow() - read_at_;
}

Status FollowedLogs::CaughtUp(DurationNs limit) const {
  const std::lock_guard lock(mutex_);
  if (read_at_ != 0 && MonotonicNow() - read_at_ <= limit) return {};
  return Error{Errc::kUnavailable,
               read_at_ == 0
                   ? "standby: the logs are being read" + (error_.empty() ? "" : ": " + error_)
                   : "standby: the logs were read " + FormatDuration(MonotonicNow() - read_at_) +
                         " ago: " + error_};
}

// One log, to the head that was found at least.
Status FollowedLogs::Advance(const GraphHead& head) {
  const std::shared_ptr<EventLog> known = Find(head.graph);
  if (known != nullptr) {
    const bool same = known->log_id() == head.at.log_id && known->head() <= head.at.head;
    if (same && known->head() == head.at.head) {
      known->NoteFloor(head.at.floor);
      return {};
    }
    const Status caught_up = known->CatchUp();
    if (caught_up.ok() || caught_up.error().code != Errc::kConflict) return caught_up;
    Forget(head.graph);
  }
  LogOptions log = options_.log;
  log.graph = head.graph;
  if (!log.snapshot_folder.empty()) log.snapshot_folder += "/" + head.graph;
  ASSIGN_OR_RETURN(std::unique_ptr<EventLog> followed, EventLog::Follow(std::move(log)));
  LogInfo("following the log", {{"graph", head.graph},
                                {"log_id", followed->log_id()},
                                {"head", followed->head()},
                                {"replayed_from", followed->opened_from()}});
  const std::lock_guard lock(mutex_);
  logs_[head.graph] = std::move(followed);
  return {};
}

Status FollowedLogs::Round(const std::stop_token& stop) {
  ASSIGN_OR_RETURN(const std::vector<GraphHead> heads, options_.log.storage->Graphs());
  for (const GraphHead& head : heads) {
    if (stop.stop_requested()) return Error{Errc::kCancelled, "stopped"};
    if (options_.ours(head)) RETURN_IF_ERROR(Advance(head));
  }
  return {};
}

void FollowedLogs::Run(const std::stop_token& stop) {
  while (!stop.stop_requested()) {
    const TimeNs began = MonotonicNow();
    const Status round = Round(stop);
    std::unique_lock lock(mutex_);
    if (round.ok()) {
      read_at_ = began;
      error_.clear();
    } else if (round.error().message != error_) {
      error_ = round.error().message;
      LogWarn("the logs cannot be followed now", {{"error", error_}});
    }
    stopped_.wait_for(lock, stop, std::chrono::nanoseconds(options_.poll), [] { return false; });
  }
}

}  // namespace databuild
