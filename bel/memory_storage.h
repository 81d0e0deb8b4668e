// The reference implementation of Storage: everything in this process, nothing survives it. For
// tests, the simulator, and beneath the stdout backend.
#pragma once

#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <vector>

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
  const char* name() const override { return "memory"; }

 private:
  struct Log {
    GraphHead head;
    std::vector<StoredEvent> events;  // events[i].idx == i + 1
  };
  Result<int64_t> AppendOne(const AppendBatch& batch);

  std::function<std::string()> new_log_id_;
  std::mutex mutex_;  // guards logs_
  std::map<std::string, Log> logs_;
};

}  // namespace databuild
