// Lines of a job's container, as foreign bytes: cut, bounded, judged. Nothing here trusts them.
//
// An entry of databuild-exec is a JobLogEntry as JSON (wrapper/README.md). Everything else that a
// container may print, be it by accident or on purpose, is "unframed": told by its reason.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "bel/base/clock.h"

namespace databuild {

// Longer ones are no entries; databuild-exec writes at most 12,287 bytes.
inline constexpr size_t kMaxLogLineBytes = 16 << 10;
inline constexpr int kMaxLogLineDepth = 40;
inline constexpr int64_t kMaxLogSequence = int64_t{1} << 53;  // no run writes so many
inline constexpr size_t kMaxMetricNameBytes = 200;

struct MetricValue {
  std::string_view name;
  double value = 0;  // finite
};

// What is known of an entry. Views point into the parser.
struct LogLine {
  int64_t sequence = 0;          // from 1
  TimeNs timestamp = 0;          // as the job's node told it
  std::optional<int32_t> level;  // of a LogMessage
  std::optional<MetricValue> metric;
};

struct JudgedLine {
  std::optional<LogLine> entry;
  const char* unframed = nullptr;  // why it is none; a constant
};

// One thread at a time.
class LogLineParser {
 public:
  explicit LogLineParser(std::string run_id);
  ~LogLineParser();

  // `text` without its newline. Views of the line before become invalid.
  JudgedLine Judge(std::string_view text);

 private:
  struct Document;
  const std::string run_id_;
  std::unique_ptr<Document> document_;
};

// Cuts a stream of bytes into lines. Holds at most kMaxLogLineBytes: of a longer line only the
// beginning is handed on, once, with `cut` set.
class LineCutter {
 public:
  using Take = std::function<void(std::string_view line, bool cut)>;
  void Push(std::string_view bytes, const Take& take);
  // The log has ended: what is left has no newline.
  void End(const Take& take);

 private:
  void Reset();
  std::string part_;       // of a line whose end has not come
  bool skipping_ = false;  // the rest of a line that was handed on cut
};

}  // namespace databuild
