// From a URI (`--bel`) to a Storage:
//
//   postgres://user:password@host:5432/database?sslmode=verify-full   (postgresql:// too)
//   sqlite:///var/lib/databuild/bel.db                                (an absolute path)
//   stdout      every event as a JSON line on standard output; nothing survives a restart
//   memory      for tests and the simulator
//
// kInvalidArgument says what is wrong with the URI, without its password. Nothing is contacted
// before Initialize.
#pragma once

#include <memory>
#include <string>

#include "bel/storage.h"

namespace databuild {

struct StorageOptions {
  StorageTimeouts timeouts;
  // Accept a Postgres that acknowledges commits before they are durable. Loses acknowledged events
  // in a crash.
  bool allow_unsafe_commit = false;
  // For tools and standbys, beside the process that writes: changes nothing, takes no lock. The
  // schema must be this release's. Nothing to see in memory and stdout.
  bool read_only = false;
};

Result<std::unique_ptr<Storage>> OpenStorage(const std::string& uri,
                                             const StorageOptions& options = {});

}  // namespace databuild
