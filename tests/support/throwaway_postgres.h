// A Postgres server of the test's own: initdb in a temporary folder, unix socket only, gone with
// the object.
//
// When the test runs as root the server runs as user postgres. fsync stays on: what is tested is
// durability. Not thread-safe.
#pragma once

#include <sys/types.h>

#include <memory>
#include <string>
#include <vector>

#include "bel/base/result.h"

namespace databuild {

class ThrowawayPostgres {
 public:
  // Takes about two seconds. An error says what is missing.
  static Result<std::unique_ptr<ThrowawayPostgres>> Start();
  ~ThrowawayPostgres();

  // postgres://databuild@/<database>?host=<socket folder>
  std::string Uri(const std::string& database = "postgres") const;
  // A new, empty database; returns its URI.
  Result<std::string> CreateDatabase(const std::string& name);

  // Kills postmaster and children with SIGKILL and waits until all are gone.
  void KillHard();
  // Starts again after KillHard; recovers from the write-ahead log.
  Status Restart();
  // Stops every process of the server, or lets them go on.
  void Freeze();
  void Thaw();

 private:
  ThrowawayPostgres() = default;
  std::vector<pid_t> Processes() const;
  Status Initdb();
  Status Launch();

  std::string folder_;
  pid_t postmaster_ = -1;
};

}  // namespace databuild
