// Sealed ranges in SQLite. Every step is one transaction of the writer's connection.
#include "bel/segment.h"
#include "bel/sql_text.h"
#include "bel/sqlite_connection.h"
#include "bel/sqlite_storage.h"

namespace databuild {

namespace {

constexpr char kBeginWrite[] = "BEGIN IMMEDIATE";

}  // namespace

Result<SqliteStorage::Owned> SqliteStorage::RequireOwned(const std::string& graph, int64_t epoch) {
  {
    ASSIGN_OR_RETURN(SqliteStatement row, writer_->Prepare(sql::kSqliteOwned));
    row.Bind(1, graph).Bind(2, epoch);
    ASSIGN_OR_RETURN(const bool found, row.Step());
    if (found) return Owned{row.Int(0), row.Int(1), row.Int(2)};
  }
  ASSIGN_OR_RETURN(const GraphHead now, HeadOf(*writer_, graph));
  return FencedError(graph, epoch, now);
}

Result<Segment> SqliteStorage::SegmentAt(SqliteConnection& connection, const std::string& graph,
                                         int64_t idx) {
  ASSIGN_OR_RETURN(SqliteStatement row, connection.Prepare(sql::kSqliteSegmentAt));
  row.Bind(1, graph).Bind(2, idx);
  ASSIGN_OR_RETURN(const bool found, row.Step());
  if (!found) return NoSuchSegment(graph, idx);
  return Segment{
      row.Int(0),  row.Int(1), row.Int(2), row.Text(3), static_cast<uint32_t>(row.Int(4)),
      row.Text(5), row.Text(6)};
}

Status SqliteStorage::CompareWithRows(const std::string& graph, const Segment& segment) {
  StoredPage rows;
  rows.at.head = segment.last_idx;
  const ListRange range{segment.first_idx - 1, segment.last_idx - segment.first_idx + 1,
                        static_cast<int64_t>(kMaxSegmentBytes)};
  RETURN_IF_ERROR(AddRows(*writer_, graph, range, rows));
  return CompareSegment(graph, segment, rows.events);
}

Status SqliteStorage::PutSegment(const std::string& graph, int64_t epoch, const Segment& segment) {
  std::lock_guard lock(writer_mutex_);
  RETURN_IF_ERROR(RequireOpen());
  ASSIGN_OR_RETURN(SqliteTransaction transaction,
                   SqliteTransaction::Begin(writer_.get(), kBeginWrite));
  ASSIGN_OR_RETURN(const Owned owned, RequireOwned(graph, epoch));
  ASSIGN_OR_RETURN(const GraphHead now, HeadOf(*writer_, graph));
  if (segment.first_idx != owned.sealed + 1 || segment.last_idx > now.at.head) {
    return RefusedSegment(graph, epoch, segment, now);
  }
  RETURN_IF_ERROR(CompareWithRows(graph, segment));
  {
    ASSIGN_OR_RETURN(SqliteStatement put, writer_->Prepare(sql::kSqlitePutSegment));
    put.Bind(1, owned.graph_id).Bind(2, segment.first_idx).Bind(3, segment.last_idx);
    put.Bind(4, segment.last_ts).Bind(5, segment.codec).Bind(6, int64_t{segment.crc32c});
    put.BindBytes(7, segment.events_sha256).BindBytes(8, segment.bytes);
    RETURN_IF_ERROR(put.Step());
  }
  {
    ASSIGN_OR_RETURN(SqliteStatement seal, writer_->Prepare(sql::kSqliteSeal));
    seal.Bind(1, graph).Bind(2, epoch).Bind(3, owned.sealed).Bind(4, segment.last_idx);
    RETURN_IF_ERROR(seal.Step());
  }
  return transaction.Commit();
}

Result<int64_t> SqliteStorage::DropRows(const std::string& graph, const Owned& owned) {
  int64_t up_to = owned.floor;
  {
    ASSIGN_OR_RETURN(SqliteStatement row, writer_->Prepare(sql::kSqliteOldest));
    row.Bind(1, owned.graph_id);
    ASSIGN_OR_RETURN(const bool found, row.Step());
    if (!found || row.Int(0) > owned.sealed) return int64_t{0};
    if (row.Int(0) > owned.floor) {
      ASSIGN_OR_RETURN(const Segment segment, SegmentAt(*writer_, graph, row.Int(0)));
      RETURN_IF_ERROR(CompareWithRows(graph, segment));
      up_to = segment.last_idx;
    }
  }
  ASSIGN_OR_RETURN(SqliteStatement drop, writer_->Prepare(sql::kSqliteDropRows));
  drop.Bind(1, owned.graph_id).Bind(2, up_to);
  RETURN_IF_ERROR(drop.Step());
  return writer_->Changes();
}

Result<int64_t> SqliteStorage::DropSealedRows(const std::string& graph, int64_t epoch) {
  std::lock_guard lock(writer_mutex_);
  RETURN_IF_ERROR(RequireOpen());
  ASSIGN_OR_RETURN(SqliteTransaction transaction,
                   SqliteTransaction::Begin(writer_.get(), kBeginWrite));
  ASSIGN_OR_RETURN(const Owned owned, RequireOwned(graph, epoch));
  ASSIGN_OR_RETURN(const int64_t removed, DropRows(graph, owned));
  RETURN_IF_ERROR(transaction.Commit());
  return removed;
}

Status SqliteStorage::RaiseFloor(const std::string& graph, int64_t epoch, int64_t floor) {
  std::lock_guard lock(writer_mutex_);
  RETURN_IF_ERROR(RequireOpen());
  ASSIGN_OR_RETURN(SqliteTransaction transaction,
                   SqliteTransaction::Begin(writer_.get(), kBeginWrite));
  ASSIGN_OR_RETURN(const Owned owned, RequireOwned(graph, epoch));
  if (floor > owned.sealed) return FloorNotSealed(graph, floor, owned.sealed);
  RETURN_IF_ERROR(RequireBase(graph, floor));
  for (const char* sql : {sql::kSqliteRaiseFloor, sql::kSqliteDropSegments}) {
    ASSIGN_OR_RETURN(SqliteStatement statement, writer_->Prepare(sql));
    statement.Bind(1, owned.graph_id).Bind(2, floor);
    RETURN_IF_ERROR(statement.Step());
  }
  return transaction.Commit();
}

Result<std::vector<SegmentInfo>> SqliteStorage::Segments(const std::string& graph) {
  ASSIGN_OR_RETURN(auto connection, TakeReader());
  Reader reader(this, std::move(connection));
  RETURN_IF_ERROR(HeadOf(*reader, graph));
  ASSIGN_OR_RETURN(SqliteStatement rows, reader->Prepare(sql::kSqliteSegments));
  rows.Bind(1, graph);
  std::vector<SegmentInfo> segments;
  while (true) {
    ASSIGN_OR_RETURN(const bool more, rows.Step());
    if (!more) return segments;
    segments.push_back({rows.Int(0), rows.Int(1), rows.Int(2), rows.Int(3)});
  }
}

}  // namespace databuild
