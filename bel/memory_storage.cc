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
                          Acquired{new_log_id_(), 0, 0, 0, 0}};
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

Result<StoredPage> MemoryStorage::List(const std::string& graph, const ListRange& range) {
  StoredPage page;
  {
    std::lock_guard lock(mutex_);
    const auto found = logs_.find(graph);
    if (found == logs_.end()) return NoSuchGraph(graph);
    const Log& log = found->second;
    page.at = log.head.at;
    if (range.since_idx < page.at.floor) return BelowFloor(graph, range.since_idx, page.at.floor);
    int64_t bytes = 0;
    for (int64_t idx = range.since_idx; idx < page.at.head; ++idx) {
      const StoredEvent& event = log.events[idx];
      bytes += static_cast<int64_t>(event.payload.size());
      const auto count = static_cast<int64_t>(page.events.size());
      if (count >= range.limit || (count > 0 && bytes > range.byte_limit)) break;
      page.events.push_back(event);
    }
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

}  // namespace databuild
