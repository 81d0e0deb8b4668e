#include "controller/logs/log_line.h"

#include <simdjson.h>

#include <charconv>
#include <cmath>

namespace databuild {
namespace {

namespace dom = simdjson::dom;

constexpr const char* kNoJson = "NotJson";
constexpr const char* kNoEntry = "NotAnEntry";
constexpr const char* kOtherRun = "OtherRun";
constexpr const char* kTooLong = "TooLong";

// A proto3 64-bit number: a decimal string, or a plain number.
std::optional<int64_t> Number(const dom::object& object, std::string_view key) {
  dom::element element;
  if (object[key].get(element) != simdjson::SUCCESS) return std::nullopt;
  if (int64_t plain = 0; element.get(plain) == simdjson::SUCCESS) return plain;
  std::string_view text;
  if (element.get(text) != simdjson::SUCCESS) return std::nullopt;
  int64_t value = 0;
  const auto [end, fault] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (fault != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

std::string_view Text(const dom::object& object, std::string_view key) {
  std::string_view text;
  return object[key].get(text) == simdjson::SUCCESS ? text : std::string_view();
}

// The LogLevel of this name; proto3 leaves out the first one.
std::optional<int32_t> LevelOf(const dom::object& log) {
  const std::string_view name = Text(log, "level");
  if (name.empty() || name == "DEBUG") return 0;
  if (name == "INFO") return 1;
  if (name == "WARN") return 2;
  if (name == "ERROR") return 3;
  return std::nullopt;
}

std::optional<MetricValue> MetricOf(const dom::object& metric) {
  const std::string_view name = Text(metric, "name");
  double value = 0;
  dom::element element;
  if (metric["value"].get(element) == simdjson::SUCCESS) {
    if (element.get(value) != simdjson::SUCCESS) return std::nullopt;
  }
  if (name.empty() || name.size() > kMaxMetricNameBytes || !std::isfinite(value))
    return std::nullopt;
  return MetricValue{name, value};
}

}  // namespace

struct LogLineParser::Document {
  dom::parser parser;
  std::string padded;
};

LogLineParser::LogLineParser(std::string run_id)
    : run_id_(std::move(run_id)), document_(std::make_unique<Document>()) {
  document_->padded.reserve(kMaxLogLineBytes + simdjson::SIMDJSON_PADDING);
}
LogLineParser::~LogLineParser() = default;

JudgedLine LogLineParser::Judge(std::string_view text) {
  if (text.size() > kMaxLogLineBytes) return {std::nullopt, kTooLong};
  dom::parser& parser = document_->parser;
  if (parser.max_depth() != static_cast<size_t>(kMaxLogLineDepth) &&
      parser.allocate(kMaxLogLineBytes, kMaxLogLineDepth) != simdjson::SUCCESS) {
    return {std::nullopt, kNoJson};
  }
  document_->padded.assign(text);
  dom::object root;
  const auto parsed = parser.parse(document_->padded.data(), text.size(), false);
  if (parsed.error() != simdjson::SUCCESS) return {std::nullopt, kNoJson};
  if (parsed.get(root) != simdjson::SUCCESS) return {std::nullopt, kNoEntry};
  const std::optional<int64_t> sequence = Number(root, "sequenceNumber");
  const std::optional<int64_t> timestamp = Number(root, "timestamp");
  if (!sequence || !timestamp || *sequence < 1 || *sequence > kMaxLogSequence || *timestamp < 0)
    return {std::nullopt, kNoEntry};
  if (Text(root, "jobId") != run_id_) return {std::nullopt, kOtherRun};

  JudgedLine judged;
  LogLine& line = judged.entry.emplace();
  line.sequence = *sequence;
  line.timestamp = *timestamp;
  int contents = 0;
  dom::object content;
  if (root["log"].get(content) == simdjson::SUCCESS) {
    ++contents;
    line.level = LevelOf(content);
    if (!line.level) return {std::nullopt, kNoEntry};
  }
  if (root["metric"].get(content) == simdjson::SUCCESS) {
    ++contents;
    line.metric = MetricOf(content);
    if (!line.metric) return {std::nullopt, kNoEntry};
  }
  for (const char* name : {"jobEvent", "manifest"})
    contents += root[name].get(content) == simdjson::SUCCESS ? 1 : 0;
  if (contents != 1) return {std::nullopt, kNoEntry};
  return judged;
}

void LineCutter::Push(std::string_view bytes, const Take& take) {
  while (!bytes.empty()) {
    const size_t end = bytes.find('\n');
    const std::string_view piece = bytes.substr(0, end);
    bytes.remove_prefix(end == std::string_view::npos ? bytes.size() : end + 1);
    if (!skipping_) {
      if (part_.empty() && end != std::string_view::npos && piece.size() <= kMaxLogLineBytes) {
        take(piece, false);
        continue;
      }
      const size_t room = kMaxLogLineBytes - part_.size();
      part_ += piece.substr(0, room);
      if (piece.size() > room) {
        take(part_, true);
        part_.clear();
        skipping_ = true;
      }
    }
    if (end == std::string_view::npos) return;
    if (!skipping_) take(part_, false);
    Reset();
  }
}

void LineCutter::End(const Take& take) {
  if (!skipping_ && !part_.empty()) take(part_, false);
  Reset();
}

void LineCutter::Reset() {
  part_.clear();
  skipping_ = false;
}

}  // namespace databuild
