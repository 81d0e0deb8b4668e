#include "wrapper/sink.h"

#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace databuild::exec {

OutputSink::OutputSink(int fd) : original_fd_(fd), fd_(fd), buffer_(2 * kHighWater) {
  struct stat info;
  if (fstat(fd, &info) != 0) {
    Close(std::string("stdout: ") + std::strerror(errno));
    return;
  }
  if (S_ISSOCK(info.st_mode)) {
    how_ = How::kSend;
  } else if (S_ISCHR(info.st_mode) && isatty(fd) != 0) {
    // A terminal is shared with the shell: its flags are not ours to change.
    how_ = How::kSmallWrites;
  } else if (S_ISFIFO(info.st_mode)) {
    // O_NONBLOCK belongs to the open file, which others may share; better one of our own.
    const std::string path = "/proc/self/fd/" + std::to_string(fd);
    const int own = open(path.c_str(), O_WRONLY | O_NONBLOCK | O_CLOEXEC);
    if (own >= 0) {
      fd_ = own;
    } else {
      saved_flags_ = fcntl(fd, F_GETFL);
      fcntl(fd, F_SETFL, saved_flags_ | O_NONBLOCK);
    }
  }
}

OutputSink::~OutputSink() {
  if (fd_ != original_fd_) close(fd_);
  if (saved_flags_ >= 0) fcntl(original_fd_, F_SETFL, saved_flags_);
}

char* OutputSink::Reserve(size_t bytes) {
  if (end_ + bytes > buffer_.size()) {
    Hash();
    std::memmove(buffer_.data(), buffer_.data() + begin_, end_ - begin_);
    end_ -= begin_;
    hashed_ -= begin_;
    begin_ = 0;
    // Beyond the high water mark only for the wrapper's own entries, which are few.
    if (end_ + bytes > buffer_.size()) buffer_.resize(2 * (end_ + bytes));
  }
  return buffer_.data() + end_;
}

void OutputSink::Hash() {
  if (hashed_ == end_) return;
  digest_.Update({buffer_.data() + hashed_, end_ - hashed_});
  hashed_ = end_;
}

long OutputSink::WriteSome() {
  const char* const data = buffer_.data() + begin_;
  const size_t size = end_ - begin_;
  if (how_ == How::kSend) return send(fd_, data, size, MSG_DONTWAIT | MSG_NOSIGNAL);
  if (how_ == How::kWrite) return write(fd_, data, size);
  pollfd ready{fd_, POLLOUT, 0};
  if (poll(&ready, 1, 0) == 0) {
    errno = EAGAIN;
    return -1;
  }
  return write(fd_, data, std::min<size_t>(size, PIPE_BUF));
}

void OutputSink::Flush() {
  Hash();
  while (begin_ != end_ && !closed_) {
    const long written = WriteSome();
    if (written >= 0) {
      begin_ += static_cast<size_t>(written);
    } else if (errno == EAGAIN) {
      return;
    } else if (errno != EINTR) {
      Close(std::strerror(errno));
    }
  }
  begin_ = end_ = hashed_ = 0;
}

void OutputSink::Close(const std::string& why) {
  Hash();
  undelivered_ +=
      static_cast<uint64_t>(std::count(buffer_.begin() + static_cast<long>(begin_),
                                       buffer_.begin() + static_cast<long>(end_), '\n'));
  begin_ = end_ = hashed_ = 0;
  closed_ = true;
  error_ = why;
}

}  // namespace databuild::exec
