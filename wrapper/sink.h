// Our own stdout: buffered, never blocking, and never a reason to stop the job.
//
// Whole entries go in; Flush gives the reader what it takes. If the reader is gone or the disk is
// full the sink closes itself: later entries are counted as undelivered and still part of the
// digest. Not thread-safe.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "wrapper/digest.h"

namespace databuild::exec {

class OutputSink {
 public:
  // `fd` is borrowed. A pipe is made non-blocking, by a description of our own where /proc allows
  // it.
  explicit OutputSink(int fd);
  ~OutputSink();  // puts the flags of `fd` back
  OutputSink(const OutputSink&) = delete;
  OutputSink& operator=(const OutputSink&) = delete;

  // Room for one entry of at most `bytes`; Commit takes the first `bytes` of it as one entry.
  char* Reserve(size_t bytes);
  void Commit(size_t bytes) {
    end_ += bytes;
    if (closed_) ++undelivered_;
  }

  // False: the reader is behind; hold the job's output back in its pipes until it is true again.
  bool HasRoom() const { return end_ - begin_ < kHighWater; }
  bool pending() const { return begin_ != end_; }
  void Flush();
  int fd() const { return fd_; }

  bool closed() const { return closed_; }
  // Gives up on what the reader has not taken.
  void Close(const std::string& why);
  const std::string& error() const { return error_; }
  uint64_t undelivered() const { return undelivered_; }
  const StreamDigest& digest() const { return digest_; }

 private:
  static constexpr size_t kHighWater = 512 * 1024;
  enum class How { kWrite, kSend, kSmallWrites };

  void Hash();
  long WriteSome();

  const int original_fd_;
  int fd_;
  int saved_flags_ = -1;
  How how_ = How::kWrite;
  std::vector<char> buffer_;
  size_t begin_ = 0;   // first byte the reader has not got
  size_t hashed_ = 0;  // first byte that is not in the digest
  size_t end_ = 0;
  StreamDigest digest_;
  bool closed_ = false;
  std::string error_;
  uint64_t undelivered_ = 0;
};

}  // namespace databuild::exec
