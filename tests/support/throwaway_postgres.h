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
  static Result<std::unique_ptr<ThrowawayPostgres>> Start() { return StartOn(0); }
  // On a disk of its own with so many bytes, in memory: to be filled. Needs root. 0: none.
  static Result<std::unique_ptr<ThrowawayPostgres>> StartOn(int64_t disk_bytes);
  ~ThrowawayPostgres();

  // postgres://databuild@/<database>?host=<socket folder>
  std::string Uri(const std::string& database = "postgres") const;
  // A new, empty database; returns its URI.
  Result<std::string> CreateDatabase(const std::string& name);

  // Kills postmaster and children with SIGKILL and waits until all are gone.
  void KillHard();
  // Starts again after KillHard; recovers from the write-ahead log.
  Status Restart();
  // Kills one of the processes that serve clients with SIGKILL (all others restart then); false if
  // there is none.
  bool KillOneBackend(unsigned pick);
  bool running() const;
  // After KillHard: a copy of all files; back to that copy.
  Status SaveFiles();
  Status RestoreFiles();
  // Where its socket lies, and the space it lives in.
  const std::string& folder() const { return folder_; }
  // Stops every process of the server, or lets them go on.
  void Freeze();
  void Thaw();

 private:
  ThrowawayPostgres() = default;
  std::vector<pid_t> Processes() const;
  Status Initdb();
  Status Launch();

  std::string folder_;
  bool own_disk_ = false;
  pid_t postmaster_ = -1;
};

}  // namespace databuild
