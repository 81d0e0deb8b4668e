// The reference implementation of LogChunks: everything in this process, nothing survives it.
#pragma once

#include <map>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "bel/log_chunks.h"

namespace databuild {

class MemoryLogChunks final : public LogChunks {
 public:
  Status Initialize() override { return {}; }
  Status Put(const RunKey& run, const LogChunk& chunk, TimeNs now) override;
  Result<std::vector<LogChunkInfo>> List(const RunKey& run) override;
  Result<LogChunk> Get(const RunKey& run, int64_t first_sequence) override;
  Status PutMark(const RunKey& run, const std::string& mark, TimeNs now) override;
  Result<std::optional<std::string>> Mark(const RunKey& run) override;
  Result<int64_t> RemoveOlder(const std::string& graph, TimeNs before) override;

 private:
  struct RunLog {
    std::map<int64_t, StoredLogRow> rows;  // by first sequence; 0: the mark
    TimeNs newest = 0;
  };
  std::mutex mutex_;  // guards runs_
  std::map<std::pair<std::string, std::string>, RunLog> runs_;
};

}  // namespace databuild
