#include "wrapper/lines.h"

#include <algorithm>
#include <cstring>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

#include "wrapper/text.h"

namespace databuild::exec {
namespace {

constexpr std::string_view kStreamNames[] = {"stdout", "stderr"};

#if defined(__SSE2__)
// Sixteen bytes at a time; the compiler does not find this at -O2.
uint64_t CountNewlines(std::string_view text) {
  const __m128i newline = _mm_set1_epi8('\n');
  uint64_t count = 0;
  size_t at = 0;
  for (; at + 16 <= text.size(); at += 16) {
    const __m128i block = _mm_loadu_si128(reinterpret_cast<const __m128i*>(text.data() + at));
    const int mask = _mm_movemask_epi8(_mm_cmpeq_epi8(block, newline));
    count += static_cast<uint64_t>(__builtin_popcount(static_cast<unsigned>(mask)));
  }
  return count +
         static_cast<uint64_t>(std::count(text.begin() + static_cast<long>(at), text.end(), '\n'));
}
#else
uint64_t CountNewlines(std::string_view text) {
  return static_cast<uint64_t>(std::count(text.begin(), text.end(), '\n'));
}
#endif

bool IsBlank(std::string_view line) { return line.find_first_not_of(" \t\r") == line.npos; }

}  // namespace

void JobLines::Line(Stream stream, std::string_view line) {
  Count(stream);
  if (hold_last_ && stream == Stream::kStdout && !IsBlank(line)) {
    if (!held_.empty()) Write(stream, held_);
    held_ = line;
    return;
  }
  Write(stream, line);
}

void JobLines::Write(Stream stream, std::string_view line) {
  if (!MayBeJson(line)) {
    if (budget_->exhausted()) {
      budget_->Drop(true, line.size());
      return;
    }
    writer_->LogLine(
        {.message = line, .stream = kStreamNames[static_cast<size_t>(stream)], .fields = {}}, 1);
    return;
  }
  const struct Line& known = classifier_.Classify(line);
  switch (known.kind) {
    case LineKind::kMetric:
      writer_->Metric(known.body, line.size());
      return;
    case LineKind::kManifest:
      KeepManifest(known.body);
      return;
    case LineKind::kText:
    case LineKind::kLog:
      writer_->LogLine({.level = known.level,
                        .message = known.message,
                        .stream = kStreamNames[static_cast<size_t>(stream)],
                        .fields = known.kind == LineKind::kLog ? std::string_view(known.body)
                                                               : std::string_view()},
                       1);
      return;
  }
}

uint64_t JobLines::Piece(Stream stream, std::string_view piece, uint64_t part, bool last) {
  if (part == 1) {
    Count(stream);
    // A line that long is no answer, and neither is the line before it.
    if (hold_last_ && stream == Stream::kStdout && !held_.empty()) {
      Write(stream, held_);
      held_.clear();
    }
  }
  return writer_->LogLine({.message = piece,
                           .stream = kStreamNames[static_cast<size_t>(stream)],
                           .fields = {},
                           .last = last},
                          part);
}

void JobLines::KeepManifest(const std::string& manifest) {
  manifest_bytes_ += manifest.size();
  if (manifest_bytes_ > kManifestFileBytesMax) {
    manifests_too_large_ = true;
    return;
  }
  manifests_.push_back(manifest);
}

LineReader::Span LineReader::Space() {
  if (begin_ == end_) {
    begin_ = scanned_ = end_ = 0;
  } else if (begin_ > 0 && buffer_.size() - end_ < buffer_.size() / 2) {
    std::memmove(buffer_.data(), buffer_.data() + begin_, end_ - begin_);
    scanned_ -= begin_;
    end_ -= begin_;
    begin_ = 0;
  }
  return {buffer_.data() + end_, buffer_.size() - end_};
}

bool LineReader::Cut(JobLines* lines, const OutputSink& sink, bool at_end) {
  while (scanned_ < end_) {
    if (!sink.HasRoom()) return false;
    if (part_ == 1 && lines->DropsPlainLines(stream_)) SkipPlainLines(lines);
    const void* const found = std::memchr(buffer_.data() + scanned_, '\n', end_ - scanned_);
    if (found == nullptr) {
      scanned_ = end_;
      break;
    }
    CutLine(lines, static_cast<size_t>(static_cast<const char*>(found) - buffer_.data()));
  }
  return CutRest(lines, at_end);
}

void LineReader::CutLine(JobLines* lines, size_t newline) {
  const std::string_view line(buffer_.data() + begin_, newline - begin_);
  if (part_ > 1) {
    lines->Piece(stream_, line, part_, true);
    part_ = 1;
  } else {
    lines->Line(stream_, line);
  }
  begin_ = scanned_ = newline + 1;
}

// Beyond the bound only JSON can matter: the lines before the one with the next '{' are counted in
// one go. Most of a large output is dropped here, as fast as it can be read.
void LineReader::SkipPlainLines(JobLines* lines) {
  const char* const start = buffer_.data() + begin_;
  const size_t size = end_ - begin_;
  const void* const brace = std::memchr(start, '{', size);
  const size_t plain =
      brace == nullptr ? size : static_cast<size_t>(static_cast<const char*>(brace) - start);
  const void* const last_end = memrchr(start, '\n', plain);
  if (last_end == nullptr) return;
  const size_t bytes = static_cast<size_t>(static_cast<const char*>(last_end) - start) + 1;
  const uint64_t count = CountNewlines({start, bytes});
  lines->DropPlainLines(stream_, count, bytes - count);
  begin_ += bytes;
  scanned_ = std::max(scanned_, begin_);
}

// What is there is the beginning of a line without its end.
bool LineReader::CutRest(JobLines* lines, bool at_end) {
  std::string_view rest(buffer_.data() + begin_, end_ - begin_);
  if (at_end) {
    if (part_ > 1) {
      lines->Piece(stream_, rest, part_, true);
    } else if (!rest.empty()) {
      lines->Line(stream_, rest);
    }
    part_ = 1;
    begin_ = scanned_ = end_;
  } else if (rest.size() == buffer_.size()) {
    // A character cut in two would be repaired twice.
    rest.remove_suffix(IncompleteTail(rest));
    part_ = lines->Piece(stream_, rest, part_, false);
    begin_ += rest.size();
  }
  return true;
}

}  // namespace databuild::exec
