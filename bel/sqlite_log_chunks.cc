#include "bel/sqlite_log_chunks.h"

#include <utility>

#include "bel/base/log.h"
#include "bel/sql_text.h"
#include "bel/sqlite_checkpoints.h"
#include "bel/sqlite_connection.h"

namespace databuild {
namespace {

LogChunkInfo ReadInfo(const SqliteStatement& row) {
  return {row.Int(0), row.Int(1), row.Int(2), row.Int(3), static_cast<int32_t>(row.Int(4))};
}

}  // namespace

SqliteLogChunks::SqliteLogChunks(std::string path, StorageTimeouts timeouts)
    : path_(std::move(path) + ".logs"), timeouts_(timeouts) {}
SqliteLogChunks::~SqliteLogChunks() = default;

Status SqliteLogChunks::Initialize() {
  const std::lock_guard lock(mutex_);
  if (connection_ != nullptr) return {};
  ASSIGN_OR_RETURN(
      auto connection,
      SqliteConnection::Open(path_, SqliteConnection::Mode::kReadWrite, timeouts_.statement));
  RETURN_IF_ERROR(connection->Run(sql::kSqliteLogs));
  connection_ = std::move(connection);
  return {};
}

Status SqliteLogChunks::RequireOpen() const {
  if (connection_ != nullptr) return {};
  return Error{Errc::kUnavailable, "SQLite file " + path_ + " is not open; call Initialize first"};
}

void SqliteLogChunks::KeepWalShort() {
  if (connection_->wal_pages() < kCheckpointPages) return;
  if (Status copied = connection_->Checkpoint(); !copied.ok())
    LogWarn("checkpoint of the job logs failed", {{"error", copied.error().message}});
}

Result<bool> SqliteLogChunks::Insert(const RunKey& run, const StoredLogRow& row, TimeNs now) {
  RETURN_IF_ERROR(RequireOpen());
  ASSIGN_OR_RETURN(SqliteStatement put, connection_->Prepare(sql::kSqliteLogPut));
  put.Bind(1, run.graph).Bind(2, run.run_id);
  put.Bind(3, row.info.first_sequence).Bind(4, row.info.last_sequence);
  put.Bind(5, row.info.first_ts).Bind(6, row.info.last_ts);
  put.Bind(7, int64_t{row.info.max_level}).Bind(8, now).Bind(9, row.codec);
  put.Bind(10, int64_t{row.crc32c}).BindBytes(11, row.bytes);
  RETURN_IF_ERROR(put.Step());
  const bool added = connection_->Changes() == 1;
  put.Reset();
  KeepWalShort();
  return added;
}

Result<std::optional<StoredLogRow>> SqliteLogChunks::Find(const RunKey& run,
                                                          int64_t first_sequence) {
  RETURN_IF_ERROR(RequireOpen());
  ASSIGN_OR_RETURN(SqliteStatement get, connection_->Prepare(sql::kSqliteLogGet));
  get.Bind(1, run.graph).Bind(2, run.run_id).Bind(3, first_sequence);
  ASSIGN_OR_RETURN(const bool found, get.Step());
  if (!found) return std::optional<StoredLogRow>();
  return std::optional(
      StoredLogRow{ReadInfo(get), get.Text(5), static_cast<uint32_t>(get.Int(6)), get.Text(7)});
}

Status SqliteLogChunks::Put(const RunKey& run, const LogChunk& chunk, TimeNs now) {
  ASSIGN_OR_RETURN(const StoredLogRow row, PackLogChunk(run, chunk));
  const std::lock_guard lock(mutex_);
  ASSIGN_OR_RETURN(const bool added, Insert(run, row, now));
  if (added) return {};
  ASSIGN_OR_RETURN(const std::optional<StoredLogRow> stored, Find(run, row.info.first_sequence));
  return ComparedWithStored(run, chunk.info, stored ? stored->info.last_sequence : 0);
}

Result<std::vector<LogChunkInfo>> SqliteLogChunks::List(const RunKey& run) {
  const std::lock_guard lock(mutex_);
  RETURN_IF_ERROR(RequireOpen());
  ASSIGN_OR_RETURN(SqliteStatement list, connection_->Prepare(sql::kSqliteLogList));
  list.Bind(1, run.graph).Bind(2, run.run_id);
  std::vector<LogChunkInfo> chunks;
  while (true) {
    ASSIGN_OR_RETURN(const bool more, list.Step());
    if (!more) return chunks;
    chunks.push_back(ReadInfo(list));
  }
}

Result<LogChunk> SqliteLogChunks::Get(const RunKey& run, int64_t first_sequence) {
  std::optional<StoredLogRow> row;
  if (first_sequence >= 1) {
    const std::lock_guard lock(mutex_);
    ASSIGN_OR_RETURN(row, Find(run, first_sequence));
  }
  if (!row) return NoSuchChunk(run, first_sequence);
  return UnpackLogChunk(run, std::move(*row));
}

Status SqliteLogChunks::PutMark(const RunKey& run, const std::string& mark, TimeNs now) {
  ASSIGN_OR_RETURN(const StoredLogRow row, PackLogMark(run, mark));
  const std::lock_guard lock(mutex_);
  RETURN_IF_ERROR(Insert(run, row, now));
  return {};
}

Result<std::optional<std::string>> SqliteLogChunks::Mark(const RunKey& run) {
  std::optional<StoredLogRow> row;
  {
    const std::lock_guard lock(mutex_);
    ASSIGN_OR_RETURN(row, Find(run, 0));
  }
  if (!row) return std::optional<std::string>();
  ASSIGN_OR_RETURN(std::string mark, UnpackLogMark(run, std::move(*row)));
  return std::optional<std::string>(std::move(mark));
}

Result<int64_t> SqliteLogChunks::RemoveOlder(const std::string& graph, TimeNs before) {
  const std::lock_guard lock(mutex_);
  RETURN_IF_ERROR(RequireOpen());
  ASSIGN_OR_RETURN(SqliteStatement remove, connection_->Prepare(sql::kSqliteLogRemoveOlder));
  remove.Bind(1, graph).Bind(2, before);
  RETURN_IF_ERROR(remove.Step());
  const int64_t removed = connection_->Changes();
  remove.Reset();
  KeepWalShort();
  return removed;
}

}  // namespace databuild
