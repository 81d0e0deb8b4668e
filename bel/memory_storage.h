// The reference implementation of Storage: everything in this process, nothing survives it. For
// tests, the simulator, and beneath the stdout backend.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "bel/segment.h"
#include "bel/storage.h"

namespace databuild {

class MemoryStorage final : public Storage {
 public:
  // `new_log_id` names new logs; default: random UUIDs. A simulation passes its own.
  explicit MemoryStorage(std::function<std::string()> new_log_id = nullptr);

  Status Initialize() override { return {}; }
  Result<Acquired> Acquire(const AcquireRequest& request) override;
  std::vector<Result<int64_t>> AppendAll(std::span<const AppendBatch> batches) override;
  Result<int64_t> Import(const AppendBatch& batch) override;
  Result<StoredPage> List(const std::string& graph, const ListRange& range) override;
  Result<GraphHead> Head(const std::string& graph) override;
  Result<std::vector<GraphHead>> Graphs() override;
  Status PutSegment(const std::string& graph, int64_t epoch, const Segment& segment) override;
  Result<int64_t> DropSealedRows(const std::string& graph, int64_t epoch) override;
  Status RaiseFloor(const std::string& graph, int64_t epoch, int64_t floor) override;
  Result<std::vector<SegmentInfo>> Segments(const std::string& graph) override;
  Status PutBaseChunk(const std::string& graph, int64_t epoch, const BaseChunk& chunk) override;
  Result<std::string> ReadBaseChunk(const std::string& graph, int64_t idx, int32_t number) override;
  Status FinishBase(const std::string& graph, int64_t epoch, const BaseInfo& base) override;
  Status DropBases(const std::string& graph, int64_t epoch, int64_t idx) override;
  Result<std::vector<BaseInfo>> Bases(const std::string& graph) override;
  Status BeginAt(const std::string& graph, int64_t epoch, int64_t floor) override;
  const char* name() const override { return "memory"; }

 private:
  struct Log {
    GraphHead head;
    std::deque<StoredEvent> events;                            // the rows, in order
    std::map<int64_t, Segment> segments;                       // by first idx
    std::vector<BaseInfo> bases;                               // newest first
    std::map<int64_t, std::map<int32_t, std::string>> chunks;  // by idx of the base and number
  };
  Result<int64_t> AppendOne(const AppendBatch& batch);
  Result<Log*> Owned(const std::string& graph, int64_t epoch);

  std::function<std::string()> new_log_id_;
  std::mutex mutex_;  // guards logs_
  std::map<std::string, Log> logs_;
  SegmentCache segment_cache_;
};

}  // namespace databuild
