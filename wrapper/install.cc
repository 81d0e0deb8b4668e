#include "wrapper/install.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>

namespace databuild::exec {
namespace {

Error Failure(const std::string& what) {
  return {Errc::kUnavailable, "install databuild-exec: " + what + ": " + std::strerror(errno)};
}

Status CopyAll(int from, int to, const std::string& path) {
  std::array<char, 64 * 1024> block;
  for (;;) {
    const ssize_t size = read(from, block.data(), block.size());
    if (size == 0) return {};
    if (size < 0 && errno == EINTR) continue;
    if (size < 0) return Failure("read /proc/self/exe");
    for (ssize_t done = 0; done < size;) {
      const ssize_t written = write(to, block.data() + done, static_cast<size_t>(size - done));
      if (written < 0 && errno != EINTR) return Failure("write " + path);
      if (written > 0) done += written;
    }
  }
}

}  // namespace

Status InstallSelf(const std::string& path) {
  const std::string partial = path + ".partial-" + std::to_string(getpid());
  const int from = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
  if (from < 0) return Failure("open /proc/self/exe");
  const int to = open(partial.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0755);
  if (to < 0) {
    const Error error = Failure("create " + partial);
    close(from);
    return error;
  }
  Status status = CopyAll(from, to, partial);
  // Not left to the umask: the job may run as another user.
  if (status.ok() && fchmod(to, 0755) != 0) status = Failure("chmod " + partial);
  close(from);
  if (close(to) != 0 && status.ok()) status = Failure("close " + partial);
  if (status.ok() && rename(partial.c_str(), path.c_str()) != 0)
    status = Failure("rename to " + path);
  if (!status.ok()) unlink(partial.c_str());
  return status;
}

}  // namespace databuild::exec
