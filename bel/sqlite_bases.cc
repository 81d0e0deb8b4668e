// Bases in SQLite. Every step is one transaction of the writer's connection.
#include "bel/sql_text.h"
#include "bel/sqlite_connection.h"
#include "bel/sqlite_storage.h"

namespace databuild {
namespace {

constexpr char kBeginWrite[] = "BEGIN IMMEDIATE";

Result<std::vector<BaseInfo>> BasesOf(SqliteConnection& connection, const std::string& graph) {
  ASSIGN_OR_RETURN(SqliteStatement rows, connection.Prepare(sql::kSqliteBases));
  rows.Bind(1, graph);
  std::vector<BaseInfo> bases;
  while (true) {
    ASSIGN_OR_RETURN(const bool more, rows.Step());
    if (!more) return bases;
    bases.push_back({rows.Int(0), static_cast<int32_t>(rows.Int(1)),
                     static_cast<int32_t>(rows.Int(2)), rows.Int(3),
                     static_cast<uint32_t>(rows.Int(4))});
  }
}

}  // namespace

Status SqliteStorage::RequireBase(const std::string& graph, int64_t floor) {
  ASSIGN_OR_RETURN(const std::vector<BaseInfo> bases, BasesOf(*writer_, graph));
  return CheckFloor(graph, floor, bases);
}

Status SqliteStorage::PutBaseChunk(const std::string& graph, int64_t epoch,
                                   const BaseChunk& chunk) {
  std::lock_guard lock(writer_mutex_);
  RETURN_IF_ERROR(RequireOpen());
  ASSIGN_OR_RETURN(SqliteTransaction transaction,
                   SqliteTransaction::Begin(writer_.get(), kBeginWrite));
  ASSIGN_OR_RETURN(const Owned owned, RequireOwned(graph, epoch));
  {
    ASSIGN_OR_RETURN(SqliteStatement put, writer_->Prepare(sql::kSqlitePutBaseChunk));
    put.Bind(1, owned.graph_id).Bind(2, chunk.idx).Bind(3, int64_t{chunk.number});
    put.BindBytes(4, chunk.bytes);
    RETURN_IF_ERROR(put.Step());
  }
  return transaction.Commit();
}

Result<std::string> SqliteStorage::ReadBaseChunk(const std::string& graph, int64_t idx,
                                                 int32_t number) {
  ASSIGN_OR_RETURN(auto connection, TakeReader());
  Reader reader(this, std::move(connection));
  ASSIGN_OR_RETURN(SqliteStatement row, reader->Prepare(sql::kSqliteBaseChunk));
  row.Bind(1, graph).Bind(2, idx).Bind(3, int64_t{number});
  ASSIGN_OR_RETURN(const bool found, row.Step());
  if (!found) return NoSuchBase(graph, idx);
  return row.Text(0);
}

Status SqliteStorage::FinishBase(const std::string& graph, int64_t epoch, const BaseInfo& base) {
  std::lock_guard lock(writer_mutex_);
  RETURN_IF_ERROR(RequireOpen());
  ASSIGN_OR_RETURN(SqliteTransaction transaction,
                   SqliteTransaction::Begin(writer_.get(), kBeginWrite));
  ASSIGN_OR_RETURN(const Owned owned, RequireOwned(graph, epoch));
  {
    ASSIGN_OR_RETURN(SqliteStatement finish, writer_->Prepare(sql::kSqliteFinishBase));
    finish.Bind(1, owned.graph_id).Bind(2, base.idx).Bind(3, int64_t{base.model_version});
    finish.Bind(4, int64_t{base.chunks}).Bind(5, base.bytes).Bind(6, int64_t{base.crc32c});
    RETURN_IF_ERROR(finish.Step());
  }
  return transaction.Commit();
}

Status SqliteStorage::DropBases(const std::string& graph, int64_t epoch, int64_t idx) {
  std::lock_guard lock(writer_mutex_);
  RETURN_IF_ERROR(RequireOpen());
  ASSIGN_OR_RETURN(SqliteTransaction transaction,
                   SqliteTransaction::Begin(writer_.get(), kBeginWrite));
  ASSIGN_OR_RETURN(const Owned owned, RequireOwned(graph, epoch));
  ASSIGN_OR_RETURN(const GraphHead head, HeadOf(*writer_, graph));
  ASSIGN_OR_RETURN(const std::vector<BaseInfo> bases, BasesOf(*writer_, graph));
  RETURN_IF_ERROR(CheckDropBases(head, idx, bases));
  {
    ASSIGN_OR_RETURN(SqliteStatement drop, writer_->Prepare(sql::kSqliteDropBases));
    drop.Bind(1, owned.graph_id).Bind(2, idx);
    RETURN_IF_ERROR(drop.Step());
  }
  {
    ASSIGN_OR_RETURN(SqliteStatement drop, writer_->Prepare(sql::kSqliteDropBaseChunks));
    drop.Bind(1, owned.graph_id);
    RETURN_IF_ERROR(drop.Step());
  }
  return transaction.Commit();
}

Result<std::vector<BaseInfo>> SqliteStorage::Bases(const std::string& graph) {
  ASSIGN_OR_RETURN(auto connection, TakeReader());
  Reader reader(this, std::move(connection));
  RETURN_IF_ERROR(HeadOf(*reader, graph));
  return BasesOf(*reader, graph);
}

Status SqliteStorage::BeginAt(const std::string& graph, int64_t epoch, int64_t floor) {
  std::lock_guard lock(writer_mutex_);
  RETURN_IF_ERROR(RequireOpen());
  ASSIGN_OR_RETURN(SqliteTransaction transaction,
                   SqliteTransaction::Begin(writer_.get(), kBeginWrite));
  ASSIGN_OR_RETURN(const Owned owned, RequireOwned(graph, epoch));
  ASSIGN_OR_RETURN(const GraphHead head, HeadOf(*writer_, graph));
  if (head.at.head != 0) return NotEmpty(graph, head.at.head);
  RETURN_IF_ERROR(RequireBase(graph, floor));
  {
    ASSIGN_OR_RETURN(SqliteStatement begin, writer_->Prepare(sql::kSqliteBeginAt));
    begin.Bind(1, owned.graph_id).Bind(2, floor);
    RETURN_IF_ERROR(begin.Step());
  }
  return transaction.Commit();
}

}  // namespace databuild
