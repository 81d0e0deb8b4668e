#include "bel/log_verifier.h"

#include <pthread.h>
#include <sched.h>

#include <algorithm>
#include <chrono>

#include "bel/base/log.h"
#include "bel/event_codec.h"
#include "bel/log_base.h"
#include "bel/state_snapshot.h"

namespace databuild {
namespace {

constexpr size_t kRangeElements = 1'024;  // compared under one hold of the readers' lock
constexpr DurationNs kBetweenRanges = 5 * kMillisecond;  // so that a round is no load
constexpr DurationNs kBetweenRounds = 200 * kMillisecond;
constexpr DurationNs kAfterError = 5 * kSecond;
constexpr ListRange kPage{0, 8'192, 4 << 20};

TimeNs MonotonicNow() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

}  // namespace

LogVerifier::LogVerifier(Options options)
    : options_(std::move(options)), snapshot_at_(MonotonicNow()) {
  const auto existing = ListSnapshots(options_.snapshot_folder);
  if (!existing.empty()) snapshot_idx_ = SnapshotIdx(existing.front());
  thread_ = std::jthread([this](const std::stop_token& stop) { Run(stop); });
}

Verification LogVerifier::result() const {
  return {idx_.load(), rounds_.load(), mismatches_.load(), snapshot_idx_.load(), base_idx_.load()};
}

void LogVerifier::Pause(const std::stop_token& stop, DurationNs time) {
  std::unique_lock lock(mutex_);
  wake_.wait_for(lock, stop, std::chrono::nanoseconds(time), [] { return false; });
}

// The beginning of the second fold: nothing, or the newest base or snapshot where events are gone.
Status LogVerifier::Start() {
  Fold fold;
  ASSIGN_OR_RETURN(const GraphHead head, options_.storage->Head(options_.log->graph()));
  if (head.at.log_id != options_.log->log_id()) {
    return Error{Errc::kCorrupt, "the stored log is not the one that was opened"};
  }
  if (head.at.floor > 0) {
    ASSIGN_OR_RETURN(fold, ReadOrigin({options_.storage, options_.log->graph(), head.at,
                                       options_.snapshot_folder}));
  }
  state_ = std::move(fold.state);
  postings_ = std::move(fold.postings);
  idx_ = state_->idx();
  return {};
}

void LogVerifier::Run(const std::stop_token& stop) {
  // Real work goes first where the processor is short; no matter if that is not allowed.
  const sched_param priority{};
  (void)pthread_setschedparam(pthread_self(), SCHED_BATCH, &priority);
  std::string last_error;
  while (!stop.stop_requested()) {
    Status done;
    if (state_ == nullptr) done = Start();
    if (!done.ok()) state_.reset();
    if (done.ok()) state_->BeginReplay();  // for good: nobody lists what it holds
    if (done.ok()) done = FoldTo(options_.log->head(), stop);
    if (done.ok()) MaybeSnapshot();
    if (done.ok() && idx_ != compared_) done = CompareAll(stop);
    if (done.ok()) done = MaybeBase();
    // The floor has passed the second fold: it begins anew, at the base.
    if (!done.ok() && done.error().code == Errc::kOutOfRange) state_.reset();
    if (!done.ok() && done.error().message != last_error) {
      last_error = done.error().message;
      LogWarn("build event log cannot be verified now",
              {{"graph", options_.log->graph()}, {"error", last_error}});
    }
    Pause(stop, done.ok() ? kBetweenRounds : kAfterError);
  }
}

Status LogVerifier::FoldTo(int64_t idx, const std::stop_token& stop) {
  while (idx_ < idx && !stop.stop_requested()) {
    ListRange range = kPage;
    range.since_idx = idx_;
    range.limit = std::min(range.limit, idx - idx_);
    ASSIGN_OR_RETURN(const StoredPage page, options_.storage->List(options_.log->graph(), range));
    if (page.at.log_id != options_.log->log_id() || page.events.empty()) {
      return Error{Errc::kCorrupt, "the stored log is not the one that was opened"};
    }
    EventView event;
    for (const StoredEvent& stored : page.events) {
      RETURN_IF_ERROR(ViewEvent(stored, decoder_, event));
      state_->Apply(event);
      postings_->Add(event, *state_);
    }
    idx_ = page.events.back().idx;
  }
  return {};
}

Status LogVerifier::CompareAll(const std::stop_token& stop) {
  const int64_t began = idx_;
  for (int i = 0; i < kStateSections && !stop.stop_requested(); ++i) {
    const auto section = static_cast<StateSection>(i);
    // What comes while this goes on is compared in the next round.
    const size_t size = StateSize(*state_, section);
    for (size_t from = 0; from < size && !stop.stop_requested(); from += kRangeElements) {
      RETURN_IF_ERROR(CompareRange({section, from, std::min(size, from + kRangeElements)}, stop));
      if (size > kRangeElements) Pause(stop, kBetweenRanges);
    }
  }
  if (stop.stop_requested()) return {};
  compared_ = began;
  ++rounds_;
  return {};
}

Status LogVerifier::CompareRange(const StateRange& range, const std::stop_token& stop) {
  int64_t live_idx = 0;
  uint64_t live = 0;
  options_.log->WithState([&](const BuildState& state) {
    live_idx = state.idx();
    live = StateDigest(state, range);
  });
  RETURN_IF_ERROR(FoldTo(live_idx, stop));
  if (idx_ != live_idx || live == StateDigest(*state_, range)) return {};
  ++mismatches_;
  LogError("build event log: the state in memory is not what the log says; restart the operator",
           {{"graph", options_.log->graph()},
            {"idx", live_idx},
            {"section", StateSectionName(range.section)},
            {"first", static_cast<int64_t>(range.from)},
            {"last", static_cast<int64_t>(range.to) - 1}});
  return {};
}

void LogVerifier::MaybeSnapshot() {
  if (options_.snapshot_folder.empty() || idx_ == snapshot_idx_ ||
      idx_ - snapshot_idx_ < options_.snapshot_events ||
      MonotonicNow() - snapshot_at_ < options_.snapshot_interval) {
    return;
  }
  snapshot_at_ = MonotonicNow();
  const Status written =
      WriteSnapshot(options_.snapshot_folder, options_.log->log_id(), *state_, *postings_);
  if (!written.ok()) {
    LogWarn("snapshot not written; a restart replays more of the log",
            {{"graph", options_.log->graph()}, {"error", written.error().message}});
    return;
  }
  snapshot_idx_ = idx_.load();
  LogInfo("snapshot written", {{"graph", options_.log->graph()},
                               {"idx", idx_.load()},
                               {"took_ms", (MonotonicNow() - snapshot_at_) / kMillisecond}});
}

Status LogVerifier::MaybeBase() {
  if (!base_wanted_ || idx_ <= base_idx_ || rounds_ == 0 || mismatches_ != 0) return {};
  if (base_at_ != 0 && MonotonicNow() - base_at_ < options_.snapshot_interval) return {};
  base_at_ = MonotonicNow();
  base_wanted_ = false;
  const Status written = WriteBase();
  if (written.ok()) return {};
  // Somebody else writes the log now, which is said elsewhere.
  if (written.error().code == Errc::kFenced) return {};
  LogWarn("base not written; the floor stays",
          {{"graph", options_.log->graph()}, {"error", written.error().message}});
  return written;
}

Status LogVerifier::WriteBase() {
  const BaseTarget target{options_.storage, options_.log->graph(), options_.log->epoch()};
  ASSIGN_OR_RETURN(const std::vector<BaseInfo> known, target.storage->Bases(target.graph));
  if (!known.empty() && known.front().idx == idx_) {
    // Finished by a process that ended right then.
    RETURN_IF_ERROR(target.storage->DropBases(target.graph, target.epoch, idx_));
    base_idx_ = idx_.load();
    return {};
  }
  ASSIGN_OR_RETURN(const BaseInfo base, StoreBase(target, *state_, *postings_));
  const uint64_t digest = StateDigest(*state_);
  // What was read back takes the place of the second fold: there are never three of them, and what
  // is compared from now on stands on the base.
  state_.reset();
  postings_.reset();
  ASSIGN_OR_RETURN(Fold fold, ReadBase(*options_.storage, target.graph, base));
  if (StateDigest(*fold.state) != digest) {
    return Error{Errc::kCorrupt, "the base of idx " + std::to_string(base.idx) + " of graph " +
                                     target.graph + " does not read back as it was written"};
  }
  state_ = std::move(fold.state);
  postings_ = std::move(fold.postings);
  state_->BeginReplay();
  RETURN_IF_ERROR(options_.storage->FinishBase(target.graph, target.epoch, base));
  RETURN_IF_ERROR(options_.storage->DropBases(target.graph, target.epoch, base.idx));
  base_idx_ = base.idx;
  LogInfo("base written", {{"graph", target.graph},
                           {"idx", base.idx},
                           {"bytes", base.bytes},
                           {"took_ms", (MonotonicNow() - base_at_) / kMillisecond}});
  return {};
}

}  // namespace databuild
