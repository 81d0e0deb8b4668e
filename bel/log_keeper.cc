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

// One round for one log.
class Round {
 public:
  Round(Storage& storage, const KeptLog& log, const KeepOptions& options, TimeNs now)
      : storage_(storage), log_(log), options_(options), now_(now) {}

  Status Seal(KeepReport& report) const {
    ASSIGN_OR_RETURN(const GraphHead head, storage_.Head(log_.graph));
    int64_t sealed = head.at.sealed;
    while (true) {
      ASSIGN_OR_RETURN(const bool due, Due(head, sealed + options_.segment_events));
      if (!due) return {};
      if (report.segments_sealed == options_.max_segments) {
        report.more = true;
        return {};
      }
      ASSIGN_OR_RETURN(const auto events,
                       NextRange(storage_, log_.graph, sealed, options_.segment_events));
      RETURN_IF_ERROR(storage_.PutSegment(log_.graph, log_.epoch, EncodeSegment(events)));
      RETURN_IF_ERROR(ReadBack(storage_, log_.graph, events));
      ++report.segments_sealed;
      sealed = events.back().idx;
    }
  }

  // Also what an earlier round sealed and did not come to remove.
  Status RemoveRows(KeepReport& report) const {
    while (true) {
      ASSIGN_OR_RETURN(const int64_t removed, storage_.DropSealedRows(log_.graph, log_.epoch));
      if (removed == 0) return {};
      report.rows_removed += removed;
    }
  }

  // To the highest end of a segment that is both unwanted and in a base.
  Status RaiseFloor(KeepReport& report) const {
    ASSIGN_OR_RETURN(const GraphHead head, storage_.Head(log_.graph));
    report.floor = report.wanted_floor = head.at.floor;
    if (!Retention()) return {};
    ASSIGN_OR_RETURN(const std::vector<SegmentInfo> segments, storage_.Segments(log_.graph));
    ASSIGN_OR_RETURN(const std::vector<BaseInfo> bases, storage_.Bases(log_.graph));
    const int64_t covered = bases.empty() ? 0 : bases.front().idx;
    int64_t floor = head.at.floor;
    for (const SegmentInfo& segment : segments) {
      if (!Unwanted(head.at.head - segment.last_idx, segment.last_ts)) break;
      report.wanted_floor = segment.last_idx;
      if (segment.last_idx <= covered) floor = segment.last_idx;
    }
    if (floor < report.wanted_floor && log_.want_base) log_.want_base();
    if (floor == head.at.floor) return {};
    RETURN_IF_ERROR(storage_.RaiseFloor(log_.graph, log_.epoch, floor));
    report.floor = floor;
    report.floor_raised = true;
    if (log_.floor_raised) log_.floor_raised(floor);
    return {};
  }

 private:
  bool Retention() const { return options_.max_events > 0 || options_.max_age > 0; }

  // Whether retention gives up an event of this position and time.
  bool Unwanted(int64_t newer, TimeNs ts) const {
    return (options_.max_events > 0 && newer >= options_.max_events) ||
           (options_.max_age > 0 && ts < now_ - options_.max_age);
  }

  // Whether the segment up to `last` is to be sealed: it is not hot any more, or retention wants
  // it gone.
  Result<bool> Due(const GraphHead& head, int64_t last) const {
    if (last > head.at.head) return false;
    if (last <= head.at.head - options_.hot_events) return true;
    if (!Retention()) return false;
    ASSIGN_OR_RETURN(const StoredPage page, storage_.List(log_.graph, {last - 1, 1, 1}));
    return !page.events.empty() && Unwanted(head.at.head - last, page.events.front().ts);
  }

  Storage& storage_;
  const KeptLog& log_;
  const KeepOptions& options_;
  const TimeNs now_;
};

}  // namespace

Result<KeepReport> KeepLog(Storage& storage, const KeptLog& log, const KeepOptions& options,
                           TimeNs now) {
  const Round round(storage, log, options, now);
  KeepReport report;
  RETURN_IF_ERROR(round.Seal(report));
  RETURN_IF_ERROR(round.RemoveRows(report));
  RETURN_IF_ERROR(round.RaiseFloor(report));
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
    if (report->segments_sealed == 0 && report->rows_removed == 0 && !report->floor_raised) {
      continue;
    }
    LogInfo("old events put in order", {{"graph", log.graph},
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
