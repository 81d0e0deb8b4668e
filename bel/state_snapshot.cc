#include "bel/state_snapshot.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <filesystem>
#include <utility>

#include "bel/base/crc32c.h"
#include "bel/state_access.h"
#include "bel/state_archive.h"
#include "bel/state_digest.h"

namespace databuild {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kMagic = "databuild.snapshot";
constexpr std::string_view kPrefix = "snapshot-";
constexpr size_t kFrameBytes = 1 << 20;  // aimed at
constexpr size_t kElementsAtOnce = 64;   // encoded before the size is looked at
constexpr size_t kSyncBytes = 32 << 20;  // written between two syncs, so that no one is long
constexpr uint32_t kMaxFrame = 1U << 30;

enum FrameKind : uint32_t {
  kHeader = 1,
  kSection = 100,  // + StateSection
  kRefOrder = 150,
  kPostings = 200,  // + StateAccess::PostingPart
  kEnd = 999,
};

struct Frame {
  uint32_t kind = 0;
  uint32_t elements = 0;
  uint32_t bytes = 0;
  uint32_t crc = 0;
};

uint32_t ChainCrc(uint32_t before, const Frame& frame, std::string_view content) {
  char head[12];
  std::memcpy(head, &frame, sizeof head);
  return ExtendCrc32c(ExtendCrc32c(before, {head, sizeof head}), content);
}

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

class FrameWriter {
 public:
  explicit FrameWriter(File& file) : file_(file) {}

  bool Put(uint32_t kind, size_t elements, std::string_view content) {
    Frame frame{kind, static_cast<uint32_t>(elements), static_cast<uint32_t>(content.size()), 0};
    frame.crc = crc_ = ChainCrc(crc_, frame, content);
    char head[sizeof frame];
    std::memcpy(head, &frame, sizeof frame);
    unsynced_ += content.size();
    if (unsynced_ > kSyncBytes && !file_.Sync()) return false;
    if (unsynced_ > kSyncBytes) unsynced_ = 0;
    return content.size() <= kMaxFrame && file_.Write({head, sizeof head}) && file_.Write(content);
  }

 private:
  File& file_;
  uint32_t crc_ = 0;
  size_t unsynced_ = 0;
};

bool PutSection(FrameWriter& out, const BuildState& state, StateSection section) {
  const size_t size = StateSize(state, section);
  std::string content;
  size_t from = 0;
  for (size_t at = 0; at < size;) {
    const size_t to = std::min(size, at + kElementsAtOnce);
    EncodeState(state, {section, at, to}, content);
    at = to;
    if (content.size() < kFrameBytes && at < size) continue;
    if (!out.Put(kSection + static_cast<uint32_t>(section), at - from, content)) return false;
    content.clear();
    from = at;
  }
  return true;
}

bool PutOrder(FrameWriter& out, const BuildState& state) {
  const std::vector<Index> order = StateAccess::OrderOfRefs(state);
  constexpr size_t kPiece = kFrameBytes / sizeof(Index);
  for (size_t at = 0; at < order.size(); at += kPiece) {
    const size_t count = std::min(kPiece, order.size() - at);
    const std::string_view piece(reinterpret_cast<const char*>(&order[at]), count * sizeof(Index));
    if (!out.Put(kRefOrder, count, piece)) return false;
  }
  return true;
}

bool PutAll(FrameWriter& out, const std::string& log_id, const BuildState& state,
            const Postings& postings) {
  std::string header;
  StateWriter write(header);
  write(std::string(kMagic), static_cast<uint64_t>(kStateModelVersion), log_id, state.idx());
  if (!out.Put(kHeader, 1, header)) return false;
  for (int i = 0; i < kStateSections; ++i) {
    if (!PutSection(out, state, static_cast<StateSection>(i))) return false;
  }
  if (!PutOrder(out, state)) return false;
  return StateAccess::EncodePostings(postings,
                                     [&](uint32_t part, std::string_view content) {
                                       return out.Put(kPostings + part, 1, content);
                                     }) &&
         out.Put(kEnd, 0, {});
}

Status SyncFolder(const std::string& folder) {
  File file(folder, O_RDONLY | O_DIRECTORY);
  if (!file.open() || !file.Sync()) return FileError("sync", folder);
  return {};
}

Status CheckHeader(std::string_view content, const std::string& path, const std::string& log_id) {
  StateReader read(content);
  std::string magic, log;
  uint64_t version = 0;
  read(magic);
  if (!read.ok() || magic != kMagic) return Error{Errc::kCorrupt, path + " is no snapshot"};
  read(version);
  if (version != kStateModelVersion) {
    return Error{Errc::kUnsupported, path + " is of model version " + std::to_string(version) +
                                         ", this release has " +
                                         std::to_string(kStateModelVersion)};
  }
  read(log);
  if (!read.ok()) return Error{Errc::kCorrupt, path + ": its header is damaged"};
  if (log != log_id) return Error{Errc::kConflict, path + " is of log " + log + ", not " + log_id};
  return {};
}

bool TakeFrame(const Frame& frame, std::string_view content, BuildState& state,
               Postings& postings) {
  if (frame.kind >= kSection && frame.kind < kSection + kStateSections) {
    return StateAccess::DecodeSection(static_cast<StateSection>(frame.kind - kSection),
                                      frame.elements, content, state);
  }
  if (frame.kind == kRefOrder) return StateAccess::DecodeOrder(content, state);
  if (frame.kind >= kPostings && frame.kind < kEnd) {
    return StateAccess::DecodePostings(frame.kind - kPostings, content, postings);
  }
  return false;
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
    FrameWriter out(file);
    if (!PutAll(out, log_id, state, postings) || !file.Sync()) {
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
  const Error damaged{Errc::kCorrupt, path + " is damaged or was not written to its end"};
  uint32_t crc = 0;
  std::string content;
  for (bool first = true;; first = false) {
    char head[sizeof(Frame)];
    if (!file.Read(head, sizeof head)) return damaged;
    Frame frame;
    std::memcpy(&frame, head, sizeof frame);
    if (frame.bytes > kMaxFrame) return damaged;
    content.resize(frame.bytes);
    if (!file.Read(content.data(), content.size())) return damaged;
    crc = ChainCrc(crc, frame, content);
    if (crc != frame.crc || first != (frame.kind == kHeader)) return damaged;
    if (frame.kind == kEnd) break;
    if (first) {
      RETURN_IF_ERROR(CheckHeader(content, path, log_id));
    } else if (!TakeFrame(frame, content, state, postings)) {
      return damaged;
    }
  }
  if (!file.AtEnd() || !StateAccess::Complete(state, postings)) return damaged;
  return {};
}

}  // namespace databuild
