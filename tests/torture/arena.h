// The place of a torture: a Postgres with a faulty connection, writer processes one after the
// other, and the history of all that they saw.
#pragma once

#include <sys/types.h>

#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "tests/support/temp_folder.h"
#include "tests/torture/history.h"

namespace databuild::torture {

// Shared by the threads that read what writers write.
class SharedHistory {
 public:
  void Add(const std::string& line);
  int64_t acknowledged() const { return acknowledged_; }  // lines that say so
  // For the end, when no writer runs any more.
  const History& whole() const { return history_; }
  std::vector<AppendSeen> Unresolved();

 private:
  std::mutex mutex_;  // guards history_
  History history_;
  std::atomic<int64_t> acknowledged_ = 0;
};

// One child process; killed with the object.
class WriterProcess {
 public:
  struct Start {
    std::string uri;
    int number = 0;
    std::string resubmit_file, error_file;
  };
  WriterProcess(const Start& start, SharedHistory* history);
  ~WriterProcess();
  WriterProcess(const WriterProcess&) = delete;
  WriterProcess& operator=(const WriterProcess&) = delete;

  void Signal(int signal);
  // Waits until it has ended and all it wrote is in the history: exit code, 1000 + signal, or -1
  // when it did not end in time.
  int Wait(std::chrono::seconds timeout);

 private:
  void ReadLines(int fd);
  SharedHistory* const history_;
  pid_t pid_ = -1;
  std::jthread reader_;
};

// Writers on one storage, each with the unresolved batches of those before.
class Writers {
 public:
  explicit Writers(std::string uri) : uri_(std::move(uri)) {}

  std::unique_ptr<WriterProcess> Start();
  // Until `more` acknowledgements have come; false after a minute without.
  bool AwaitAcknowledged(int64_t more);
  SharedHistory& history() { return history_; }
  // The end of what the writers said on standard error.
  std::string Complaints() const;

 private:
  const std::string uri_;
  TempFolder folder_;
  int started_ = 0;
  SharedHistory history_;
};

// Looks every few milliseconds; false when `timeout` is over.
bool AwaitThat(const std::function<bool()>& condition, std::chrono::seconds timeout);

}  // namespace databuild::torture
