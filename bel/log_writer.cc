#include "bel/log_writer.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "bel/base/log.h"

namespace databuild {
namespace {

using std::chrono::nanoseconds;
using std::chrono::steady_clock;

constexpr DurationNs kFirstBackoff = 50 * kMillisecond;
constexpr DurationNs kLongestBackoff = 2 * kSecond;

TimeNs MonotonicNow() {
  return std::chrono::duration_cast<nanoseconds>(steady_clock::now().time_since_epoch()).count();
}

steady_clock::time_point TimePoint(TimeNs monotonic) {
  return steady_clock::time_point(nanoseconds(monotonic));
}

// Nothing this process does can make the log writable again.
bool IsTerminal(Errc code) {
  switch (code) {
    case Errc::kFenced:
    case Errc::kCorrupt:
    case Errc::kInvalidArgument:  // batches were checked before: a bug of ours
    case Errc::kTooLarge:
    case Errc::kNotFound:
      return true;
    default:
      return false;
  }
}

Error Damaged(const LogStream& stream, const std::string& what) {
  return Error{Errc::kCorrupt, "log of graph " + stream.request.graph + ": " + what +
                                   "; stop, find out who changed the database, and start again"};
}

Error NotInTime(const LogStream& stream, const char* outcome) {
  const std::string why = stream.lost ? ": " + stream.lost->message : std::string();
  return Error{Errc::kUnavailable,
               "append to log of graph " + stream.request.graph + ": " + outcome + why};
}

constexpr char kNothingQueued[] = "the storage is lost and nothing was recorded";
constexpr char kMayBeRecorded[] =
    "no answer in time; the events may or may not be recorded, append them again with the same ids";

}  // namespace

LogWriter::LogWriter(Storage* storage, Mode mode)
    : storage_(storage), mode_(mode), room_(std::make_shared<WaitingRoom>()) {
  if (mode_ == Mode::kThread) {
    thread_ = std::jthread([this](std::stop_token stop) { Loop(std::move(stop)); });
  }
}

LogWriter::~LogWriter() = default;

void LogWriter::Schedule(const std::shared_ptr<LogStream>& stream) {
  if (stream->scheduled || stream->queue.size() == stream->sent) return;
  if (stream->lost || stream->terminal) return;
  stream->scheduled = true;
  ready_.push_back(stream);
}

void LogWriter::Unschedule(const std::shared_ptr<LogStream>& stream) {
  std::erase(ready_, stream);
  std::erase(lost_, stream);
  stream->scheduled = false;
}

bool LogWriter::CanCommit() const {
  return !sending_ && !ready_.empty() &&
         groups_begun_ - groups_ended_ < static_cast<uint64_t>(storage_->max_in_flight());
}

// Only when all that was sent has been answered is there anything to compare.
bool LogWriter::MayRecover(const LogStream& stream) {
  return stream.lost && !stream.terminal && !stream.recovering && stream.groups_sent == 0;
}

std::shared_ptr<LogStream> LogWriter::DueRecovery() const {
  const TimeNs now = MonotonicNow();
  for (const auto& stream : lost_) {
    if (MayRecover(*stream) && stream->retry_at <= now) return stream;
  }
  return nullptr;
}

// 0: none is planned.
TimeNs LogWriter::NextRecovery() const {
  TimeNs next = 0;
  for (const auto& stream : lost_) {
    if (MayRecover(*stream)) next = next == 0 ? stream->retry_at : std::min(next, stream->retry_at);
  }
  return next;
}

Status LogWriter::AwaitWritable(const std::shared_ptr<LogStream>& stream, DurationNs timeout) {
  const TimeNs deadline = MonotonicNow() + timeout;
  Lock lock(mutex_);
  while (stream->lost && !stream->terminal) {
    if (mode_ == Mode::kInline && MayRecover(*stream)) {
      Recover(lock, stream);
      if (stream->lost) return NotInTime(*stream, kNothingQueued);
    } else if (stepped_.wait_until(lock, TimePoint(deadline)) == std::cv_status::timeout) {
      if (stream->lost) return NotInTime(*stream, kNothingQueued);
    }
  }
  if (stream->terminal) return *stream->terminal;
  return {};
}

Status LogWriter::Enqueue(const std::shared_ptr<LogStream>& stream,
                          std::shared_ptr<PendingBatch> batch) {
  Lock lock(mutex_);
  if (stream->terminal) return *stream->terminal;
  const auto count = static_cast<int64_t>(batch->stored.size());
  if (stream->queued_events > 0 && stream->queued_events + count > kMaxQueuedEvents) {
    return Error{Errc::kUnavailable, "append to log of graph " + stream->request.graph + ": " +
                                         std::to_string(stream->queued_events) +
                                         " events wait already; nothing was recorded, try again"};
  }
  stream->queued_events += count;
  batch->room = room_;
  stream->queue.push_back(std::move(batch));
  Schedule(stream);
  return {};
}

Status LogWriter::AwaitDurable(const std::shared_ptr<LogStream>& stream, int64_t idx,
                               DurationNs timeout) {
  const TimeNs deadline = MonotonicNow() + timeout;
  Lock lock(mutex_);
  while (stream->durable_head < idx) {
    if (stream->terminal) return *stream->terminal;
    if (mode_ == Mode::kInline && MayRecover(*stream)) {
      Recover(lock, stream);
      if (stream->lost) return NotInTime(*stream, kMayBeRecorded);
      continue;
    }
    if (!stream->lost && CanCommit()) {
      CommitGroup(lock);
      continue;
    }
    const auto waits_for =
        std::find_if(stream->queue.begin(), stream->queue.end(),
                     [&](const auto& batch) { return batch->last_idx() >= idx; });
    CHECK(waits_for != stream->queue.end());
    const std::shared_ptr<PendingBatch> batch = *waits_for;
    const bool called = WaitInRoom(lock, *batch, deadline);
    if (!lock.owns_lock()) return {};
    if (!called && stream->durable_head < idx && !stream->terminal) {
      return NotInTime(*stream, kMayBeRecorded);
    }
  }
  WakeNext();  // in case this caller was called to look
  return {};
}

bool LogWriter::WaitInRoom(Lock& lock, const PendingBatch& batch, TimeNs deadline) {
  WaitingRoom& room = *batch.room;
  std::unique_lock inside(room.mutex);
  const uint64_t calls = room.calls;
  lock.unlock();
  const bool called = room.called.wait_until(inside, TimePoint(deadline),
                                             [&] { return room.calls != calls || room.look; });
  const bool look = std::exchange(room.look, false);
  inside.unlock();
  if (!look && batch.durable.load(std::memory_order_acquire)) return true;
  lock.lock();
  return called;
}

void LogWriter::CallAll(WaitingRoom& room) {
  {
    std::lock_guard inside(room.mutex);
    ++room.calls;
  }
  room.called.notify_all();
}

void LogWriter::CallQueue(const LogStream& stream) {
  const WaitingRoom* called = nullptr;
  for (const auto& batch : stream.queue) {
    if (batch->room.get() != called) CallAll(*batch->room);
    called = batch->room.get();
  }
}

void LogWriter::Leave(const std::shared_ptr<LogStream>& stream) {
  Lock lock(mutex_);
  if (!stream->terminal) {
    stream->terminal =
        Error{Errc::kCancelled, "log of graph " + stream->request.graph + " was closed"};
  }
  stepped_.wait(lock, [&] { return stream->groups_sent == 0 && !stream->recovering; });
  Unschedule(stream);
  CallQueue(*stream);
  stream->apply = nullptr;
  stream->on_terminal = nullptr;
  stream->on_append = nullptr;
}

LogWriter::StreamView LogWriter::View(const LogStream& stream) const {
  Lock lock(mutex_);
  StreamView view{stream.epoch, std::nullopt, 0};
  if (stream.terminal || stream.lost) {
    view.error = stream.terminal ? stream.terminal : stream.lost;
    view.lost_for = MonotonicNow() - stream.lost_since;
  }
  return view;
}

std::vector<LogWriter::Share> LogWriter::TakeGroup() {
  std::vector<Share> group;
  int64_t events = 0;
  size_t bytes = 0;
  bool full = false;
  // Streams that still have something go to the end of the line: no graph holds up the others.
  for (size_t turns = ready_.size(); turns > 0 && !full; --turns) {
    const std::shared_ptr<LogStream> stream = ready_.front();
    ready_.pop_front();
    stream->scheduled = false;
    Share share{stream, {}};
    for (size_t i = stream->sent; i < stream->queue.size(); ++i) {
      const auto& batch = stream->queue[i];
      const auto count = static_cast<int64_t>(batch->stored.size());
      full = events > 0 && (events + count > kGroupEvents || bytes + batch->bytes > kGroupBytes);
      if (full) break;
      events += count;
      bytes += batch->bytes;
      share.batches.push_back(batch);
    }
    if (!share.batches.empty()) {
      share.expected_head =
          stream->sent == 0 ? stream->durable_head : stream->queue[stream->sent - 1]->last_idx();
      stream->sent += share.batches.size();
      ++stream->groups_sent;
    }
    Schedule(stream);
    if (!share.batches.empty()) group.push_back(std::move(share));
  }
  return group;
}

void LogWriter::CommitGroup(Lock& lock) {
  const std::vector<Share> group = TakeGroup();
  CHECK(!group.empty());
  room_ = std::make_shared<WaitingRoom>();
  const uint64_t ticket = groups_begun_++;
  sending_ = true;
  std::vector<AppendBatch> batches;
  for (const Share& share : group) {
    const LogStream& stream = *share.stream;
    AppendBatch batch{stream.request.graph, stream.epoch, share.expected_head, {}};
    for (const auto& pending : share.batches) batch.events.emplace_back(pending->stored);
    batches.push_back(std::move(batch));
  }
  lock.unlock();
  const TimeNs started = MonotonicNow();
  const auto append = storage_->BeginAppend(batches);
  lock.lock();
  sending_ = false;
  WakeNext();
  lock.unlock();
  const auto results = append->Wait();
  const DurationNs took = MonotonicNow() - started;
  lock.lock();
  turn_.wait(lock, [&] { return groups_ended_ == ticket; });
  for (size_t i = 0; i < group.size(); ++i) FinishShare(lock, group[i], results[i], took);
  ++groups_ended_;
  turn_.notify_all();
  stepped_.notify_all();
  WakeNext();
}

void LogWriter::FinishShare(Lock& lock, const Share& share, const Result<int64_t>& result,
                            DurationNs took) {
  --share.stream->groups_sent;
  // What follows a group that failed is settled with it.
  if (share.stream->lost || share.stream->terminal) return;
  if (!result.ok()) {
    // A conflict can only be an earlier append of ours that arrived late: heads are compared.
    if (IsTerminal(result.error().code)) return Terminate(lock, share.stream, result.error());
    return Lose(share.stream, result.error());
  }
  AppendSample sample{0, 0, took};
  for (const auto& batch : share.batches) {
    sample.events += static_cast<int64_t>(batch->stored.size());
    sample.bytes += batch->bytes;
  }
  Finish(lock, share.stream, share.batches);
  Answer(lock, share.batches);
  if (!share.stream->on_append) return;
  lock.unlock();
  share.stream->on_append(sample);
  lock.lock();
}

void LogWriter::Finish(Lock& lock, const std::shared_ptr<LogStream>& stream,
                       const Batches& batches) {
  lock.unlock();
  if (stream->apply) {
    for (const auto& batch : batches) stream->apply(*batch);
  }
  lock.lock();
  for (const auto& batch : batches) {
    CHECK(stream->queue.front() == batch);
    stream->queue.pop_front();
    if (stream->sent > 0) --stream->sent;
    stream->queued_events -= static_cast<int64_t>(batch->stored.size());
    stream->durable_head = batch->last_idx();
    batch->durable.store(true, std::memory_order_release);
  }
}

// Without the lock: all who wake would want it.
void LogWriter::Answer(Lock& lock, const Batches& batches) {
  lock.unlock();
  const WaitingRoom* called = nullptr;
  for (const auto& batch : batches) {
    if (batch->room.get() != called) CallAll(*batch->room);
    called = batch->room.get();
  }
  lock.lock();
}

void LogWriter::Lose(const std::shared_ptr<LogStream>& stream, const Error& error) {
  const TimeNs now = MonotonicNow();
  if (!stream->lost) {
    LogWarn("the build event log cannot be written",
            {{"graph", stream->request.graph}, {"error", error.message}});
    stream->lost_since = now;
    stream->backoff = 0;
    lost_.push_back(stream);
  }
  std::erase(ready_, stream);
  stream->scheduled = false;
  stream->lost = error;
  stream->retry_at = now + stream->backoff;  // the first retry comes at once
  stream->backoff = std::clamp(stream->backoff * 2, kFirstBackoff, kLongestBackoff);
}

void LogWriter::Terminate(Lock& lock, const std::shared_ptr<LogStream>& stream,
                          const Error& error) {
  if (stream->terminal) return;
  LogError(
      "the build event log is closed for this process",
      {{"graph", stream->request.graph}, {"code", ErrcName(error.code)}, {"error", error.message}});
  if (!stream->lost) stream->lost_since = MonotonicNow();
  stream->terminal = error;
  Unschedule(stream);
  CallQueue(*stream);
  if (!stream->on_terminal) return;
  lock.unlock();
  stream->on_terminal(error);
  lock.lock();
}

Status LogWriter::SameEvents(const LogStream& stream, const PendingBatch& batch) const {
  size_t seen = 0;
  while (seen < batch.stored.size()) {
    const ListRange range{batch.first_idx() - 1 + static_cast<int64_t>(seen),
                          static_cast<int64_t>(batch.stored.size() - seen), kGroupBytes};
    ASSIGN_OR_RETURN(const StoredPage page, storage_->List(stream.request.graph, range));
    if (page.events.empty()) return Damaged(stream, "events vanished while they were read back");
    for (const StoredEvent& event : page.events) {
      const StoredEvent& mine = batch.stored[seen++];
      if (event.event_id != mine.event_id || event.crc32c != mine.crc32c) {
        return Damaged(stream, "idx " + std::to_string(mine.idx) + " holds event " +
                                   event.event_id + ", this process wrote " + mine.event_id);
      }
    }
  }
  return {};
}

Result<size_t> LogWriter::CountRecorded(const LogStream& stream, const Batches& batches,
                                        const Acquired& acquired) const {
  if (acquired.log_id != stream.log_id) {
    return Damaged(stream, "its id is " + acquired.log_id + ", it was " + stream.log_id);
  }
  int64_t head = stream.durable_head;
  if (acquired.head < head) {
    return Damaged(stream, "the head went back from " + std::to_string(head) + " to " +
                               std::to_string(acquired.head) + ": acknowledged events are gone");
  }
  size_t recorded = 0;
  while (head < acquired.head) {
    if (recorded == batches.size() || batches[recorded]->last_idx() > acquired.head) {
      return Damaged(stream, "the head is " + std::to_string(acquired.head) +
                                 ", where no batch of " + "this process ends");
    }
    RETURN_IF_ERROR(SameEvents(stream, *batches[recorded]));
    head = batches[recorded++]->last_idx();
  }
  return recorded;
}

void LogWriter::Recover(Lock& lock, const std::shared_ptr<LogStream>& stream) {
  stream->recovering = true;
  stream->sent = 0;  // nothing is on its way any more
  Batches batches(stream->queue.begin(), stream->queue.end());
  lock.unlock();
  // Waits for an append of ours that is still committing, and fences one that has not begun.
  const Result<Acquired> acquired = storage_->Acquire(stream->request);
  Result<size_t> recorded = size_t{0};
  if (acquired.ok()) recorded = CountRecorded(*stream, batches, *acquired);
  lock.lock();
  if (stream->terminal) {
    // Closed meanwhile.
  } else if (!acquired.ok() || !recorded.ok()) {
    const Error& error = acquired.ok() ? recorded.error() : acquired.error();
    if (IsTerminal(error.code) || error.code == Errc::kPermissionDenied) {
      Terminate(lock, stream, error);
    } else {
      Lose(stream, error);
    }
  } else {
    batches.resize(*recorded);
    Resume(lock, stream, *acquired, batches);
  }
  stream->recovering = false;
  stepped_.notify_all();
  WakeNext();
}

void LogWriter::Resume(Lock& lock, const std::shared_ptr<LogStream>& stream,
                       const Acquired& acquired, const Batches& recorded) {
  Finish(lock, stream, recorded);
  LogInfo("the build event log is writable again",
          {{"graph", stream->request.graph},
           {"epoch", acquired.epoch},
           {"head", acquired.head},
           {"batches_found", recorded.size()},
           {"batches_to_send", stream->queue.size()},
           {"lost_ms", (MonotonicNow() - stream->lost_since) / kMillisecond}});
  stream->epoch = acquired.epoch;
  stream->lost.reset();
  std::erase(lost_, stream);
  Schedule(stream);
  Answer(lock, recorded);
}

// The thread if it is free, else somebody who waits, goes on with the next group.
void LogWriter::WakeNext() {
  if (mode_ == Mode::kThread && thread_waits_) {
    if (CanCommit() || !lost_.empty()) work_.notify_one();
  } else if (CanCommit()) {
    const LogStream& next = *ready_.front();
    WaitingRoom& room = *next.queue[next.sent]->room;
    {
      std::lock_guard inside(room.mutex);
      room.look = true;
    }
    room.called.notify_one();
  }
}

void LogWriter::Loop(std::stop_token stop) {
  Lock lock(mutex_);
  while (!stop.stop_requested()) {
    if (const auto stream = DueRecovery()) {
      Recover(lock, stream);
      continue;
    }
    if (CanCommit()) {
      CommitGroup(lock);
      continue;
    }
    thread_waits_ = true;
    const TimeNs retry_at = NextRecovery();
    const auto wanted = [&] { return CanCommit() || NextRecovery() != retry_at; };
    if (retry_at == 0) {
      work_.wait(lock, stop, wanted);
    } else {
      work_.wait_until(lock, stop, TimePoint(retry_at), wanted);
    }
    thread_waits_ = false;
  }
}

}  // namespace databuild
