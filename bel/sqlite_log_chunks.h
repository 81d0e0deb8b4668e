// LogChunks in `<path>.logs`, the second file beside a SqliteStorage, whose lock keeps other
// processes out. One connection, one call at a time.
#pragma once

#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "bel/log_chunks.h"
#include "bel/storage.h"

namespace databuild {

class SqliteConnection;

class SqliteLogChunks final : public LogChunks {
 public:
  // `path` is the storage's.
  SqliteLogChunks(std::string path, StorageTimeouts timeouts);
  ~SqliteLogChunks() override;

  Status Initialize() override;
  Status Put(const RunKey& run, const LogChunk& chunk, TimeNs now) override;
  Result<std::vector<LogChunkInfo>> List(const RunKey& run) override;
  Result<LogChunk> Get(const RunKey& run, int64_t first_sequence) override;
  Status PutMark(const RunKey& run, const std::string& mark, TimeNs now) override;
  Result<std::optional<std::string>> Mark(const RunKey& run) override;
  Result<int64_t> RemoveOlder(const std::string& graph, TimeNs before) override;

 private:
  // These hold the lock already.
  Status RequireOpen() const;
  // The one connection copies the WAL into the file itself, when enough has come together.
  void KeepWalShort();
  Result<bool> Insert(const RunKey& run, const StoredLogRow& row, TimeNs now);
  Result<std::optional<StoredLogRow>> Find(const RunKey& run, int64_t first_sequence);

  const std::string path_;
  const StorageTimeouts timeouts_;
  std::mutex mutex_;  // guards connection_
  std::unique_ptr<SqliteConnection> connection_;
};

}  // namespace databuild
