#include "bel/event_log.h"

#include <algorithm>
#include <future>

#include "bel/base/log.h"
#include "bel/base/uuid.h"
#include "bel/event_codec.h"
#include "bel/event_id_window.h"
#include "bel/log_base.h"
#include "bel/log_follower.h"
#include "bel/log_verifier.h"
#include "bel/log_watchers.h"
#include "bel/postings.h"
#include "bel/status_overlay.h"
#include "bel/tail_ring.h"

namespace databuild {
namespace {

constexpr ListRange kReplayPage{0, 8'192, 16 << 20};
constexpr ListRange kFollowPage{0, 1'024, 1 << 20};  // folded under one hold of the readers' lock
constexpr size_t kLeastEventBytes = 40;              // its event_id and what goes round it

Error About(const std::string& graph, const Error& error) {
  return Error{error.code, "append to log of graph " + graph + ": " + error.message};
}

Error OtherLog(const std::string& graph) {
  return Error{Errc::kConflict, "log of graph " + graph +
                                    ": it is another one now, or its floor has passed the one that "
                                    "was followed; it is read anew"};
}

}  // namespace

// Guarded by append_mutex_; of a log that is followed, of the thread that follows.
struct EventLog::InFlight {
  explicit InFlight(const StatusView& fold) : overlay(fold) {}

  StatusOverlay overlay;
  EventIdWindow ids{kDedupeWindow};
  int64_t newest_idx = 0;
  TimeNs newest_ts = 0;
};

struct EventLog::Accepted {
  Accepted(const InFlight& in_flight, size_t events)
      : overlay(static_cast<const StatusView&>(in_flight.overlay)),
        idx(in_flight.newest_idx),
        ts(in_flight.newest_ts),
        of(events) {
    new_ids.reserve(events);
    answer.reserve(events);
    batch->stored.reserve(events);
  }

  StatusOverlay overlay;
  int64_t idx;  // of the newest event so far
  TimeNs ts;
  const size_t of;  // events were offered
  EventIdWindow ids{SIZE_MAX};
  std::vector<UuidBytes> new_ids;  // in the order of batch->stored
  std::vector<int64_t> answer;
  std::shared_ptr<PendingBatch> batch = std::make_shared<PendingBatch>();
};

EventLog::EventLog(LogOptions options)
    : options_(std::move(options)),
      state_(std::make_unique<BuildState>()),
      tail_(std::make_unique<TailRing>(options_.tail_bytes)),
      postings_(std::make_unique<Postings>()),
      watchers_(std::make_shared<Watchers>()) {}

EventLog::~EventLog() {
  verifier_.reset();  // it reads this log
  if (stream_ != nullptr) writer_->Leave(stream_);
}

Result<std::unique_ptr<EventLog>> EventLog::Open(LogOptions options) {
  CHECK(options.storage != nullptr && options.clock != nullptr && !options.graph.empty());
  std::unique_ptr<EventLog> log(new EventLog(std::move(options)));
  // Whoever holds the stream must be told apart from every other process, also one of the same
  // name.
  log->options_.holder += "/" + RandomUuid();
  const LogOptions& set = log->options_;
  const TimeNs started = set.clock->Now();
  ASSIGN_OR_RETURN(const Acquired acquired,
                   set.storage->Acquire({set.graph, set.holder, set.cluster_uid}));
  RETURN_IF_ERROR(log->Begin(acquired));
  RETURN_IF_ERROR(log->Lead(acquired, started));
  return log;
}

// Everything up to acquired.head is in the fold.
Status EventLog::Begin(const Acquired& acquired) {
  log_id_ = acquired.log_id;
  NoteFloor(acquired.floor);
  RETURN_IF_ERROR(LoadOrigin(acquired));
  in_flight_ = std::make_unique<InFlight>(*state_);
  return Replay(acquired);
}

// The fold has reached acquired.head: from now on this process appends.
Status EventLog::Lead(const Acquired& acquired, TimeNs started) {
  in_flight_->newest_idx = acquired.head;
  in_flight_->newest_ts = acquired.last_ts;
  JoinWriter(acquired);
  writing_.store(true, std::memory_order_release);
  if (options_.verify) {
    verifier_ = std::make_unique<LogVerifier>(
        LogVerifier::Options{this, options_.storage, options_.snapshot_folder,
                             options_.snapshot_events, options_.snapshot_interval});
  }
  LogInfo("build event log opened",
          {{"graph", options_.graph},
           {"storage", options_.storage->name()},
           {"log_id", acquired.log_id},
           {"epoch", acquired.epoch},
           {"head", acquired.head},
           {"replayed_from", opened_from()},
           {"followed", follower_ != nullptr},
           {"replay_ms", (options_.clock->Now() - started) / kMillisecond}});
  return {};
}

Result<std::unique_ptr<EventLog>> EventLog::Follow(LogOptions options) {
  CHECK(options.storage != nullptr && options.clock != nullptr && !options.graph.empty());
  std::unique_ptr<EventLog> log(new EventLog(std::move(options)));
  const LogOptions& set = log->options_;
  ASSIGN_OR_RETURN(const GraphHead head, set.storage->Head(set.graph));
  if (head.cluster_uid != set.cluster_uid) return OtherCluster(set.graph, set.cluster_uid);
  RETURN_IF_ERROR(log->Begin(head.at));
  log->followed_epoch_ = head.at.epoch;
  FollowOptions follow;
  follow.storage = set.storage;
  follow.graph = set.graph;
  follow.log_id = log->log_id_;
  follow.idx = log->head();
  follow.page = kFollowPage;
  EventLog* const raw = log.get();
  follow.sink.reset = [raw](const Acquired&) { raw->follower_lost_ = true; };
  follow.sink.events = [raw](std::span<const StoredEvent> events, const Acquired& at) -> Status {
    if (raw->follower_lost_) return OtherLog(raw->graph());
    raw->followed_epoch_ = at.epoch;
    raw->NoteFloor(at.floor);
    return raw->FoldFollowed(events);
  };
  log->follower_ = std::make_unique<LogFollower>(std::move(follow));
  return log;
}

Status EventLog::CatchUp() {
  CHECK(follower_ != nullptr && !writing());
  const Result<bool> polled = follower_->Poll();
  if (follower_lost_) return OtherLog(graph());
  RETURN_IF_ERROR(polled);
  return {};
}

Status EventLog::TakeOver(LogOptions options) {
  CHECK(follower_ != nullptr && !writing());
  options_.holder = options.holder + "/" + RandomUuid();
  options_.writer = options.writer;
  options_.append_timeout = options.append_timeout;
  options_.snapshot_events = options.snapshot_events;
  options_.snapshot_interval = options.snapshot_interval;
  options_.verify = options.verify;
  options_.on_terminal = std::move(options.on_terminal);
  options_.on_append = std::move(options.on_append);
  const TimeNs started = options_.clock->Now();
  if (follower_lost_) return OtherLog(graph());
  ASSIGN_OR_RETURN(
      const Acquired acquired,
      options_.storage->Acquire({options_.graph, options_.holder, options_.cluster_uid}));
  opened_from_ = head();
  // Nobody else appends any more: what is stored now is all there is.
  RETURN_IF_ERROR(CatchUp());
  if (log_id_ != acquired.log_id || head() != acquired.head) return OtherLog(graph());
  return Lead(acquired, started);
}

Status EventLog::FoldFollowed(std::span<const StoredEvent> events) {
  {
    std::unique_lock lock(state_mutex_);
    EventView event;
    for (const StoredEvent& stored : events) {
      if (const Status good = ViewEvent(stored, decoder_, event); !good.ok()) {
        return Error{good.error().code,
                     "log of graph " + options_.graph + ": " + good.error().message};
      }
      if (stored.idx <= state_->idx()) continue;  // folded before an error of this page
      state_->Apply(event);
      postings_->Add(event, *state_);
      tail_->Push(stored.idx, stored.payload);
      if (const auto id = ParseUuid(stored.event_id)) in_flight_->ids.Add(*id, stored.idx);
      head_.store(stored.idx, std::memory_order_release);
    }
  }
  watchers_->Announce(events);
  return {};
}

Status EventLog::LoadOrigin(const Acquired& acquired) {
  ASSIGN_OR_RETURN(Fold fold, ReadOrigin({options_.storage, options_.graph, acquired,
                                          options_.snapshot_folder}));
  state_ = std::move(fold.state);
  postings_ = std::move(fold.postings);
  opened_from_ = state_->idx();
  head_.store(state_->idx(), std::memory_order_release);
  return {};
}

// From the snapshot on; of the events before it the newest are read too, for their ids and the
// tail. While a page is folded the next one is read.
Status EventLog::Replay(const Acquired& acquired) {
  const int64_t window = acquired.head - static_cast<int64_t>(kDedupeWindow);
  int64_t idx = std::max(acquired.floor, std::min(opened_from(), window));
  const auto read = [&](int64_t since_idx) {
    ListRange range = kReplayPage;
    range.since_idx = since_idx;
    range.limit = std::min(range.limit, acquired.head - since_idx);
    return std::async(std::launch::async,
                      [this, range] { return options_.storage->List(options_.graph, range); });
  };
  std::future<Result<StoredPage>> next;
  if (idx < acquired.head) next = read(idx);
  state_->BeginReplay();
  while (idx < acquired.head) {
    ASSIGN_OR_RETURN(const StoredPage page, next.get());
    if (page.at.log_id != log_id_ || page.at.head < acquired.head || page.events.empty()) {
      return Error{Errc::kCorrupt,
                   "log of graph " + options_.graph + " was replaced while it was read"};
    }
    idx = page.events.back().idx;
    if (idx < acquired.head) next = read(idx);
    for (const StoredEvent& stored : page.events) RETURN_IF_ERROR(FoldStored(stored, acquired));
  }
  state_->EndReplay();
  return {};
}

Status EventLog::FoldStored(const StoredEvent& stored, const Acquired& acquired) {
  EventView event;
  if (const Status good = ViewEvent(stored, decoder_, event); !good.ok()) {
    return Error{good.error().code, "log of graph " + options_.graph + ": " + good.error().message};
  }
  // Nobody reads yet: no lock.
  if (stored.idx > opened_from()) {
    state_->Apply(event);
    postings_->Add(event, *state_);
    head_.store(stored.idx, std::memory_order_release);
  }
  // Events that newer ones would push out anyway are left out.
  const int64_t newer = acquired.head - stored.idx;
  if (newer <= static_cast<int64_t>(options_.tail_bytes / kLeastEventBytes)) {
    tail_->Push(stored.idx, stored.payload);
  }
  if (newer < static_cast<int64_t>(kDedupeWindow)) {
    if (const auto id = ParseUuid(stored.event_id)) in_flight_->ids.Add(*id, stored.idx);
  }
  return {};
}

void EventLog::JoinWriter(const Acquired& acquired) {
  writer_ = options_.writer;
  if (writer_ == nullptr) {
    own_writer_ = std::make_unique<LogWriter>(options_.storage, LogWriter::Mode::kInline);
    writer_ = own_writer_.get();
  }
  stream_ = std::make_shared<LogStream>();
  stream_->request = {options_.graph, options_.holder, options_.cluster_uid, true};
  stream_->log_id = acquired.log_id;
  stream_->epoch = acquired.epoch;
  stream_->durable_head = acquired.head;
  stream_->apply = [this](const PendingBatch& batch) { Apply(batch); };
  stream_->on_terminal = options_.on_terminal;
  stream_->on_append = options_.on_append;
}

Result<std::vector<int64_t>> EventLog::Append(std::vector<v1::BuildEvent> events) {
  return AppendAll(events);
}

Result<std::vector<int64_t>> EventLog::AppendAll(std::span<v1::BuildEvent> events) {
  if (events.empty()) return std::vector<int64_t>{};
  if (!writing()) {
    return About(options_.graph,
                 {Errc::kFenced, "this replica follows the log, another writes it"});
  }
  RETURN_IF_ERROR(writer_->AwaitWritable(stream_, options_.append_timeout));
  std::vector<int64_t> answer;
  {
    std::lock_guard lock(append_mutex_);
    ASSIGN_OR_RETURN(answer, Accept(events));
  }
  const int64_t newest = *std::max_element(answer.begin(), answer.end());
  RETURN_IF_ERROR(writer_->AwaitDurable(stream_, newest, options_.append_timeout));
  return answer;
}

Result<std::vector<int64_t>> EventLog::Accept(std::span<v1::BuildEvent> events) {
  in_flight_->overlay.Forget(head());
  Accepted accepted(*in_flight_, events.size());
  {
    std::shared_lock lock(state_mutex_);
    for (v1::BuildEvent& event : events) {
      if (Status good = AcceptOne(event, accepted); !good.ok()) {
        if (good.error().code == Errc::kInvalidTransition) rejected_.fetch_add(1);
        return About(options_.graph, good.error());
      }
    }
  }
  if (accepted.batch->stored.empty()) return std::move(accepted.answer);
  if (accepted.batch->bytes > kMaxAppendBytes ||
      accepted.batch->stored.size() > static_cast<size_t>(kMaxAppendEvents)) {
    return About(options_.graph,
                 {Errc::kTooLarge, std::to_string(accepted.batch->stored.size()) + " events of " +
                                       std::to_string(accepted.batch->bytes) +
                                       " bytes in one batch; append them in several"});
  }
  RETURN_IF_ERROR(writer_->Enqueue(stream_, accepted.batch));
  in_flight_->overlay.Absorb(std::move(accepted.overlay));
  in_flight_->newest_idx = accepted.idx;
  in_flight_->newest_ts = accepted.ts;
  int64_t idx = accepted.batch->first_idx();
  for (const UuidBytes& id : accepted.new_ids) in_flight_->ids.Add(id, idx++);
  return std::move(accepted.answer);
}

Status EventLog::AcceptOne(v1::BuildEvent& event, Accepted& accepted) {
  const auto id = ParseUuid(event.event_id());
  if (!id) {
    return Error{Errc::kInvalidArgument, "event_id \"" + event.event_id() + "\" is not a UUID"};
  }
  auto known = in_flight_->ids.Find(*id);
  if (!known) known = accepted.ids.Find(*id);
  if (known) {
    accepted.answer.push_back(*known);
    return {};
  }
  ASSIGN_OR_RETURN(std::optional<Transition> step, LegalTransition(accepted.overlay, event));
  event.set_idx(accepted.idx + 1);
  event.set_timestamp(std::max(accepted.ts + 1, options_.clock->Now()));
  ASSIGN_OR_RETURN(StoredEvent stored, EncodeEvent(event));
  accepted.idx = stored.idx;
  accepted.ts = stored.ts;
  accepted.new_ids.push_back(*id);
  if (accepted.of > 1) accepted.ids.Add(*id, stored.idx);
  accepted.answer.push_back(stored.idx);
  accepted.overlay.Record(std::move(step), stored.idx);
  accepted.batch->bytes += stored.payload.size();
  accepted.batch->stored.push_back(std::move(stored));
  return {};
}

void EventLog::Apply(const PendingBatch& batch) {
  {
    std::unique_lock lock(state_mutex_);
    EventView event;
    for (const StoredEvent& stored : batch.stored) {
      CHECK(decoder_.Decode(stored.payload, event));
      state_->Apply(event);
      postings_->Add(event, *state_);
      tail_->Push(stored.idx, stored.payload);
    }
    head_.store(batch.last_idx(), std::memory_order_release);
  }
  watchers_->Announce(batch.stored);
}

int64_t EventLog::epoch() const {
  return writing() ? writer_->View(*stream_).epoch : followed_epoch_.load();
}

Verification EventLog::verification() const {
  return verifier_ == nullptr ? Verification() : verifier_->result();
}

void EventLog::NoteFloor(int64_t floor) const {
  int64_t known = floor_.load();
  while (floor > known && !floor_.compare_exchange_weak(known, floor)) {
  }
}

void EventLog::WantBase() const {
  if (verifier_ != nullptr) verifier_->WantBase();
}

LogHealth EventLog::health() const {
  if (!writing()) {
    const DurationNs stale = follower_ == nullptr ? 0 : follower_->stale_for();
    if (stale == 0) return {};
    return {false, Error{Errc::kUnavailable, "the log cannot be followed"},
            options_.clock->Now() - stale, stale};
  }
  const LogWriter::StreamView view = writer_->View(*stream_);
  if (!view.error) return {};
  return {false, *view.error, options_.clock->Now() - view.lost_for, view.lost_for};
}

std::unique_ptr<EventLog::Watch> EventLog::WatchFor(int64_t since_idx,
                                                    std::shared_ptr<const EventMatcher> matcher,
                                                    std::function<void()> ready) const {
  std::unique_ptr<Watch> watch(new Watch());
  watch->watchers_ = watchers_;
  watch->since_idx_ = since_idx;
  watch->matcher_ = std::move(matcher);
  watch->ready_ = std::move(ready);
  watchers_->Add(watch.get(), head_);
  return watch;
}

EventLog::Watch::~Watch() { watchers_->Remove(this); }

}  // namespace databuild
