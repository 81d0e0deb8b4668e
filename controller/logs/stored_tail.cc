#include "controller/logs/stored_tail.h"

#include <algorithm>
#include <string_view>
#include <vector>

#include "databuild/v1/databuild.pb.h"

namespace databuild {
namespace {

// Lines `first` to `last` of a chunk that holds them.
std::string_view Cut(const LogChunk& chunk, int64_t first, int64_t last) {
  std::string_view rest = chunk.lines;
  size_t begin = 0, end = 0;
  for (int64_t line = chunk.info.first_sequence; line <= last && end < rest.size(); ++line) {
    if (line == first) begin = end;
    end = std::min(rest.size(), rest.find('\n', end) + 1);
  }
  return rest.substr(begin, end - begin);
}

}  // namespace

Result<std::optional<std::string>> StoredTail(LogChunks& chunks, const RunKey& run, int64_t lines) {
  ASSIGN_OR_RETURN(const std::optional<std::string> bytes, chunks.Mark(run));
  v1::RunLogMark mark;
  if (!bytes) return std::optional<std::string>();
  if (!mark.ParseFromString(*bytes))
    return Error{Errc::kCorrupt, "the mark of run " + run.run_id + " is no RunLogMark"};
  if (!mark.complete()) return std::optional<std::string>();
  ASSIGN_OR_RETURN(const std::vector<LogChunkInfo> stored, chunks.List(run));
  int64_t next = static_cast<int64_t>(mark.last_sequence());  // the newest line not yet here
  const int64_t first = std::max<int64_t>(1, next - lines + 1);
  std::vector<std::string> pieces;
  // Chunks of an operator that was replaced may overlap with those of the next.
  for (auto info = stored.rbegin(); info != stored.rend() && next >= first; ++info) {
    if (info->first_sequence > next || info->last_sequence < next) continue;
    ASSIGN_OR_RETURN(const LogChunk chunk, chunks.Get(run, info->first_sequence));
    pieces.emplace_back(Cut(chunk, std::max(first, info->first_sequence), next));
    next = info->first_sequence - 1;
  }
  if (next >= first) return std::optional<std::string>();  // retention has been here
  std::string tail;
  for (auto piece = pieces.rbegin(); piece != pieces.rend(); ++piece) tail += *piece;
  return std::optional(std::move(tail));
}

}  // namespace databuild
