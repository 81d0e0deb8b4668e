#include "bel/postgres_storage.h"

#include <libpq-fe.h>

#include <algorithm>
#include <cstring>
#include <sstream>
#include <utility>

#include "bel/base/log.h"
#include "bel/base/uuid.h"
#include "bel/postgres_append.h"
#include "bel/postgres_connection.h"
#include "bel/postgres_pipeline.h"
#include "bel/sql_text.h"

namespace databuild {
namespace {

constexpr size_t kMaxIdleReaders = 4;

Acquired ReadAcquired(const PostgresRows& rows) {
  return {rows.Text(0, 0), rows.Int(0, 1), rows.Int(0, 2),
          rows.Int(0, 3),  rows.Int(0, 4), rows.Int(0, 5)};
}

GraphHead ReadHead(const PostgresRows& rows, int row) {
  return {rows.Text(row, 0), rows.Text(row, 1), rows.Text(row, 4),
          Acquired{rows.Text(row, 2), rows.Int(row, 3), rows.Int(row, 5), rows.Int(row, 6),
                   rows.Int(row, 7), rows.Int(row, 8)}};
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

PostgresStatement ListStatement(const std::string& graph, const ListRange& range) {
  const int64_t up_to = range.since_idx + std::min(range.limit, INT64_MAX - range.since_idx);
  PostgresStatement statement{sql::kPostgresList, {}};
  statement.params.Text(graph).Int(range.since_idx).Int(up_to).Int(range.byte_limit);
  return statement;
}

// What of `range` is not in `page` yet.
ListRange RestOf(const ListRange& range, const StoredPage& page) {
  ListRange rest{page.events.back().idx, range.limit, range.byte_limit};
  rest.limit -= static_cast<int64_t>(page.events.size());
  for (const StoredEvent& event : page.events) {
    rest.byte_limit -= static_cast<int64_t>(event.payload.size());
  }
  return rest;
}

// Up to the page's head: rows may have come after it was read.
void AddRows(const PostgresRows& rows, const ListRange& range, StoredPage& page) {
  int64_t bytes = 0;
  for (const StoredEvent& event : page.events) bytes += static_cast<int64_t>(event.payload.size());
  page.events.reserve(page.events.size() + static_cast<size_t>(rows.count()));
  for (int row = 0; row < rows.count(); ++row) {
    if (rows.Int(row, 0) > page.at.head) return;
    bytes += static_cast<int64_t>(rows.Bytes(row, 7).size());
    if (!page.events.empty() && bytes > range.byte_limit) return;
    page.events.push_back(ReadEvent(rows, row));
  }
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

Result<GraphHead> PostgresStorage::HeadOf(PostgresConnection& connection,
                                          const std::string& graph) {
  PostgresStatement statement{sql::kPostgresHead, {}};
  statement.params.Text(graph);
  ASSIGN_OR_RETURN(const PostgresRows rows, connection.Execute(statement));
  if (rows.count() == 0) return NoSuchGraph(graph);
  return ReadHead(rows, 0);
}

PostgresStorage::Reader::Reader(PostgresStorage* storage,
                                std::unique_ptr<PostgresConnection> connection)
    : storage_(storage), connection_(std::move(connection)) {}

PostgresStorage::Reader::~Reader() {
  if (!connection_->usable()) return;
  std::lock_guard lock(storage_->readers_mutex_);
  if (storage_->idle_readers_.size() < kMaxIdleReaders) {
    storage_->idle_readers_.push_back(std::move(connection_));
  }
}

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

Result<std::shared_ptr<PostgresPipeline>> PostgresStorage::Writer() {
  if (writer_ == nullptr || !writer_->usable()) {
    writer_.reset();
    ASSIGN_OR_RETURN(auto connection, Connect());
    RETURN_IF_ERROR(connection->Run(sql::kPostgresWriterSession));
    writer_ = std::make_shared<PostgresPipeline>(std::move(connection));
  }
  return writer_;
}

Status PostgresStorage::Migrate(PostgresConnection& connection) const {
  ASSIGN_OR_RETURN(size_t version, SchemaVersion(connection));
  for (; version < sql::kPostgresMigrations.size(); ++version) {
    LogInfo("migrating the build event log", {{"to", version + 1}});
    Status migrated = connection.Run(sql::kPostgresMigrations[version]);
    if (migrated.ok()) continue;
    Error error = migrated.error();
    error.message =
        "migrate the database to schema " + std::to_string(version + 1) + ": " + error.message;
    if (error.code == Errc::kPermissionDenied) {
      error.message += "; start this release once with the role that is to be the tables' owner";
    }
    return error;
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
  // Not over the writer's connection, where appends of other graphs are on their way: the row lock
  // of the head is what matters.
  ASSIGN_OR_RETURN(auto connection, TakeReader());
  Reader session(this, std::move(connection));
  ASSIGN_OR_RETURN(const PostgresRows rows, session->Execute(statement));
  if (rows.count() == 1) return ReadAcquired(rows);
  if (request.only_if_holder) return LostHold(request);
  return OtherCluster(request.graph, request.cluster_uid);
}

// An append sent over the writer's connection.
class PostgresStorage::InFlight final : public AppendInFlight {
 public:
  InFlight(PostgresStorage* storage, std::span<const AppendBatch> batches)
      : storage_(storage), batches_(batches) {}

  Status Begin() {
    RETURN_IF_ERROR(storage_->RequireWritable());
    std::vector<PostgresStatement> statements;
    for (const AppendBatch& batch : batches_) {
      RETURN_IF_ERROR(CheckBatch(batch));
      statements.push_back(AppendStatement(batch));
    }
    std::lock_guard lock(storage_->writer_mutex_);
    ASSIGN_OR_RETURN(writer_, storage_->Writer());
    transaction_ = writer_->Send(statements);
    return {};
  }

  std::vector<Result<int64_t>> Wait() override {
    auto rows = writer_->Wait(*transaction_);
    std::vector<Result<int64_t>> results;
    for (size_t i = 0; i < batches_.size(); ++i) {
      results.push_back(rows.ok() ? Outcome(batches_[i], (*rows)[i]) : rows.error());
    }
    return results;
  }

 private:
  Result<int64_t> Outcome(const AppendBatch& batch, const PostgresRows& inserted) {
    const int64_t count = CountEvents(batch);
    if (inserted.affected() == count) return batch.expected_head + count;
    // The transaction is over: what the head says now explains why nothing was inserted.
    ASSIGN_OR_RETURN(const GraphHead now, storage_->Head(batch.graph));
    return RefusedAppend(batch, now);
  }

  PostgresStorage* const storage_;
  const std::span<const AppendBatch> batches_;
  std::shared_ptr<PostgresPipeline> writer_;
  std::shared_ptr<PostgresPipeline::Transaction> transaction_;
};

std::unique_ptr<AppendInFlight> PostgresStorage::BeginAppend(std::span<const AppendBatch> batches) {
  auto append = std::make_unique<InFlight>(this, batches);
  if (Status begun = append->Begin(); !begun.ok()) return AnsweredAppend(batches, begun.error());
  return append;
}

std::vector<Result<int64_t>> PostgresStorage::AppendAll(std::span<const AppendBatch> batches) {
  return BeginAppend(batches)->Wait();
}

Result<int64_t> PostgresStorage::Import(const AppendBatch& batch) {
  RETURN_IF_ERROR(RequireWritable());
  RETURN_IF_ERROR(CheckImport(batch));
  const int64_t count = CountEvents(batch);
  // When something fails half way the connection is left inside a transaction, hence closed.
  ASSIGN_OR_RETURN(auto taken, TakeReader());
  Reader connection(this, std::move(taken));
  RETURN_IF_ERROR(connection->Run(sql::kPostgresBeginImport));
  PostgresStatement advance{sql::kPostgresAdvance, {}};
  advance.params.Text(batch.graph).Int(batch.epoch).Int(batch.expected_head);
  advance.params.Int(count).Int(NewestTs(batch));
  ASSIGN_OR_RETURN(const PostgresRows advanced, connection->Execute(advance));
  if (advanced.count() == 0) {
    ASSIGN_OR_RETURN(const GraphHead now, HeadOf(*connection, batch.graph));
    return RefusedAppend(batch, now);
  }
  CopyRows rows(batch, advanced.Int(0, 0));
  RETURN_IF_ERROR(connection->CopyIn(sql::kPostgresImport, [&] { return rows.Next(); }));
  RETURN_IF_ERROR(connection->Run("COMMIT"));
  return batch.expected_head + count;
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
  constexpr int kTries = 3;
  ASSIGN_OR_RETURN(auto connection, TakeReader());
  Reader reader(this, std::move(connection));
  for (int tried = 1;; ++tried) {
    auto page = ListOnce(*reader, graph, range);
    // What seems missing may have been sealed or given up between two statements: then the next try
    // finds it.
    if (page.ok() || page.error().code != Errc::kCorrupt || tried == kTries) return page;
  }
}

// Head and rows in one round trip.
Result<StoredPage> PostgresStorage::ListOnce(PostgresConnection& connection,
                                             const std::string& graph, const ListRange& range) {
  PostgresStatement head{sql::kPostgresHead, {}};
  head.params.Text(graph);
  const PostgresStatement statements[] = {std::move(head), ListStatement(graph, range)};
  ASSIGN_OR_RETURN(const std::vector<PostgresRows> answers, connection.ExecuteAll(statements));
  if (answers[0].count() == 0) return NoSuchGraph(graph);
  StoredPage page;
  page.at = ReadHead(answers[0], 0).at;
  if (range.since_idx < page.at.floor) return BelowFloor(graph, range.since_idx, page.at.floor);
  const auto segment_of = [&](int64_t idx) { return SegmentAt(connection, graph, idx); };
  ASSIGN_OR_RETURN(const bool rows_follow,
                   ReadSealed({graph, segment_cache_, segment_of}, range, page));
  if (page.events.empty()) {
    AddRows(answers[1], range, page);
  } else if (rows_follow) {
    const ListRange rest = RestOf(range, page);
    if (rest.limit > 0) {
      ASSIGN_OR_RETURN(const PostgresRows rows, connection.Execute(ListStatement(graph, rest)));
      AddRows(rows, range, page);
    }
  }
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
