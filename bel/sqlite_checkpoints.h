// When and how the WAL of a SQLite log is copied into its database file.
//
// A thread with a connection of its own copies while appends go on. It cannot reach the end of a
// WAL that grows meanwhile, and only a WAL that is copied to its end is written from its start
// again: the few pages since are copied by the writer before its next append. So the WAL stays at
// about kCheckpointPages also under a load without pause, unless a reader holds an old view.
#pragma once

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <string>
#include <thread>

namespace databuild {

class SqliteConnection;

inline constexpr int kCheckpointPages = 1'000;  // of 4 KiB

class SqliteCheckpoints {
 public:
  explicit SqliteCheckpoints(std::string path);  // of the database; starts the thread

  // By the writer's thread, outside a transaction.
  void BeforeAppend(SqliteConnection& writer);
  // `wal_pages`: what the WAL holds after a commit.
  void AfterCommit(int wal_pages);

 private:
  void Loop(std::stop_token stop);

  const std::string path_;
  std::atomic<bool> finish_ = false;  // the thread has copied what it could
  std::mutex mutex_;                  // guards what follows
  std::condition_variable_any due_;
  int wal_pages_ = 0;
  int due_at_ = kCheckpointPages;  // pages
  std::jthread thread_;            // last: stops before what it uses goes away
};

}  // namespace databuild
