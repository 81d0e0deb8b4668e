// One connection to Postgres over libpq, in non-blocking mode: every call has a deadline, also when
// the server stays silent. Not thread-safe: the owner holds a lock.
//
// After kUnavailable the connection is useless (`usable()` is false) and the outcome of the
// statement unknown. Messages carry the server's text and SQLSTATE, never the password.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "bel/base/clock.h"
#include "bel/base/result.h"

struct pg_conn;
struct pg_result;

namespace databuild {

// Parameters of one statement, all binary. Arrays are given element by element.
class PostgresParams {
 public:
  PostgresParams& Int(int64_t value);   // bigint
  PostgresParams& Int4(int32_t value);  // integer
  PostgresParams& Text(std::string_view text);
  // One array of `count` elements follows by Element*().
  PostgresParams& BeginArray(uint32_t element_type, size_t count, size_t bytes_hint);
  PostgresParams& ElementInt8(int64_t value);
  PostgresParams& ElementInt4(int32_t value);
  PostgresParams& ElementInt2(int16_t value);
  PostgresParams& ElementBytes(std::string_view bytes);

  const std::vector<std::string>& values() const { return values_; }
  const std::vector<uint32_t>& types() const { return types_; }

 private:
  void Append32(uint32_t value);
  std::vector<std::string> values_;
  std::vector<uint32_t> types_;  // type oids
};

namespace pg_type {  // oids of pg_type.dat, fixed for all versions
inline constexpr uint32_t kBytea = 17, kInt8 = 20, kInt2 = 21, kInt4 = 23, kText = 25, kUuid = 2950;
}  // namespace pg_type

// Rows in binary form.
class PostgresRows {
 public:
  explicit PostgresRows(pg_result* result) : result_(result) {}
  PostgresRows(PostgresRows&& other) noexcept : result_(std::exchange(other.result_, nullptr)) {}
  PostgresRows& operator=(PostgresRows&& other) noexcept {
    std::swap(result_, other.result_);
    return *this;
  }
  ~PostgresRows();

  int count() const;
  int64_t affected() const;
  // Of a bigint, integer, smallint or boolean column, by its size.
  int64_t Int(int row, int column) const;
  std::string_view Bytes(int row, int column) const;
  std::string Text(int row, int column) const { return std::string(Bytes(row, column)); }

 private:
  pg_result* result_;
};

struct PostgresStatement {
  const char* sql = nullptr;  // found by its address once prepared: pass a constant
  PostgresParams params;
};

class PostgresConnection {
 public:
  static Result<std::unique_ptr<PostgresConnection>> Open(const std::string& uri,
                                                          DurationNs connect_timeout,
                                                          DurationNs call_timeout);
  ~PostgresConnection();
  PostgresConnection(const PostgresConnection&) = delete;
  PostgresConnection& operator=(const PostgresConnection&) = delete;

  // Prepared on first use.
  Result<PostgresRows> Execute(const PostgresStatement& statement);
  // Text that may hold several statements, no parameters, no rows.
  Status Run(const char* sql);
  // BEGIN, the statements, COMMIT in one round trip. An error is that of the first that failed;
  // nothing is committed then.
  Result<std::vector<PostgresRows>> ExecuteTogether(std::span<const PostgresStatement> statements);

  // False after a failure, or when the server has hung up meanwhile.
  bool usable() const;

 private:
  PostgresConnection(pg_conn* connection, DurationNs call_timeout)
      : connection_(connection), call_timeout_(call_timeout) {}

  using Deadline = TimeNs;  // of the monotonic clock
  Deadline CallDeadline() const;
  Status Prepare(const char* sql, const PostgresParams& params, Deadline deadline);
  Status SendPrepared(const PostgresStatement& statement);
  // Waits until the next result is there; nullptr ends the results of one statement.
  Result<pg_result*> NextResult(Deadline deadline);
  Result<PostgresRows> OnlyResult(Deadline deadline);
  Result<std::vector<PostgresRows>> CollectTogether(size_t count, Deadline deadline);
  Status WaitForSocket(bool also_writable, Deadline deadline);
  Error Lost(std::string_view what);
  Error FromResult(const pg_result* result);
  std::string Scrub(std::string text) const;

  pg_conn* connection_;
  DurationNs call_timeout_;
  bool broken_ = false;
  std::map<const char*, std::string> prepared_;  // sql -> name on the server
};

}  // namespace databuild
