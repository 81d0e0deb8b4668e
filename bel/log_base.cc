#include "bel/log_base.h"

#include <algorithm>
#include <cstring>
#include <functional>
#include <vector>

#include "bel/base/crc32c.h"
#include "bel/base/log.h"
#include "bel/state_digest.h"
#include "bel/state_snapshot.h"
#include "bel/state_stream.h"

namespace databuild {
namespace {

constexpr char kNoLog[] = "";  // in the header of the bytes

std::string NameOf(const std::string& graph, const BaseInfo& base) {
  return "the base of idx " + std::to_string(base.idx) + " of graph " + graph;
}

// Cuts bytes into chunks and stores them.
class ChunkWriter {
 public:
  ChunkWriter(const BaseTarget& target, int64_t idx) : target_(target) { base_.idx = idx; }

  bool Put(std::string_view bytes) {
    while (!bytes.empty()) {
      const size_t take = std::min(bytes.size(), kBaseChunkBytes - chunk_.size());
      chunk_.append(bytes.substr(0, take));
      bytes.remove_prefix(take);
      if (chunk_.size() == kBaseChunkBytes && !Flush()) return false;
    }
    return true;
  }

  bool Flush() {
    if (chunk_.empty()) return true;
    status_ = target_.storage->PutBaseChunk(target_.graph, target_.epoch,
                                            {base_.idx, base_.chunks, chunk_});
    ++base_.chunks;
    base_.bytes += static_cast<int64_t>(chunk_.size());
    base_.crc32c = ExtendCrc32c(base_.crc32c, chunk_);
    chunk_.clear();
    return status_.ok();
  }

  const Status& status() const { return status_; }
  const BaseInfo& base() const { return base_; }

 private:
  const BaseTarget& target_;
  BaseInfo base_;
  std::string chunk_;
  Status status_;
};

Error OtherRelease(const std::string& graph, const BaseInfo& base) {
  const bool newer = base.model_version > static_cast<int32_t>(kStateModelVersion);
  return Error{Errc::kUnsupported,
               NameOf(graph, base) + " has state model version " +
                   std::to_string(base.model_version) + ", this release reads version " +
                   std::to_string(kStateModelVersion) +
                   (newer ? "; start the newer release that wrote it"
                          : "; start the releases in between one after the other, each writes the "
                            "base anew")};
}

// One place where a fold may begin.
struct Candidate {
  int64_t idx = 0;
  bool stored = false;  // a base
  std::function<Result<Fold>()> read;
};

std::vector<Candidate> Candidates(const OriginRequest& request,
                                  const std::vector<BaseInfo>& bases) {
  std::vector<Candidate> all;
  for (const std::string& path : ListSnapshots(request.snapshot_folder)) {
    all.push_back({SnapshotIdx(path), false, [path, &request]() -> Result<Fold> {
                     Fold fold;
                     RETURN_IF_ERROR(
                         ReadSnapshot(path, request.at.log_id, *fold.state, *fold.postings));
                     fold.from = "snapshot";
                     return fold;
                   }});
  }
  for (const BaseInfo& base : bases) {
    all.push_back({base.idx, true,
                   [base, &request] { return ReadBase(*request.storage, request.graph, base); }});
  }
  std::stable_sort(all.begin(), all.end(),
                   [](const Candidate& a, const Candidate& b) { return a.idx > b.idx; });
  return all;
}

Error NothingStands(const OriginRequest& request) {
  const std::string floor = std::to_string(request.at.floor);
  return Error{Errc::kOutOfRange,
               "log of graph " + request.graph + ": the events up to idx " + floor +
                   " are gone and no base of the storage and no snapshot" +
                   (request.snapshot_folder.empty() ? "" : " in " + request.snapshot_folder) +
                   " stands for them; restore the log from a backup, or put a snapshot of idx " +
                   floor + " or later of this log into the folder of snapshots"};
}

}  // namespace

Result<BaseInfo> StoreBase(const BaseTarget& target, const BuildState& state,
                           const Postings& postings) {
  // What an earlier try left behind.
  RETURN_IF_ERROR(target.storage->DropBases(target.graph, target.epoch, 0));
  ChunkWriter chunks(target, state.idx());
  const bool written =
      WriteFold(kNoLog, state, postings, [&](std::string_view bytes) { return chunks.Put(bytes); });
  if (written) chunks.Flush();
  RETURN_IF_ERROR(chunks.status());
  if (!written) return Error{Errc::kTooLarge, "a part of the fold is too large for a base"};
  BaseInfo base = chunks.base();
  base.model_version = static_cast<int32_t>(kStateModelVersion);
  return base;
}

Status ReadBaseBytes(Storage& storage, const std::string& graph, const BaseInfo& base,
                     const std::function<Status(std::string_view)>& take) {
  uint32_t crc = 0;
  for (int32_t number = 0; number < base.chunks; ++number) {
    ASSIGN_OR_RETURN(const std::string chunk, storage.ReadBaseChunk(graph, base.idx, number));
    crc = ExtendCrc32c(crc, chunk);
    RETURN_IF_ERROR(take(chunk));
  }
  if (crc == base.crc32c) return {};
  return Error{Errc::kCorrupt,
               NameOf(graph, base) + " does not match its checksum; restore the log from a backup"};
}

Result<Fold> ReadBase(Storage& storage, const std::string& graph, const BaseInfo& base) {
  if (base.model_version != static_cast<int32_t>(kStateModelVersion)) {
    return OtherRelease(graph, base);
  }
  std::string chunk;
  size_t at = 0;
  int32_t next = 0;
  uint32_t crc = 0;
  Status got;
  const auto read = [&](char* out, size_t size) {
    while (size > 0) {
      if (at == chunk.size()) {
        if (next == base.chunks) return false;
        auto piece = storage.ReadBaseChunk(graph, base.idx, next++);
        if (!piece.ok()) {
          got = piece.error();
          return false;
        }
        chunk = std::move(*piece);
        crc = ExtendCrc32c(crc, chunk);
        at = 0;
        continue;
      }
      const size_t take = std::min(size, chunk.size() - at);
      std::memcpy(out, chunk.data() + at, take);
      out += take;
      at += take;
      size -= take;
    }
    return true;
  };
  const auto at_end = [&] {
    return next == base.chunks && at == chunk.size() && crc == base.crc32c;
  };
  Fold fold;
  const Status done =
      ReadFold({NameOf(graph, base), read, at_end}, kNoLog, *fold.state, *fold.postings);
  RETURN_IF_ERROR(got);
  RETURN_IF_ERROR(done);
  fold.from = "base";
  return fold;
}

Result<Fold> ReadOrigin(const OriginRequest& request) {
  const auto known = request.storage->Bases(request.graph);
  if (!known.ok() && known.error().code != Errc::kUnsupported) return known.error();
  const std::vector<BaseInfo> bases = known.ok() ? *known : std::vector<BaseInfo>();
  Status other_release;
  for (const Candidate& candidate : Candidates(request, bases)) {
    if (candidate.idx < request.at.floor || candidate.idx > request.at.head) continue;
    auto fold = candidate.read();
    if (fold.ok()) return fold;
    if (candidate.stored && fold.error().code == Errc::kUnavailable) return fold;
    if (candidate.stored && fold.error().code == Errc::kUnsupported) other_release = fold.error();
    LogWarn(candidate.stored ? "base ignored" : "snapshot ignored",
            {{"graph", request.graph}, {"error", fold.error().message}});
  }
  if (request.at.floor == 0) return Fold();
  RETURN_IF_ERROR(other_release);
  return NothingStands(request);
}

}  // namespace databuild
