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

template <typename T>
void AppendBigEndian(std::string& out, T value) {
  for (int shift = (sizeof(T) - 1) * 8; shift >= 0; shift -= 8) {
    out.push_back(static_cast<char>(static_cast<uint64_t>(value) >> shift));
  }
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

PostgresParams& PostgresParams::Int(int64_t value) {
  AppendBigEndian(values_.emplace_back(), value);
  types_.push_back(pg_type::kInt8);
  return *this;
}

PostgresParams& PostgresParams::Int4(int32_t value) {
  AppendBigEndian(values_.emplace_back(), value);
  types_.push_back(pg_type::kInt4);
  return *this;
}

PostgresParams& PostgresParams::Text(std::string_view text) {
  values_.emplace_back(text);
  types_.push_back(pg_type::kText);
  return *this;
}

void PostgresParams::Append32(uint32_t value) { AppendBigEndian(values_.back(), value); }

PostgresParams& PostgresParams::BeginArray(uint32_t element_type, size_t count, size_t bytes_hint) {
  values_.emplace_back().reserve(20 + count * 4 + bytes_hint);
  Append32(1);  // dimensions
  Append32(0);  // no nulls
  Append32(element_type);
  Append32(static_cast<uint32_t>(count));
  Append32(1);          // lower bound
  types_.push_back(0);  // the statement's cast says
  return *this;
}

PostgresParams& PostgresParams::ElementInt8(int64_t value) {
  Append32(8);
  AppendBigEndian(values_.back(), value);
  return *this;
}

PostgresParams& PostgresParams::ElementInt4(int32_t value) {
  Append32(4);
  AppendBigEndian(values_.back(), value);
  return *this;
}

PostgresParams& PostgresParams::ElementInt2(int16_t value) {
  Append32(2);
  AppendBigEndian(values_.back(), value);
  return *this;
}

PostgresParams& PostgresParams::ElementBytes(std::string_view bytes) {
  Append32(static_cast<uint32_t>(bytes.size()));
  values_.back().append(bytes);
  return *this;
}

PostgresRows::~PostgresRows() { PQclear(result_); }

int PostgresRows::count() const { return PQntuples(result_); }

int64_t PostgresRows::affected() const {
  const char* text = PQcmdTuples(result_);
  return *text == '\0' ? 0 : std::strtoll(text, nullptr, 10);
}

int64_t PostgresRows::Int(int row, int column) const {
  const std::string_view bytes = Bytes(row, column);
  uint64_t value = 0;
  for (const char byte : bytes) value = value << 8 | static_cast<unsigned char>(byte);
  if (bytes.size() == 4) return static_cast<int32_t>(value);
  if (bytes.size() == 2) return static_cast<int16_t>(value);
  return static_cast<int64_t>(value);
}

std::string_view PostgresRows::Bytes(int row, int column) const {
  return {PQgetvalue(result_, row, column), static_cast<size_t>(PQgetlength(result_, row, column))};
}

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

Status PostgresConnection::WaitForSocket(bool also_writable, Deadline deadline) {
  const TimeNs left = deadline - MonotonicNow();
  if (left <= 0) return Lost("no answer in " + FormatDuration(call_timeout_));
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

Status PostgresConnection::Prepare(const char* sql, const PostgresParams& params,
                                   Deadline deadline) {
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
  RETURN_IF_ERROR(Prepare(statement.sql, statement.params, deadline));
  RETURN_IF_ERROR(SendPrepared(statement));
  return OnlyResult(deadline);
}

Status PostgresConnection::Run(const char* sql) {
  if (PQsendQuery(connection_, sql) == 0) return Lost("could not send a statement");
  RETURN_IF_ERROR(OnlyResult(CallDeadline()));
  return {};
}

Result<std::vector<PostgresRows>> PostgresConnection::CollectTogether(size_t count,
                                                                      Deadline deadline) {
  std::vector<PostgresRows> rows;
  Status failed;
  for (size_t i = 0; i < count + 2; ++i) {  // BEGIN first, COMMIT last
    while (true) {
      ASSIGN_OR_RETURN(pg_result * result, NextResult(deadline));
      if (result == nullptr) break;
      PostgresRows one(result);
      if (!IsGood(result)) {
        if (PQresultStatus(result) != PGRES_PIPELINE_ABORTED && failed.ok())
          failed = FromResult(result);
      } else if (i > 0 && i <= count) {
        rows.push_back(std::move(one));
      }
    }
  }
  ASSIGN_OR_RETURN(pg_result * sync, NextResult(deadline));
  PQclear(sync);
  if (!failed.ok()) return failed.error();
  if (rows.size() != count) return Lost("the server gave no result");
  return rows;
}

Result<std::vector<PostgresRows>> PostgresConnection::ExecuteTogether(
    std::span<const PostgresStatement> statements) {
  static constexpr char kBegin[] = "BEGIN";
  static constexpr char kCommit[] = "COMMIT";
  const PostgresStatement begin{kBegin, {}}, commit{kCommit, {}};
  const Deadline deadline = CallDeadline();
  RETURN_IF_ERROR(Prepare(kBegin, {}, deadline));
  RETURN_IF_ERROR(Prepare(kCommit, {}, deadline));
  for (const PostgresStatement& statement : statements) {
    RETURN_IF_ERROR(Prepare(statement.sql, statement.params, deadline));
  }
  if (PQenterPipelineMode(connection_) == 0) return Lost("pipeline mode was refused");
  RETURN_IF_ERROR(SendPrepared(begin));
  for (const PostgresStatement& statement : statements) RETURN_IF_ERROR(SendPrepared(statement));
  RETURN_IF_ERROR(SendPrepared(commit));
  if (PQpipelineSync(connection_) == 0) return Lost("could not send the end of a transaction");
  auto rows = CollectTogether(statements.size(), deadline);
  if (!broken_ && PQexitPipelineMode(connection_) == 0) broken_ = true;
  // A transaction that failed half way is left open by the skipped COMMIT: give the connection up.
  if (!rows.ok()) broken_ = true;
  return rows;
}

}  // namespace databuild
