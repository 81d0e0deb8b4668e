#include "wrapper/classify.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <optional>
#include <vector>

#include "wrapper/text.h"

namespace databuild::exec {
namespace {

constexpr size_t kNodesMax = 4096;

struct NamedLevel {
  std::string_view name;
  Level level;
};
// The names common logging libraries print.
constexpr NamedLevel kLevels[] = {
    {"trace", Level::kDebug}, {"debug", Level::kDebug},      {"info", Level::kInfo},
    {"notice", Level::kInfo}, {"warn", Level::kWarn},        {"warning", Level::kWarn},
    {"error", Level::kError}, {"err", Level::kError},        {"critical", Level::kError},
    {"fatal", Level::kError}, {"alert", Level::kError},      {"emergency", Level::kError},
    {"panic", Level::kError}, {"information", Level::kInfo},
};

std::optional<Level> ParseLevel(std::string_view text) {
  const auto same = [](char a, char b) {
    return (a >= 'A' && a <= 'Z' ? static_cast<char>(a - 'A' + 'a') : a) == b;
  };
  for (const NamedLevel& known : kLevels) {
    if (std::equal(text.begin(), text.end(), known.name.begin(), known.name.end(), same)) {
      return known.level;
    }
  }
  return std::nullopt;
}

// A JSON number that a double holds, printed in its shortest form: what one reader takes for
// infinity or rejects must not depend on the reader.
bool AppendNumber(std::string_view text, std::string* out) {
  double value = 0;
  const auto read = std::from_chars(text.data(), text.data() + text.size(), value);
  if (read.ec != std::errc() || !std::isfinite(value)) return false;
  char digits[32];
  const auto written = std::to_chars(digits, digits + sizeof(digits), value);
  out->append(digits, written.ptr);
  return true;
}

bool IsOurField(std::string_view key) {
  return key == "stream" || key == "part" || key == "last" || key == "fieldsDropped";
}

}  // namespace

const char* LevelName(Level level) {
  switch (level) {
    case Level::kDebug:
      return "DEBUG";
    case Level::kInfo:
      return "INFO";
    case Level::kWarn:
      return "WARN";
    case Level::kError:
      return "ERROR";
  }
  return "INFO";
}

const Line& LineClassifier::Classify(std::string_view line) {
  line_.kind = LineKind::kText;
  line_.level = Level::kInfo;
  line_.message = line;
  if (line.size() > kJsonLineBytesMax || !MayBeJson(line)) return line_;
  if (!tape_.Parse(line, kNodesMax) || tape_.root().type != JsonType::kObject) return line_;
  line_.body.clear();
  if (AsLog()) {
    line_.kind = LineKind::kLog;
  } else if (AsMetric()) {
    line_.kind = LineKind::kMetric;
  } else if (AsManifest()) {
    line_.kind = LineKind::kManifest;
  }
  return line_;
}

bool LineClassifier::AsLog() {
  uint32_t level = tape_.Find(0, "level");
  if (level == 0) level = tape_.Find(0, "severity");
  uint32_t message = tape_.Find(0, "message");
  if (message == 0) message = tape_.Find(0, "msg");
  if (level == 0 || message == 0 || tape_[level].type != JsonType::kString ||
      tape_[message].type != JsonType::kString) {
    return false;
  }
  std::string scratch;
  const std::optional<Level> known = ParseLevel(tape_.String(level, &scratch));
  if (!known) return false;
  line_.level = *known;
  line_.message = tape_.String(message, &message_);
  AppendFields(level, message);
  return true;
}

void LineClassifier::AppendFields(uint32_t level, uint32_t message) {
  std::vector<std::string> seen;
  std::string key_scratch, value_scratch, field;
  size_t dropped = 0;
  for (uint32_t key = tape_.First(0); key != tape_.End(0); key = tape_.NextMember(key)) {
    const uint32_t value = key + 1;
    if (value == level || value == message || tape_[value].type == JsonType::kNull) continue;
    std::string name(tape_.String(key, &key_scratch));
    if (IsOurField(name)) name.insert(0, "user_");
    field.clear();
    AppendQuoted(name, &field);
    // Repaired names may coincide: what must be unique is what is written.
    if (std::find(seen.begin(), seen.end(), field) != seen.end() || seen.size() == kFieldsMax) {
      ++dropped;
      continue;
    }
    const size_t key_size = field.size();
    field.push_back(':');
    AppendQuoted(tape_[value].type == JsonType::kString ? tape_.String(value, &value_scratch)
                                                        : tape_.Raw(value),
                 &field);
    field.push_back(',');
    if (line_.body.size() + field.size() > kFieldsBytesMax) {
      ++dropped;
      continue;
    }
    line_.body += field;
    seen.emplace_back(field, 0, key_size);
  }
  if (dropped > 0) line_.body += "\"fieldsDropped\":\"" + std::to_string(dropped) + "\",";
}

bool LineClassifier::AsMetric() {
  std::string scratch, name, value, labels, unit;
  std::vector<std::string> seen;
  for (uint32_t key = tape_.First(0); key != tape_.End(0); key = tape_.NextMember(key)) {
    const std::string_view member = tape_.String(key, &scratch);
    const JsonType type = tape_[key + 1].type;
    std::string value_scratch;
    if (member == "name" && type == JsonType::kString && name.empty()) {
      AppendQuoted(tape_.String(key + 1, &value_scratch), &name);
    } else if (member == "value" && type == JsonType::kNumber && value.empty()) {
      if (!AppendNumber(tape_.Raw(key + 1), &value)) return false;
    } else if (member == "unit" && type == JsonType::kString && unit.empty()) {
      AppendQuoted(tape_.String(key + 1, &value_scratch), &unit);
    } else if (member == "labels" && type == JsonType::kObject && labels.empty()) {
      labels = "{";
      for (uint32_t label = tape_.First(key + 1); label != tape_.End(key + 1);
           label = tape_.NextMember(label)) {
        if (tape_[label + 1].type != JsonType::kString || seen.size() == kLabelsMax) return false;
        std::string quoted;
        AppendQuoted(tape_.String(label, &value_scratch), &quoted);
        if (std::find(seen.begin(), seen.end(), quoted) != seen.end()) return false;
        seen.push_back(quoted);
        labels += (seen.size() > 1 ? "," : "") + quoted + ":";
        AppendQuoted(tape_.String(label + 1, &value_scratch), &labels);
      }
      labels += "}";
    } else {
      return false;
    }
  }
  if (name.size() <= 2 || value.empty()) return false;
  line_.body = "{\"name\":" + name + ",\"value\":" + value;
  if (!labels.empty()) line_.body += ",\"labels\":" + labels;
  if (!unit.empty()) line_.body += ",\"unit\":" + unit;
  line_.body += "}";
  return line_.body.size() <= kMetricBytesMax;
}

bool LineClassifier::AsManifest() {
  const uint32_t key = tape_.First(0);
  if (key == tape_.End(0) || tape_.NextMember(key) != tape_.End(0)) return false;
  std::string scratch;
  if (tape_.String(key, &scratch) != "manifest" || tape_[key + 1].type != JsonType::kObject) {
    return false;
  }
  line_.body = tape_.Raw(key + 1);
  return true;
}

}  // namespace databuild::exec
