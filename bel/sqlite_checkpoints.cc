#include "bel/sqlite_checkpoints.h"

#include <utility>

#include "bel/base/log.h"
#include "bel/sqlite_connection.h"

namespace databuild {

SqliteCheckpoints::SqliteCheckpoints(std::string path)
    : path_(std::move(path)), thread_([this](std::stop_token stop) { Loop(std::move(stop)); }) {}

void SqliteCheckpoints::BeforeAppend(SqliteConnection& writer) {
  if (!finish_.exchange(false)) return;
  const Status copied = writer.Checkpoint();
  if (!copied.ok()) LogWarn("checkpoint failed", {{"error", copied.error().message}});
}

void SqliteCheckpoints::AfterCommit(int wal_pages) {
  std::lock_guard lock(mutex_);
  if (wal_pages < wal_pages_) due_at_ = kCheckpointPages;  // written from its start again
  wal_pages_ = wal_pages;
  if (wal_pages_ >= due_at_) due_.notify_one();
}

void SqliteCheckpoints::Loop(std::stop_token stop) {
  const auto open = [this] {
    return SqliteConnection::Open(path_, SqliteConnection::Mode::kReadWrite, kSecond);
  };
  auto opened = open();
  while (!stop.stop_requested()) {
    {
      std::unique_lock lock(mutex_);
      due_.wait(lock, stop, [&] { return wal_pages_ >= due_at_; });
      if (stop.stop_requested()) return;
      // Where a reader keeps the WAL from starting anew it is tried again after as many pages more.
      due_at_ = wal_pages_ + kCheckpointPages;
    }
    if (!opened.ok()) opened = open();
    const Status copied = opened.ok() ? (*opened)->Checkpoint() : opened.error();
    if (!copied.ok()) LogWarn("checkpoint failed", {{"error", copied.error().message}});
    finish_.store(copied.ok());
  }
}

}  // namespace databuild
