// PrintConfig: the configuration as the YAML text that reads back to it.
#include "controller/config/config.h"
#include "controller/config/config_keys.h"

namespace databuild {
namespace {

std::string Quoted(const std::string& text) {
  std::string quoted = "\"";
  for (char c : text) {
    if (c == '"' || c == '\\') quoted += '\\';
    quoted += c == '\n' ? ' ' : c;
  }
  return quoted + "\"";
}

std::string FieldText(const ConfigKey& key) {
  if (auto* text = std::get_if<std::string*>(&key.field)) return Quoted(WithoutPassword(**text));
  if (auto* flag = std::get_if<bool*>(&key.field)) return **flag ? "true" : "false";
  if (auto* number = std::get_if<ConfigNumber>(&key.field)) return std::to_string(*number->value);
  if (auto* time = std::get_if<ConfigDuration>(&key.field)) return FormatDuration(*time->value);
  std::string items;
  if (auto* peers = std::get_if<std::vector<PeerConfig>*>(&key.field)) {
    for (PeerConfig& peer : **peers) {
      std::string fields;
      for (const ConfigKey& field : PeerKeys(&peer))
        fields += (fields.empty() ? "" : ", ") + field.path + ": " + FieldText(field);
      items += (items.empty() ? "{" : ", {") + fields + "}";
    }
    return "[" + items + "]";
  }
  for (const std::string& item : *std::get<std::vector<std::string>*>(key.field)) {
    items += (items.empty() ? "" : ", ") + Quoted(item);
  }
  return "[" + items + "]";
}

}  // namespace

std::string PrintConfig(const Config& config) {
  Config copy = config;
  std::string yaml;
  std::string section;  // of the line before, "api.tls."
  for (const ConfigKey& key : ConfigKeys(&copy)) {
    // An unset one of the two would read back as the chosen one.
    if (key.path == "bel.uri" && copy.bel_uri.empty()) continue;
    if (key.path == "bel.uriFile" && copy.bel_uri_file.empty()) continue;
    size_t begin = 0;
    std::string indent;
    for (size_t dot = key.path.find('.'); dot != std::string::npos;
         dot = key.path.find('.', begin)) {
      std::string opened = key.path.substr(0, dot + 1);
      if (!section.starts_with(opened)) {
        yaml += indent + key.path.substr(begin, dot - begin) + ":\n";
      }
      begin = dot + 1;
      indent += "  ";
    }
    section = key.path.substr(0, begin);
    yaml += indent + key.path.substr(begin) + ": " + FieldText(key) + "\n";
  }
  return yaml;
}

}  // namespace databuild
