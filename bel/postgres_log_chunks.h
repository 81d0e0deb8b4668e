// LogChunks in table bel_logs of the storage's database. Connections of its own, so that large
// chunks do not hold up appends.
#pragma once

#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "bel/log_chunks.h"
#include "bel/storage.h"

namespace databuild {

class PostgresConnection;
class PostgresRows;
struct PostgresStatement;

class PostgresLogChunks final : public LogChunks {
 public:
  PostgresLogChunks(std::string uri, StorageTimeouts timeouts);
  ~PostgresLogChunks() override;

  // The tables are the storage's: it migrates.
  Status Initialize() override { return {}; }
  Status Put(const RunKey& run, const LogChunk& chunk, TimeNs now) override;
  Result<std::vector<LogChunkInfo>> List(const RunKey& run) override;
  Result<LogChunk> Get(const RunKey& run, int64_t first_sequence) override;
  Status PutMark(const RunKey& run, const std::string& mark, TimeNs now) override;
  Result<std::optional<std::string>> Mark(const RunKey& run) override;
  Result<int64_t> RemoveOlder(const std::string& graph, TimeNs before) override;

 private:
  Result<PostgresRows> Execute(const PostgresStatement& statement);
  Result<bool> Insert(const RunKey& run, const StoredLogRow& row, TimeNs now);
  Result<std::optional<StoredLogRow>> Find(const RunKey& run, int64_t first_sequence);

  const std::string uri_;
  const StorageTimeouts timeouts_;
  std::mutex mutex_;  // guards idle_
  std::vector<std::unique_ptr<PostgresConnection>> idle_;
};

}  // namespace databuild
