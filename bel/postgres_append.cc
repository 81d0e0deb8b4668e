#include "bel/postgres_append.h"

#include "bel/base/uuid.h"
#include "bel/sql_text.h"

namespace databuild {
namespace {

constexpr size_t kChunkBytes = 256 << 10;
constexpr size_t kRowBytes = 128;  // of a row without its payload, at most

std::string_view View(const UuidBytes& bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

template <typename Visit>
void ForEachEvent(const AppendBatch& batch, Visit visit) {
  for (const auto& piece : batch.events) {
    for (const StoredEvent& event : piece) visit(event);
  }
}

template <typename T>
void Field(std::string& out, T value) {
  AppendBigEndian<int32_t>(out, sizeof(T));
  AppendBigEndian(out, value);
}

void BytesField(std::string& out, std::string_view bytes) {
  AppendBigEndian(out, static_cast<int32_t>(bytes.size()));
  out.append(bytes);
}

}  // namespace

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

CopyRows::CopyRows(const AppendBatch& batch, int64_t graph_id)
    : batch_(batch), graph_id_(graph_id) {}

void CopyRows::AddRow(const StoredEvent& event) {
  AppendBigEndian<int16_t>(chunk_, 9);  // columns, in the order of import.sql
  Field(chunk_, static_cast<int32_t>(graph_id_));
  Field(chunk_, event.idx);
  Field(chunk_, event.ts);
  Field(chunk_, batch_.epoch);
  Field(chunk_, static_cast<int16_t>(event.schema_version));
  Field(chunk_, static_cast<int16_t>(event.type));
  const UuidBytes id = *ParseUuid(event.event_id);
  BytesField(chunk_, View(id));
  Field(chunk_, static_cast<int32_t>(event.crc32c));
  BytesField(chunk_, event.payload);
}

std::string_view CopyRows::Next() {
  chunk_.clear();
  if (state_ == kEnd) return chunk_;
  if (state_ == kHeader) {
    chunk_.append("PGCOPY\n\377\r\n\0", 11).append(8, '\0');  // no flags, no extension
    state_ = kRows;
  }
  while (state_ == kRows && chunk_.size() + kRowBytes < kChunkBytes) {
    if (piece_ == batch_.events.size()) {
      state_ = kTrailer;
    } else if (event_ == batch_.events[piece_].size()) {
      ++piece_;
      event_ = 0;
    } else {
      AddRow(batch_.events[piece_][event_++]);
    }
  }
  if (state_ == kTrailer) {
    AppendBigEndian<int16_t>(chunk_, -1);
    state_ = kEnd;
  }
  return chunk_;
}

}  // namespace databuild
