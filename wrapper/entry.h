// JobLogEntry lines in the JSON form of proto3, numbered from 1 without a gap.
//
//   {"timestamp":"<ns>","jobId":"<run>","sequenceNumber":"7","log":{"level":"INFO","message":"…",
//    "fields":{"stream":"stdout"}}}
//
// Every line has at most kEntryBytesMax bytes with its newline; text that needs more is split, see
// LogLine. Not thread-safe.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "bel/base/clock.h"
#include "wrapper/budget.h"
#include "wrapper/classify.h"
#include "wrapper/sink.h"

namespace databuild::exec {

// A line of the job's, or a piece of one that is too long to hold.
struct LogPiece {
  Level level = Level::kInfo;
  std::string_view message;
  std::string_view stream;  // "stdout", "stderr", "wrapper"
  std::string_view fields;  // `"k":"v",…`, each with its comma; on the first part only
  bool last = true;         // no more pieces of this line
  bool kept = false;        // never dropped, whatever the budget says
};

// A WrapperJobEvent. Values of metadata are cut at 1 KiB.
struct JobEvent {
  std::string_view type;
  std::vector<std::pair<std::string, std::string>> metadata;
  std::string_view job_status;  // JobStatus by name; empty: left out
  std::optional<int> exit_code;
  bool with_outputs = false;  // name the run's outputs in the entry, if they fit
};

struct EntryCounts {
  uint64_t by_level[4] = {};
  uint64_t metrics = 0;
  uint64_t events = 0;
  uint64_t manifests = 0;
};

class EntryWriter {
 public:
  struct Identity {
    std::string job_run_id;
    std::string job_label;
    std::vector<std::string> outputs;
  };
  // Both pointers are borrowed.
  EntryWriter(const Identity& identity, OutputSink* sink, OutputBudget* budget);

  // The time of the entries that follow. Read once per chunk of input: all of it came at once.
  void SetTime(TimeNs now);

  // One or more entries. A line that takes more than one entry carries the field "part", "1" and
  // up, and "last":"true" on its last; joined in order they are the line. `part` is 1 for a new
  // line and what the call before returned for the next piece of the same line.
  uint64_t LogLine(LogPiece piece, uint64_t part);

  // `metric`: the JSON of a MetricPoint, at most kMetricBytesMax.
  void Metric(std::string_view metric, size_t line_bytes);

  // Never dropped.
  void Event(const JobEvent& event);
  // An event whose one value may be long: split like a line, metadata "part" and "last" always
  // there.
  void LongEvent(std::string_view type, std::string_view key, std::string_view value);
  // `manifest`: the JSON of a PartitionManifest, at most kContentBytesMax.
  void Manifest(std::string_view manifest);

  // What an entry can hold beside timestamp, job id and number.
  static constexpr size_t kContentBytesMax = kEntryBytesMax - 512;

  uint64_t last_sequence() const { return sequence_; }
  const EntryCounts& counts() const { return counts_; }

 private:
  char* Begin();  // with everything up to the content written; the cursor in the sink's buffer
  void End(char* at);
  void AppendOutputs(std::string* out) const;
  void AppendContent(std::string_view content);

  OutputSink* const sink_;
  OutputBudget* const budget_;
  const Identity identity_;
  std::string prefix_;      // {"timestamp":"…","jobId":"…","sequenceNumber":"
  std::string prefix_end_;  // ","jobId":"…","sequenceNumber":"
  TimeNs now_ = 0;
  uint64_t sequence_ = 0;
  char digits_[20];  // of sequence_, at the end
  size_t digit_count_ = 0;
  char* entry_ = nullptr;
  EntryCounts counts_;
};

}  // namespace databuild::exec
