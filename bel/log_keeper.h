// LogKeeper: the upkeep of logs whose events have become many. Old ranges are sealed into segments,
// read back and compared, and only then taken out of the rows; what retention no longer wants goes
// by whole segments, once a base stands for it. By default everything is kept.
//
// Each step is one fenced transaction of the storage, so a crash between any two leaves a complete
// log, and the next round goes on where this one ended.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <mutex>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

#include "bel/base/clock.h"
#include "bel/base/result.h"
#include "bel/segment.h"
#include "bel/storage.h"

namespace databuild {

struct KeepOptions {
  int64_t hot_events = 1'000'000;           // the newest, which always stay rows
  int64_t segment_events = kSegmentEvents;  // of one segment; only full ones are made
  // What retention gives up: events that have more than so many newer ones, and events older than
  // this. 0: none on that account.
  int64_t max_events = 0;
  DurationNs max_age = 0;
  int64_t max_segments = 64;  // of one round, so that no graph holds up another
};

// One graph's log that this process writes.
struct KeptLog {
  std::string graph;
  int64_t epoch = 0;
  // Retention would give up events that no base stands for. May be empty.
  std::function<void()> want_base = nullptr;
  // The storage's floor was raised. May be empty.
  std::function<void(int64_t floor)> floor_raised = nullptr;
};

struct KeepReport {
  int64_t segments_sealed = 0;
  int64_t rows_removed = 0;
  int64_t floor = 0;
  int64_t wanted_floor = 0;  // what retention would give up if a base stood for it
  bool floor_raised = false;
  bool more = false;  // max_segments were made; there is more to do
};

// One round for one log. kFenced when another writer took over, kCorrupt when a segment does not
// read back as what was sealed: then nothing is removed.
Result<KeepReport> KeepLog(Storage& storage, const KeptLog& log, const KeepOptions& options,
                           TimeNs now);

struct KeeperSetup {
  Storage* storage = nullptr;    // outlives the keeper
  const Clock* clock = nullptr;  // likewise
  KeepOptions options;
  DurationNs interval = kMinute;
  std::function<std::vector<KeptLog>()> logs;  // called on the keeper's thread
};

// Rounds over all logs on a thread of its own, every `interval`.
class LogKeeper {
 public:
  explicit LogKeeper(KeeperSetup setup);
  ~LogKeeper();
  LogKeeper(const LogKeeper&) = delete;
  LogKeeper& operator=(const LogKeeper&) = delete;

 private:
  void Loop(std::stop_token stop);
  bool Round(const std::stop_token& stop);  // true: there is more to do

  const KeeperSetup setup_;
  std::mutex mutex_;  // for waiting only
  std::condition_variable_any stopped_;
  std::jthread thread_;  // last: stops first
};

}  // namespace databuild
