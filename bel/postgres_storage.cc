#include "bel/postgres_storage.h"

#include <libpq-fe.h>

#include <algorithm>
#include <cstring>
#include <sstream>
#include <utility>

#include "bel/base/log.h"
#include "bel/base/uuid.h"
#include "bel/postgres_connection.h"
#include "bel/sql_text.h"

namespace databuild {
namespace {

constexpr size_t kMaxIdleReaders = 4;

std::string_view View(const UuidBytes& bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

Acquired ReadAcquired(const PostgresRows& rows) {
  return {rows.Text(0, 0), rows.Int(0, 1), rows.Int(0, 2), rows.Int(0, 3), rows.Int(0, 4)};
}

GraphHead ReadHead(const PostgresRows& rows, int row) {
  return {rows.Text(row, 0), rows.Text(row, 1), rows.Text(row, 4),
          Acquired{rows.Text(row, 2), rows.Int(row, 3), rows.Int(row, 5), rows.Int(row, 6),
                   rows.Int(row, 7)}};
}

StoredEvent ReadEvent(const PostgresRows& rows, int row) {
  UuidBytes id{};
  std::memcpy(id.data(), rows.Bytes(row, 5).data(), std::min(id.size(), rows.Bytes(row, 5).size()));
  return {rows.Int(row, 0),
          rows.Int(row, 1),
          rows.Int(row, 2),
          static_cast<int32_t>(rows.Int(row, 3)),
          static_cast<int32_t>(rows.Int(row, 4)),
          FormatUuid(id),
          static_cast<uint32_t>(rows.Int(row, 6)),
          rows.Text(row, 7)};
}

Result<GraphHead> HeadOf(PostgresConnection& connection, const std::string& graph) {
  PostgresStatement statement{sql::kPostgresHead, {}};
  statement.params.Text(graph);
  ASSIGN_OR_RETURN(const PostgresRows rows, connection.Execute(statement));
  if (rows.count() == 0) return NoSuchGraph(graph);
  return ReadHead(rows, 0);
}

template <typename Visit>
void ForEachEvent(const AppendBatch& batch, Visit visit) {
  for (const auto& piece : batch.events) {
    for (const StoredEvent& event : piece) visit(event);
  }
}

PostgresStatement AppendStatement(const AppendBatch& batch) {
  PostgresStatement statement{sql::kPostgresAppend, {}};
  PostgresParams& params = statement.params;
  const int64_t count = CountEvents(batch);
  const auto n = static_cast<size_t>(count);
  size_t payload_bytes = 0;
  ForEachEvent(batch, [&](const StoredEvent& event) { payload_bytes += event.payload.size(); });
  params.Text(batch.graph).Int(batch.epoch).Int(batch.expected_head);
  params.Int(count).Int(NewestTs(batch));
  params.BeginArray(pg_type::kInt8, n, n * 8);
  ForEachEvent(batch, [&](const StoredEvent& event) { params.ElementInt8(event.idx); });
  params.BeginArray(pg_type::kInt8, n, n * 8);
  ForEachEvent(batch, [&](const StoredEvent& event) { params.ElementInt8(event.ts); });
  params.BeginArray(pg_type::kInt2, n, n * 2);
  ForEachEvent(batch, [&](const StoredEvent& event) {
    params.ElementInt2(static_cast<int16_t>(event.schema_version));
  });
  params.BeginArray(pg_type::kInt2, n, n * 2);
  ForEachEvent(batch, [&](const StoredEvent& event) {
    params.ElementInt2(static_cast<int16_t>(event.type));
  });
  params.BeginArray(pg_type::kUuid, n, n * 16);
  ForEachEvent(batch, [&](const StoredEvent& event) {
    const UuidBytes id = *ParseUuid(event.event_id);
    params.ElementBytes(View(id));
  });
  params.BeginArray(pg_type::kInt4, n, n * 4);
  ForEachEvent(batch, [&](const StoredEvent& event) {
    params.ElementInt4(static_cast<int32_t>(event.crc32c));
  });
  params.BeginArray(pg_type::kBytea, n, payload_bytes);
  ForEachEvent(batch, [&](const StoredEvent& event) { params.ElementBytes(event.payload); });
  return statement;
}

// libpq looks at the port only when it connects. One number per host, separated by commas.
bool HasGoodPort(const PQconninfoOption* options) {
  for (; options->keyword != nullptr; ++options) {
    if (std::strcmp(options->keyword, "port") != 0 || options->val == nullptr) continue;
    std::istringstream ports(options->val);
    for (std::string port; std::getline(ports, port, ',');) {
      const bool digits = port.find_first_not_of("0123456789") == std::string::npos;
      if (!digits || port.size() > 5) return false;
      if (!port.empty() && (std::stoi(port) < 1 || std::stoi(port) > 65'535)) return false;
    }
  }
  return true;
}

// One statement goes alone, with its own implicit transaction; several share one.
Result<std::vector<PostgresRows>> ExecuteAll(PostgresConnection& connection,
                                             std::span<const PostgresStatement> statements) {
  if (statements.size() != 1) return connection.ExecuteTogether(statements);
  ASSIGN_OR_RETURN(PostgresRows rows, connection.Execute(statements.front()));
  std::vector<PostgresRows> all;
  all.push_back(std::move(rows));
  return all;
}

// Of the database; 0: Initialize never ran.
Result<size_t> SchemaVersion(PostgresConnection& connection) {
  ASSIGN_OR_RETURN(const PostgresRows exists, connection.Execute({sql::kPostgresHasSchema, {}}));
  if (exists.Int(0, 0) == 0) return size_t{0};
  ASSIGN_OR_RETURN(const PostgresRows newest,
                   connection.Execute({sql::kPostgresSchemaVersion, {}}));
  const auto version = static_cast<size_t>(newest.Int(0, 0));
  if (version <= sql::kPostgresMigrations.size()) return version;
  return Error{Errc::kUnsupported, "the database has schema " + std::to_string(version) +
                                       ", this release knows up to " +
                                       std::to_string(sql::kPostgresMigrations.size()) +
                                       "; use a newer release"};
}

Status RequireCurrent(PostgresConnection& connection) {
  ASSIGN_OR_RETURN(const size_t version, SchemaVersion(connection));
  if (version == sql::kPostgresMigrations.size()) return {};
  return Error{Errc::kUnsupported, "the database has schema " + std::to_string(version) +
                                       ", this release reads schema " +
                                       std::to_string(sql::kPostgresMigrations.size()) +
                                       "; start the operator on it first, it migrates"};
}

}  // namespace

class PostgresStorage::Reader {
 public:
  Reader(PostgresStorage* storage, std::unique_ptr<PostgresConnection> connection)
      : storage_(storage), connection_(std::move(connection)) {}
  ~Reader() {
    if (!connection_->usable()) return;
    std::lock_guard lock(storage_->readers_mutex_);
    if (storage_->idle_readers_.size() < kMaxIdleReaders) {
      storage_->idle_readers_.push_back(std::move(connection_));
    }
  }
  PostgresConnection& operator*() { return *connection_; }
  PostgresConnection* operator->() { return connection_.get(); }

 private:
  PostgresStorage* storage_;
  std::unique_ptr<PostgresConnection> connection_;
};

Status CheckPostgresUri(const std::string& uri) {
  char* error = nullptr;
  PQconninfoOption* options = PQconninfoParse(uri.c_str(), &error);
  if (options != nullptr) {
    const bool good_port = HasGoodPort(options);
    PQconninfoFree(options);
    if (good_port) return {};
    return Error{Errc::kInvalidArgument,
                 "not a connection URI of Postgres: the port must be 1 to 65535"};
  }
  // libpq quotes what it did not understand, which may hold the password: keep the text before it.
  std::string reason = error == nullptr ? "out of memory" : error;
  PQfreemem(error);
  reason = reason.substr(0, reason.find_first_of("\"\n"));
  while (!reason.empty() && (reason.back() == ' ' || reason.back() == ':')) reason.pop_back();
  return Error{Errc::kInvalidArgument, "not a connection URI of Postgres: " + reason};
}

PostgresStorage::PostgresStorage(PostgresOptions options) : options_(std::move(options)) {}
PostgresStorage::~PostgresStorage() = default;

Result<std::unique_ptr<PostgresConnection>> PostgresStorage::Connect() const {
  ASSIGN_OR_RETURN(auto connection,
                   PostgresConnection::Open(options_.uri, options_.timeouts.connect,
                                            options_.timeouts.statement));
  PostgresStatement session{sql::kPostgresSession, {}};
  session.params.Text(std::to_string(options_.timeouts.statement / kMillisecond));
  ASSIGN_OR_RETURN(const PostgresRows rows, connection->Execute(session));
  const std::string synchronous_commit = rows.Text(0, 0), fsync = rows.Text(0, 1);
  if (!options_.allow_unsafe_commit && (synchronous_commit == "off" || fsync == "off")) {
    return Error{Errc::kUnsupported,
                 "Postgres has synchronous_commit=" + synchronous_commit + " and fsync=" + fsync +
                     ": a crash would lose acknowledged events; turn both on, or allow unsafe "
                     "commits if the log may be lost"};
  }
  return connection;
}

Result<PostgresConnection*> PostgresStorage::Writer() {
  if (writer_ == nullptr || !writer_->usable()) {
    writer_.reset();
    ASSIGN_OR_RETURN(writer_, Connect());
  }
  return writer_.get();
}

Status PostgresStorage::Migrate(PostgresConnection& connection) const {
  ASSIGN_OR_RETURN(size_t version, SchemaVersion(connection));
  for (; version < sql::kPostgresMigrations.size(); ++version) {
    LogInfo("migrating the build event log", {{"to", version + 1}});
    RETURN_IF_ERROR(connection.Run(sql::kPostgresMigrations[version]));
  }
  return {};
}

Status PostgresStorage::Initialize() {
  // A connection of its own: when a migration fails half way, closing it rolls back.
  ASSIGN_OR_RETURN(const auto connection, Connect());
  if (options_.read_only) return RequireCurrent(*connection);
  RETURN_IF_ERROR(connection->Run("BEGIN"));
  RETURN_IF_ERROR(connection->Run(sql::kPostgresMigrationLock));
  RETURN_IF_ERROR(Migrate(*connection));
  return connection->Run("COMMIT");
}

Status PostgresStorage::RequireWritable() const {
  if (!options_.read_only) return {};
  return Error{Errc::kPermissionDenied, "the log in Postgres was opened for reading only"};
}

Result<Acquired> PostgresStorage::Acquire(const AcquireRequest& request) {
  RETURN_IF_ERROR(RequireWritable());
  PostgresStatement statement{
      request.only_if_holder ? sql::kPostgresReacquire : sql::kPostgresAcquire, {}};
  statement.params.Text(request.graph).Text(request.cluster_uid).Text(request.holder);
  if (!request.only_if_holder) statement.params.Text(RandomUuid()).Int4(kSchemaVersion);
  std::lock_guard lock(writer_mutex_);
  ASSIGN_OR_RETURN(PostgresConnection * writer, Writer());
  ASSIGN_OR_RETURN(const PostgresRows rows, writer->Execute(statement));
  if (rows.count() == 1) return ReadAcquired(rows);
  if (request.only_if_holder) return LostHold(request);
  return OtherCluster(request.graph, request.cluster_uid);
}

Result<std::vector<Result<int64_t>>> PostgresStorage::TryAppendAll(
    std::span<const AppendBatch> batches) {
  RETURN_IF_ERROR(RequireWritable());
  std::vector<PostgresStatement> statements;
  for (const AppendBatch& batch : batches) statements.push_back(AppendStatement(batch));
  std::lock_guard lock(writer_mutex_);
  ASSIGN_OR_RETURN(PostgresConnection * writer, Writer());
  ASSIGN_OR_RETURN(const std::vector<PostgresRows> rows, ExecuteAll(*writer, statements));
  std::vector<Result<int64_t>> results;
  for (size_t i = 0; i < batches.size(); ++i) {
    const AppendBatch& batch = batches[i];
    const int64_t count = CountEvents(batch);
    if (rows[i].affected() == count) {
      results.emplace_back(batch.expected_head + count);
      continue;
    }
    // The transaction is over: what the head says now explains why nothing was inserted.
    Result<GraphHead> now = HeadOf(*writer, batch.graph);
    results.emplace_back(now.ok() ? RefusedAppend(batch, *now) : now.error());
  }
  return results;
}

Result<int64_t> PostgresStorage::Import(const AppendBatch& batch) {
  RETURN_IF_ERROR(CheckImport(batch));
  const auto results = TryAppendAll({&batch, 1});
  if (!results.ok()) return results.error();
  return results->front();
}

std::vector<Result<int64_t>> PostgresStorage::AppendAll(std::span<const AppendBatch> batches) {
  for (const AppendBatch& batch : batches) {
    if (Status good = CheckBatch(batch); !good.ok()) {
      return std::vector<Result<int64_t>>(batches.size(), good.error());
    }
  }
  auto results = TryAppendAll(batches);
  if (results.ok()) return std::move(results.value());
  return std::vector<Result<int64_t>>(batches.size(), results.error());
}

Result<std::unique_ptr<PostgresConnection>> PostgresStorage::TakeReader() {
  {
    std::lock_guard lock(readers_mutex_);
    while (!idle_readers_.empty()) {
      auto connection = std::move(idle_readers_.back());
      idle_readers_.pop_back();
      if (connection->usable()) return connection;
    }
  }
  return Connect();
}

Result<StoredPage> PostgresStorage::List(const std::string& graph, const ListRange& range) {
  ASSIGN_OR_RETURN(auto connection, TakeReader());
  Reader reader(this, std::move(connection));
  StoredPage page;
  // The head first: everything up to it is committed and stays.
  ASSIGN_OR_RETURN(const GraphHead head, HeadOf(*reader, graph));
  page.at = head.at;
  if (range.since_idx < page.at.floor) return BelowFloor(graph, range.since_idx, page.at.floor);
  if (range.since_idx >= page.at.head) return page;
  PostgresStatement statement{sql::kPostgresList, {}};
  statement.params.Text(graph).Int(range.since_idx).Int(page.at.head);
  statement.params.Int(range.limit).Int(range.byte_limit);
  ASSIGN_OR_RETURN(const PostgresRows rows, reader->Execute(statement));
  page.events.reserve(static_cast<size_t>(rows.count()));
  for (int row = 0; row < rows.count(); ++row) page.events.push_back(ReadEvent(rows, row));
  RETURN_IF_ERROR(VerifyPage(graph, range, page));
  return page;
}

Result<GraphHead> PostgresStorage::Head(const std::string& graph) {
  ASSIGN_OR_RETURN(auto connection, TakeReader());
  Reader reader(this, std::move(connection));
  return HeadOf(*reader, graph);
}

Result<std::vector<GraphHead>> PostgresStorage::Graphs() {
  ASSIGN_OR_RETURN(auto connection, TakeReader());
  Reader reader(this, std::move(connection));
  ASSIGN_OR_RETURN(const PostgresRows rows, reader->Execute({sql::kPostgresGraphs, {}}));
  std::vector<GraphHead> heads;
  for (int row = 0; row < rows.count(); ++row) heads.push_back(ReadHead(rows, row));
  return heads;
}

}  // namespace databuild
