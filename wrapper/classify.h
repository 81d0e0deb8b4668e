// What a line of the job's output is: text, a log message, a metric, or a piece of a manifest.
//
// Never an error: whatever is not exactly one of the three JSON forms is text, and text is kept as
// it is. A line that imitates a JobLogEntry is text too; nothing the job prints becomes a frame.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "wrapper/json.h"

namespace databuild::exec {

enum class Level : uint8_t { kDebug, kInfo, kWarn, kError };
const char* LevelName(Level level);

enum class LineKind : uint8_t { kText, kLog, kMetric, kManifest };

inline constexpr size_t kJsonLineBytesMax = 64 * 1024;  // a longer line is text
inline constexpr size_t kFieldsMax = 64;
inline constexpr size_t kFieldsBytesMax = 4 * 1024;  // all fields of a message, escaped
inline constexpr size_t kLabelsMax = 32;
inline constexpr size_t kMetricBytesMax = 8 * 1024;

struct Line {
  LineKind kind = LineKind::kText;
  Level level = Level::kInfo;
  std::string_view message;  // kLog: decoded; valid until the next Classify
  std::string body;          // kLog: `"k":"v",…` of the fields; kMetric: the MetricPoint's JSON;
                             // kManifest: the PartitionManifest's JSON as the job wrote it
};

// Keeps its buffers from line to line. Not thread-safe.
class LineClassifier {
 public:
  // The answer is valid until the next call; `line` must outlive it.
  //
  // kLog: an object with "level" (or "severity"), a known name in any case, and "message" (or
  // "msg"), a string. The other members become fields: strings as they are, other values as their
  // JSON text, nulls left out; `stream`, `part` and `last` are ours and get the prefix "user_".
  // What exceeds kFieldsMax or kFieldsBytesMax is left out and counted in the field
  // `fieldsDropped`. kMetric: an object with a string "name" and a finite number "value", at most
  // "labels" (an object of strings) and "unit" (a string) beside them. kManifest: an object whose
  // only member is "manifest", an object.
  const Line& Classify(std::string_view line);

 private:
  bool AsLog();
  bool AsMetric();
  bool AsManifest();
  void AppendFields(uint32_t level, uint32_t message);

  JsonTape tape_;
  Line line_;
  std::string message_;
};

// True if the line's first character other than blanks is '{'.
inline bool MayBeJson(std::string_view line) {
  for (const char c : line) {
    if (c != ' ' && c != '\t') return c == '{';
  }
  return false;
}

}  // namespace databuild::exec
