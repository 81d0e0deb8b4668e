// RunLog: the log of one run on its way from the container's lines to stored chunks.
//
// Lines may come several times and in several reads; each is stored once. What is not stored yet is
// held here, bounded by its owner, who calls Store before it reads on. One thread feeds it;
// Pending may be called by any.
#pragma once

#include <cstdint>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "bel/base/clock.h"
#include "bel/log_chunks.h"
#include "controller/logs/log_line.h"
#include "controller/logs/log_receipt.h"
#include "controller/logs/sequence_set.h"
#include "databuild/v1/databuild.pb.h"

namespace databuild {

// A chunk is closed at this size; a line is added as a whole.
inline constexpr size_t kLogChunkBytes = 1 << 20;
static_assert(kLogChunkBytes + kMaxLogLineBytes < kMaxLogChunkBytes);

inline constexpr size_t kKeptUnframedLines = 100;
inline constexpr size_t kKeptUnframedBytes = 512;  // of each

struct RunLogSetup {
  LogChunks* chunks = nullptr;
  const Clock* clock = nullptr;
  RunKey run;
  // For every line that was not there before. May be empty.
  std::function<void(const LogLine&)> on_line;
};

class RunLog {
 public:
  explicit RunLog(RunLogSetup setup);

  // Forgets what is not stored and goes on behind what is.
  Status Resume();
  // Before a read; `from_start`: it brings everything the container printed.
  void BeginRead(bool from_start);
  void Add(std::string_view line, bool cut);
  // kConflict: somebody else stored lines of this run; Resume.
  Status Store();

  // Bytes of lines not stored, and since when the oldest of them has been here.
  size_t pending_bytes() const { return pending_bytes_; }
  TimeNs pending_since() const { return pending_since_; }
  // Times of lines do not go back before this on their node; 0: read from the start.
  TimeNs newest_time() const { return newest_time_; }
  uint64_t unframed_lines() const { return unframed_lines_; }
  // Whether everything that the receipt promises is here, or there is no way to know.
  bool HasAllOf(const std::optional<LogReceipt>& receipt) const;

  // Compares what is stored with the receipt and stores the mark. `reason`: why there may be lines
  // that nobody has seen, if so. Everything pending has been stored.
  Result<v1::RunLogMark> Conclude(const std::optional<LogReceipt>& receipt,
                                  const std::string& reason);

  // A copy of what is not stored yet, ascending.
  std::vector<LogChunk> Pending() const;

 private:
  void KeepUnframed(std::string_view line, const char* why);
  void Append(std::string_view line, const LogLine& entry);
  Result<bool> DigestAgrees(const LogReceipt& receipt);

  const RunLogSetup setup_;
  LogLineParser parser_;
  SequenceSet there_;  // stored or pending
  size_t pending_bytes_ = 0;
  TimeNs pending_since_ = 0;
  TimeNs newest_time_ = 0;
  uint64_t refused_lines_ = 0;  // entries that would have been a range too many
  uint64_t unframed_lines_ = 0;
  std::vector<v1::JobLogEntry> unframed_;

  mutable std::mutex mutex_;  // guards pending_ against Pending
  std::vector<LogChunk> pending_;
};

// Text as valid UTF-8: what is not becomes U+FFFD; NUL and other control characters become
// U+FFFD too.
std::string PrintableText(std::string_view bytes, size_t max_bytes);

}  // namespace databuild
