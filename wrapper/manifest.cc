#include "wrapper/manifest.h"

#include <algorithm>
#include <set>

#include "wrapper/json.h"
#include "wrapper/text.h"

namespace databuild::exec {
namespace {

constexpr size_t kNodesMax = 500'000;
constexpr size_t kMetadataMemberBytesMax = 8 * 1024;  // key and value, escaped

Error Invalid(std::string message) { return {Errc::kInvalidArgument, std::move(message)}; }

// Refs are printable ASCII of at most kRefBytesMax bytes.
bool IsRef(std::string_view text) {
  return !text.empty() && text.size() <= kRefBytesMax &&
         std::all_of(text.begin(), text.end(), [](char c) { return c >= 0x20 && c <= 0x7e; });
}

// Messages end up in receipts and conditions: long refs are cut.
std::string Shown(std::string_view text) {
  std::string shown = "\"";
  AppendEscaped(text.substr(0, 200), &shown);
  return shown + (text.size() > 200 ? "…\"" : "\"");
}

class ClaimReader {
 public:
  ClaimReader(const ManifestClaim& claim, const RunSpec& spec) : claim_(claim), spec_(spec) {}

  Status Apply(Manifest* manifest, std::vector<std::string>* warnings) {
    if (!tape_.Parse(claim_.json, kNodesMax) || tape_.root().type != JsonType::kObject) {
      return Fault("is not a JSON object");
    }
    RETURN_IF_ERROR(CheckOutputs());
    RETURN_IF_ERROR(TakeInputs(manifest));
    return TakeMetadata(manifest, warnings);
  }

 private:
  Error Fault(const std::string& what) const {
    return Invalid("the manifest in " + claim_.source + " " + what);
  }

  uint32_t Find(std::string_view camel, std::string_view snake) const {
    const uint32_t at = tape_.Find(0, camel);
    return at != 0 ? at : tape_.Find(0, snake);
  }

  std::string Text(uint32_t at) const {
    std::string scratch;
    return std::string(tape_.String(at, &scratch));
  }

  // A list element that names a ref: a string, {"str": ref}, {"ref": ref} or a PartitionManifest.
  Status TakeRefs(uint32_t at, bool may_nest, std::vector<std::string>* refs) const {
    if (tape_[at].type == JsonType::kString) {
      refs->push_back(Text(at));
      return {};
    }
    if (tape_[at].type == JsonType::kObject) {
      for (const char* key : {"str", "ref"}) {
        const uint32_t ref = tape_.Find(at, key);
        if (ref == 0 || tape_[ref].type != JsonType::kString) continue;
        refs->push_back(Text(ref));
        return {};
      }
      const uint32_t outputs = may_nest ? tape_.Find(at, "outputs") : 0;
      if (outputs != 0) return TakeList(outputs, false, refs);
    }
    return Fault(R"(has a ref that is neither a string nor {"str": "…"})");
  }

  Status TakeList(uint32_t list, bool may_nest, std::vector<std::string>* refs) const {
    if (tape_[list].type != JsonType::kArray) return Fault("has a list of refs that is no array");
    for (uint32_t at = tape_.First(list); at != tape_.End(list); at = tape_[at].next) {
      RETURN_IF_ERROR(TakeRefs(at, may_nest, refs));
    }
    for (const std::string& ref : *refs) {
      if (!IsRef(ref)) return Fault("has the ref " + Shown(ref) + ", which is no partition ref");
    }
    return {};
  }

  Status CheckOutputs() const {
    const uint32_t list = Find("outputs", "outputs");
    if (list == 0) return {};
    std::vector<std::string> named;
    RETURN_IF_ERROR(TakeList(list, false, &named));
    const std::set<std::string> claimed(named.begin(), named.end());
    const std::set<std::string> planned(spec_.outputs.begin(), spec_.outputs.end());
    for (const std::string& ref : claimed) {
      if (planned.count(ref) == 0)
        return Fault("names the output " + Shown(ref) + ", which is not the run's");
    }
    for (const std::string& ref : planned) {
      if (claimed.count(ref) == 0)
        return Fault("does not name the output " + Shown(ref) + " of the run");
    }
    return {};
  }

  Status TakeInputs(Manifest* manifest) const {
    std::vector<std::string> named;
    bool any = false;
    for (const uint32_t list :
         {Find("inputs", "inputs"), Find("inputInstances", "input_instances")}) {
      if (list == 0) continue;
      any = true;
      RETURN_IF_ERROR(TakeList(list, true, &named));
    }
    if (!any) return {};
    std::set<std::string> seen;
    manifest->inputs.clear();
    for (std::string& ref : named) {
      if (seen.insert(ref).second) manifest->inputs.push_back(std::move(ref));
    }
    return {};
  }

  Status TakeMetadata(Manifest* manifest, std::vector<std::string>* warnings) const {
    const uint32_t object = Find("metadata", "metadata");
    if (object == 0) return {};
    if (tape_[object].type != JsonType::kObject) return Fault("has metadata that is no object");
    for (uint32_t at = tape_.First(object); at != tape_.End(object); at = tape_.NextMember(at)) {
      const JsonType type = tape_[at + 1].type;
      std::string value = type == JsonType::kString ? Text(at + 1) : std::string(tape_.Raw(at + 1));
      std::string key = Text(at);
      if (EscapedSize(key) + EscapedSize(value) > kMetadataMemberBytesMax) {
        warnings->push_back("manifest: metadata " + Shown(key) + " of " +
                            std::to_string(value.size()) + " bytes left out, at most " +
                            std::to_string(kMetadataMemberBytesMax) +
                            " fit; write it to the data instead");
        continue;
      }
      manifest->metadata[std::move(key)] = std::move(value);
    }
    return {};
  }

  const ManifestClaim& claim_;
  const RunSpec& spec_;
  JsonTape tape_;
};

// Collects list elements into parts of bounded size.
class PartBuilder {
 public:
  PartBuilder(std::string head, size_t bytes) : part_("{" + std::move(head)), bytes_(bytes) {}

  // `list` is the member the element belongs to, with its opening bracket.
  void Add(const std::string& list, char closing, const std::string& element) {
    const size_t needed = element.size() + (list == list_ ? 1 : list.size() + 2) + 2;
    if (part_.size() + needed > bytes_) Close();
    if (list != list_) {
      if (!list_.empty()) part_ += closing_;
      if (part_.size() > 1) part_ += ',';
      part_ += list;
      list_ = list;
      closing_ = closing;
    } else {
      part_ += ',';
    }
    part_ += element;
  }

  std::vector<std::string> Finish() {
    Close();
    return std::move(parts_);
  }

 private:
  void Close() {
    if (!list_.empty()) part_ += closing_;
    parts_.push_back(part_ + "}");
    part_ = "{";
    list_.clear();
  }

  std::string part_;
  const size_t bytes_;
  std::string list_;
  char closing_ = 0;
  std::vector<std::string> parts_;
};

std::string Instance(const std::string& ref, const std::map<std::string, std::string>& ids) {
  std::string json = "{\"ref\":";
  AppendQuoted(ref, &json);
  const auto id = ids.find(ref);
  if (id != ids.end()) {
    json += ",\"instanceId\":";
    AppendQuoted(id->second, &json);
  }
  return json + "}";
}

}  // namespace

Result<Manifest> MergeManifest(const RunSpec& spec, const std::vector<ManifestClaim>& claims,
                               std::vector<std::string>* warnings) {
  Manifest manifest;
  manifest.outputs = spec.outputs;
  manifest.inputs = spec.inputs;
  for (const ManifestClaim& claim : claims) {
    RETURN_IF_ERROR(ClaimReader(claim, spec).Apply(&manifest, warnings));
  }
  return manifest;
}

std::vector<std::string> RenderManifest(const Manifest& manifest, const RunSpec& spec,
                                        size_t part_bytes) {
  std::string head = "\"startTime\":\"" + std::to_string(manifest.start_seconds) +
                     "\",\"endTime\":\"" + std::to_string(manifest.end_seconds) + "\"";
  if (!spec.job_label.empty()) {
    head += R"(,"task":{"job":{"label":)";
    AppendQuoted(spec.job_label, &head);
    head += "}}";
  }
  PartBuilder parts(head, part_bytes);
  for (const std::string& ref : manifest.outputs) {
    std::string element = "{\"str\":";
    AppendQuoted(ref, &element);
    parts.Add("\"outputs\":[", ']', element + "}");
  }
  for (const std::string& ref : manifest.outputs) {
    if (spec.output_instances.empty()) break;
    parts.Add("\"outputInstances\":[", ']', Instance(ref, spec.output_instances));
  }
  for (const std::string& ref : manifest.inputs) {
    parts.Add("\"inputInstances\":[", ']', Instance(ref, spec.input_instances));
  }
  for (const auto& [key, value] : manifest.metadata) {
    std::string element;
    AppendQuoted(key, &element);
    element += ":";
    AppendQuoted(value, &element);
    parts.Add("\"metadata\":{", '}', element);
  }
  return parts.Finish();
}

Result<std::vector<std::string>> ParseMissing(std::string_view text) {
  const auto trim = [](std::string_view line) {
    const size_t first = line.find_first_not_of(" \t\r\n");
    if (first == line.npos) return std::string_view();
    return line.substr(first, line.find_last_not_of(" \t\r\n") - first + 1);
  };
  std::vector<std::string> named;
  text = trim(text);
  if (!text.empty() && text.front() == '[') {
    JsonTape tape;
    std::string scratch;
    if (!tape.Parse(text, kMissingRefsMax + 2)) {
      return Invalid(
          "DATABUILD_MISSING starts like a JSON array of refs and is none, or has more than " +
          std::to_string(kMissingRefsMax));
    }
    for (uint32_t at = tape.First(0); at != tape.End(0); at = tape[at].next) {
      if (tape[at].type != JsonType::kString) {
        return Invalid("DATABUILD_MISSING is a JSON array of something else than strings");
      }
      named.emplace_back(tape.String(at, &scratch));
    }
  } else {
    while (!text.empty()) {
      const size_t end = std::min(text.find('\n'), text.size());
      const std::string_view line = trim(text.substr(0, end));
      if (!line.empty()) named.emplace_back(line);
      text.remove_prefix(std::min(end + 1, text.size()));
    }
  }
  if (named.size() > kMissingRefsMax) {
    return Invalid("DATABUILD_MISSING names " + std::to_string(named.size()) + " refs, at most " +
                   std::to_string(kMissingRefsMax) + " are taken");
  }
  std::vector<std::string> refs;
  std::set<std::string> seen;
  for (std::string& ref : named) {
    if (!IsRef(ref)) {
      return Invalid("DATABUILD_MISSING names " + Shown(ref) +
                     ", which is no partition ref (printable ASCII, at most 1024 bytes)");
    }
    if (seen.insert(ref).second) refs.push_back(std::move(ref));
  }
  return refs;
}

std::string JsonArray(const std::vector<std::string>& strings) {
  std::string json = "[";
  for (const std::string& text : strings) {
    if (json.size() > 1) json += ',';
    AppendQuoted(text, &json);
  }
  return json + "]";
}

}  // namespace databuild::exec
