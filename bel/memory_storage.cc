#include "bel/memory_storage.h"

#include <algorithm>

#include "bel/base/uuid.h"

namespace databuild {

MemoryStorage::MemoryStorage(std::function<std::string()> new_log_id)
    : new_log_id_(new_log_id ? std::move(new_log_id) : RandomUuid) {}

Result<Acquired> MemoryStorage::Acquire(const AcquireRequest& request) {
  std::lock_guard lock(mutex_);
  auto found = logs_.find(request.graph);
  if (found == logs_.end()) {
    if (request.only_if_holder) return LostHold(request);
    found = logs_.emplace(request.graph, Log{}).first;
    found->second.head = {request.graph, request.cluster_uid, request.holder,
                          Acquired{new_log_id_(), 0, 0, 0, 0, 0}};
  }
  GraphHead& head = found->second.head;
  if (head.cluster_uid != request.cluster_uid) {
    return OtherCluster(request.graph, request.cluster_uid);
  }
  if (request.only_if_holder && head.holder != request.holder) return LostHold(request);
  head.holder = request.holder;
  ++head.at.epoch;
  return head.at;
}

Result<int64_t> MemoryStorage::AppendOne(const AppendBatch& batch) {
  const auto found = logs_.find(batch.graph);
  if (found == logs_.end()) return NoSuchGraph(batch.graph);
  Log& log = found->second;
  if (log.head.at.epoch != batch.epoch || log.head.at.head != batch.expected_head) {
    return RefusedAppend(batch, log.head);
  }
  for (const auto& piece : batch.events) {
    for (const StoredEvent& event : piece) {
      log.events.push_back(event);
      log.events.back().epoch = batch.epoch;
    }
  }
  log.head.at.head = log.events.back().idx;
  log.head.at.last_ts = log.events.back().ts;
  return log.head.at.head;
}

std::vector<Result<int64_t>> MemoryStorage::AppendAll(std::span<const AppendBatch> batches) {
  std::vector<Result<int64_t>> results;
  for (const AppendBatch& batch : batches) {
    if (Status good = CheckBatch(batch); !good.ok()) {
      return std::vector<Result<int64_t>>(batches.size(), good.error());
    }
  }
  std::lock_guard lock(mutex_);
  for (const AppendBatch& batch : batches) results.push_back(AppendOne(batch));
  return results;
}

Result<int64_t> MemoryStorage::Import(const AppendBatch& batch) {
  RETURN_IF_ERROR(CheckImport(batch));
  std::lock_guard lock(mutex_);
  return AppendOne(batch);
}

namespace {

void AddRows(const std::deque<StoredEvent>& rows, const ListRange& range, StoredPage& page) {
  if (rows.empty()) return;
  const int64_t since = page.events.empty() ? range.since_idx : page.events.back().idx;
  int64_t bytes = 0;
  for (const StoredEvent& event : page.events) bytes += static_cast<int64_t>(event.payload.size());
  for (int64_t idx = since + 1; idx <= page.at.head; ++idx) {
    const StoredEvent& event = rows[static_cast<size_t>(idx - rows.front().idx)];
    bytes += static_cast<int64_t>(event.payload.size());
    const auto count = static_cast<int64_t>(page.events.size());
    if (count >= range.limit || (count > 0 && bytes > range.byte_limit)) return;
    page.events.push_back(event);
  }
}

}  // namespace

Result<StoredPage> MemoryStorage::List(const std::string& graph, const ListRange& range) {
  StoredPage page;
  {
    std::lock_guard lock(mutex_);
    const auto found = logs_.find(graph);
    if (found == logs_.end()) return NoSuchGraph(graph);
    const Log& log = found->second;
    page.at = log.head.at;
    if (range.since_idx < page.at.floor) return BelowFloor(graph, range.since_idx, page.at.floor);
    const auto segment_of = [&](int64_t idx) -> Result<Segment> {
      const auto after = log.segments.upper_bound(idx);
      if (after == log.segments.begin()) return NoSuchSegment(graph, idx);
      return std::prev(after)->second;
    };
    ASSIGN_OR_RETURN(const bool rows_follow,
                     ReadSealed({graph, segment_cache_, segment_of}, range, page));
    if (rows_follow) AddRows(log.events, range, page);
  }
  RETURN_IF_ERROR(VerifyPage(graph, range, page));
  return page;
}

Result<GraphHead> MemoryStorage::Head(const std::string& graph) {
  std::lock_guard lock(mutex_);
  const auto found = logs_.find(graph);
  if (found == logs_.end()) return NoSuchGraph(graph);
  return found->second.head;
}

Result<std::vector<GraphHead>> MemoryStorage::Graphs() {
  std::lock_guard lock(mutex_);
  std::vector<GraphHead> heads;
  for (const auto& [graph, log] : logs_) heads.push_back(log.head);
  return heads;
}

Result<MemoryStorage::Log*> MemoryStorage::Owned(const std::string& graph, int64_t epoch) {
  const auto found = logs_.find(graph);
  if (found == logs_.end()) return NoSuchGraph(graph);
  if (found->second.head.at.epoch != epoch) return FencedError(graph, epoch, found->second.head);
  return &found->second;
}

Status MemoryStorage::PutSegment(const std::string& graph, int64_t epoch, const Segment& segment) {
  std::lock_guard lock(mutex_);
  ASSIGN_OR_RETURN(Log * log, Owned(graph, epoch));
  Acquired& at = log->head.at;
  if (segment.first_idx != at.sealed + 1 || segment.last_idx > at.head) {
    return RefusedSegment(graph, epoch, segment, log->head);
  }
  const auto first = log->events.begin() + (segment.first_idx - log->events.front().idx);
  const std::vector<StoredEvent> rows(first, first + (segment.last_idx - segment.first_idx + 1));
  RETURN_IF_ERROR(CompareSegment(graph, segment, rows));
  log->segments[segment.first_idx] = segment;
  at.sealed = segment.last_idx;
  return {};
}

Result<int64_t> MemoryStorage::DropSealedRows(const std::string& graph, int64_t epoch) {
  std::lock_guard lock(mutex_);
  ASSIGN_OR_RETURN(Log * log, Owned(graph, epoch));
  if (log->events.empty() || log->events.front().idx > log->head.at.sealed) return int64_t{0};
  const auto after = log->segments.upper_bound(log->events.front().idx);
  const int64_t up_to =
      after == log->segments.begin() ? log->head.at.floor : std::prev(after)->second.last_idx;
  int64_t removed = 0;
  for (; !log->events.empty() && log->events.front().idx <= up_to; ++removed) {
    log->events.pop_front();
  }
  return removed;
}

Status MemoryStorage::RaiseFloor(const std::string& graph, int64_t epoch, int64_t floor) {
  std::lock_guard lock(mutex_);
  ASSIGN_OR_RETURN(Log * log, Owned(graph, epoch));
  if (floor > log->head.at.sealed) return FloorNotSealed(graph, floor, log->head.at.sealed);
  RETURN_IF_ERROR(CheckFloor(graph, floor, log->bases));
  log->head.at.floor = std::max(log->head.at.floor, floor);
  std::erase_if(log->segments, [&](const auto& entry) { return entry.second.last_idx <= floor; });
  return {};
}

Result<std::vector<SegmentInfo>> MemoryStorage::Segments(const std::string& graph) {
  std::lock_guard lock(mutex_);
  const auto found = logs_.find(graph);
  if (found == logs_.end()) return NoSuchGraph(graph);
  std::vector<SegmentInfo> segments;
  for (const auto& [first, segment] : found->second.segments) {
    segments.push_back(
        {first, segment.last_idx, segment.last_ts, static_cast<int64_t>(segment.bytes.size())});
  }
  return segments;
}

Status MemoryStorage::PutBaseChunk(const std::string& graph, int64_t epoch,
                                   const BaseChunk& chunk) {
  std::lock_guard lock(mutex_);
  ASSIGN_OR_RETURN(Log * log, Owned(graph, epoch));
  const bool added = log->chunks[chunk.idx].try_emplace(chunk.number, chunk.bytes).second;
  if (added) return {};
  return BadBase(graph, {chunk.idx}, "has chunk " + std::to_string(chunk.number) + " already");
}

Result<std::string> MemoryStorage::ReadBaseChunk(const std::string& graph, int64_t idx,
                                                 int32_t number) {
  std::lock_guard lock(mutex_);
  const auto found = logs_.find(graph);
  if (found == logs_.end()) return NoSuchGraph(graph);
  const auto base = found->second.chunks.find(idx);
  if (base == found->second.chunks.end()) return NoSuchBase(graph, idx);
  const auto chunk = base->second.find(number);
  if (chunk == base->second.end()) return NoSuchBase(graph, idx);
  return chunk->second;
}

Status MemoryStorage::FinishBase(const std::string& graph, int64_t epoch, const BaseInfo& base) {
  std::lock_guard lock(mutex_);
  ASSIGN_OR_RETURN(Log * log, Owned(graph, epoch));
  int64_t bytes = 0;
  const auto& chunks = log->chunks[base.idx];
  for (const auto& [number, chunk] : chunks) bytes += static_cast<int64_t>(chunk.size());
  if (chunks.empty() || bytes != base.bytes || chunks.size() != static_cast<size_t>(base.chunks) ||
      chunks.rbegin()->first != base.chunks - 1) {
    return BadBase(graph, base, "is not whole");
  }
  if (log->head.at.head > 0 && base.idx > log->head.at.head) {
    return BadBase(graph, base, "lies beyond the head");
  }
  const auto before = std::find_if(log->bases.begin(), log->bases.end(),
                                   [&](const BaseInfo& known) { return known.idx <= base.idx; });
  if (before != log->bases.end() && before->idx == base.idx) {
    return BadBase(graph, base, "is there already");
  }
  log->bases.insert(before, base);
  return {};
}

Status MemoryStorage::DropBases(const std::string& graph, int64_t epoch, int64_t idx) {
  std::lock_guard lock(mutex_);
  ASSIGN_OR_RETURN(Log * log, Owned(graph, epoch));
  RETURN_IF_ERROR(CheckDropBases(log->head, idx, log->bases));
  std::erase_if(log->bases, [&](const BaseInfo& base) { return base.idx < idx; });
  std::erase_if(log->chunks, [&](const auto& entry) {
    return std::none_of(log->bases.begin(), log->bases.end(),
                        [&](const BaseInfo& base) { return base.idx == entry.first; });
  });
  return {};
}

Result<std::vector<BaseInfo>> MemoryStorage::Bases(const std::string& graph) {
  std::lock_guard lock(mutex_);
  const auto found = logs_.find(graph);
  if (found == logs_.end()) return NoSuchGraph(graph);
  return found->second.bases;
}

Status MemoryStorage::BeginAt(const std::string& graph, int64_t epoch, int64_t floor) {
  std::lock_guard lock(mutex_);
  ASSIGN_OR_RETURN(Log * log, Owned(graph, epoch));
  Acquired& at = log->head.at;
  if (at.head != 0) return NotEmpty(graph, at.head);
  RETURN_IF_ERROR(CheckFloor(graph, floor, log->bases));
  at.head = at.floor = at.sealed = floor;
  return {};
}

}  // namespace databuild
