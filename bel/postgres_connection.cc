#include "bel/postgres_connection.h"

#include <libpq-fe.h>
#include <poll.h>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <utility>

namespace databuild {
namespace {

TimeNs MonotonicNow() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

// What the caller can do about an SQLSTATE.
Errc CodeOf(std::string_view sqlstate) {
  const std::string_view kind = sqlstate.substr(0, 2);
  if (sqlstate == "42501") return Errc::kPermissionDenied;
  if (sqlstate == "XX001" || sqlstate == "XX002") return Errc::kCorrupt;
  // Connection, resources, operator intervention, rollback, lock timeout, read-only server, system
  // error.
  for (const std::string_view retry : {"08", "53", "57", "40", "55", "25", "58"}) {
    if (kind == retry) return Errc::kUnavailable;
  }
  if (kind == "28") return Errc::kUnauthenticated;
  return Errc::kInternal;
}

bool IsGood(const pg_result* result) {
  const ExecStatusType status = PQresultStatus(result);
  return status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK || status == PGRES_PIPELINE_SYNC;
}

std::string Seconds(DurationNs duration) {
  return std::to_string(std::max<int64_t>(2, (duration + kSecond - 1) / kSecond));
}

}  // namespace

PostgresConnection::PostgresConnection(pg_conn* connection, DurationNs call_timeout)
    : connection_(connection), call_timeout_(call_timeout), socket_(PQsocket(connection)) {}

Result<std::unique_ptr<PostgresConnection>> PostgresConnection::Open(const std::string& uri,
                                                                     DurationNs connect_timeout,
                                                                     DurationNs call_timeout) {
  const std::string connect = Seconds(connect_timeout);
  const std::string silence = std::to_string(call_timeout / kMillisecond);
  // What stands before dbname is a default that the URI may override.
  const char* keys[] = {
      "connect_timeout",  "tcp_user_timeout", "keepalives_idle", "keepalives_interval",
      "keepalives_count", "application_name", "dbname",          nullptr};
  const char* values[] = {connect.c_str(), silence.c_str(), "10",   "5", "3",
                          "databuild",     uri.c_str(),     nullptr};
  pg_conn* raw = PQconnectdbParams(keys, values, 1);
  std::unique_ptr<PostgresConnection> connection(new PostgresConnection(raw, call_timeout));
  if (PQstatus(raw) != CONNECTION_OK) {
    return Error{Errc::kUnavailable,
                 "connect to Postgres: " + connection->Scrub(PQerrorMessage(raw)) +
                     "; check the URI of --bel and that the server runs"};
  }
  PQsetnonblocking(raw, 1);
  PQsetNoticeProcessor(
      raw, [](void*, const char*) {}, nullptr);  // else libpq prints them
  return connection;
}

PostgresConnection::~PostgresConnection() { PQfinish(connection_); }

bool PostgresConnection::usable() const {
  if (broken_ || PQstatus(connection_) != CONNECTION_OK) return false;
  if (PQtransactionStatus(connection_) != PQTRANS_IDLE) return false;
  // An idle server has nothing to say: readable means that it hung up.
  pollfd socket{PQsocket(connection_), POLLIN, 0};
  return poll(&socket, 1, 0) == 0;
}

std::string PostgresConnection::Scrub(std::string text) const {
  std::replace_if(
      text.begin(), text.end(), [](char c) { return c == '\n' || c == '\t'; }, ' ');
  while (!text.empty() && text.back() == ' ') text.pop_back();
  const char* password = connection_ == nullptr ? nullptr : PQpass(connection_);
  if (password == nullptr || std::strlen(password) < 3) return text;
  for (size_t pos = text.find(password); pos != std::string::npos; pos = text.find(password, pos)) {
    text.replace(pos, std::strlen(password), "***");
    pos += 3;
  }
  return text;
}

Error PostgresConnection::Lost(std::string_view what) {
  broken_ = true;
  const std::string reason = Scrub(PQerrorMessage(connection_));
  return Error{Errc::kUnavailable,
               "Postgres: " + std::string(what) + (reason.empty() ? "" : ": " + reason)};
}

Error PostgresConnection::Silent() { return Lost("no answer in " + FormatDuration(call_timeout_)); }

Error PostgresConnection::FromResult(const pg_result* result) {
  const char* sqlstate = PQresultErrorField(result, PG_DIAG_SQLSTATE);
  if (sqlstate == nullptr) return Lost("the connection was lost");
  const char* message = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
  return Error{CodeOf(sqlstate), "Postgres: " + Scrub(message == nullptr ? "" : message) +
                                     " (SQLSTATE " + sqlstate + ")"};
}

PostgresConnection::Deadline PostgresConnection::CallDeadline() const {
  // The server's own statement_timeout strikes first and says more.
  return MonotonicNow() + call_timeout_ + kSecond;
}

bool PostgresConnection::IsOver(Deadline deadline) { return MonotonicNow() >= deadline; }

Status PostgresConnection::WaitForSocket(bool also_writable, Deadline deadline) {
  const TimeNs left = deadline - MonotonicNow();
  if (left <= 0) return Silent();
  pollfd socket{PQsocket(connection_), POLLIN, 0};
  if (also_writable) socket.events |= POLLOUT;
  const int ready = poll(&socket, 1, static_cast<int>(left / kMillisecond) + 1);
  if (ready < 0 && errno != EINTR) return Lost("poll failed");
  return {};
}

Result<pg_result*> PostgresConnection::NextResult(Deadline deadline) {
  while (true) {
    const int unsent = PQflush(connection_);
    if (unsent < 0) return Lost("the connection was lost while sending");
    if (unsent == 0 && PQisBusy(connection_) == 0) return PQgetResult(connection_);
    RETURN_IF_ERROR(WaitForSocket(unsent != 0, deadline));
    if (PQconsumeInput(connection_) == 0) return Lost("the connection was lost");
  }
}

Result<PostgresRows> PostgresConnection::OnlyResult(Deadline deadline) {
  PostgresRows rows(nullptr);
  Status failed;
  bool any = false;
  while (true) {
    ASSIGN_OR_RETURN(pg_result * result, NextResult(deadline));
    if (result == nullptr) break;
    PostgresRows one(result);
    if (!IsGood(result)) {
      if (failed.ok()) failed = FromResult(result);
      continue;
    }
    any = true;
    rows = std::move(one);
  }
  if (!failed.ok()) return failed.error();
  if (!any) return Lost("the server gave no result");
  return rows;
}

Status PostgresConnection::Prepare(const PostgresStatement& statement, Deadline deadline) {
  const auto& [sql, params] = statement;
  if (prepared_.contains(sql)) return {};
  const std::string name = "databuild_" + std::to_string(prepared_.size() + 1);
  const std::vector<Oid> types(params.types().begin(), params.types().end());
  if (PQsendPrepare(connection_, name.c_str(), sql, static_cast<int>(types.size()), types.data()) ==
      0) {
    return Lost("could not send a statement");
  }
  RETURN_IF_ERROR(OnlyResult(deadline));
  prepared_[sql] = name;
  return {};
}

Status PostgresConnection::SendPrepared(const PostgresStatement& statement) {
  std::vector<const char*> values;
  std::vector<int> lengths;
  for (const std::string& value : statement.params.values()) {
    values.push_back(value.data());
    lengths.push_back(static_cast<int>(value.size()));
  }
  const std::vector<int> formats(values.size(), 1);
  if (PQsendQueryPrepared(connection_, prepared_.at(statement.sql).c_str(),
                          static_cast<int>(values.size()), values.data(), lengths.data(),
                          formats.data(), 1) == 0) {
    return Lost("could not send a statement");
  }
  return {};
}

Result<PostgresRows> PostgresConnection::Execute(const PostgresStatement& statement) {
  const Deadline deadline = CallDeadline();
  RETURN_IF_ERROR(Prepare(statement, deadline));
  RETURN_IF_ERROR(SendPrepared(statement));
  return OnlyResult(deadline);
}

Result<std::vector<PostgresRows>> PostgresConnection::ResultsToSync(Deadline deadline) {
  std::vector<PostgresRows> all;
  Status failed;
  while (true) {
    ASSIGN_OR_RETURN(pg_result * result, NextResult(deadline));
    if (result == nullptr) {  // ends the results of one statement
      if (HungUp()) return Lost("the connection was lost");
      continue;
    }
    PostgresRows rows(result);
    const ResultKind kind = KindOf(result);
    if (kind == ResultKind::kSync) break;
    if (kind == ResultKind::kGood) all.push_back(std::move(rows));
    if (kind == ResultKind::kFailed && failed.ok()) failed = FromResult(result);
  }
  if (!failed.ok()) return failed.error();
  return all;
}

Result<std::vector<PostgresRows>> PostgresConnection::ExecuteAll(
    std::span<const PostgresStatement> statements) {
  const Deadline deadline = CallDeadline();
  for (const PostgresStatement& statement : statements) {
    RETURN_IF_ERROR(Prepare(statement, deadline));
  }
  if (PQenterPipelineMode(connection_) == 0) return Lost("pipeline mode was refused");
  for (const PostgresStatement& statement : statements) RETURN_IF_ERROR(SendPrepared(statement));
  if (PQpipelineSync(connection_) == 0) return Lost("could not send the end of a transaction");
  auto all = ResultsToSync(deadline);
  if (PQexitPipelineMode(connection_) == 0) return Lost("pipeline mode did not end");
  if (all.ok() && all->size() != statements.size()) return Lost("the server gave no result");
  return all;
}

Status PostgresConnection::Run(const char* sql) {
  if (PQsendQuery(connection_, sql) == 0) return Lost("could not send a statement");
  RETURN_IF_ERROR(OnlyResult(CallDeadline()));
  return {};
}

Status PostgresConnection::CopyIn(const char* sql, const std::function<std::string_view()>& next) {
  if (PQsendQuery(connection_, sql) == 0) return Lost("could not send a statement");
  ASSIGN_OR_RETURN(pg_result * begun, NextResult(CallDeadline()));
  const PostgresRows first(begun);
  if (PQresultStatus(begun) != PGRES_COPY_IN) {
    const Error refused = FromResult(begun);
    RETURN_IF_ERROR(OnlyResult(CallDeadline()));
    return refused;
  }
  for (std::string_view chunk = next(); !chunk.empty(); chunk = next()) {
    // The chunk before goes out first: at most one is held here.
    RETURN_IF_ERROR(SendAll(CallDeadline()));
    if (PQputCopyData(connection_, chunk.data(), static_cast<int>(chunk.size())) != 1 ||
        PQflush(connection_) < 0) {
      return Lost("the connection was lost while copying");
    }
  }
  if (PQputCopyEnd(connection_, nullptr) != 1) return Lost("could not end a copy");
  RETURN_IF_ERROR(OnlyResult(CallDeadline()));
  return {};
}

Status PostgresConnection::SendTransaction(std::span<const PostgresStatement> statements,
                                           Deadline deadline) {
  if (broken_) return Lost("the connection was lost");
  if (!pipelined_) {
    for (const PostgresStatement& statement : statements) {
      RETURN_IF_ERROR(Prepare(statement, deadline));
    }
    if (PQenterPipelineMode(connection_) == 0) return Lost("pipeline mode was refused");
    pipelined_ = true;
  }
  for (const PostgresStatement& statement : statements) {
    CHECK(prepared_.contains(statement.sql));
    RETURN_IF_ERROR(SendPrepared(statement));
  }
  if (PQpipelineSync(connection_) == 0) return Lost("could not send the end of a transaction");
  return SendAll(deadline);
}

Status PostgresConnection::SendAll(Deadline deadline) {
  while (true) {
    const int unsent = PQflush(connection_);
    if (unsent < 0) return Lost("the connection was lost while sending");
    if (unsent == 0) return {};
    RETURN_IF_ERROR(WaitForSocket(true, deadline));
    // What the server says meanwhile, or both sides could wait for the other to read.
    if (PQconsumeInput(connection_) == 0) return Lost("the connection was lost");
  }
}

Result<bool> PostgresConnection::HasResult() {
  if (broken_) return Lost("the connection was lost");
  if (PQisBusy(connection_) == 0) return true;
  if (PQconsumeInput(connection_) == 0) return Lost("the connection was lost");
  return PQisBusy(connection_) == 0;
}

pg_result* PostgresConnection::TakeResult() { return PQgetResult(connection_); }

bool PostgresConnection::HungUp() const { return PQstatus(connection_) != CONNECTION_OK; }

PostgresConnection::ResultKind PostgresConnection::KindOf(const pg_result* result) {
  switch (PQresultStatus(result)) {
    case PGRES_PIPELINE_SYNC:
      return ResultKind::kSync;
    case PGRES_PIPELINE_ABORTED:
      return ResultKind::kSkipped;
    default:
      return IsGood(result) ? ResultKind::kGood : ResultKind::kFailed;
  }
}

void PostgresConnection::AwaitInput() const {
  constexpr int kLongestMs = 200;  // a socket that another thread has closed wakes nobody
  pollfd socket{socket_, POLLIN, 0};
  poll(&socket, 1, kLongestMs);
}

}  // namespace databuild
