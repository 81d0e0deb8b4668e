// The reading half of EventLog: pages out of the tail ring, or out of the storage for what is
// older.
#include <algorithm>
#include <chrono>
#include <condition_variable>

#include "bel/event_codec.h"
#include "bel/event_log.h"
#include "bel/tail_ring.h"

namespace databuild {
namespace {

using std::chrono::nanoseconds;
using std::chrono::steady_clock;

// Events between two that are wanted, read along because another read would take longer.
constexpr uint32_t kReadThrough = 128;

Error BadRequest(const std::string& what) {
  return Error{Errc::kInvalidArgument, "list events: " + what};
}

Status CheckRequest(const ListRequest& request) {
  if (request.since_idx < 0) return BadRequest("since_idx is negative");
  if (request.limit < 1 || request.limit > kMaxPageEvents) {
    return BadRequest("limit is " + std::to_string(request.limit) + ", it must be 1 to " +
                      std::to_string(kMaxPageEvents));
  }
  if (request.wait < 0 || request.wait > kMaxPageWait) {
    return BadRequest("wait is " + FormatDuration(request.wait) + ", it must be 0s to " +
                      FormatDuration(kMaxPageWait));
  }
  return {};
}

}  // namespace

struct EventLog::Scan {
  const EventMatcher* matcher = nullptr;  // nullptr: everything
  int64_t limit = 0;
  int64_t head = 0;     // of the page: nothing beyond is looked at
  int64_t scanned = 0;  // events looked at
  RawPage page;
  EventDecoder decoder;
  EventView view;  // reused

  bool full = false;  // the next matching event would not fit
  bool by_postings = false;

  bool Done() const { return full || page.next_idx >= head || scanned >= kMaxScannedPerPage; }

  bool Fits(size_t frame_bytes) const {
    return page.count < limit && (page.count == 0 || page.events.size() + frame_bytes <=
                                                         static_cast<size_t>(kMaxPageBytes));
  }

  bool Wanted(std::string_view payload) {
    if (matcher == nullptr) return true;
    // What cannot be decoded was refused by the fold; nothing here is newer than the fold.
    return decoder.Decode(payload, view) && matcher->Matches(view);
  }

  // Looks at the event after next_idx. False: it matches and does not fit.
  bool Take(std::string_view payload) {
    if (Wanted(payload)) {
      if (!Fits(FrameBytes(payload.size()))) {
        full = true;
        return false;
      }
      AppendFrame(payload, page.events);
      ++page.count;
    }
    ++page.next_idx;
    ++scanned;
    return true;
  }

  // Looks at the event of this idx; those between next_idx and it do not match. False: as Take.
  bool TakeAt(int64_t idx, std::string_view payload) {
    page.next_idx = idx - 1;
    return Take(payload);
  }

  // As many events of the slice as fit, in one copy.
  void TakeAll(const TailRing::Slice& slice) {
    int64_t take = 0;  // fits; the largest such number is found by halving
    for (int64_t beyond = slice.count() + 1; beyond - take > 1;) {
      const int64_t middle = take + (beyond - take) / 2;
      (FitsTogether(slice, middle) ? take : beyond) = middle;
    }
    page.events.append(slice.Frames(0, take));
    page.count += take;
    page.next_idx += take;
    scanned += take;
    full = take < slice.count();
  }

  bool FitsTogether(const TailRing::Slice& slice, int64_t count) const {
    const size_t bytes = page.events.size() + slice.Frames(0, count).size();
    const bool first_of_page = page.count == 0 && count == 1;
    return page.count + count <= limit &&
           (first_of_page || bytes <= static_cast<size_t>(kMaxPageBytes));
  }
};

// False: the tail ring does not reach back that far.
bool EventLog::ScanTail(Scan& scan) const {
  TailRing::Slice slice;
  {
    std::shared_lock lock(state_mutex_);
    slice = tail_->After(scan.page.next_idx, scan.head);
  }
  if (slice.count() == 0) return false;
  if (scan.matcher == nullptr) {
    scan.TakeAll(slice);
    return true;
  }
  for (int64_t i = 0; i < slice.count() && !scan.Done(); ++i) {
    if (!scan.Take(slice.Payload(i))) break;
  }
  return true;
}

Result<StoredPage> EventLog::ReadStored(const ListRange& range) const {
  ASSIGN_OR_RETURN(StoredPage stored, options_.storage->List(options_.graph, range));
  if (stored.at.log_id != log_id_) {
    return Error{Errc::kCorrupt,
                 "log of graph " + options_.graph + " was replaced; restart the operator"};
  }
  NoteFloor(stored.at.floor);
  return stored;
}

Status EventLog::ScanStored(Scan& scan) const {
  ListRange range{scan.page.next_idx, kDefaultPageEvents, kMaxPageBytes};
  range.limit = std::min(range.limit, scan.head - scan.page.next_idx);
  if (scan.matcher == nullptr) range.limit = std::min(range.limit, scan.limit - scan.page.count);
  if (range.limit <= 0) {
    scan.full = true;
    return {};
  }
  ASSIGN_OR_RETURN(const StoredPage stored, ReadStored(range));
  for (const StoredEvent& event : stored.events) {
    if (scan.Done() || !scan.Take(event.payload)) break;
  }
  return {};
}

// Events out of the storage, from idx[taken] on, as many as one read of adjacent events brings.
Status EventLog::TakeStored(Scan& scan, std::span<const uint32_t> idx, size_t& taken) const {
  size_t last = taken;
  while (last + 1 < idx.size() && idx[last + 1] - idx[last] <= kReadThrough) ++last;
  const ListRange range{idx[taken] - int64_t{1},
                        std::min<int64_t>(idx[last] - idx[taken] + 1, kMaxPageEvents),
                        kMaxPageBytes};
  ASSIGN_OR_RETURN(const StoredPage stored, ReadStored(range));
  for (const StoredEvent& event : stored.events) {
    if (event.idx != idx[taken]) continue;
    if (scan.Done() || !scan.TakeAt(event.idx, event.payload)) return {};
    if (++taken == idx.size()) return {};
  }
  return {};
}

Status EventLog::TakeCandidates(Scan& scan, const Candidates& candidates) const {
  TailRing::Slice slice;
  size_t taken = 0;
  while (taken < candidates.idx.size()) {
    if (scan.Done()) return {};
    const int64_t idx = candidates.idx[taken];
    if (idx >= slice.first_idx() + slice.count()) {
      std::shared_lock lock(state_mutex_);
      slice = tail_->After(idx - 1, scan.head);
    }
    if (slice.count() == 0) {
      RETURN_IF_ERROR(TakeStored(scan, candidates.idx, taken));
    } else {
      if (!scan.TakeAt(idx, slice.Payload(idx - slice.first_idx()))) return {};
      ++taken;
    }
  }
  if (!scan.full) scan.page.next_idx = candidates.complete_to;
  return {};
}

Result<RawPage> EventLog::ListOnce(const ListRequest& request, int64_t since_idx) const {
  const int64_t floor = this->floor();
  if (since_idx < floor) return BelowFloor(options_.graph, since_idx, floor);
  Scan scan;
  scan.matcher = request.matcher != nullptr && !request.matcher->matches_all()
                     ? request.matcher.get()
                     : nullptr;
  scan.by_postings = scan.matcher != nullptr;
  scan.limit = request.limit;
  scan.head = head();
  scan.page.next_idx = since_idx;
  scan.page.log_id = log_id_;
  scan.page.epoch = epoch();
  scan.page.head_idx = scan.head;
  scan.page.floor_idx = floor;
  const bool filtered = scan.matcher != nullptr;
  while (!scan.Done()) {
    if (scan.by_postings) {
      const auto candidates =
          FindCandidates(*scan.matcher, {scan.page.next_idx, scan.head}, scan.limit);
      scan.by_postings = candidates.has_value();
      if (candidates) RETURN_IF_ERROR(TakeCandidates(scan, *candidates));
      continue;
    }
    if (!ScanTail(scan)) RETURN_IF_ERROR(ScanStored(scan));
  }
  if (filtered) ++(scan.by_postings ? pages_by_postings_ : pages_by_scan_);
  scan.page.has_more = scan.page.next_idx < scan.head;
  return std::move(scan.page);
}

FilteredPages EventLog::filtered_pages() const {
  return {pages_by_postings_.load(), pages_by_scan_.load()};
}

Result<RawPage> EventLog::ListEvents(const ListRequest& request) const {
  RETURN_IF_ERROR(CheckRequest(request));
  const auto deadline = steady_clock::now() + nanoseconds(request.wait);
  int64_t since_idx = request.since_idx;
  while (true) {
    ASSIGN_OR_RETURN(RawPage page, ListOnce(request, since_idx));
    const bool resync = page.head_idx < request.since_idx;
    if (page.count > 0 || request.wait == 0 || resync || request.stop.stop_requested() ||
        steady_clock::now() >= deadline) {
      return page;
    }
    since_idx = page.next_idx;
    if (page.has_more) continue;
    std::mutex mutex;
    std::condition_variable_any news;
    bool ready = false;
    const auto watch = WatchFor(since_idx, request.matcher, [&] {
      std::lock_guard lock(mutex);
      ready = true;
      news.notify_all();
    });
    std::unique_lock lock(mutex);
    news.wait_until(lock, request.stop, deadline, [&] { return ready; });
    lock.unlock();  // before the watch goes: its callback takes this lock
  }
}

std::string RawPage::Encode() const {
  v1::EventPage rest;
  rest.set_next_idx(next_idx);
  rest.set_has_more(has_more);
  rest.set_log_id(log_id);
  rest.set_epoch(epoch);
  rest.set_head_idx(head_idx);
  rest.set_floor_idx(floor_idx);
  // Fields of a message may come in any order: the events are there already.
  return events + rest.SerializeAsString();
}

}  // namespace databuild
