// LogWriter: group commit for all logs of one Storage.
//
// Callers queue batches; whoever finds the storage free commits a group for everybody: up to 1,024
// events or 1 MiB of all graphs in one transaction, no artificial delay. Where the storage allows
// it a second group is sent while the first still commits; groups end in the order they were sent.
// A thread of its own takes over under load, and recovers streams whose last append has an unknown
// outcome: once nothing of the stream is on its way it takes a new epoch, compares heads, and
// either reports success or sends the same bytes again. Never a guess.
//
// Thread-safe. Outlives the EventLogs that use it; the Storage outlives it.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "bel/base/clock.h"
#include "bel/base/result.h"
#include "bel/storage.h"
#include "databuild/v1/databuild.pb.h"

namespace databuild {

inline constexpr int64_t kGroupEvents = 1'024;
inline constexpr size_t kGroupBytes = 1 << 20;
inline constexpr int64_t kMaxQueuedEvents = 65'536;  // of one graph; then kUnavailable

// Events accepted for a log, waiting to become durable. Atomic.
struct PendingBatch {
  std::vector<StoredEvent> stored;
  size_t bytes = 0;              // of all payloads
  std::condition_variable done;  // durable, given up, or worth another look

  int64_t first_idx() const { return stored.front().idx; }
  int64_t last_idx() const { return stored.back().idx; }
};

// One durable group, for metrics.
struct AppendSample {
  int64_t events = 0;
  size_t bytes = 0;
  DurationNs took = 0;
};

// One graph's queue. Fields are guarded by the writer's lock.
struct LogStream {
  AcquireRequest request;  // with only_if_holder: how a new epoch is taken
  std::string log_id;
  int64_t epoch = 0;
  int64_t durable_head = 0;
  std::deque<std::shared_ptr<PendingBatch>> queue;  // in idx order
  size_t sent = 0;                                  // this many from the front are on their way
  int groups_sent = 0;                              // that carry them
  bool recovering = false;
  int64_t queued_events = 0;
  bool scheduled = false;     // stands in the writer's list
  std::optional<Error> lost;  // outcome of an append unknown: recover before the next
  TimeNs lost_since = 0;      // monotonic
  TimeNs retry_at = 0;        // monotonic
  DurationNs backoff = 0;
  std::optional<Error> terminal;  // kFenced or kCorrupt: nothing more is written

  // Called in idx order, without the writer's lock, once a batch is durable and before its Append
  // returns.
  std::function<void(const PendingBatch&)> apply;
  std::function<void(const Error&)> on_terminal;
  std::function<void(const AppendSample&)> on_append;
};

class LogWriter {
 public:
  enum class Mode { kThread, kInline };
  explicit LogWriter(Storage* storage, Mode mode = Mode::kThread);
  ~LogWriter();
  LogWriter(const LogWriter&) = delete;
  LogWriter& operator=(const LogWriter&) = delete;

  // Waits (until `timeout` is over) for a stream that is not lost. kUnavailable: still lost,
  // nothing was queued.
  Status AwaitWritable(const std::shared_ptr<LogStream>& stream, DurationNs timeout);
  // Queues the next batch of the stream; its first idx follows the last queued one.
  Status Enqueue(const std::shared_ptr<LogStream>& stream, std::shared_ptr<PendingBatch> batch);
  // Blocks until everything up to `idx` is durable and applied.
  Status AwaitDurable(const std::shared_ptr<LogStream>& stream, int64_t idx, DurationNs timeout);
  // After this no callback of the stream runs any more. What is queued is given up.
  void Leave(const std::shared_ptr<LogStream>& stream);

  struct StreamView {
    int64_t epoch = 0;
    std::optional<Error> error;  // lost or terminal
    DurationNs lost_for = 0;
  };
  StreamView View(const LogStream& stream) const;

 private:
  using Lock = std::unique_lock<std::mutex>;
  using Batches = std::vector<std::shared_ptr<PendingBatch>>;
  struct Share {
    std::shared_ptr<LogStream> stream;
    Batches batches;
    int64_t expected_head = 0;
  };

  // These need the lock; those that take it unlock while they talk to the storage or call back.
  void CommitGroup(Lock& lock);
  void Recover(Lock& lock, const std::shared_ptr<LogStream>& stream);
  void Resume(Lock& lock, const std::shared_ptr<LogStream>& stream, const Acquired& acquired,
              const Batches& recorded);
  bool CanCommit() const;
  static bool MayRecover(const LogStream& stream);
  std::shared_ptr<LogStream> DueRecovery() const;
  TimeNs NextRecovery() const;
  void WakeNext();
  std::vector<Share> TakeGroup();
  void FinishShare(Lock& lock, const Share& share, const Result<int64_t>& result, DurationNs took);
  void Finish(Lock& lock, const std::shared_ptr<LogStream>& stream, const Batches& batches);
  void Lose(const std::shared_ptr<LogStream>& stream, const Error& error);
  void Terminate(Lock& lock, const std::shared_ptr<LogStream>& stream, const Error& error);
  void Schedule(const std::shared_ptr<LogStream>& stream);
  void Unschedule(const std::shared_ptr<LogStream>& stream);

  // How many of `batches` the log holds; an error when it holds something else. Without the lock.
  Result<size_t> CountRecorded(const LogStream& stream, const Batches& batches,
                               const Acquired& acquired) const;
  Status SameEvents(const LogStream& stream, const PendingBatch& batch) const;
  void Loop(std::stop_token stop);

  Storage* const storage_;
  const Mode mode_;
  mutable std::mutex mutex_;
  std::condition_variable_any work_;              // for the thread
  std::condition_variable stepped_;               // a group or a recovery ended
  std::condition_variable turn_;                  // a group ended
  bool sending_ = false;                          // somebody takes and sends a group
  uint64_t groups_begun_ = 0, groups_ended_ = 0;  // the difference is in flight
  bool thread_waits_ = false;                     // the thread has nothing to do
  std::deque<std::shared_ptr<LogStream>> ready_;  // streams with something to send
  std::vector<std::shared_ptr<LogStream>> lost_;
  std::jthread thread_;  // last: stops first
};

}  // namespace databuild
