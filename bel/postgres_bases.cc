// Bases in Postgres. What may be added and removed is decided there, by triggers of
// migration_003.sql.
#include "bel/postgres_connection.h"
#include "bel/postgres_storage.h"
#include "bel/sql_text.h"

namespace databuild {

// A statement that gives one row unless another writer took over.
Status PostgresStorage::ExecuteFenced(const PostgresStatement& statement, const std::string& graph,
                                      int64_t epoch) {
  RETURN_IF_ERROR(RequireWritable());
  ASSIGN_OR_RETURN(auto taken, TakeReader());
  Reader connection(this, std::move(taken));
  ASSIGN_OR_RETURN(const PostgresRows rows, connection->Execute(statement));
  if (rows.count() == 1) return {};
  ASSIGN_OR_RETURN(const GraphHead now, HeadOf(*connection, graph));
  return FencedError(graph, epoch, now);
}

Status PostgresStorage::PutBaseChunk(const std::string& graph, int64_t epoch,
                                     const BaseChunk& chunk) {
  PostgresStatement put{sql::kPostgresPutBaseChunk, {}};
  put.params.Text(graph).Int(epoch).Int(chunk.idx).Int4(chunk.number).Bytes(chunk.bytes);
  return ExecuteFenced(put, graph, epoch);
}

Result<std::string> PostgresStorage::ReadBaseChunk(const std::string& graph, int64_t idx,
                                                   int32_t number) {
  ASSIGN_OR_RETURN(auto taken, TakeReader());
  Reader connection(this, std::move(taken));
  PostgresStatement statement{sql::kPostgresBaseChunk, {}};
  statement.params.Text(graph).Int(idx).Int4(number);
  ASSIGN_OR_RETURN(const PostgresRows rows, connection->Execute(statement));
  if (rows.count() == 0) return NoSuchBase(graph, idx);
  return rows.Text(0, 0);
}

Status PostgresStorage::FinishBase(const std::string& graph, int64_t epoch, const BaseInfo& base) {
  PostgresStatement finish{sql::kPostgresFinishBase, {}};
  finish.params.Text(graph).Int(epoch).Int(base.idx).Int4(base.model_version).Int4(base.chunks);
  finish.params.Int(base.bytes).Int4(static_cast<int32_t>(base.crc32c));
  return ExecuteFenced(finish, graph, epoch);
}

Status PostgresStorage::DropBases(const std::string& graph, int64_t epoch, int64_t idx) {
  RETURN_IF_ERROR(RequireWritable());
  ASSIGN_OR_RETURN(const GraphHead head, Head(graph));
  if (head.at.epoch != epoch) return FencedError(graph, epoch, head);
  ASSIGN_OR_RETURN(const std::vector<BaseInfo> bases, Bases(graph));
  RETURN_IF_ERROR(CheckDropBases(head, idx, bases));
  ASSIGN_OR_RETURN(auto taken, TakeReader());
  Reader connection(this, std::move(taken));
  PostgresStatement drop{sql::kPostgresDropBases, {}};
  drop.params.Text(graph).Int(epoch).Int(idx);
  RETURN_IF_ERROR(connection->Execute(drop));
  // A crash in between leaves chunks of no base, which the next call removes.
  PostgresStatement chunks{sql::kPostgresDropBaseChunks, {}};
  chunks.params.Text(graph).Int(epoch);
  RETURN_IF_ERROR(connection->Execute(chunks));
  return {};
}

Result<std::vector<BaseInfo>> PostgresStorage::Bases(const std::string& graph) {
  ASSIGN_OR_RETURN(auto taken, TakeReader());
  Reader connection(this, std::move(taken));
  RETURN_IF_ERROR(HeadOf(*connection, graph));
  PostgresStatement statement{sql::kPostgresBases, {}};
  statement.params.Text(graph);
  ASSIGN_OR_RETURN(const PostgresRows rows, connection->Execute(statement));
  std::vector<BaseInfo> bases;
  for (int row = 0; row < rows.count(); ++row) {
    bases.push_back({rows.Int(row, 0), static_cast<int32_t>(rows.Int(row, 1)),
                     static_cast<int32_t>(rows.Int(row, 2)), rows.Int(row, 3),
                     static_cast<uint32_t>(rows.Int(row, 4))});
  }
  return bases;
}

Status PostgresStorage::BeginAt(const std::string& graph, int64_t epoch, int64_t floor) {
  ASSIGN_OR_RETURN(const GraphHead head, Head(graph));
  if (head.at.head != 0) return NotEmpty(graph, head.at.head);
  ASSIGN_OR_RETURN(const std::vector<BaseInfo> bases, Bases(graph));
  RETURN_IF_ERROR(CheckFloor(graph, floor, bases));
  PostgresStatement statement{sql::kPostgresBeginAt, {}};
  statement.params.Text(graph).Int(epoch).Int(floor);
  RETURN_IF_ERROR(CallFenced(statement, graph, epoch));
  return {};
}

}  // namespace databuild
