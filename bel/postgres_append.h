// Events on their way into Postgres: as arrays of one statement, or as rows of a binary COPY.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "bel/postgres_connection.h"
#include "bel/storage.h"

namespace databuild {

// The fenced append of one batch (sql/postgres/append.sql).
PostgresStatement AppendStatement(const AppendBatch& batch);

// The same batch for sql/postgres/import.sql, in chunks of about a quarter of a megabyte.
class CopyRows {
 public:
  // `batch` outlives this.
  CopyRows(const AppendBatch& batch, int64_t graph_id);
  // The next chunk, valid until the call after; empty: that was all.
  std::string_view Next();

 private:
  void AddRow(const StoredEvent& event);

  const AppendBatch& batch_;
  const int64_t graph_id_;
  size_t piece_ = 0, event_ = 0;  // the next to add
  enum { kHeader, kRows, kTrailer, kEnd } state_ = kHeader;
  std::string chunk_;
};

}  // namespace databuild
