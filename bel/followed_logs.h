// FollowedLogs: the logs of all graphs of a storage, followed by a process that does not write
// them: a standby. One thread asks for all heads every 200 ms, in one question, and lets the logs
// whose head has moved catch up.
//
// Thread-safe. A log that is handed out may be replaced by one that was read anew; who holds it
// reads on in what it was.
#pragma once

#include <condition_variable>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

#include "bel/event_log.h"
#include "bel/log_follower.h"

namespace databuild {

class FollowedLogs {
 public:
  struct Options {
    LogOptions log;  // graph is set here; snapshot_folder holds a folder per graph
    std::function<bool(const GraphHead&)> ours;  // which logs
    DurationNs poll = kFollowPoll;
  };
  explicit FollowedLogs(Options options);

  // Follows no more; what is there stays, ready to be taken over. Idempotent.
  void Stop();

  std::vector<std::string> Graphs() const;
  // nullptr: no such graph yet.
  std::shared_ptr<EventLog> Find(const std::string& graph) const;
  // Not to be found any more: another one takes its place.
  void Forget(const std::string& graph);

  // Every log was read up to the head that was found, not longer ago than `limit`. The error says
  // what is in the way.
  Status CaughtUp(DurationNs limit) const;
  // How old the answers are at most; 0: nothing was read yet.
  DurationNs Age() const;

 private:
  void Run(const std::stop_token& stop);
  Status Round(const std::stop_token& stop);
  Status Advance(const GraphHead& head);

  const Options options_;
  mutable std::mutex mutex_;  // guards what follows
  std::condition_variable_any stopped_;
  std::map<std::string, std::shared_ptr<EventLog>> logs_;
  TimeNs read_at_ = 0;   // monotonic: when the newest round that went well began; 0: none did
  std::string error_;    // of the newest round
  std::jthread thread_;  // last: stops first
};

}  // namespace databuild
