#include "controller/planner/run_output.h"

#include <google/protobuf/util/json_util.h>

#include <nlohmann/json.hpp>
#include <optional>

namespace databuild {
namespace {

constexpr size_t kMaxLineBytes = 16'384;  // databuild-exec writes at most 12 KiB
constexpr size_t kMaxPartsBytes = 2 << 20;
constexpr size_t kMaxMissingRefs = 10'000;

// As databuild-exec names them.
constexpr char kEventMissing[] = "missing_dependencies";
constexpr char kEventConfigResponse[] = "config_response";

// What a command prints is quoted, so that it cannot look like this; it would only cost time.
bool MayMatter(std::string_view line) {
  return line.find("\"manifest\":{") != std::string_view::npos ||
         line.find(kEventMissing) != std::string_view::npos ||
         line.find(kEventConfigResponse) != std::string_view::npos;
}

std::optional<v1::JobLogEntry> ParseEntry(std::string_view line) {
  if (line.size() > kMaxLineBytes || !line.starts_with('{')) return std::nullopt;
  v1::JobLogEntry entry;
  google::protobuf::util::JsonParseOptions options;
  options.ignore_unknown_fields = true;
  if (!google::protobuf::util::JsonStringToMessage({line.data(), line.size()}, &entry, options)
           .ok()) {
    return std::nullopt;
  }
  return entry;
}

// A text in numbered parts, as databuild-exec writes long events.
struct LongText {
  std::string text;
  bool whole = false;
  bool broken = false;
  uint64_t parts = 0;

  bool Sound() const { return !broken && (parts == 0 || whole); }
  void Add(const google::protobuf::Map<std::string, std::string>& metadata, const char* key) {
    const auto value = metadata.find(key);
    if (value == metadata.end() || whole) return;
    const auto part = metadata.find("part");
    const auto last = metadata.find("last");
    ++parts;
    broken |= part != metadata.end() && part->second != std::to_string(parts);
    broken |= text.size() + value->second.size() > kMaxPartsBytes;
    if (!broken) text += value->second;
    whole = part == metadata.end() || (last != metadata.end() && last->second == "true");
  }
};

std::vector<std::string> RefsOf(const std::string& json) {
  std::vector<std::string> refs;
  const nlohmann::json list = nlohmann::json::parse(json, nullptr, /*allow_exceptions=*/false);
  if (!list.is_array()) return refs;
  for (const auto& ref : list) {
    if (ref.is_string() && refs.size() < kMaxMissingRefs) refs.push_back(ref.get<std::string>());
  }
  return refs;
}

}  // namespace

RunOutput ParseRunOutput(const RunLogTail& tail) {
  RunOutput output;
  LongText missing, answer;
  std::string_view lines = tail.lines;
  uint64_t parts = 0, last = 0;
  while (!lines.empty()) {
    const size_t end = lines.find('\n');
    const std::string_view line = lines.substr(0, end);
    lines.remove_prefix(end == std::string_view::npos ? lines.size() : end + 1);
    if (!lines.empty() && !MayMatter(line)) continue;
    const std::optional<v1::JobLogEntry> entry = ParseEntry(line);
    if (!entry || entry->job_id() != tail.asked.run_id) continue;
    last = entry->sequence_number();
    if (entry->has_manifest()) {
      ++parts;
      output.manifest.MergeFrom(entry->manifest());
    }
    const v1::WrapperJobEvent& event = entry->job_event();
    if (event.event_type() == kEventMissing) missing.Add(event.metadata(), "refs");
    if (event.event_type() == kEventConfigResponse) answer.Add(event.metadata(), "response");
  }
  output.whole = last > 0 && last == tail.asked.last_sequence &&
                 parts == tail.asked.manifest_parts && missing.Sound() && answer.Sound();
  output.missing = RefsOf(missing.text);
  output.config_response = std::move(answer.text);
  return output;
}

}  // namespace databuild
