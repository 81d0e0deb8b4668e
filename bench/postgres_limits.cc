#include "bench/postgres_limits.h"

#include <libpq-fe.h>

#include "bel/base/uuid.h"

namespace databuild {
namespace {

template <typename T>
void BigEndian(std::string& out, T value) {
  for (int shift = (sizeof(T) - 1) * 8; shift >= 0; shift -= 8) {
    out.push_back(static_cast<char>(static_cast<uint64_t>(value) >> shift));
  }
}

template <typename T>
void Field(std::string& out, T value) {
  BigEndian<int32_t>(out, sizeof(T));
  BigEndian(out, value);
}

void BytesField(std::string& out, std::string_view bytes) {
  BigEndian<int32_t>(out, static_cast<int32_t>(bytes.size()));
  out.append(bytes);
}

PGconn* Connect(const std::string& uri) {
  PGconn* connection = PQconnectdb(uri.c_str());
  Require(PQstatus(connection) == CONNECTION_OK, PQerrorMessage(connection));
  PQsetNoticeProcessor(
      connection, [](void*, const char*) {}, nullptr);
  return connection;
}

void Run(PGconn* connection, const std::string& sql, ExecStatusType expected) {
  PGresult* result = PQexec(connection, sql.c_str());
  Require(PQresultStatus(result) == expected, PQerrorMessage(connection));
  PQclear(result);
}

void Finish(PGconn* connection) {
  while (PGresult* result = PQgetResult(connection)) {
    Require(PQresultStatus(result) == PGRES_COMMAND_OK, PQresultErrorMessage(result));
    PQclear(result);
  }
}

}  // namespace

void Settle(const std::string& uri) {
  constexpr int kWalFiles = 32;  // of 16 MiB
  PGconn* connection = Connect(uri);
  Run(connection, "ALTER SYSTEM SET min_wal_size = '1GB'", PGRES_COMMAND_OK);
  Run(connection, "SELECT pg_reload_conf()", PGRES_TUPLES_OK);
  for (int i = 0; i < kWalFiles; ++i) {
    Run(connection, "SELECT pg_logical_emit_message(false, 'bench', 'x'), pg_switch_wal()",
        PGRES_TUPLES_OK);
  }
  Run(connection, "CHECKPOINT", PGRES_COMMAND_OK);  // they are given to what comes
  PQfinish(connection);
}

std::string CopyRows(std::span<const StoredEvent> events) {
  std::string rows = std::string("PGCOPY\n\377\r\n\0", 11) + std::string(8, '\0');
  for (const StoredEvent& event : events) {
    BigEndian<int16_t>(rows, 9);
    Field<int64_t>(rows, event.idx);
    Field<int64_t>(rows, event.ts);
    Field<int64_t>(rows, 1);
    const UuidBytes id = *ParseUuid(event.event_id);
    BytesField(rows, {reinterpret_cast<const char*>(id.data()), id.size()});
    Field<int32_t>(rows, 1);
    Field<int32_t>(rows, static_cast<int32_t>(event.crc32c));
    Field<int16_t>(rows, 1);
    Field<int16_t>(rows, static_cast<int16_t>(event.type));
    BytesField(rows, event.payload);
  }
  BigEndian<int16_t>(rows, -1);
  return rows;
}

CopyIn::CopyIn(const std::string& uri) : connection_(Connect(uri)) {
  Run(connection_, "CREATE TABLE IF NOT EXISTS copied (LIKE bel_events INCLUDING ALL)",
      PGRES_COMMAND_OK);
}

CopyIn::~CopyIn() { PQfinish(connection_); }

void CopyIn::Send(const std::string& rows) {
  Run(connection_,
      "COPY copied (idx, ts, epoch, event_id, graph_id, crc32c, schema_version, type,"
      " payload) FROM STDIN (FORMAT binary)",
      PGRES_COPY_IN);
  Require(PQputCopyData(connection_, rows.data(), static_cast<int>(rows.size())) == 1, "copy");
  Require(PQputCopyEnd(connection_, nullptr) == 1, "copy end");
  Finish(connection_);
}

void CopyIn::Empty() { Run(connection_, "TRUNCATE copied", PGRES_COMMAND_OK); }

int64_t CopyOut(const std::string& uri, int64_t idx) {
  PGconn* connection = Connect(uri);
  Run(connection,
      "COPY (SELECT idx, ts, epoch, schema_version, type, event_id, crc32c, payload "
      "FROM bel_events WHERE idx <= " +
          std::to_string(idx) + " ORDER BY graph_id, idx) TO STDOUT (FORMAT binary)",
      PGRES_COPY_OUT);
  int64_t bytes = 0;
  char* row = nullptr;
  for (int size = 0; (size = PQgetCopyData(connection, &row, 0)) > 0;) {
    bytes += size;
    PQfreemem(row);
  }
  Finish(connection);
  PQfinish(connection);
  return bytes;
}

}  // namespace databuild
