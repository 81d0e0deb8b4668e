#include "wrapper/spec.h"

#include <zstd.h>

#include <algorithm>
#include <charconv>
#include <cstring>
#include <limits>
#include <optional>

#include "wrapper/json.h"

namespace databuild::exec {
namespace {

constexpr size_t kNodesMax = 2'000'000;
constexpr int64_t kSecondsMax = 366 * 86'400;
constexpr size_t kChunksMax = 64;

Error Invalid(std::string message) { return {Errc::kInvalidArgument, std::move(message)}; }

std::optional<int64_t> ParseInteger(std::string_view text) {
  int64_t value = 0;
  const auto read = std::from_chars(text.data(), text.data() + text.size(), value);
  if (read.ec != std::errc() || read.ptr != text.data() + text.size()) return std::nullopt;
  return value;
}

// What the environment holds for `name`, if anything.
std::optional<std::string_view> Lookup(const char* const* environment, std::string_view name) {
  for (; *environment != nullptr; ++environment) {
    const std::string_view entry(*environment);
    if (entry.size() > name.size() && entry.substr(0, name.size()) == name &&
        entry[name.size()] == '=') {
      return entry.substr(name.size() + 1);
    }
  }
  return std::nullopt;
}

// Typed access to the members of the spec's object; the first fault stays.
class SpecReader {
 public:
  SpecReader(const JsonTape& tape, std::string* fault) : tape_(tape), fault_(fault) {}

  void String(const char* key, std::string* out) {
    const uint32_t at = tape_.Find(0, key);
    if (at == 0) return;
    if (tape_[at].type != JsonType::kString) return Fail(key, "a string");
    *out = Text(at);
  }

  // Numbers, and as proto3 JSON prints 64-bit integers: decimal strings.
  void Integer(const char* key, int64_t max, int64_t* out) {
    const uint32_t at = tape_.Find(0, key);
    if (at == 0) return;
    const std::optional<int64_t> value = ParseInteger(tape_.Raw(at));
    if (!value || *value < 0 || *value > max) {
      return Fail(key, "an integer from 0 to " + std::to_string(max));
    }
    *out = *value;
  }

  void Strings(const char* key, std::vector<std::string>* out) {
    const uint32_t list = tape_.Find(0, key);
    if (list == 0) return;
    if (tape_[list].type != JsonType::kArray) return Fail(key, "an array of strings");
    for (uint32_t at = tape_.First(list); at != tape_.End(list); at = tape_[at].next) {
      if (tape_[at].type != JsonType::kString) return Fail(key, "an array of strings");
      out->push_back(Text(at));
    }
  }

  template <typename Add>
  void Members(const char* key, Add add) {
    const uint32_t object = tape_.Find(0, key);
    if (object == 0) return;
    if (tape_[object].type != JsonType::kObject) return Fail(key, "an object of strings");
    for (uint32_t at = tape_.First(object); at != tape_.End(object); at = tape_.NextMember(at)) {
      if (tape_[at + 1].type != JsonType::kString) return Fail(key, "an object of strings");
      add(Text(at), Text(at + 1));
    }
  }

  void Fail(const std::string& key, const std::string& wanted) {
    if (fault_->empty()) *fault_ = "the run's spec: \"" + key + "\" must be " + wanted;
  }

 private:
  std::string Text(uint32_t at) {
    std::string scratch;
    return std::string(tape_.String(at, &scratch));
  }

  const JsonTape& tape_;
  std::string* const fault_;
};

constexpr size_t kIdBytesMax = 128;
constexpr size_t kLabelBytesMax = 1024;

// Every name must fit into an entry, whatever escaping it needs.
void CheckNames(const RunSpec& spec, SpecReader* reader) {
  const auto fits = [](const std::vector<std::string>& refs) {
    return std::all_of(refs.begin(), refs.end(), [](const std::string& ref) {
      return !ref.empty() && ref.size() <= kRefBytesMax;
    });
  };
  const auto ids_fit = [](const std::map<std::string, std::string>& ids) {
    return std::all_of(ids.begin(), ids.end(), [](const auto& id) {
      return id.first.size() <= kRefBytesMax && id.second.size() <= kIdBytesMax;
    });
  };
  if (spec.job_run_id.empty() || spec.job_run_id.size() > kIdBytesMax) {
    reader->Fail(kSpecJobRunId, "a string of 1 to 128 bytes");
  }
  if (spec.job_label.size() > kLabelBytesMax) reader->Fail(kSpecJobLabel, "at most 1024 bytes");
  if (!fits(spec.outputs)) reader->Fail(kSpecOutputs, "refs of 1 to 1024 bytes");
  if (!fits(spec.inputs)) reader->Fail(kSpecInputs, "refs of 1 to 1024 bytes");
  if (!ids_fit(spec.output_instances))
    reader->Fail(kSpecOutputInstances, "ids of at most 128 bytes");
  if (!ids_fit(spec.input_instances)) reader->Fail(kSpecInputInstances, "ids of at most 128 bytes");
}

// execve ends strings at a NUL and splits at the first '='.
bool IsEnvName(const std::string& name) {
  return !name.empty() && name.find_first_of(std::string_view("=\0", 2)) == std::string::npos;
}

void CheckExecutable(const RunSpec& spec, SpecReader* reader) {
  for (const std::string& arg : spec.args) {
    if (arg.find('\0') != std::string::npos) reader->Fail(kSpecArgs, "free of NUL characters");
  }
  for (const auto& [name, value] : spec.env) {
    if (!IsEnvName(name) || value.find('\0') != std::string::npos) {
      reader->Fail(kSpecEnv, "made of names without '=' and values without NUL characters");
    }
  }
}

}  // namespace

bool IsSpecVariable(std::string_view assignment) {
  return assignment.substr(0, sizeof(kSpecChunkEnvPrefix) - 1) == kSpecChunkEnvPrefix;
}

Result<RunSpec> SpecFromEnvironment(const char* const* environment) {
  const auto count_text = Lookup(environment, kSpecChunksEnv);
  if (!count_text) {
    return Invalid(std::string(kSpecChunksEnv) +
                   " is not set: the operator starts this container with the run's spec; to run a "
                   "command by hand use `databuild-exec run --local`");
  }
  const std::optional<int64_t> count = ParseInteger(*count_text);
  if (!count || *count < 1 || *count > static_cast<int64_t>(kChunksMax)) {
    return Invalid(std::string(kSpecChunksEnv) + "=" + std::string(*count_text) +
                   " must be a number from 1 to " + std::to_string(kChunksMax));
  }
  std::string encoded;
  for (int64_t i = 0; i < *count; ++i) {
    const std::string name = kSpecChunkEnvPrefix + std::to_string(i);
    const auto chunk = Lookup(environment, name);
    if (!chunk) return Invalid(name + " is not set, but " + kSpecChunksEnv + " promises it");
    encoded += *chunk;
  }
  ASSIGN_OR_RETURN(const std::string frame, DecodeBase64(encoded));
  ASSIGN_OR_RETURN(const std::string json, DecompressZstd(frame, kSpecDecodedBytesMax));
  return ParseSpec(json);
}

Result<RunSpec> ParseSpec(std::string_view json) {
  JsonTape tape;
  if (!tape.Parse(json, kNodesMax) || tape.root().type != JsonType::kObject) {
    return Invalid("the run's spec is not a JSON object");
  }
  RunSpec spec;
  std::string fault, mode = kModeRun;
  SpecReader reader(tape, &fault);
  int64_t version = 0;
  reader.Integer(kSpecVersionKey, std::numeric_limits<int64_t>::max(), &version);
  if (fault.empty() && version != kSpecVersion) {
    return Invalid("the run's spec has version " + std::to_string(version) + ", this is for " +
                   std::to_string(kSpecVersion) +
                   ": operator and databuild-exec must come from the same release");
  }
  reader.String(kSpecJobRunId, &spec.job_run_id);
  reader.String(kSpecJobLabel, &spec.job_label);
  reader.String(kSpecMode, &mode);
  reader.Strings(kSpecOutputs, &spec.outputs);
  reader.Strings(kSpecInputs, &spec.inputs);
  reader.Strings(kSpecArgs, &spec.args);
  reader.Members(kSpecOutputInstances, [&](std::string ref, std::string id) {
    spec.output_instances[std::move(ref)] = std::move(id);
  });
  reader.Members(kSpecInputInstances, [&](std::string ref, std::string id) {
    spec.input_instances[std::move(ref)] = std::move(id);
  });
  reader.Members(kSpecEnv, [&](std::string name, std::string value) {
    spec.env.emplace_back(std::move(name), std::move(value));
  });
  reader.Integer(kSpecTimeoutSeconds, kSecondsMax, &spec.timeout_seconds);
  reader.Integer(kSpecGraceSeconds, kSecondsMax, &spec.grace_seconds);
  reader.Integer(kSpecHeartbeatSeconds, kSecondsMax, &spec.heartbeat_seconds);
  reader.Integer(kSpecOutputBoundBytes, int64_t{1} << 50, &spec.output_bound_bytes);
  reader.Integer(kSpecOutputRateBytes, int64_t{1} << 40, &spec.output_rate_bytes);
  reader.Integer(kSpecReceiptBytes, 1 << 20, &spec.receipt_bytes);
  CheckNames(spec, &reader);
  CheckExecutable(spec, &reader);
  if (mode != kModeRun && mode != kModeConfigure) reader.Fail(kSpecMode, "run or configure");
  if (spec.outputs.empty() && mode == kModeRun) reader.Fail(kSpecOutputs, "not empty");
  spec.configure = mode == kModeConfigure;
  if (!fault.empty()) return Invalid(fault);
  return spec;
}

Result<std::string> DecodeBase64(std::string_view text) {
  const auto value = [](char c) -> int {
    if (c >= 'A' && c <= 'Z') return c - 'A';
    if (c >= 'a' && c <= 'z') return c - 'a' + 26;
    if (c >= '0' && c <= '9') return c - '0' + 52;
    return c == '+' ? 62 : c == '/' ? 63 : -1;
  };
  if (text.size() % 4 != 0) return Invalid("the run's spec is not base64: its length is not 4n");
  size_t padding = 0;
  while (padding < 2 && padding < text.size() && text[text.size() - 1 - padding] == '=') ++padding;
  std::string bytes;
  bytes.reserve(text.size() / 4 * 3);
  uint32_t bits = 0;
  for (size_t i = 0; i < text.size(); ++i) {
    const bool pad = i >= text.size() - padding;
    const int six = pad ? 0 : value(text[i]);
    if (six < 0) return Invalid("the run's spec is not base64: byte " + std::to_string(i));
    bits = bits << 6 | static_cast<uint32_t>(six);
    if (i % 4 != 3) continue;
    bytes.push_back(static_cast<char>(bits >> 16));
    bytes.push_back(static_cast<char>(bits >> 8));
    bytes.push_back(static_cast<char>(bits));
    bits = 0;
  }
  bytes.resize(bytes.size() - padding);
  return bytes;
}

Result<std::string> DecompressZstd(std::string_view frame, size_t bytes_max) {
  const unsigned long long size = ZSTD_getFrameContentSize(frame.data(), frame.size());
  if (size == ZSTD_CONTENTSIZE_ERROR) return Invalid("the run's spec is not a zstd frame");
  if (size == ZSTD_CONTENTSIZE_UNKNOWN) {
    return Invalid("the run's spec: its zstd frame does not say how large the content is");
  }
  if (size > bytes_max) {
    return Invalid("the run's spec unpacks to " + std::to_string(size) + " bytes, at most " +
                   std::to_string(bytes_max) + " are allowed");
  }
  std::string bytes(static_cast<size_t>(size), '\0');
  const size_t written = ZSTD_decompress(bytes.data(), bytes.size(), frame.data(), frame.size());
  if (ZSTD_isError(written) != 0 || written != bytes.size()) {
    return Invalid(std::string("the run's spec cannot be unpacked: ") +
                   (ZSTD_isError(written) != 0 ? ZSTD_getErrorName(written) : "too short"));
  }
  return bytes;
}

}  // namespace databuild::exec
