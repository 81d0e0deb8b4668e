// One connection to Postgres over libpq, in non-blocking mode: every call has a deadline, also when
// the server stays silent. Not thread-safe: the owner holds a lock.
//
// After kUnavailable the connection is useless (`usable()` is false) and the outcome of the
// statement unknown. Messages carry the server's text and SQLSTATE, never the password.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "bel/base/clock.h"
#include "bel/base/result.h"
#include "bel/postgres_values.h"

struct pg_conn;
struct pg_result;

namespace databuild {

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
  // Several statements in one round trip, each with its own view. One result per statement; none
  // when one failed: then nothing of it happened.
  Result<std::vector<PostgresRows>> ExecuteAll(std::span<const PostgresStatement> statements);
  // Text that may hold several statements, no parameters, no rows.
  Status Run(const char* sql);
  // COPY ... FROM STDIN: sends what `next` gives until that is empty. The deadline counts anew with
  // every chunk.
  Status CopyIn(const char* sql, const std::function<std::string_view()>& next);

  // False after a failure, or when the server has hung up meanwhile.
  bool usable() const;

 private:
  friend class PostgresPipeline;
  using Deadline = TimeNs;  // of the monotonic clock

  PostgresConnection(pg_conn* connection, DurationNs call_timeout);

  Deadline CallDeadline() const;
  static bool IsOver(Deadline deadline);
  Status Prepare(const PostgresStatement& statement, Deadline deadline);
  Status SendPrepared(const PostgresStatement& statement);
  // Waits until the next result is there; nullptr ends the results of one statement.
  Result<pg_result*> NextResult(Deadline deadline);
  Result<PostgresRows> OnlyResult(Deadline deadline);
  Result<std::vector<PostgresRows>> ResultsToSync(Deadline deadline);
  Status WaitForSocket(bool also_writable, Deadline deadline);

  // For PostgresPipeline. The first transaction puts the connection into pipeline mode for good:
  // Execute and Run must not be called any more.
  Status SendTransaction(std::span<const PostgresStatement> statements, Deadline deadline);
  Status SendAll(Deadline deadline);
  Result<bool> HasResult();  // whether TakeResult would not block
  pg_result* TakeResult();
  bool HungUp() const;
  enum class ResultKind { kGood, kFailed, kSkipped, kSync };
  static ResultKind KindOf(const pg_result* result);
  // Sleeps until there may be input, but not long. Touches nothing: may run beside SendTransaction.
  void AwaitInput() const;
  bool broken() const { return broken_; }

  Error Silent();
  Error Lost(std::string_view what);
  Error FromResult(const pg_result* result);
  std::string Scrub(std::string text) const;

  pg_conn* connection_;
  const DurationNs call_timeout_;
  int socket_ = -1;
  bool pipelined_ = false;
  bool broken_ = false;
  std::map<const char*, std::string> prepared_;  // sql -> name on the server
};

}  // namespace databuild
