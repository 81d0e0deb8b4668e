// LogVerifier: folds the log a second time, in a thread of its own, and compares the two folds.
//
// It replays from the beginning (from base or snapshot where the beginning is gone), follows the
// head, and compares digests of small ranges of the state: the readers' lock is held for one range
// at a time, about a millisecond. A round compares everything once; without new events there is no
// next one. Snapshots and bases come from this second fold, so writing one holds nobody up. A base
// only once a round has compared everything and no piece ever differed; it is read back into the
// second fold's place before anything rests on it.
#pragma once

#include <atomic>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <stop_token>
#include <string>
#include <thread>

#include "bel/event_log.h"
#include "bel/postings.h"
#include "bel/state_digest.h"

namespace databuild {

class LogVerifier {
 public:
  struct Options {
    const EventLog* log = nullptr;  // outlives the verifier, as does the storage
    Storage* storage = nullptr;
    std::string snapshot_folder;  // empty: no snapshots
    int64_t snapshot_events = 0;
    DurationNs snapshot_interval = 0;
  };

  explicit LogVerifier(Options options);
  Verification result() const;
  void WantBase() { base_wanted_ = true; }

 private:
  Status Start();
  void Run(const std::stop_token& stop);
  Status FoldTo(int64_t idx, const std::stop_token& stop);
  Status CompareAll(const std::stop_token& stop);
  Status CompareRange(const StateRange& range, const std::stop_token& stop);
  void MaybeSnapshot();
  Status MaybeBase();
  Status WriteBase();
  void Pause(const std::stop_token& stop, DurationNs time);

  const Options options_;
  std::unique_ptr<BuildState> state_;
  std::unique_ptr<Postings> postings_;
  EventDecoder decoder_;
  int64_t compared_ = -1;   // head when the last whole round began
  TimeNs snapshot_at_ = 0;  // monotonic; of the last one written
  TimeNs base_at_ = 0;      // likewise; 0: none yet
  std::atomic<bool> base_wanted_ = false;
  std::atomic<int64_t> idx_ = 0, snapshot_idx_ = 0, base_idx_ = 0;
  std::atomic<uint64_t> rounds_ = 0, mismatches_ = 0;
  std::mutex mutex_;  // of pauses
  std::condition_variable_any wake_;
  std::jthread thread_;  // last: stops first
};

}  // namespace databuild
