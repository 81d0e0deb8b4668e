#include "bel/postgres_values.h"

#include <libpq-fe.h>

#include <cstdlib>

namespace databuild {
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

PostgresParams& PostgresParams::Bytes(std::string_view bytes) {
  values_.emplace_back(bytes);
  types_.push_back(pg_type::kBytea);
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

bool PostgresRows::IsNull(int row, int column) const {
  return PQgetisnull(result_, row, column) != 0;
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

}  // namespace databuild
