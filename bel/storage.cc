#include "bel/storage.h"

#include "bel/base/crc32c.h"
#include "bel/base/uuid.h"

namespace databuild {
namespace {

Error Bad(const AppendBatch& batch, Errc code, const std::string& what) {
  return Error{code, "append to log of graph " + batch.graph + ": " + what};
}

Status CheckEvent(const AppendBatch& batch, const StoredEvent& event, int64_t expected_idx) {
  if (event.idx != expected_idx) {
    return Bad(batch, Errc::kInvalidArgument,
               "idx " + std::to_string(event.idx) + " where " + std::to_string(expected_idx) +
                   " comes next");
  }
  if (!ParseUuid(event.event_id)) {
    return Bad(batch, Errc::kInvalidArgument, "event_id \"" + event.event_id + "\" is not a UUID");
  }
  if (event.payload.size() > kMaxEventBytes) {
    return Bad(batch, Errc::kTooLarge,
               "event " + event.event_id + " has " + std::to_string(event.payload.size()) +
                   " bytes, at most " + std::to_string(kMaxEventBytes) + " are allowed; split it");
  }
  return {};
}

Status CheckWithin(const AppendBatch& batch, int64_t max_events, size_t max_bytes) {
  int64_t idx = batch.expected_head;
  TimeNs ts = 0;
  size_t bytes = 0;
  for (const auto& piece : batch.events) {
    for (const StoredEvent& event : piece) {
      RETURN_IF_ERROR(CheckEvent(batch, event, ++idx));
      if (event.ts <= ts) {
        return Bad(
            batch, Errc::kInvalidArgument,
            "timestamp of idx " + std::to_string(event.idx) + " is not after the one before");
      }
      ts = event.ts;
      bytes += event.payload.size();
    }
  }
  if (idx == batch.expected_head) return Bad(batch, Errc::kInvalidArgument, "no events");
  if (bytes > max_bytes || idx - batch.expected_head > max_events) {
    return Bad(batch, Errc::kTooLarge,
               std::to_string(idx - batch.expected_head) + " events of " + std::to_string(bytes) +
                   " bytes in one batch, at most " + std::to_string(max_events) + " and " +
                   std::to_string(max_bytes) + " are allowed");
  }
  return {};
}

Error NoSegments(const Storage& storage) {
  return Error{Errc::kUnsupported, std::string("the storage ") + storage.name() +
                                       " keeps every event as it is; it has no segments"};
}

class Answered final : public AppendInFlight {
 public:
  explicit Answered(std::vector<Result<int64_t>> results) : results_(std::move(results)) {}
  std::vector<Result<int64_t>> Wait() override { return std::move(results_); }

 private:
  std::vector<Result<int64_t>> results_;
};

}  // namespace

std::unique_ptr<AppendInFlight> Storage::BeginAppend(std::span<const AppendBatch> batches) {
  return std::make_unique<Answered>(AppendAll(batches));
}

Status Storage::PutSegment(const std::string&, int64_t, const Segment&) {
  return NoSegments(*this);
}
Result<int64_t> Storage::DropSealedRows(const std::string&, int64_t) { return NoSegments(*this); }
Status Storage::RaiseFloor(const std::string&, int64_t, int64_t) { return NoSegments(*this); }
Result<std::vector<SegmentInfo>> Storage::Segments(const std::string&) { return NoSegments(*this); }

Status Storage::PutBaseChunk(const std::string&, int64_t, const BaseChunk&) {
  return NoSegments(*this);
}
Result<std::string> Storage::ReadBaseChunk(const std::string&, int64_t, int32_t) {
  return NoSegments(*this);
}
Status Storage::FinishBase(const std::string&, int64_t, const BaseInfo&) {
  return NoSegments(*this);
}
Status Storage::DropBases(const std::string&, int64_t, int64_t) { return NoSegments(*this); }
Result<std::vector<BaseInfo>> Storage::Bases(const std::string&) { return NoSegments(*this); }
Status Storage::BeginAt(const std::string&, int64_t, int64_t) { return NoSegments(*this); }

std::unique_ptr<AppendInFlight> AnsweredAppend(std::span<const AppendBatch> batches,
                                               const Error& error) {
  return std::make_unique<Answered>(std::vector<Result<int64_t>>(batches.size(), error));
}

Result<int64_t> Storage::Append(const std::string& graph, int64_t epoch, int64_t expected_head,
                                std::span<const StoredEvent> events) {
  const AppendBatch batch{graph, epoch, expected_head, {events}};
  return std::move(AppendAll({&batch, 1}).front());
}

int64_t CountEvents(const AppendBatch& batch) {
  int64_t count = 0;
  for (const auto& piece : batch.events) count += static_cast<int64_t>(piece.size());
  return count;
}

TimeNs NewestTs(const AppendBatch& batch) {
  for (auto piece = batch.events.rbegin(); piece != batch.events.rend(); ++piece) {
    if (!piece->empty()) return piece->back().ts;
  }
  return 0;
}

Status CheckBatch(const AppendBatch& batch) {
  return CheckWithin(batch, kMaxAppendEvents, kMaxAppendBytes);
}

Status CheckImport(const AppendBatch& batch) {
  return CheckWithin(batch, kMaxImportEvents, kMaxImportBytes);
}

Status VerifyPage(const std::string& graph, const ListRange& range, const StoredPage& page) {
  int64_t idx = range.since_idx;
  for (const StoredEvent& event : page.events) {
    if (event.idx != ++idx) {
      return Error{Errc::kCorrupt, "log of graph " + graph + ": idx " + std::to_string(idx) +
                                       " is missing, " + std::to_string(event.idx) +
                                       " follows; restore the log from a backup"};
    }
    if (Crc32c(event.payload) != event.crc32c) {
      return Error{Errc::kCorrupt,
                   "log of graph " + graph + ": the bytes of idx " + std::to_string(idx) +
                       " do not match their checksum; restore the log from a backup"};
    }
  }
  if (page.events.empty() && range.since_idx < page.at.head && range.limit > 0) {
    return Error{Errc::kCorrupt, "log of graph " + graph + ": idx " + std::to_string(idx + 1) +
                                     " is missing although the head is " +
                                     std::to_string(page.at.head) +
                                     "; restore the log from a backup"};
  }
  return {};
}

Error NoSuchGraph(const std::string& graph) {
  return Error{Errc::kNotFound, "there is no log of graph " + graph + " in this storage"};
}

Error BelowFloor(const std::string& graph, int64_t since_idx, int64_t floor) {
  return Error{Errc::kOutOfRange,
               "log of graph " + graph + ": events after idx " + std::to_string(since_idx) +
                   " are not all there any more; the floor is " + std::to_string(floor) +
                   ", read from since_idx " + std::to_string(floor)};
}

Error FencedError(const std::string& graph, int64_t epoch, const GraphHead& now) {
  return Error{Errc::kFenced, "append to log of graph " + graph + ": epoch " +
                                  std::to_string(epoch) + " was fenced, " + now.holder +
                                  " writes with epoch " + std::to_string(now.at.epoch)};
}

Error ConflictError(const std::string& graph, int64_t expected_head, const GraphHead& now) {
  return Error{Errc::kConflict, "append to log of graph " + graph + ": expected head " +
                                    std::to_string(expected_head) + ", it is " +
                                    std::to_string(now.at.head)};
}

Error RefusedAppend(const AppendBatch& batch, const GraphHead& now) {
  if (now.at.epoch != batch.epoch) return FencedError(batch.graph, batch.epoch, now);
  return ConflictError(batch.graph, batch.expected_head, now);
}

Error RefusedSegment(const std::string& graph, int64_t epoch, const Segment& segment,
                     const GraphHead& now) {
  if (now.at.epoch != epoch) return FencedError(graph, epoch, now);
  return Error{Errc::kConflict, "seal idx " + std::to_string(segment.first_idx) + " to " +
                                    std::to_string(segment.last_idx) + " of graph " + graph +
                                    ": the sealed range ends at " + std::to_string(now.at.sealed) +
                                    " and the head is " + std::to_string(now.at.head)};
}

Error FloorNotSealed(const std::string& graph, int64_t floor, int64_t sealed) {
  return Error{Errc::kInvalidArgument, "raise the floor of graph " + graph + " to " +
                                           std::to_string(floor) + ": only idx up to " +
                                           std::to_string(sealed) + " are sealed"};
}

Error FloorWithoutBase(const std::string& graph, int64_t floor) {
  return Error{Errc::kInvalidArgument, "raise the floor of graph " + graph + " to " +
                                           std::to_string(floor) +
                                           ": no base reaches that far; write one first"};
}

Error LastBase(const std::string& graph, int64_t idx, int64_t floor) {
  return Error{Errc::kInvalidArgument,
               "drop the bases of graph " + graph + " before idx " + std::to_string(idx) +
                   ": none would be left for the events up to the floor " + std::to_string(floor)};
}

Error NoSuchBase(const std::string& graph, int64_t idx) {
  return Error{Errc::kNotFound, "graph " + graph + " has no base of idx " + std::to_string(idx) +
                                    ", or not all of it"};
}

Error NotEmpty(const std::string& graph, int64_t head) {
  return Error{Errc::kAlreadyExists,
               "graph " + graph + " has a log up to idx " + std::to_string(head) + " already"};
}

Error BadBase(const std::string& graph, const BaseInfo& base, const std::string& what) {
  return Error{Errc::kInvalidArgument,
               "the base of idx " + std::to_string(base.idx) + " of graph " + graph + " " + what};
}

Status CheckFloor(const std::string& graph, int64_t floor, const std::vector<BaseInfo>& bases) {
  if (floor <= 0 || (!bases.empty() && bases.front().idx >= floor)) return {};
  return FloorWithoutBase(graph, floor);
}

Status CheckDropBases(const GraphHead& head, int64_t idx, const std::vector<BaseInfo>& bases) {
  const int64_t floor = head.at.floor;
  if (floor == 0) return {};
  for (const BaseInfo& base : bases) {
    if (base.idx >= floor && base.idx >= idx) return {};
  }
  // A floor of a time before bases: there is none to lose.
  if (bases.empty() || bases.front().idx < floor) return {};
  return LastBase(head.graph, idx, floor);
}

Error OtherCluster(const std::string& graph, const std::string& cluster_uid) {
  return Error{Errc::kPermissionDenied, "the log of graph " + graph +
                                            " belongs to another cluster, not to " + cluster_uid +
                                            "; give this operator a database of its own"};
}

Error LostHold(const AcquireRequest& request) {
  return Error{Errc::kFenced, "log of graph " + request.graph + ": " + request.holder +
                                  " is not its writer any more"};
}

}  // namespace databuild
