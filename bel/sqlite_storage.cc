#include "bel/sqlite_storage.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cstring>
#include <utility>

#include "bel/base/log.h"
#include "bel/base/uuid.h"
#include "bel/sql_text.h"
#include "bel/sqlite_connection.h"

namespace databuild {
namespace {

constexpr size_t kMaxIdleReaders = 4;
// Twice what a checkpoint is due at.
constexpr int64_t kWalBytes = int64_t{2 * kCheckpointPages} * 4'096;

std::string_view View(const UuidBytes& bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

Acquired ReadAcquired(const SqliteStatement& row) {
  return {row.Text(0), row.Int(1), row.Int(2), row.Int(3), row.Int(4), row.Int(5)};
}

GraphHead ReadHead(const SqliteStatement& row) {
  return {row.Text(0), row.Text(1), row.Text(4),
          Acquired{row.Text(2), row.Int(3), row.Int(5), row.Int(6), row.Int(7), row.Int(8)}};
}

Result<StoredEvent> ReadEvent(const SqliteStatement& row) {
  StoredEvent event;
  event.idx = row.Int(0);
  event.ts = row.Int(1);
  event.epoch = row.Int(2);
  event.schema_version = static_cast<int32_t>(row.Int(3));
  event.type = static_cast<int32_t>(row.Int(4));
  UuidBytes id;
  if (row.Bytes(5).size() != id.size()) {
    return Error{Errc::kCorrupt,
                 "idx " + std::to_string(event.idx) + " has no event_id of 16 bytes"};
  }
  std::memcpy(id.data(), row.Bytes(5).data(), id.size());
  event.event_id = FormatUuid(id);
  event.crc32c = static_cast<uint32_t>(row.Int(6));
  event.payload = row.Text(7);
  return event;
}

}  // namespace

Result<GraphHead> SqliteStorage::HeadOf(SqliteConnection& connection, const std::string& graph) {
  ASSIGN_OR_RETURN(SqliteStatement statement, connection.Prepare(sql::kSqliteHead));
  statement.Bind(1, graph);
  ASSIGN_OR_RETURN(const bool found, statement.Step());
  if (!found) return NoSuchGraph(graph);
  return ReadHead(statement);
}

SqliteStorage::Reader::Reader(SqliteStorage* storage, std::unique_ptr<SqliteConnection> connection)
    : storage_(storage), connection_(std::move(connection)) {}

SqliteStorage::Reader::~Reader() {
  std::lock_guard lock(storage_->readers_mutex_);
  if (storage_->idle_readers_.size() < kMaxIdleReaders) {
    storage_->idle_readers_.push_back(std::move(connection_));
  }
}

SqliteStorage::SqliteStorage(std::string path, StorageTimeouts timeouts, bool read_only)
    : path_(std::move(path)), timeouts_(timeouts), read_only_(read_only) {}

SqliteStorage::~SqliteStorage() {
  checkpoints_.reset();
  idle_readers_.clear();
  writer_.reset();
  if (lock_fd_ >= 0) close(lock_fd_);
}

Status SqliteStorage::Lock() {
  if (lock_fd_ >= 0) return {};
  const std::string lock_path = path_ + ".lock";
  const int fd = open(lock_path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (fd < 0) {
    return Error{Errc::kUnavailable, "could not open " + lock_path + ": " + std::strerror(errno) +
                                         "; check that the folder exists and is writable"};
  }
  if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
    char holder[32] = {};
    const ssize_t size = pread(fd, holder, sizeof(holder) - 1, 0);
    close(fd);
    return Error{Errc::kUnavailable,
                 "the log in " + path_ + " is in use by another process" +
                     (size > 0 ? " (pid " + std::string(holder) + ")" : "") +
                     "; SQLite is for one replica: stop the other one, or use postgres://"};
  }
  const std::string pid = std::to_string(getpid());
  if (ftruncate(fd, 0) != 0 || pwrite(fd, pid.data(), pid.size(), 0) < 0) {
    LogWarn("could not note the pid in the lock file", {{"path", lock_path}});
  }
  lock_fd_ = fd;
  return {};
}

Result<size_t> SqliteStorage::SchemaVersion(SqliteConnection& connection) const {
  ASSIGN_OR_RETURN(SqliteStatement row, connection.Prepare(sql::kSqliteSchemaVersion));
  RETURN_IF_ERROR(row.Step());
  const auto version = static_cast<size_t>(row.Int(0));
  if (version <= sql::kSqliteMigrations.size()) return version;
  return Error{Errc::kUnsupported, "SQLite file " + path_ + " has schema " +
                                       std::to_string(version) + ", this release knows up to " +
                                       std::to_string(sql::kSqliteMigrations.size()) +
                                       "; use a newer release"};
}

Status SqliteStorage::Migrate() {
  ASSIGN_OR_RETURN(SqliteTransaction transaction,
                   SqliteTransaction::Begin(writer_.get(), "BEGIN IMMEDIATE"));
  ASSIGN_OR_RETURN(size_t version, SchemaVersion(*writer_));
  for (; version < sql::kSqliteMigrations.size(); ++version) {
    RETURN_IF_ERROR(writer_->Run(sql::kSqliteMigrations[version]));
  }
  return transaction.Commit();
}

Status SqliteStorage::InitializeReader() {
  ASSIGN_OR_RETURN(auto connection, TakeReader());
  Reader reader(this, std::move(connection));
  ASSIGN_OR_RETURN(const size_t version, SchemaVersion(*reader));
  if (version == sql::kSqliteMigrations.size()) return {};
  return Error{Errc::kUnsupported, "SQLite file " + path_ + " has schema " +
                                       std::to_string(version) + ", this release reads schema " +
                                       std::to_string(sql::kSqliteMigrations.size()) +
                                       "; start the operator on it first, it migrates"};
}

Status SqliteStorage::Initialize() {
  if (read_only_) return InitializeReader();
  std::lock_guard lock(writer_mutex_);
  if (writer_ != nullptr) return {};
  RETURN_IF_ERROR(Lock());
  const auto mode = SqliteConnection::Mode::kReadWrite;
  ASSIGN_OR_RETURN(writer_, SqliteConnection::Open(path_, mode, timeouts_.statement));
  if (Status migrated = Migrate(); !migrated.ok()) {
    writer_.reset();
    return migrated;
  }
  // Flushing bytes that replace others is half the work of flushing a file that grows.
  if (Status made = writer_->GrowWal(kWalBytes); !made.ok()) {
    LogWarn("the WAL starts small", {{"error", made.error().message}});
  }
  checkpoints_ = std::make_unique<SqliteCheckpoints>(path_);
  return {};
}

Status SqliteStorage::RequireOpen() const {
  if (writer_ != nullptr) return {};
  if (read_only_) {
    return Error{Errc::kPermissionDenied, "SQLite file " + path_ + " was opened for reading only"};
  }
  return Error{Errc::kUnavailable, "SQLite file " + path_ + " is not open; call Initialize first"};
}

Result<Acquired> SqliteStorage::Acquire(const AcquireRequest& request) {
  std::lock_guard lock(writer_mutex_);
  RETURN_IF_ERROR(RequireOpen());
  ASSIGN_OR_RETURN(SqliteTransaction transaction,
                   SqliteTransaction::Begin(writer_.get(), "BEGIN IMMEDIATE"));
  Acquired acquired;
  {
    const std::string log_id = RandomUuid();
    ASSIGN_OR_RETURN(
        SqliteStatement statement,
        writer_->Prepare(request.only_if_holder ? sql::kSqliteReacquire : sql::kSqliteAcquire));
    statement.Bind(1, request.graph).Bind(2, request.cluster_uid).Bind(3, request.holder);
    if (!request.only_if_holder) statement.Bind(4, log_id).Bind(5, int64_t{kSchemaVersion});
    ASSIGN_OR_RETURN(const bool found, statement.Step());
    if (!found) {
      if (request.only_if_holder) return LostHold(request);
      return OtherCluster(request.graph, request.cluster_uid);
    }
    acquired = ReadAcquired(statement);
  }
  RETURN_IF_ERROR(transaction.Commit());
  return acquired;
}

Result<int64_t> SqliteStorage::AppendOne(const AppendBatch& batch) {
  const int64_t count = CountEvents(batch);
  int64_t graph_id = 0;
  {
    ASSIGN_OR_RETURN(SqliteStatement advance, writer_->Prepare(sql::kSqliteAdvance));
    advance.Bind(1, batch.graph).Bind(2, batch.epoch).Bind(3, batch.expected_head);
    advance.Bind(4, count).Bind(5, NewestTs(batch));
    ASSIGN_OR_RETURN(const bool advanced, advance.Step());
    if (!advanced) {
      ASSIGN_OR_RETURN(const GraphHead now, HeadOf(*writer_, batch.graph));
      return RefusedAppend(batch, now);
    }
    graph_id = advance.Int(0);
  }
  ASSIGN_OR_RETURN(SqliteStatement insert, writer_->Prepare(sql::kSqliteInsert));
  insert.Bind(1, graph_id).Bind(4, batch.epoch);
  for (const auto& piece : batch.events) {
    for (const StoredEvent& event : piece) {
      const UuidBytes id = *ParseUuid(event.event_id);
      insert.Bind(2, event.idx).Bind(3, event.ts);
      insert.Bind(5, int64_t{event.schema_version}).Bind(6, int64_t{event.type});
      insert.BindBytes(7, View(id)).Bind(8, int64_t{static_cast<int32_t>(event.crc32c)});
      insert.BindBytes(9, event.payload);
      RETURN_IF_ERROR(insert.Step());
      insert.Again();
    }
  }
  return batch.expected_head + count;
}

Result<std::vector<Result<int64_t>>> SqliteStorage::TryAppendAll(
    std::span<const AppendBatch> batches) {
  std::vector<Result<int64_t>> results;
  std::lock_guard lock(writer_mutex_);
  RETURN_IF_ERROR(RequireOpen());
  checkpoints_->BeforeAppend(*writer_);
  ASSIGN_OR_RETURN(SqliteTransaction transaction,
                   SqliteTransaction::Begin(writer_.get(), "BEGIN IMMEDIATE"));
  for (const AppendBatch& batch : batches) {
    Result<int64_t> one = AppendOne(batch);
    const bool refused =
        !one.ok() && (one.error().code == Errc::kConflict || one.error().code == Errc::kFenced ||
                      one.error().code == Errc::kNotFound);
    if (!one.ok() && !refused) return one.error();
    results.push_back(std::move(one));
  }
  RETURN_IF_ERROR(transaction.Commit());
  checkpoints_->AfterCommit(writer_->wal_pages());
  return results;
}

Result<int64_t> SqliteStorage::Import(const AppendBatch& batch) {
  RETURN_IF_ERROR(CheckImport(batch));
  const auto results = TryAppendAll({&batch, 1});
  if (!results.ok()) return results.error();
  return results->front();
}

std::vector<Result<int64_t>> SqliteStorage::AppendAll(std::span<const AppendBatch> batches) {
  for (const AppendBatch& batch : batches) {
    if (Status good = CheckBatch(batch); !good.ok()) {
      return std::vector<Result<int64_t>>(batches.size(), good.error());
    }
  }
  auto results = TryAppendAll(batches);
  if (results.ok()) return std::move(results.value());
  return std::vector<Result<int64_t>>(batches.size(), results.error());
}

Result<std::unique_ptr<SqliteConnection>> SqliteStorage::TakeReader() {
  {
    std::lock_guard lock(readers_mutex_);
    if (!idle_readers_.empty()) {
      auto connection = std::move(idle_readers_.back());
      idle_readers_.pop_back();
      return connection;
    }
  }
  return SqliteConnection::Open(path_, SqliteConnection::Mode::kReadOnly, timeouts_.statement);
}

Result<StoredPage> SqliteStorage::List(const std::string& graph, const ListRange& range) {
  ASSIGN_OR_RETURN(auto connection, TakeReader());
  Reader reader(this, std::move(connection));
  StoredPage page;
  ASSIGN_OR_RETURN(SqliteTransaction view, SqliteTransaction::Begin(reader.get(), "BEGIN"));
  ASSIGN_OR_RETURN(const GraphHead head, HeadOf(*reader, graph));
  page.at = head.at;
  if (range.since_idx < page.at.floor) return BelowFloor(graph, range.since_idx, page.at.floor);
  const auto segment_of = [&](int64_t idx) { return SegmentAt(*reader, graph, idx); };
  ASSIGN_OR_RETURN(const bool rows_follow,
                   ReadSealed({graph, segment_cache_, segment_of}, range, page));
  if (rows_follow) RETURN_IF_ERROR(AddRows(*reader, graph, range, page));
  RETURN_IF_ERROR(VerifyPage(graph, range, page));
  return page;
}

Status SqliteStorage::AddRows(SqliteConnection& connection, const std::string& graph,
                              const ListRange& range, StoredPage& page) {
  const int64_t since = page.events.empty() ? range.since_idx : page.events.back().idx;
  const int64_t limit = range.limit - static_cast<int64_t>(page.events.size());
  ASSIGN_OR_RETURN(SqliteStatement rows, connection.Prepare(sql::kSqliteList));
  rows.Bind(1, graph).Bind(2, since).Bind(3, page.at.head).Bind(4, limit);
  int64_t bytes = 0;
  for (const StoredEvent& event : page.events) bytes += static_cast<int64_t>(event.payload.size());
  while (true) {
    ASSIGN_OR_RETURN(const bool more, rows.Step());
    if (!more) return {};
    bytes += static_cast<int64_t>(rows.Bytes(7).size());
    if (!page.events.empty() && bytes > range.byte_limit) return {};
    ASSIGN_OR_RETURN(StoredEvent event, ReadEvent(rows));
    page.events.push_back(std::move(event));
  }
}

Result<GraphHead> SqliteStorage::Head(const std::string& graph) {
  ASSIGN_OR_RETURN(auto connection, TakeReader());
  Reader reader(this, std::move(connection));
  return HeadOf(*reader, graph);
}

Result<std::vector<GraphHead>> SqliteStorage::Graphs() {
  ASSIGN_OR_RETURN(auto connection, TakeReader());
  Reader reader(this, std::move(connection));
  ASSIGN_OR_RETURN(SqliteStatement rows, reader->Prepare(sql::kSqliteGraphs));
  std::vector<GraphHead> heads;
  while (true) {
    ASSIGN_OR_RETURN(const bool more, rows.Step());
    if (!more) return heads;
    heads.push_back(ReadHead(rows));
  }
}

}  // namespace databuild
