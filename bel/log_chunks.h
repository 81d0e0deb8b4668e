// LogChunks: where the lines of job runs are kept, beside the event log of the same URI.
//
// The log of a run is a list of chunks: lines whose sequence numbers follow each other without a
// gap. A gap in the log is a gap between chunks. What is stored is never changed: a chunk that
// begins where a stored one begins is the same, or shorter, or refused. The last thing stored of a
// run is its mark, which says how its log ended.
//
// Thread-safe. Calls block, each for a bounded time (StorageTimeouts). Errors: kConflict (Put: a
// shorter chunk is stored under this sequence: read what there is and go on behind it),
// kUnavailable (outcome unknown: put again), kCorrupt, kNotFound, kTooLarge, kInvalidArgument.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "bel/base/clock.h"
#include "bel/base/result.h"

namespace databuild {

inline constexpr size_t kMaxLogChunkBytes = 2 << 20;  // of lines, before compression
inline constexpr size_t kMaxLogMarkBytes = 256 << 10;

struct RunKey {
  std::string graph;
  std::string run_id;  // UUID
};

struct LogChunkInfo {
  int64_t first_sequence = 0;  // from 1
  int64_t last_sequence = 0;   // every one between is there: lines = last - first + 1
  TimeNs first_ts = 0;         // of the lines, as the job's node told it; the earliest
  TimeNs last_ts = 0;          // the latest
  int32_t max_level = 0;       // highest LogLevel of its text lines

  int64_t count() const { return last_sequence - first_sequence + 1; }
  friend bool operator==(const LogChunkInfo&, const LogChunkInfo&) = default;
};

struct LogChunk {
  LogChunkInfo info;
  std::string lines;  // JobLogEntry as JSON, each with its newline
};

class LogChunks {
 public:
  virtual ~LogChunks() = default;

  // Creates what is missing; idempotent. Storage::Initialize of the same URI comes before.
  virtual Status Initialize() = 0;

  // `now` is what retention counts from.
  virtual Status Put(const RunKey& run, const LogChunk& chunk, TimeNs now) = 0;
  // Ascending by sequence.
  virtual Result<std::vector<LogChunkInfo>> List(const RunKey& run) = 0;
  // kNotFound: no chunk begins there.
  virtual Result<LogChunk> Get(const RunKey& run, int64_t first_sequence) = 0;

  // Once per run; the first mark stays.
  virtual Status PutMark(const RunKey& run, const std::string& mark, TimeNs now) = 0;
  virtual Result<std::optional<std::string>> Mark(const RunKey& run) = 0;

  // Removes whole runs of which nothing was stored since `before`, some at a time. Returns how many
  // rows went; 0: none are left.
  virtual Result<int64_t> RemoveOlder(const std::string& graph, TimeNs before) = 0;
};

// ---- Shared by the backends.

// What stands in a row: a chunk or a mark. A mark has sequence 0.
struct StoredLogRow {
  LogChunkInfo info;
  std::string codec;
  uint32_t crc32c = 0;  // of bytes
  std::string bytes;
};

// kInvalidArgument, kTooLarge.
Result<StoredLogRow> PackLogChunk(const RunKey& run, const LogChunk& chunk);
Result<StoredLogRow> PackLogMark(const RunKey& run, const std::string& mark);
// kCorrupt, naming the run, unless every byte is what was packed.
Result<LogChunk> UnpackLogChunk(const RunKey& run, StoredLogRow row);
Result<std::string> UnpackLogMark(const RunKey& run, StoredLogRow row);

// Nothing when what is stored holds all of `chunk`, else kConflict.
Status ComparedWithStored(const RunKey& run, const LogChunkInfo& chunk, int64_t stored_last);
Error NoSuchChunk(const RunKey& run, int64_t first_sequence);

// The chunks that belong to the storage of this URI (open_storage.h); stdout and memory keep them
// in this process.
Result<std::unique_ptr<LogChunks>> OpenLogChunks(const std::string& uri);

}  // namespace databuild
