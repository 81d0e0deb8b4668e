// Sealed ranges in Postgres. What may leave the tables is decided there, by triggers and functions
// of migration_002.sql.
#include "bel/postgres_connection.h"
#include "bel/postgres_storage.h"
#include "bel/sql_text.h"

namespace databuild {

Result<Segment> PostgresStorage::SegmentAt(PostgresConnection& connection, const std::string& graph,
                                           int64_t idx) {
  PostgresStatement statement{sql::kPostgresSegmentAt, {}};
  statement.params.Text(graph).Int(idx);
  ASSIGN_OR_RETURN(const PostgresRows rows, connection.Execute(statement));
  if (rows.count() == 0) return NoSuchSegment(graph, idx);
  return Segment{rows.Int(0, 0),
                 rows.Int(0, 1),
                 rows.Int(0, 2),
                 rows.Text(0, 3),
                 static_cast<uint32_t>(rows.Int(0, 4)),
                 rows.Text(0, 5),
                 rows.Text(0, 6)};
}

Status PostgresStorage::PutSegment(const std::string& graph, int64_t epoch,
                                   const Segment& segment) {
  RETURN_IF_ERROR(RequireWritable());
  ASSIGN_OR_RETURN(auto taken, TakeReader());
  Reader connection(this, std::move(taken));
  PostgresStatement put{sql::kPostgresPutSegment, {}};
  put.params.Text(graph).Int(epoch).Int(segment.first_idx).Int(segment.last_idx);
  put.params.Int(segment.last_ts).Text(segment.codec).Int4(static_cast<int32_t>(segment.crc32c));
  put.params.Bytes(segment.events_sha256).Bytes(segment.bytes);
  PostgresStatement seal{sql::kPostgresSeal, {}};
  seal.params.Text(graph).Int(epoch).Int(segment.first_idx - 1).Int(segment.last_idx);
  // When something fails half way the connection is left inside a transaction, hence closed.
  RETURN_IF_ERROR(connection->Run("BEGIN"));
  for (const PostgresStatement* statement : {&put, &seal}) {
    ASSIGN_OR_RETURN(const PostgresRows rows, connection->Execute(*statement));
    if (rows.count() == 1) continue;
    RETURN_IF_ERROR(connection->Run("ROLLBACK"));
    ASSIGN_OR_RETURN(const GraphHead now, HeadOf(*connection, graph));
    return RefusedSegment(graph, epoch, segment, now);
  }
  return connection->Run("COMMIT");
}

// One row with one number, NULL when another writer took over.
Result<int64_t> PostgresStorage::CallFenced(const PostgresStatement& statement,
                                            const std::string& graph, int64_t epoch) {
  RETURN_IF_ERROR(RequireWritable());
  ASSIGN_OR_RETURN(auto taken, TakeReader());
  Reader connection(this, std::move(taken));
  ASSIGN_OR_RETURN(const PostgresRows rows, connection->Execute(statement));
  if (rows.count() == 1 && !rows.IsNull(0, 0)) return rows.Int(0, 0);
  ASSIGN_OR_RETURN(const GraphHead now, HeadOf(*connection, graph));
  return FencedError(graph, epoch, now);
}

Result<int64_t> PostgresStorage::DropSealedRows(const std::string& graph, int64_t epoch) {
  PostgresStatement statement{sql::kPostgresDropSealed, {}};
  statement.params.Text(graph).Int(epoch);
  return CallFenced(statement, graph, epoch);
}

Status PostgresStorage::RaiseFloor(const std::string& graph, int64_t epoch, int64_t floor) {
  ASSIGN_OR_RETURN(const GraphHead head, Head(graph));
  if (head.at.epoch != epoch) return FencedError(graph, epoch, head);
  if (floor > head.at.sealed) return FloorNotSealed(graph, floor, head.at.sealed);
  ASSIGN_OR_RETURN(const std::vector<BaseInfo> bases, Bases(graph));
  RETURN_IF_ERROR(CheckFloor(graph, floor, bases));
  PostgresStatement statement{sql::kPostgresRaiseFloor, {}};
  statement.params.Text(graph).Int(epoch).Int(floor);
  RETURN_IF_ERROR(CallFenced(statement, graph, epoch));
  return {};
}

Result<std::vector<SegmentInfo>> PostgresStorage::Segments(const std::string& graph) {
  ASSIGN_OR_RETURN(auto taken, TakeReader());
  Reader connection(this, std::move(taken));
  RETURN_IF_ERROR(HeadOf(*connection, graph));
  PostgresStatement statement{sql::kPostgresSegments, {}};
  statement.params.Text(graph);
  ASSIGN_OR_RETURN(const PostgresRows rows, connection->Execute(statement));
  std::vector<SegmentInfo> segments;
  for (int row = 0; row < rows.count(); ++row) {
    segments.push_back({rows.Int(row, 0), rows.Int(row, 1), rows.Int(row, 2), rows.Int(row, 3)});
  }
  return segments;
}

}  // namespace databuild
