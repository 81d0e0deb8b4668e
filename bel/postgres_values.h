// Values on their way to and from Postgres, all in binary form.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

struct pg_result;

namespace databuild {

// As Postgres wants integers.
template <typename T>
void AppendBigEndian(std::string& out, T value) {
  char bytes[sizeof(T)];
  for (size_t i = 0; i < sizeof(T); ++i) {
    bytes[i] = static_cast<char>(static_cast<uint64_t>(value) >> (sizeof(T) - 1 - i) * 8);
  }
  out.append(bytes, sizeof(T));
}

// Parameters of one statement, all binary. Arrays are given element by element.
class PostgresParams {
 public:
  PostgresParams& Int(int64_t value);   // bigint
  PostgresParams& Int4(int32_t value);  // integer
  PostgresParams& Text(std::string_view text);
  PostgresParams& Bytes(std::string_view bytes);  // bytea
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
  bool IsNull(int row, int column) const;
  // Of a bigint, integer, smallint or boolean column, by its size.
  int64_t Int(int row, int column) const;
  std::string_view Bytes(int row, int column) const;
  std::string Text(int row, int column) const { return std::string(Bytes(row, column)); }

 private:
  pg_result* result_;
};

}  // namespace databuild
