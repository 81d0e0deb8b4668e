#include "bel/memory_log_chunks.h"

#include <algorithm>

namespace databuild {

Status MemoryLogChunks::Put(const RunKey& run, const LogChunk& chunk, TimeNs now) {
  ASSIGN_OR_RETURN(StoredLogRow row, PackLogChunk(run, chunk));
  const std::lock_guard lock(mutex_);
  RunLog& log = runs_[{run.graph, run.run_id}];
  const auto [stored, added] = log.rows.try_emplace(row.info.first_sequence, std::move(row));
  if (!added) return ComparedWithStored(run, chunk.info, stored->second.info.last_sequence);
  log.newest = std::max(log.newest, now);
  return {};
}

Result<std::vector<LogChunkInfo>> MemoryLogChunks::List(const RunKey& run) {
  const std::lock_guard lock(mutex_);
  std::vector<LogChunkInfo> chunks;
  const auto log = runs_.find({run.graph, run.run_id});
  if (log == runs_.end()) return chunks;
  for (const auto& [first, row] : log->second.rows) {
    if (first > 0) chunks.push_back(row.info);
  }
  return chunks;
}

Result<LogChunk> MemoryLogChunks::Get(const RunKey& run, int64_t first_sequence) {
  StoredLogRow row;
  {
    const std::lock_guard lock(mutex_);
    const auto log = runs_.find({run.graph, run.run_id});
    if (log == runs_.end()) return NoSuchChunk(run, first_sequence);
    const auto stored = log->second.rows.find(first_sequence);
    if (first_sequence < 1 || stored == log->second.rows.end())
      return NoSuchChunk(run, first_sequence);
    row = stored->second;
  }
  return UnpackLogChunk(run, std::move(row));
}

Status MemoryLogChunks::PutMark(const RunKey& run, const std::string& mark, TimeNs now) {
  ASSIGN_OR_RETURN(StoredLogRow row, PackLogMark(run, mark));
  const std::lock_guard lock(mutex_);
  RunLog& log = runs_[{run.graph, run.run_id}];
  if (log.rows.try_emplace(0, std::move(row)).second) log.newest = std::max(log.newest, now);
  return {};
}

Result<std::optional<std::string>> MemoryLogChunks::Mark(const RunKey& run) {
  StoredLogRow row;
  {
    const std::lock_guard lock(mutex_);
    const auto log = runs_.find({run.graph, run.run_id});
    if (log == runs_.end() || !log->second.rows.contains(0)) return std::optional<std::string>();
    row = log->second.rows[0];
  }
  ASSIGN_OR_RETURN(std::string mark, UnpackLogMark(run, std::move(row)));
  return std::optional<std::string>(std::move(mark));
}

Result<int64_t> MemoryLogChunks::RemoveOlder(const std::string& graph, TimeNs before) {
  const std::lock_guard lock(mutex_);
  int64_t removed = 0;
  for (auto it = runs_.begin(); it != runs_.end();) {
    const bool old = it->first.first == graph && it->second.newest < before;
    if (old) removed += static_cast<int64_t>(it->second.rows.size());
    it = old ? runs_.erase(it) : std::next(it);
  }
  return removed;
}

}  // namespace databuild
