// What a job prints, as any bytes in any pieces: every line that databuild-exec makes of it is one
// bounded JSON entry with the next number, and is a log line or a metric: nothing a job prints
// becomes a frame of another kind.
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <nlohmann/json.hpp>
#include <string>

#include "wrapper/lines.h"

namespace {

using namespace databuild::exec;  // NOLINT: what is tested

void Require(bool holds, const char* what, const std::string& line) {
  if (holds) return;
  std::fprintf(stderr, "%s: %s\n", what, line.c_str());
  std::abort();
}

void CheckEntry(const std::string& line, uint64_t number) {
  Require(line.size() + 1 <= kEntryBytesMax, "the entry is too long", line);
  const nlohmann::json entry = nlohmann::json::parse(line, nullptr, /*allow_exceptions=*/false);
  Require(entry.is_object(), "the entry is no JSON object", line);
  Require(entry["sequenceNumber"] == std::to_string(number), "the entry has a wrong number", line);
  Require(entry["jobId"] == "run", "the entry is of another run", line);
  Require(entry.contains("log") != entry.contains("metric"), "the entry has no content", line);
  Require(!entry.contains("manifest") && !entry.contains("jobEvent"), "a forged frame", line);
}

struct Pipeline {
  JobLines& lines;
  OutputSink& sink;
  size_t chunk;  // bytes that arrive at once

  void Feed(LineReader& reader, std::string_view bytes) {
    while (!bytes.empty()) {
      const LineReader::Span space = reader.Space();
      const size_t size = std::min({bytes.size(), space.size, chunk});
      std::memcpy(space.data, bytes.data(), size);
      reader.Filled(size);
      bytes.remove_prefix(size);
      while (!reader.Cut(&lines, sink, false)) sink.Flush();
    }
    while (!reader.Cut(&lines, sink, true)) sink.Flush();
  }
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 2) return 0;
  const size_t chunk = 1 + data[0];
  const bool hold_last = (data[1] & 1) != 0;
  const std::string bytes(reinterpret_cast<const char*>(data) + 2, size - 2);
  const int fd = memfd_create("stdout", MFD_CLOEXEC);
  {
    OutputSink sink(fd);
    OutputBudget budget({.bound_bytes = (data[1] & 2) != 0 ? 40'000 : 0});
    EntryWriter writer({"run", "//a:b", {"o/1"}}, &sink, &budget);
    writer.SetTime(1);
    JobLines lines(&writer, &budget, hold_last);
    LineReader out(JobLines::Stream::kStdout, 4'096), err(JobLines::Stream::kStderr, 4'096);
    Pipeline pipeline{lines, sink, chunk};
    pipeline.Feed(out, bytes.substr(0, bytes.size() / 2));
    pipeline.Feed(err, bytes.substr(bytes.size() / 2));
    sink.Flush();
  }
  std::string written(static_cast<size_t>(lseek(fd, 0, SEEK_END)), '\0');
  Require(pread(fd, written.data(), written.size(), 0) == static_cast<ssize_t>(written.size()),
          "the entries cannot be read back", "");
  close(fd);
  uint64_t number = 0;
  for (size_t at = 0; at < written.size();) {
    const size_t end = written.find('\n', at);
    Require(end != std::string::npos, "the last entry has no end", written.substr(at));
    CheckEntry(written.substr(at, end - at), ++number);
    at = end + 1;
  }
  return 0;
}
