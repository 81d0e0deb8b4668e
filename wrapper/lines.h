// From the job's bytes to entries: one LineReader per stream cuts lines, one JobLines for both
// takes them.
//
// Memory is bounded whatever the job prints: a line longer than the reader's buffer is handed on in
// pieces. Not thread-safe.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "wrapper/classify.h"
#include "wrapper/entry.h"
#include "wrapper/protocol.h"

namespace databuild::exec {

struct LineCounts {
  uint64_t stdout_lines = 0;
  uint64_t stderr_lines = 0;
};

// What becomes of a line. Decides by LineClassifier, writes to the EntryWriter.
class JobLines {
 public:
  // With `hold_last`, the last line of stdout that is not blank is the container's answer
  // (`configure: Container`) and is kept back instead of written. Pointers are borrowed.
  JobLines(EntryWriter* writer, OutputBudget* budget, bool hold_last)
      : writer_(writer), budget_(budget), hold_last_(hold_last) {}

  enum class Stream : uint8_t { kStdout, kStderr };

  void Line(Stream stream, std::string_view line);
  // A piece of a line too long to hold: `part` as in EntryWriter::LogLine. Returns the next part.
  uint64_t Piece(Stream stream, std::string_view piece, uint64_t part, bool last);

  // True once a line of this stream that is no JSON can only be dropped.
  bool DropsPlainLines(Stream stream) const {
    return budget_->exhausted() && !(hold_last_ && stream == Stream::kStdout);
  }
  // Such lines, many at once. `bytes` without the line ends.
  void DropPlainLines(Stream stream, uint64_t lines, size_t bytes) {
    (stream == Stream::kStdout ? counts_.stdout_lines : counts_.stderr_lines) += lines;
    budget_->DropLines(lines, bytes);
  }

  // The answer, once both streams have ended; empty if there was none.
  const std::string& held() const { return held_; }
  // PartitionManifests the job printed, in order, and whether they exceeded kManifestFileBytesMax.
  const std::vector<std::string>& manifests() const { return manifests_; }
  bool manifests_too_large() const { return manifests_too_large_; }
  const LineCounts& counts() const { return counts_; }

 private:
  void Write(Stream stream, std::string_view line);
  void KeepManifest(const std::string& manifest);
  void Count(Stream stream) {
    ++(stream == Stream::kStdout ? counts_.stdout_lines : counts_.stderr_lines);
  }

  EntryWriter* const writer_;
  OutputBudget* const budget_;
  const bool hold_last_;
  LineClassifier classifier_;
  std::string held_;
  std::vector<std::string> manifests_;
  size_t manifest_bytes_ = 0;
  bool manifests_too_large_ = false;
  LineCounts counts_;
};

// The bytes of one pipe. The owner reads from the descriptor into Space and calls Cut.
class LineReader {
 public:
  LineReader(JobLines::Stream stream, size_t capacity) : stream_(stream), buffer_(capacity) {}

  // Where the next bytes go; size 0: Cut first.
  struct Span {
    char* data;
    size_t size;
  };
  Span Space();
  void Filled(size_t bytes) { end_ += bytes; }

  // Hands complete lines (at the end of the stream: everything) to `lines` for as long as `sink`
  // has room. True if nothing is left that could be handed on now.
  bool Cut(JobLines* lines, const OutputSink& sink, bool at_end);

 private:
  void CutLine(JobLines* lines, size_t newline);
  bool CutRest(JobLines* lines, bool at_end);
  void SkipPlainLines(JobLines* lines);

  const JobLines::Stream stream_;
  std::vector<char> buffer_;
  size_t begin_ = 0;    // first byte not handed on
  size_t scanned_ = 0;  // no newline before this
  size_t end_ = 0;
  uint64_t part_ = 1;  // above 1: inside a line that is handed on in pieces
};

}  // namespace databuild::exec
