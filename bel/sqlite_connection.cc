#include "bel/sqlite_connection.h"

#include <sqlite3.h>

#include <algorithm>
#include <unordered_map>
#include <utility>

namespace databuild {
namespace {

constexpr char kCommit[] = "COMMIT";

Errc CodeOf(int sqlite_code) {
  switch (sqlite_code & 0xff) {
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
    case SQLITE_FULL:
    case SQLITE_IOERR:
    case SQLITE_CANTOPEN:
    case SQLITE_NOMEM:
    case SQLITE_INTERRUPT:
      return Errc::kUnavailable;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
      return Errc::kCorrupt;
    case SQLITE_CONSTRAINT:
      return Errc::kInternal;
    case SQLITE_READONLY:
    case SQLITE_PERM:
    case SQLITE_AUTH:
      return Errc::kPermissionDenied;
    default:
      return Errc::kInternal;
  }
}

const char* AdviceFor(int sqlite_code) {
  switch (sqlite_code & 0xff) {
    case SQLITE_FULL:
      return "; the disk is full, make room";
    case SQLITE_CANTOPEN:
      return "; check that the folder exists and is writable";
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
      return "; restore the file from a backup";
    case SQLITE_READONLY:
      return "; make file and folder writable";
    default:
      return "";
  }
}

}  // namespace

struct SqliteConnection::Statements {
  std::unordered_map<const char*, sqlite3_stmt*> by_sql;
};

SqliteStatement::~SqliteStatement() { Reset(); }

void SqliteStatement::Reset() {
  if (statement_ == nullptr) return;
  sqlite3_reset(statement_);
  sqlite3_clear_bindings(statement_);
}

void SqliteStatement::Again() { sqlite3_reset(statement_); }

SqliteStatement& SqliteStatement::Bind(int parameter, int64_t value) {
  CHECK(sqlite3_bind_int64(statement_, parameter, value) == SQLITE_OK);
  return *this;
}

SqliteStatement& SqliteStatement::Bind(int parameter, std::string_view text) {
  CHECK(sqlite3_bind_text64(statement_, parameter, text.data() == nullptr ? "" : text.data(),
                            text.size(), SQLITE_STATIC, SQLITE_UTF8) == SQLITE_OK);
  return *this;
}

SqliteStatement& SqliteStatement::BindBytes(int parameter, std::string_view bytes) {
  CHECK(sqlite3_bind_blob64(statement_, parameter, bytes.data() == nullptr ? "" : bytes.data(),
                            bytes.size(), SQLITE_STATIC) == SQLITE_OK);
  return *this;
}

Result<bool> SqliteStatement::Step() {
  const int code = sqlite3_step(statement_);
  if (code == SQLITE_ROW) return true;
  if (code == SQLITE_DONE) return false;
  return connection_->LastError("run a statement");
}

int64_t SqliteStatement::Int(int column) const { return sqlite3_column_int64(statement_, column); }

std::string_view SqliteStatement::Bytes(int column) const {
  const void* data = sqlite3_column_blob(statement_, column);
  const int size = sqlite3_column_bytes(statement_, column);
  return {static_cast<const char*>(data), static_cast<size_t>(size)};
}

SqliteConnection::SqliteConnection(sqlite3* database, std::string path)
    : database_(database), path_(std::move(path)), statements_(std::make_unique<Statements>()) {}

SqliteConnection::~SqliteConnection() {
  for (const auto& [sql, statement] : statements_->by_sql) sqlite3_finalize(statement);
  sqlite3_close_v2(database_);
}

Result<std::unique_ptr<SqliteConnection>> SqliteConnection::Open(const std::string& path, Mode mode,
                                                                 DurationNs busy_timeout) {
  int flags = SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;
  flags |=
      mode == Mode::kReadOnly ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE;
  sqlite3* database = nullptr;
  const int code = sqlite3_open_v2(path.c_str(), &database, flags, nullptr);
  std::unique_ptr<SqliteConnection> connection(new SqliteConnection(database, path));
  if (code != SQLITE_OK) return connection->LastError("open the database");
  sqlite3_busy_timeout(database, static_cast<int>(busy_timeout / kMillisecond));
  if (mode == Mode::kReadWrite) {
    RETURN_IF_ERROR(connection->Run("PRAGMA journal_mode = WAL"));
  }
  // Checkpoints run on a connection of their own, off the append path.
  RETURN_IF_ERROR(
      connection->Run("PRAGMA synchronous = FULL; PRAGMA wal_autocheckpoint = 0;"
                      "PRAGMA temp_store = MEMORY; PRAGMA trusted_schema = OFF"));
  sqlite3_wal_hook(
      database,
      [](void* self, sqlite3*, const char*, int pages) {
        static_cast<SqliteConnection*>(self)->wal_pages_ = pages;
        return SQLITE_OK;
      },
      connection.get());
  return connection;
}

Status SqliteConnection::Run(const char* sql) {
  if (sqlite3_exec(database_, sql, nullptr, nullptr, nullptr) == SQLITE_OK) return {};
  return LastError("run a statement");
}

Result<SqliteStatement> SqliteConnection::Prepare(const char* sql) {
  sqlite3_stmt*& statement = statements_->by_sql[sql];
  if (statement == nullptr) {
    const int code =
        sqlite3_prepare_v3(database_, sql, -1, SQLITE_PREPARE_PERSISTENT, &statement, nullptr);
    if (code != SQLITE_OK) return LastError("compile a statement");
  }
  return SqliteStatement(this, statement);
}

Status SqliteConnection::Checkpoint() {
  const int code =
      sqlite3_wal_checkpoint_v2(database_, nullptr, SQLITE_CHECKPOINT_PASSIVE, nullptr, nullptr);
  if (code == SQLITE_OK || (code & 0xff) == SQLITE_BUSY) return {};
  return LastError("copy the WAL");
}

Status SqliteConnection::GrowWal(int64_t bytes) {
  constexpr int kStep = 64 << 10;  // at most 128 KiB a call
  sqlite3_file* wal = nullptr;
  int code = sqlite3_file_control(database_, "main", SQLITE_FCNTL_JOURNAL_POINTER, &wal);
  if (code != SQLITE_OK || wal == nullptr || wal->pMethods == nullptr) {
    return Error{Errc::kUnavailable, "SQLite file " + path_ + " has no WAL yet"};
  }
  sqlite3_int64 size = 0;
  code = wal->pMethods->xFileSize(wal, &size);
  const std::string zeros(kStep, '\0');
  while (code == SQLITE_OK && size < bytes) {
    const int step = static_cast<int>(std::min<int64_t>(kStep, bytes - size));
    code = wal->pMethods->xWrite(wal, zeros.data(), step, size);
    size += step;
  }
  if (code == SQLITE_OK) code = wal->pMethods->xSync(wal, SQLITE_SYNC_NORMAL);
  if (code == SQLITE_OK) return {};
  return Error{CodeOf(code), "SQLite file " + path_ + ": could not extend its WAL: " +
                                 sqlite3_errstr(code) + AdviceFor(code)};
}

int64_t SqliteConnection::Changes() const { return sqlite3_changes64(database_); }

Error SqliteConnection::LastError(std::string_view what) const {
  const int code = database_ == nullptr ? SQLITE_NOMEM : sqlite3_errcode(database_);
  const char* message = database_ == nullptr ? "out of memory" : sqlite3_errmsg(database_);
  return Error{CodeOf(code), "SQLite file " + path_ + ": could not " + std::string(what) + ": " +
                                 message + AdviceFor(code)};
}

Result<SqliteTransaction> SqliteTransaction::Begin(SqliteConnection* connection,
                                                   const char* begin) {
  ASSIGN_OR_RETURN(SqliteStatement statement, connection->Prepare(begin));
  RETURN_IF_ERROR(statement.Step());
  return SqliteTransaction(connection);
}

SqliteTransaction::~SqliteTransaction() {
  if (connection_ == nullptr) return;
  const Status ignored = connection_->Run("ROLLBACK");  // fails only when nothing is open any more
  static_cast<void>(ignored);
}

Status SqliteTransaction::Commit() {
  ASSIGN_OR_RETURN(SqliteStatement statement, connection_->Prepare(kCommit));
  RETURN_IF_ERROR(statement.Step());
  connection_ = nullptr;
  return {};
}

}  // namespace databuild
