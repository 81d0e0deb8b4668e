// One SQLite connection and its prepared statements. Not thread-safe: the owner holds a lock.
//
// A lock held by another connection is waited for up to the busy timeout, then kUnavailable. A full
// disk is kUnavailable too; a damaged file is kCorrupt. Messages name the file and the statement's
// purpose.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "bel/base/clock.h"
#include "bel/base/result.h"

struct sqlite3;
struct sqlite3_stmt;

namespace databuild {

class SqliteConnection;

// Borrowed from a connection for one execution; reset when it goes out of scope.
class SqliteStatement {
 public:
  SqliteStatement(SqliteConnection* connection, sqlite3_stmt* statement)
      : connection_(connection), statement_(statement) {}
  SqliteStatement(SqliteStatement&& other) noexcept
      : connection_(other.connection_), statement_(std::exchange(other.statement_, nullptr)) {}
  SqliteStatement& operator=(SqliteStatement&&) = delete;
  ~SqliteStatement();

  // Parameters are numbered from 1. Bytes must live until the statement is reset.
  SqliteStatement& Bind(int parameter, int64_t value);
  SqliteStatement& Bind(int parameter, std::string_view text);
  SqliteStatement& BindBytes(int parameter, std::string_view bytes);

  // True: there is a row; false: done.
  Result<bool> Step();
  void Reset();
  // To step once more; what is not bound anew stays.
  void Again();

  // Columns are numbered from 0; views hold until the next Step.
  int64_t Int(int column) const;
  std::string_view Bytes(int column) const;
  std::string Text(int column) const { return std::string(Bytes(column)); }

 private:
  SqliteConnection* connection_;
  sqlite3_stmt* statement_;
};

class SqliteConnection {
 public:
  enum class Mode { kReadWrite, kReadOnly };

  // Opens (and for kReadWrite creates) the file in WAL mode with synchronous=FULL.
  static Result<std::unique_ptr<SqliteConnection>> Open(const std::string& path, Mode mode,
                                                        DurationNs busy_timeout);
  ~SqliteConnection();
  SqliteConnection(const SqliteConnection&) = delete;
  SqliteConnection& operator=(const SqliteConnection&) = delete;

  // Copies what it can of the WAL into the file; never waits for readers or a writer.
  Status Checkpoint();
  // Pages in the WAL after the last commit of this connection.
  int wal_pages() const { return wal_pages_; }
  // Writes zeros behind the end of the WAL until it has so many bytes. Nobody else uses the file.
  Status GrowWal(int64_t bytes);

  // Several statements, no results.
  Status Run(const char* sql);
  // `sql` is compiled once and found by its address afterwards: pass a constant.
  Result<SqliteStatement> Prepare(const char* sql);

  // Rows changed by the last statement.
  int64_t Changes() const;

  // The error of the last call on this connection.
  Error LastError(std::string_view what) const;

 private:
  SqliteConnection(sqlite3* database, std::string path);

  sqlite3* database_;
  std::string path_;
  int wal_pages_ = 0;
  struct Statements;
  std::unique_ptr<Statements> statements_;
};

// BEGIN ... COMMIT; rolled back unless committed.
class SqliteTransaction {
 public:
  // `begin` is "BEGIN" for a view, "BEGIN IMMEDIATE" for writing; a constant, as for Prepare.
  static Result<SqliteTransaction> Begin(SqliteConnection* connection, const char* begin);
  SqliteTransaction(SqliteTransaction&& other) noexcept
      : connection_(std::exchange(other.connection_, nullptr)) {}
  SqliteTransaction& operator=(SqliteTransaction&&) = delete;
  ~SqliteTransaction();
  Status Commit();

 private:
  explicit SqliteTransaction(SqliteConnection* connection) : connection_(connection) {}
  SqliteConnection* connection_;
};

}  // namespace databuild
