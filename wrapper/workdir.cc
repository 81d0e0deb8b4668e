#include "wrapper/workdir.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "wrapper/manifest.h"

namespace databuild::exec {
namespace {

// 0, or what went wrong.
int WriteWhole(const std::string& path, const std::string& content) {
  const int fd = open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (fd < 0) return errno;
  int failure = 0;
  for (size_t done = 0; done < content.size() && failure == 0;) {
    const ssize_t written = write(fd, content.data() + done, content.size() - done);
    if (written > 0) {
      done += static_cast<size_t>(written);
    } else if (written == 0 || errno != EINTR) {
      failure = written == 0 ? EIO : errno;
    }
  }
  if (close(fd) != 0 && failure == 0) failure = errno;
  return failure;
}

}  // namespace

Result<WorkDir> WorkDir::Create(const std::vector<std::string>& parents, const RunSpec& spec) {
  std::string tried;
  for (const std::string& parent : parents) {
    std::string path = parent + "/databuild-run-XXXXXX";
    int failure = mkdtemp(path.data()) == nullptr ? errno : 0;
    if (failure == 0) {
      WorkDir directory(path);
      failure = WriteWhole(directory.outputs_file(), JsonArray(spec.outputs));
      if (failure == 0) failure = WriteWhole(directory.inputs_file(), JsonArray(spec.inputs));
      if (failure == 0) return directory;
      directory.Remove();
    }
    tried += (tried.empty() ? "" : ", ") + parent + ": " + std::strerror(failure);
  }
  return Error{Errc::kUnavailable,
               "no place for the run's files (" + tried +
                   "); mount a writable emptyDir and name it in DATABUILD_WORK_DIR"};
}

void WorkDir::Remove() const {
  for (const std::string& file : {outputs_file(), inputs_file(), manifest_file(), missing_file()}) {
    unlink(file.c_str());
  }
  rmdir(path_.c_str());
}

Result<std::optional<std::string>> ReadReturnedFile(const std::string& path, size_t bytes_max) {
  const auto unreadable = [&](const std::string& why) {
    return Error{Errc::kInvalidArgument, "read " + path + ": " + why};
  };
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
  if (fd < 0) {
    if (errno == ENOENT) return std::optional<std::string>();
    return unreadable(errno == ELOOP ? "it is a symbolic link" : std::strerror(errno));
  }
  struct stat info;
  if (fstat(fd, &info) != 0 || !S_ISREG(info.st_mode)) {
    close(fd);
    return unreadable("it is not a regular file");
  }
  std::string content(bytes_max + 1, '\0');
  size_t size = 0;
  ssize_t got = 1;
  while (size < content.size() && got != 0) {
    got = read(fd, content.data() + size, content.size() - size);
    if (got < 0 && errno != EINTR) {
      const std::string why = std::strerror(errno);
      close(fd);
      return unreadable(why);
    }
    if (got > 0) size += static_cast<size_t>(got);
  }
  close(fd);
  if (size > bytes_max) {
    return Error{Errc::kTooLarge,
                 "read " + path + ": more than " + std::to_string(bytes_max) + " bytes"};
  }
  content.resize(size);
  return std::optional<std::string>(std::move(content));
}

}  // namespace databuild::exec
