#include "bel/log_keeper.h"

#include <algorithm>
#include <chrono>

#include "bel/base/log.h"

namespace databuild {
namespace {

// The next segment_events after the sealed range, or as many as fit into one segment.
Result<std::vector<StoredEvent>> NextRange(Storage& storage, const std::string& graph,
                                           int64_t sealed, int64_t count) {
  std::vector<StoredEvent> events;
  size_t bytes = 0;
  while (static_cast<int64_t>(events.size()) < count && bytes < kSegmentBytes) {
    const auto have = static_cast<int64_t>(events.size());
    ASSIGN_OR_RETURN(StoredPage page,
                     storage.List(graph, {sealed + have, count - have, int64_t{kSegmentBytes}}));
    for (StoredEvent& event : page.events) {
      bytes += event.payload.size();
      events.push_back(std::move(event));
    }
  }
  return events;
}

// As anybody will read it from now on.
Status ReadBack(Storage& storage, const std::string& graph,
                const std::vector<StoredEvent>& sealed) {
  size_t seen = 0;
  while (seen < sealed.size()) {
    const int64_t since = sealed[seen].idx - 1;
    ASSIGN_OR_RETURN(const StoredPage page,
                     storage.List(graph, {since, static_cast<int64_t>(sealed.size() - seen),
                                          int64_t{kSegmentBytes}}));
    for (const StoredEvent& event : page.events) {
      if (event == sealed[seen++]) continue;
      return Error{Errc::kCorrupt, "log of graph " + graph + ": idx " + std::to_string(event.idx) +
                                       " does not read back from its segment as it was sealed; "
                                       "its row stays"};
    }
  }
  return {};
}

// The highest idx that retention gives up: the end of a segment of which no event is wanted.
Result<int64_t> WantedFloor(Storage& storage, const KeptLog& log, const KeepOptions& options,
                            TimeNs now) {
  ASSIGN_OR_RETURN(const GraphHead head, storage.Head(log.graph));
  if (options.keep_events <= 0 && options.keep_for <= 0) return head.at.floor;
  ASSIGN_OR_RETURN(const std::vector<SegmentInfo> segments, storage.Segments(log.graph));
  int64_t floor = head.at.floor;
  for (const SegmentInfo& segment : segments) {
    const bool many =
        options.keep_events <= 0 || segment.last_idx <= head.at.head - options.keep_events;
    const bool old = options.keep_for <= 0 || segment.last_ts < now - options.keep_for;
    if (!many || !old || segment.last_idx > log.floor_limit) break;
    floor = segment.last_idx;
  }
  return floor;
}

}  // namespace

Result<KeepReport> KeepLog(Storage& storage, const KeptLog& log, const KeepOptions& options,
                           TimeNs now) {
  KeepReport report;
  ASSIGN_OR_RETURN(const GraphHead head, storage.Head(log.graph));
  int64_t sealed = head.at.sealed;
  while (sealed + options.segment_events <= head.at.head - options.hot_events) {
    if (report.segments_sealed == options.max_segments) {
      report.more = true;
      break;
    }
    ASSIGN_OR_RETURN(const auto events,
                     NextRange(storage, log.graph, sealed, options.segment_events));
    RETURN_IF_ERROR(storage.PutSegment(log.graph, log.epoch, EncodeSegment(events)));
    RETURN_IF_ERROR(ReadBack(storage, log.graph, events));
    ++report.segments_sealed;
    sealed = events.back().idx;
  }
  // Also what an earlier round sealed and did not come to remove.
  while (true) {
    ASSIGN_OR_RETURN(const int64_t removed, storage.DropSealedRows(log.graph, log.epoch));
    if (removed == 0) break;
    report.rows_removed += removed;
  }
  ASSIGN_OR_RETURN(report.floor, WantedFloor(storage, log, options, now));
  if (report.floor > head.at.floor) {
    RETURN_IF_ERROR(storage.RaiseFloor(log.graph, log.epoch, report.floor));
  }
  return report;
}

LogKeeper::LogKeeper(KeeperSetup setup)
    : setup_(std::move(setup)), thread_([this](std::stop_token stop) { Loop(std::move(stop)); }) {}

LogKeeper::~LogKeeper() = default;

bool LogKeeper::Round(const std::stop_token& stop) {
  bool more = false;
  for (const KeptLog& log : setup_.logs()) {
    if (stop.stop_requested()) return false;
    const auto report = KeepLog(*setup_.storage, log, setup_.options, setup_.clock->Now());
    if (!report.ok()) {
      // Fenced and unavailable are said elsewhere; what has no segments needs no keeper.
      const Errc code = report.error().code;
      if (code == Errc::kFenced || code == Errc::kUnavailable || code == Errc::kUnsupported)
        continue;
      LogError("the log could not be kept in order",
               {{"graph", log.graph}, {"error", report.error().message}});
      continue;
    }
    more = more || report->more;
    if (report->segments_sealed == 0 && report->rows_removed == 0) continue;
    LogInfo("old events sealed", {{"graph", log.graph},
                                  {"segments", report->segments_sealed},
                                  {"rows_removed", report->rows_removed},
                                  {"floor", report->floor}});
  }
  return more;
}

void LogKeeper::Loop(std::stop_token stop) {
  std::unique_lock lock(mutex_);
  while (!stop.stop_requested()) {
    lock.unlock();
    const bool more = Round(stop);
    lock.lock();
    if (more) continue;
    stopped_.wait_for(lock, stop, std::chrono::nanoseconds(setup_.interval), [] { return false; });
  }
}

}  // namespace databuild
