// The collector's reading of foreign bytes: lines cut in pieces as when they come at once, every
// line an entry within bounds or unframed with a reason, every text made printable valid UTF-8.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "controller/logs/log_line.h"
#include "controller/logs/log_receipt.h"
#include "controller/logs/run_log.h"
#include "databuild/v1/databuild.pb.h"

namespace databuild {
namespace {

constexpr char kRun[] = "6ba7b810-9dad-11d1-80b4-00c04fd430c8";

void Require(bool good, const char* what) {
  if (good) return;
  std::fprintf(stderr, "not so: %s\n", what);
  std::abort();
}

using Lines = std::vector<std::pair<std::string, bool>>;

Lines Cut(const std::string& bytes, size_t step) {
  Lines lines;
  const LineCutter::Take take = [&](std::string_view line, bool cut) {
    lines.emplace_back(std::string(line), cut);
  };
  LineCutter cutter;
  for (size_t at = 0; at < bytes.size(); at += step)
    cutter.Push(std::string_view(bytes).substr(at, step), take);
  cutter.End(take);
  return lines;
}

void Judge(const std::string& line) {
  LogLineParser parser(kRun);
  const JudgedLine judged = parser.Judge(line);
  Require(judged.entry.has_value() == (judged.unframed == nullptr), "an entry or a reason");
  if (judged.entry) {
    Require(judged.entry->sequence >= 1 && judged.entry->sequence <= kMaxLogSequence, "sequence");
    Require(judged.entry->timestamp >= 0, "timestamp");
    Require(line.find(kRun) != std::string::npos || line.find('\\') != std::string::npos,
            "an entry names the run");
  }
  const std::string text = PrintableText(line, kKeptUnframedBytes);
  Require(text.size() <= kKeptUnframedBytes + 3, "length of printable text");
  Require(PrintableText(text, 2 * kKeptUnframedBytes) == text, "printable text stays as it is");
}

}  // namespace
}  // namespace databuild

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace databuild;  // NOLINT: the one function that cannot be inside
  const std::string bytes(reinterpret_cast<const char*>(data), size);
  const Lines lines = Cut(bytes, bytes.size() + 1);
  Require(lines == Cut(bytes, 1) && lines == Cut(bytes, 7), "lines do not depend on the pieces");
  for (const auto& [line, cut] : lines) Judge(line);
  (void)ParseLogReceipt(bytes, 0);
  return 0;
}
