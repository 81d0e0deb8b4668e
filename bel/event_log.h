// EventLog: one graph's log, opened for writing. The access layer over Storage: legal transitions
// only, events deduplicated, group commit, the fold kept up to date, pages for readers.
//
// Thread-safe. Append blocks until its events are durable and folded; readers see committed events
// only. Invariant: BuildState is the fold of events 1..head(), and nothing above head() is ever
// shown.
//
// Errors of Append: kInvalidTransition and kInvalidArgument (nothing recorded), kTooLarge (nothing
// recorded), kUnavailable (the storage is lost or too slow: the events may or may not be recorded;
// append them again with the same event_ids, or read), kFenced and kCorrupt (terminal: this process
// must stop acting on the graph).
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <shared_mutex>
#include <span>
#include <stop_token>
#include <string>
#include <utility>
#include <vector>

#include "bel/base/clock.h"
#include "bel/base/result.h"
#include "bel/build_state.h"
#include "bel/event_matcher.h"
#include "bel/log_writer.h"
#include "bel/storage.h"

namespace databuild {

inline constexpr int64_t kDefaultPageEvents = 1'000;
inline constexpr int64_t kMaxPageEvents = 10'000;
inline constexpr int64_t kMaxPageBytes = 1 << 20;      // but always at least one event
inline constexpr int64_t kMaxScannedPerPage = 50'000;  // then a short page with has_more
inline constexpr DurationNs kMaxPageWait = 60 * kSecond;
inline constexpr size_t kDedupeWindow = 65'536;  // newest event_ids known

struct LogOptions {
  Storage* storage = nullptr;  // outlives the log
  std::string graph;
  std::string holder;  // pod name; a random part is added, so that every Open is another holder
  std::string cluster_uid;
  const Clock* clock = nullptr;

  // Shared by all logs of the storage, so that one transaction carries many graphs. nullptr:
  // appends run in the calling thread, and after a loss the next Append tries to recover (the
  // simulator does this).
  LogWriter* writer = nullptr;
  DurationNs append_timeout = 10 * kSecond;
  size_t tail_bytes = 64 << 20;  // newest events kept as raw bytes
  // Where snapshots of this graph's fold are kept, a cache; empty: none are read or written. The
  // verifier writes them.
  std::string snapshot_folder;
  int64_t snapshot_events = 1'000'000;          // at most one in so many events
  DurationNs snapshot_interval = 10 * kMinute;  // and in so much time
  // A thread of its own folds the log a second time and compares both folds, piece by piece.
  bool verify = false;
  // Called once, from the thread that finds out, when the log is fenced or damaged for good.
  std::function<void(const Error&)> on_terminal;
  // Called after every durable group.
  std::function<void(const AppendSample&)> on_append;
};

struct ListRequest {
  int64_t since_idx = 0;                        // exclusive
  std::shared_ptr<const EventMatcher> matcher;  // nullptr: everything
  int64_t limit = kDefaultPageEvents;           // 1 to kMaxPageEvents
  DurationNs wait = 0;   // answer when something matches or after this long; at most kMaxPageWait
  std::stop_token stop;  // ends the wait early
};

// A page in wire form: events are raw bytes from the log, never decoded.
struct RawPage {
  std::string events;  // the encoding of EventPage.events
  int64_t count = 0;   // of events
  int64_t next_idx = 0;
  bool has_more = false;
  std::string log_id;
  int64_t epoch = 0;
  int64_t head_idx = 0;
  int64_t floor_idx = 0;

  // The encoding of a databuild.v1.EventPage.
  std::string Encode() const;
};

// How writing goes; reads are answered from memory all the time.
struct LogHealth {
  bool writable = true;  // of a log that is followed: it can be followed
  Error error;           // of the last try, when not writable
  TimeNs unwritable_since = 0;
  DurationNs stale_for = 0;  // since then; what is read may be so old
};

// What the verifier has found so far.
struct Verification {
  int64_t idx = 0;           // of the second fold
  uint64_t rounds = 0;       // times that everything was compared
  uint64_t mismatches = 0;   // pieces that differed; the log names them
  int64_t snapshot_idx = 0;  // of the newest snapshot
  int64_t base_idx = 0;      // of the newest base written since Open
};

// How filtered pages were answered.
struct FilteredPages {
  uint64_t by_postings = 0;
  uint64_t by_scan = 0;
};

class LogFollower;
class LogVerifier;
class Postings;
class TailRing;

class EventLog {
 public:
  // Acquires the stream (fencing the writer before), replays it into the BuildState, then is ready
  // to append. Also kUnsupported: the log holds kinds of events this release does not know;
  // kOutOfRange: retention has removed events that neither base nor snapshot covers. Its bases may
  // be of another release: kUnsupported too.
  static Result<std::unique_ptr<EventLog>> Open(LogOptions options);
  // The same log for reading while another process writes it: CatchUp folds what is new. Of the
  // options storage, graph, cluster_uid, clock, tail_bytes and snapshot_folder count. kNotFound:
  // the graph has no log yet.
  static Result<std::unique_ptr<EventLog>> Follow(LogOptions options);
  ~EventLog();
  EventLog(const EventLog&) = delete;
  EventLog& operator=(const EventLog&) = delete;

  // Of a log that is followed, from one thread. Folds up to the head that it finds. kConflict: the
  // stored log is another one now, or its floor has passed: follow it anew. Other errors: try
  // again.
  Status CatchUp();
  // Of a log that is followed, once CatchUp runs no more: acquires the stream, folds the rest and
  // is ready to append, as after Open. Readers go on all the while. Errors as of Open and CatchUp;
  // then the log is of no more use.
  Status TakeOver(LogOptions options);

  // One atomic batch, at most kMaxAppendEvents. idx and timestamp are set here. An event whose
  // event_id is already in the log (or in flight) is left out and answered with its idx. One idx
  // per event, in order.
  Result<std::vector<int64_t>> Append(std::vector<v1::BuildEvent> events);
  // The same without a copy: idx and timestamp are set in the caller's events, duplicates aside.
  Result<std::vector<int64_t>> AppendAll(std::span<v1::BuildEvent> events);

  // kOutOfRange below the floor. since_idx beyond the head gives an empty page whose head_idx says
  // so.
  Result<RawPage> ListEvents(const ListRequest& request) const;

  // Calls `ready` once, as soon as an event after since_idx may match: then list again. It is
  // called with a lock held, possibly before Watch returns: hand the news over and return, never
  // call the log. Destroying the Watch guarantees that `ready` is not running and will not be
  // called.
  class Watch;
  std::unique_ptr<Watch> WatchFor(int64_t since_idx, std::shared_ptr<const EventMatcher> matcher,
                                  std::function<void()> ready) const;

  // Calls read(const BuildState&) under the readers' lock: be quick, do not append inside.
  template <typename Read>
  auto WithState(Read&& read) const {
    std::shared_lock lock(state_mutex_);
    return std::forward<Read>(read)(static_cast<const BuildState&>(*state_));
  }

  const std::string& graph() const { return options_.graph; }
  const std::string& log_id() const { return log_id_; }
  int64_t head() const { return head_.load(std::memory_order_acquire); }
  int64_t epoch() const;
  // Rises while the log is open, when retention gives up events.
  int64_t floor() const { return floor_.load(std::memory_order_acquire); }
  // The storage's floor is at least this. Never goes back.
  void NoteFloor(int64_t floor) const;
  // Asks the verifier, if there is one, for a base that is newer than the last one. It comes when
  // both folds have been compared and agree.
  void WantBase() const;
  LogHealth health() const;
  FilteredPages filtered_pages() const;
  // Position of the snapshot, base or followed log that Open or TakeOver began with; 0: none.
  int64_t opened_from() const { return opened_from_; }
  // False: it follows.
  bool writing() const { return writing_.load(std::memory_order_acquire); }
  Verification verification() const;  // zeros without a verifier
  // Events refused by CheckTransition since Open.
  uint64_t rejected() const { return rejected_.load(std::memory_order_relaxed); }

 private:
  struct InFlight;  // events accepted and not yet folded: overlay, ids, next idx
  struct Accepted;  // the part of one Append that is new
  class Watchers;

  explicit EventLog(LogOptions options);
  Status Replay(const Acquired& acquired);
  Status FoldStored(const StoredEvent& stored, const Acquired& acquired);
  Status Begin(const Acquired& acquired);
  Status LoadOrigin(const Acquired& acquired);
  Status FoldFollowed(std::span<const StoredEvent> events);
  Status Lead(const Acquired& acquired, TimeNs started);
  void JoinWriter(const Acquired& acquired);
  Result<std::vector<int64_t>> Accept(std::span<v1::BuildEvent> events);
  Status AcceptOne(v1::BuildEvent& event, Accepted& accepted);
  void Apply(const PendingBatch& batch);

  struct Scan;  // one pass over the log into one page
  Result<RawPage> ListOnce(const ListRequest& request, int64_t since_idx) const;
  bool ScanTail(Scan& scan) const;
  Status ScanStored(Scan& scan) const;
  Result<StoredPage> ReadStored(const ListRange& range) const;

  // Positions, since exclusive, up to and with head.
  struct IdxRange {
    int64_t since = 0;
    int64_t head = 0;
  };
  // Every event of (since, complete_to] that may match, ascending.
  struct Candidates {
    std::vector<uint32_t> idx;
    int64_t complete_to = 0;
  };
  struct CandidateSearch;
  // Nothing: a scan is cheaper.
  std::optional<Candidates> FindCandidates(const EventMatcher& matcher, const IdxRange& range,
                                           int64_t limit) const;
  bool SearchExact(CandidateSearch& search) const;
  bool SearchGlobs(CandidateSearch& search) const;
  Status TakeCandidates(Scan& scan, const Candidates& candidates) const;
  Status TakeStored(Scan& scan, std::span<const uint32_t> idx, size_t& taken) const;

  LogOptions options_;
  std::string log_id_;
  mutable std::atomic<int64_t> floor_ = 0;

  std::unique_ptr<LogWriter> own_writer_;  // when options.writer is nullptr
  LogWriter* writer_ = nullptr;
  std::shared_ptr<LogStream> stream_;

  std::mutex append_mutex_;  // guards in_flight_; taken before state_mutex_ and the writer's lock
  std::unique_ptr<InFlight> in_flight_;

  mutable std::shared_mutex state_mutex_;  // guards state_, tail_, postings_
  std::unique_ptr<BuildState> state_;
  EventDecoder decoder_;  // of events to be folded
  std::unique_ptr<TailRing> tail_;
  std::unique_ptr<Postings> postings_;
  std::atomic<int64_t> head_ = 0;  // changes under state_mutex_
  std::atomic<uint64_t> rejected_ = 0;
  std::atomic<int64_t> opened_from_ = 0;

  std::unique_ptr<LogFollower> follower_;  // nullptr: opened for writing
  std::atomic<bool> follower_lost_ = false;
  std::atomic<int64_t> followed_epoch_ = 0;
  std::atomic<bool> writing_ = false;  // then writer_ and stream_ are set
  mutable std::atomic<uint64_t> pages_by_postings_ = 0, pages_by_scan_ = 0;

  std::shared_ptr<Watchers> watchers_;
  std::unique_ptr<LogVerifier> verifier_;  // last: stops first
};

// A registered reader; see EventLog::WatchFor.
class EventLog::Watch {
 public:
  ~Watch();
  Watch(const Watch&) = delete;
  Watch& operator=(const Watch&) = delete;

 private:
  friend class EventLog;
  friend class Watchers;
  Watch() = default;
  std::shared_ptr<Watchers> watchers_;
  int64_t since_idx_ = 0;
  std::shared_ptr<const EventMatcher> matcher_;
  std::function<void()> ready_;  // empty once called
};

}  // namespace databuild
