#include "bel/state_snapshot.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <filesystem>

#include "bel/state_stream.h"

namespace databuild {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kPrefix = "snapshot-";
constexpr size_t kSyncBytes = 32 << 20;  // written between two syncs, so that no one is long

Error FileError(const std::string& what, const std::string& path) {
  return Error{Errc::kUnavailable, "cannot " + what + " " + path + ": " + std::strerror(errno)};
}

class File {
 public:
  File(const std::string& path, int flags) : path_(path), fd_(::open(path.c_str(), flags, 0644)) {}
  ~File() {
    if (fd_ >= 0) ::close(fd_);
  }
  File(const File&) = delete;
  File& operator=(const File&) = delete;

  bool open() const { return fd_ >= 0; }
  const std::string& path() const { return path_; }

  bool Write(std::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t written = ::write(fd_, bytes.data(), bytes.size());
      if (written < 0 && errno == EINTR) continue;
      if (written <= 0) return false;
      bytes.remove_prefix(static_cast<size_t>(written));
    }
    return true;
  }
  // False: the file ends before, or cannot be read.
  bool Read(char* out, size_t size) {
    while (size > 0) {
      const ssize_t got = ::read(fd_, out, size);
      if (got < 0 && errno == EINTR) continue;
      if (got <= 0) return false;
      out += got;
      size -= static_cast<size_t>(got);
    }
    return true;
  }
  bool AtEnd() {
    char byte = 0;
    return ::read(fd_, &byte, 1) == 0;
  }
  bool Sync() { return ::fdatasync(fd_) == 0; }

 private:
  const std::string path_;
  const int fd_;
};

Status SyncFolder(const std::string& folder) {
  File file(folder, O_RDONLY | O_DIRECTORY);
  if (!file.open() || !file.Sync()) return FileError("sync", folder);
  return {};
}

}  // namespace

Status WriteSnapshot(const std::string& folder, const std::string& log_id, const BuildState& state,
                     const Postings& postings) {
  std::error_code failed;
  fs::create_directories(folder, failed);
  std::string digits = std::to_string(state.idx());
  digits.insert(0, 20 - digits.size(), '0');
  const std::string path = folder + "/" + std::string(kPrefix) + digits;
  const std::string partial = folder + "/partial";
  {
    File file(partial, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC);
    if (!file.open()) return FileError("create", partial);
    size_t unsynced = 0;
    const auto put = [&](std::string_view bytes) {
      unsynced += bytes.size();
      if (unsynced > kSyncBytes && !file.Sync()) return false;
      if (unsynced > kSyncBytes) unsynced = 0;
      return file.Write(bytes);
    };
    if (!WriteFold(log_id, state, postings, put) || !file.Sync()) {
      const Error error = FileError("write", partial);
      fs::remove(partial, failed);
      return error;
    }
  }
  if (::rename(partial.c_str(), path.c_str()) != 0) return FileError("name", path);
  RETURN_IF_ERROR(SyncFolder(folder));
  const std::vector<std::string> all = ListSnapshots(folder);
  for (size_t i = kSnapshotsKept; i < all.size(); ++i) fs::remove(all[i], failed);
  return {};
}

int64_t SnapshotIdx(const std::string& path) {
  const std::string name = fs::path(path).filename().string();
  if (!name.starts_with(kPrefix)) return 0;
  int64_t idx = 0;
  const char* const end = name.data() + name.size();
  const auto [stop, error] = std::from_chars(name.data() + kPrefix.size(), end, idx);
  return error == std::errc() && stop == end ? idx : 0;
}

std::vector<std::string> ListSnapshots(const std::string& folder) {
  std::vector<std::string> paths;
  std::error_code failed;
  for (fs::directory_iterator at(folder, failed), end; !failed && at != end; at.increment(failed)) {
    if (SnapshotIdx(at->path().string()) > 0) paths.push_back(at->path().string());
  }
  std::sort(paths.begin(), paths.end(), [](const std::string& a, const std::string& b) {
    return SnapshotIdx(a) > SnapshotIdx(b);
  });
  return paths;
}

Status ReadSnapshot(const std::string& path, const std::string& log_id, BuildState& state,
                    Postings& postings) {
  File file(path, O_RDONLY | O_CLOEXEC);
  if (!file.open()) return FileError("open", path);
  return ReadFold({path, [&](char* out, size_t size) { return file.Read(out, size); },
                   [&] { return file.AtEnd(); }},
                  log_id, state, postings);
}

}  // namespace databuild
