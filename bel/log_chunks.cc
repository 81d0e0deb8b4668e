#include "bel/log_chunks.h"

#include <zstd.h>

#include <algorithm>

#include "bel/base/crc32c.h"
#include "bel/base/uuid.h"

namespace databuild {
namespace {

constexpr int kLevel = 3;
constexpr char kChunkCodec[] = "zstd";
constexpr char kMarkCodec[] = "mark";

std::string NameOf(const RunKey& run) { return "log of run " + run.run_id + " in " + run.graph; }

Error Damaged(const RunKey& run, const LogChunkInfo& info, const std::string& what) {
  return Error{Errc::kCorrupt, NameOf(run) + ": the chunk of lines " +
                                   std::to_string(info.first_sequence) + " to " +
                                   std::to_string(info.last_sequence) + " " + what};
}

Status CheckRun(const RunKey& run) {
  if (!run.graph.empty() && ParseUuid(run.run_id)) return {};
  return Error{Errc::kInvalidArgument, NameOf(run) + ": a run's id is a UUID"};
}

}  // namespace

Result<StoredLogRow> PackLogChunk(const RunKey& run, const LogChunk& chunk) {
  RETURN_IF_ERROR(CheckRun(run));
  const LogChunkInfo& info = chunk.info;
  if (chunk.lines.size() > kMaxLogChunkBytes) {
    return Error{Errc::kTooLarge, NameOf(run) + ": a chunk has at most " +
                                      std::to_string(kMaxLogChunkBytes) + " bytes, not " +
                                      std::to_string(chunk.lines.size())};
  }
  const int64_t lines = std::count(chunk.lines.begin(), chunk.lines.end(), '\n');
  if (info.first_sequence < 1 || info.last_sequence < info.first_sequence ||
      lines != info.count() || !chunk.lines.ends_with('\n')) {
    return Error{Errc::kInvalidArgument, NameOf(run) +
                                             ": a chunk holds every line from its first "
                                             "to its last sequence number, each with its newline"};
  }
  std::string bytes(ZSTD_compressBound(chunk.lines.size()), '\0');
  const size_t size =
      ZSTD_compress(bytes.data(), bytes.size(), chunk.lines.data(), chunk.lines.size(), kLevel);
  CHECK(ZSTD_isError(size) == 0);
  bytes.resize(size);
  bytes.shrink_to_fit();
  const uint32_t crc = Crc32c(bytes);
  return StoredLogRow{info, kChunkCodec, crc, std::move(bytes)};
}

Result<StoredLogRow> PackLogMark(const RunKey& run, const std::string& mark) {
  RETURN_IF_ERROR(CheckRun(run));
  if (mark.size() > kMaxLogMarkBytes) {
    return Error{Errc::kTooLarge, NameOf(run) + ": its mark has " + std::to_string(mark.size()) +
                                      " bytes, at most " + std::to_string(kMaxLogMarkBytes)};
  }
  return StoredLogRow{{}, kMarkCodec, Crc32c(mark), mark};
}

Result<LogChunk> UnpackLogChunk(const RunKey& run, StoredLogRow row) {
  if (row.codec != kChunkCodec) {
    return Error{Errc::kUnsupported,
                 NameOf(run) + ": a chunk is packed by \"" + row.codec + "\"; use a newer release"};
  }
  if (Crc32c(row.bytes) != row.crc32c) return Damaged(run, row.info, "does not match its checksum");
  const auto size = ZSTD_getFrameContentSize(row.bytes.data(), row.bytes.size());
  if (size == ZSTD_CONTENTSIZE_ERROR || size == ZSTD_CONTENTSIZE_UNKNOWN ||
      size > kMaxLogChunkBytes) {
    return Damaged(run, row.info, "does not say how large it is");
  }
  LogChunk chunk{row.info, std::string(size, '\0')};
  const size_t got = ZSTD_decompress(chunk.lines.data(), size, row.bytes.data(), row.bytes.size());
  if (ZSTD_isError(got) != 0 || got != size)
    return Damaged(run, row.info, "cannot be decompressed");
  return chunk;
}

Result<std::string> UnpackLogMark(const RunKey& run, StoredLogRow row) {
  if (row.codec == kMarkCodec && Crc32c(row.bytes) == row.crc32c) return std::move(row.bytes);
  return Error{Errc::kCorrupt, NameOf(run) + ": its mark does not match its checksum"};
}

Status ComparedWithStored(const RunKey& run, const LogChunkInfo& chunk, int64_t stored_last) {
  if (stored_last >= chunk.last_sequence) return {};
  return Error{Errc::kConflict, NameOf(run) + ": lines " + std::to_string(chunk.first_sequence) +
                                    " to " + std::to_string(stored_last) +
                                    " are stored already; go on behind them"};
}

Error NoSuchChunk(const RunKey& run, int64_t first_sequence) {
  return Error{Errc::kNotFound,
               NameOf(run) + ": no chunk begins with line " + std::to_string(first_sequence)};
}

}  // namespace databuild
