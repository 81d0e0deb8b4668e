#include "controller/config/config.h"

#include <algorithm>
#include <charconv>
#include <fstream>
#include <set>
#include <utility>

#include "controller/config/config_keys.h"
#include "controller/config/yaml_tree.h"

namespace databuild {
namespace {

constexpr size_t kMaxUriBytes = 4'096;

Error Invalid(std::string message) { return {Errc::kInvalidArgument, std::move(message)}; }

// Each setter takes the text of a scalar; the error says what the field wants.
Status SetField(const ConfigKey& key, const std::string& text) {
  if (auto* field = std::get_if<std::string*>(&key.field)) {
    **field = text;
  } else if (auto* flag = std::get_if<bool*>(&key.field)) {
    if (text != "true" && text != "false") {
      return Invalid(key.path + ": \"" + text + "\" is neither true nor false");
    }
    **flag = text == "true";
  } else if (auto* number = std::get_if<ConfigNumber>(&key.field)) {
    int64_t value = 0;
    auto [end, fault] = std::from_chars(text.data(), text.data() + text.size(), value);
    bool whole = fault == std::errc() && end == text.data() + text.size();
    if (!whole || value < number->least || value > number->most) {
      return Invalid(key.path + ": \"" + text + "\" is not a whole number from " +
                     std::to_string(number->least) + " to " + std::to_string(number->most));
    }
    *number->value = value;
  } else if (auto* duration = std::get_if<ConfigDuration>(&key.field)) {
    Result<DurationNs> value = ParseDuration(text);
    if (!value.ok() || *value < 0 || (*value == 0 && !duration->may_be_zero)) {
      return Invalid(key.path + ": " +
                     (value.ok() ? "\"" + text + "\" is no time at all; write one like 15s"
                                 : value.error().message));
    }
    *duration->value = *value;
  }
  return {};
}

class YamlReader {
 public:
  YamlReader(const std::string& source, std::vector<ConfigKey> keys)
      : source_(source), keys_(std::move(keys)) {}

  Status Read(const YamlTree& root) {
    if (root.kind == YamlTree::Kind::kNull) return {};
    if (root.kind != YamlTree::Kind::kMap) {
      return YamlError(source_, root.line, "the configuration must be a map of keys");
    }
    return ReadMap(root, "");
  }

  bool WasSet(const std::string& path) const { return set_.contains(path); }

 private:
  Status ReadMap(const YamlTree& map, const std::string& prefix) {
    for (const YamlTree::Entry& entry : map.entries) {
      std::string path = prefix + entry.key;
      auto key = std::find_if(keys_.begin(), keys_.end(),
                              [&](const ConfigKey& known) { return known.path == path; });
      if (key != keys_.end()) {
        RETURN_IF_ERROR(ReadField(*key, entry.value));
        set_.insert(path);
      } else if (IsSection(path)) {
        RETURN_IF_ERROR(ReadSection(path, entry.value));
      } else {
        return YamlError(source_, entry.line,
                         "the key " + path + " is not known; known here: " + KnownKeys(prefix));
      }
    }
    return {};
  }

  Status ReadSection(const std::string& path, const YamlTree& value) {
    if (value.kind == YamlTree::Kind::kNull) return {};  // every key of it left out
    if (value.kind == YamlTree::Kind::kMap) return ReadMap(value, path + ".");
    return YamlError(source_, value.line, path + " must be a map of keys");
  }

  Status ReadField(const ConfigKey& key, const YamlTree& value) {
    if (auto* list = std::get_if<std::vector<std::string>*>(&key.field)) {
      return ReadList(key, value, *list);
    }
    if (auto* peers = std::get_if<std::vector<PeerConfig>*>(&key.field)) {
      return ReadPeers(key, value, *peers);
    }
    if (value.kind != YamlTree::Kind::kScalar) {
      return YamlError(source_, value.line, key.path + " must be one value");
    }
    bool is_text = std::holds_alternative<std::string*>(key.field) ||
                   std::holds_alternative<ConfigDuration>(key.field);
    if (value.quoted && !is_text) {
      return YamlError(source_, value.line,
                       key.path + ": \"" + value.scalar + "\" is text; leave out the quotes");
    }
    Status set = SetField(key, value.scalar);
    if (!set.ok()) return YamlError(source_, value.line, set.error().message);
    return {};
  }

  Status ReadList(const ConfigKey& key, const YamlTree& value, std::vector<std::string>* list) {
    if (value.kind != YamlTree::Kind::kList) {
      return YamlError(source_, value.line, key.path + " must be a list, such as [a, b]");
    }
    list->clear();
    for (const YamlTree& item : value.items) {
      if (item.kind != YamlTree::Kind::kScalar) {
        return YamlError(source_, item.line, key.path + " must be a list of texts");
      }
      list->push_back(item.scalar);
    }
    return {};
  }

  Status ReadPeers(const ConfigKey& key, const YamlTree& value, std::vector<PeerConfig>* peers) {
    if (value.kind != YamlTree::Kind::kList) {
      return YamlError(source_, value.line, key.path + " must be a list of maps");
    }
    peers->clear();
    for (const YamlTree& item : value.items) {
      if (item.kind != YamlTree::Kind::kMap) {
        return YamlError(source_, item.line, key.path + " must be a list of maps");
      }
      PeerConfig peer;
      RETURN_IF_ERROR(YamlReader(source_, PeerKeys(&peer)).Read(item));
      peers->push_back(std::move(peer));
    }
    return {};
  }

  bool IsSection(const std::string& path) const {
    return std::any_of(keys_.begin(), keys_.end(),
                       [&](const ConfigKey& key) { return key.path.starts_with(path + "."); });
  }

  // The names that may follow `prefix`, each once.
  std::string KnownKeys(const std::string& prefix) const {
    std::string names;
    std::string last;
    for (const ConfigKey& key : keys_) {
      if (!key.path.starts_with(prefix)) continue;
      std::string name = key.path.substr(prefix.size());
      name = name.substr(0, name.find('.'));
      if (name == last) continue;
      names += (names.empty() ? "" : ", ") + name;
      last = name;
    }
    return names;
  }

  const std::string& source_;
  std::vector<ConfigKey> keys_;
  std::set<std::string> set_;
};

}  // namespace

Status ReadConfigYaml(const std::string& yaml, const std::string& source, Config* config) {
  ASSIGN_OR_RETURN(YamlTree root, ParseYaml(yaml, source));
  YamlReader reader(source, ConfigKeys(config));
  RETURN_IF_ERROR(reader.Read(root));
  // Naming a file is choosing it over the default URI.
  if (reader.WasSet("bel.uriFile") && !reader.WasSet("bel.uri")) config->bel_uri.clear();
  return {};
}

Status SetConfigKey(const std::string& key, const std::string& value, Config* config) {
  for (const ConfigKey& known : ConfigKeys(config)) {
    if (known.path != key) continue;
    if (key == "bel.uri") config->bel_uri_file.clear();
    if (key == "bel.uriFile") config->bel_uri.clear();
    auto* list = std::get_if<std::vector<std::string>*>(&known.field);
    if (std::holds_alternative<std::vector<PeerConfig>*>(known.field))
      return Invalid(key + ": it is a list of maps; write it in the file");
    if (list == nullptr) return SetField(known, value);
    (*list)->clear();
    for (size_t begin = 0; begin < value.size();) {
      size_t comma = std::min(value.find(',', begin), value.size());
      (*list)->push_back(value.substr(begin, comma - begin));
      begin = comma + 1;
    }
    return {};
  }
  return Invalid("the key " + key + " is not known; --print-config shows every key");
}

void ReadEnvironment(const EnvironmentLookup& lookup, Config* config) {
  config->pod_name = lookup("POD_NAME").value_or(config->pod_name);
  config->pod_namespace = lookup("POD_NAMESPACE").value_or(config->pod_namespace);
  if (config->wrapper_image.empty()) config->wrapper_image = lookup("DATABUILD_IMAGE").value_or("");
}

Result<std::string> BelUri(const Config& config) {
  if (config.bel_uri_file.empty()) return config.bel_uri;
  std::ifstream file(config.bel_uri_file);
  std::string uri;
  std::getline(file, uri);
  while (!uri.empty() && (uri.back() == '\r' || uri.back() == ' ')) uri.pop_back();
  if (uri.empty() || uri.size() > kMaxUriBytes) {
    return Invalid("bel.uriFile: reading the log's URI from " + config.bel_uri_file +
                   (file.is_open() ? ": its first line must hold 1 to 4096 bytes"
                                   : ": it cannot be opened; check the mounted secret"));
  }
  return uri;
}

}  // namespace databuild
