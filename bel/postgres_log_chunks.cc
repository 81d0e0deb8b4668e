#include "bel/postgres_log_chunks.h"

#include <utility>

#include "bel/postgres_connection.h"
#include "bel/sql_text.h"

namespace databuild {
namespace {

constexpr size_t kMaxIdle = 2;

LogChunkInfo ReadInfo(const PostgresRows& rows, int row) {
  return {rows.Int(row, 0), rows.Int(row, 1), rows.Int(row, 2), rows.Int(row, 3),
          static_cast<int32_t>(rows.Int(row, 4))};
}

}  // namespace

PostgresLogChunks::PostgresLogChunks(std::string uri, StorageTimeouts timeouts)
    : uri_(std::move(uri)), timeouts_(timeouts) {}
PostgresLogChunks::~PostgresLogChunks() = default;

Result<PostgresRows> PostgresLogChunks::Execute(const PostgresStatement& statement) {
  std::unique_ptr<PostgresConnection> connection;
  {
    const std::lock_guard lock(mutex_);
    while (!idle_.empty() && connection == nullptr) {
      if (idle_.back()->usable()) connection = std::move(idle_.back());
      idle_.pop_back();
    }
  }
  if (connection == nullptr) {
    ASSIGN_OR_RETURN(connection,
                     PostgresConnection::Open(uri_, timeouts_.connect, timeouts_.statement));
  }
  Result<PostgresRows> rows = connection->Execute(statement);
  if (connection->usable()) {
    const std::lock_guard lock(mutex_);
    if (idle_.size() < kMaxIdle) idle_.push_back(std::move(connection));
  }
  return rows;
}

// False: a row was there already, or the graph has no log.
Result<bool> PostgresLogChunks::Insert(const RunKey& run, const StoredLogRow& row, TimeNs now) {
  PostgresStatement put{sql::kPostgresLogPut, {}};
  put.params.Text(run.graph).Text(run.run_id);
  put.params.Int(row.info.first_sequence).Int(row.info.last_sequence);
  put.params.Int(row.info.first_ts).Int(row.info.last_ts).Int4(row.info.max_level).Int(now);
  put.params.Text(row.codec).Int4(static_cast<int32_t>(row.crc32c)).Bytes(row.bytes);
  ASSIGN_OR_RETURN(const PostgresRows rows, Execute(put));
  return rows.count() == 1;
}

Result<std::optional<StoredLogRow>> PostgresLogChunks::Find(const RunKey& run,
                                                            int64_t first_sequence) {
  PostgresStatement get{sql::kPostgresLogGet, {}};
  get.params.Text(run.graph).Text(run.run_id).Int(first_sequence);
  ASSIGN_OR_RETURN(const PostgresRows rows, Execute(get));
  if (rows.count() == 0) return std::optional<StoredLogRow>();
  return std::optional(StoredLogRow{ReadInfo(rows, 0), rows.Text(0, 5),
                                    static_cast<uint32_t>(rows.Int(0, 6)), rows.Text(0, 7)});
}

Status PostgresLogChunks::Put(const RunKey& run, const LogChunk& chunk, TimeNs now) {
  ASSIGN_OR_RETURN(const StoredLogRow row, PackLogChunk(run, chunk));
  ASSIGN_OR_RETURN(const bool added, Insert(run, row, now));
  if (added) return {};
  ASSIGN_OR_RETURN(const std::optional<StoredLogRow> stored, Find(run, row.info.first_sequence));
  if (!stored) return NoSuchGraph(run.graph);
  return ComparedWithStored(run, chunk.info, stored->info.last_sequence);
}

Result<std::vector<LogChunkInfo>> PostgresLogChunks::List(const RunKey& run) {
  PostgresStatement list{sql::kPostgresLogList, {}};
  list.params.Text(run.graph).Text(run.run_id);
  ASSIGN_OR_RETURN(const PostgresRows rows, Execute(list));
  std::vector<LogChunkInfo> chunks;
  for (int row = 0; row < rows.count(); ++row) chunks.push_back(ReadInfo(rows, row));
  return chunks;
}

Result<LogChunk> PostgresLogChunks::Get(const RunKey& run, int64_t first_sequence) {
  std::optional<StoredLogRow> row;
  if (first_sequence >= 1) {
    ASSIGN_OR_RETURN(row, Find(run, first_sequence));
  }
  if (!row) return NoSuchChunk(run, first_sequence);
  return UnpackLogChunk(run, std::move(*row));
}

Status PostgresLogChunks::PutMark(const RunKey& run, const std::string& mark, TimeNs now) {
  ASSIGN_OR_RETURN(const StoredLogRow row, PackLogMark(run, mark));
  ASSIGN_OR_RETURN(const bool added, Insert(run, row, now));
  if (added) return {};
  ASSIGN_OR_RETURN(const std::optional<StoredLogRow> stored, Find(run, 0));
  if (!stored) return NoSuchGraph(run.graph);
  return {};
}

Result<std::optional<std::string>> PostgresLogChunks::Mark(const RunKey& run) {
  ASSIGN_OR_RETURN(std::optional<StoredLogRow> row, Find(run, 0));
  if (!row) return std::optional<std::string>();
  ASSIGN_OR_RETURN(std::string mark, UnpackLogMark(run, std::move(*row)));
  return std::optional<std::string>(std::move(mark));
}

Result<int64_t> PostgresLogChunks::RemoveOlder(const std::string& graph, TimeNs before) {
  PostgresStatement remove{sql::kPostgresLogRemoveOlder, {}};
  remove.params.Text(graph).Int(before);
  ASSIGN_OR_RETURN(const PostgresRows rows, Execute(remove));
  return rows.affected();
}

}  // namespace databuild
