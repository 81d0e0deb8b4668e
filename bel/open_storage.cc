#include "bel/open_storage.h"

#include <cstdio>
#include <string_view>

#include "bel/base/log.h"
#include "bel/log_chunks.h"
#include "bel/memory_log_chunks.h"
#include "bel/memory_storage.h"
#include "bel/postgres_log_chunks.h"
#include "bel/postgres_storage.h"
#include "bel/sqlite_log_chunks.h"
#include "bel/sqlite_storage.h"
#include "bel/stdout_storage.h"

namespace databuild {
namespace {

constexpr std::string_view kSqlite = "sqlite://";

Error BadUri(const std::string& uri, const std::string& why) {
  return Error{Errc::kInvalidArgument, "--bel: \"" + RedactUri(uri) + "\": " + why};
}

Result<std::unique_ptr<Storage>> OpenSqlite(const std::string& uri, const StorageOptions& options) {
  const std::string path = uri.substr(kSqlite.size());
  if (!path.starts_with('/')) {
    return BadUri(uri, "the path must be absolute: sqlite:///var/lib/databuild/bel.db");
  }
  if (path.ends_with('/')) return BadUri(uri, "names a folder; name a file in it");
  if (path.find_first_of("?#%") != std::string::npos) {
    return BadUri(uri,
                  "sqlite takes no parameters and no percent-encoding; the path is used as it is");
  }
  return std::unique_ptr<Storage>(
      std::make_unique<SqliteStorage>(path, options.timeouts, options.read_only));
}

}  // namespace

Result<std::unique_ptr<Storage>> OpenStorage(const std::string& uri,
                                             const StorageOptions& options) {
  if (uri == "memory") return std::unique_ptr<Storage>(std::make_unique<MemoryStorage>());
  if (uri == "stdout") return std::unique_ptr<Storage>(std::make_unique<StdoutStorage>(stdout));
  if (uri.starts_with(kSqlite)) return OpenSqlite(uri, options);
  if (uri.starts_with("postgres://") || uri.starts_with("postgresql://")) {
    PostgresOptions postgres{uri, options.timeouts, options.allow_unsafe_commit, options.read_only};
    if (Status good = CheckPostgresUri(uri); !good.ok()) return BadUri(uri, good.error().message);
    return std::unique_ptr<Storage>(std::make_unique<PostgresStorage>(std::move(postgres)));
  }
  return BadUri(uri, "unknown storage; use postgres://…, sqlite:///path, stdout or memory");
}

Result<std::unique_ptr<LogChunks>> OpenLogChunks(const std::string& uri) {
  if (uri == "memory" || uri == "stdout") {
    return std::unique_ptr<LogChunks>(std::make_unique<MemoryLogChunks>());
  }
  if (uri.starts_with(kSqlite)) {
    return std::unique_ptr<LogChunks>(
        std::make_unique<SqliteLogChunks>(uri.substr(kSqlite.size()), StorageTimeouts{}));
  }
  return std::unique_ptr<LogChunks>(std::make_unique<PostgresLogChunks>(uri, StorageTimeouts{}));
}

}  // namespace databuild
