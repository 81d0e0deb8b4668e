#include "controller/api/api_keys.h"

#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "bel/base/log.h"
#include "controller/api/dns_label.h"

namespace databuild {
namespace {

using Json = nlohmann::json;

constexpr size_t kMaxEntryBytes = 16 * 1'024;
constexpr std::array kScopes{ApiKeyScope::kRead, ApiKeyScope::kWantWrite, ApiKeyScope::kTaintWrite,
                             ApiKeyScope::kAdmin};

Error Bad(const std::string& what) { return {Errc::kInvalidArgument, what}; }

Result<std::vector<std::string>> Texts(const Json& object, const char* field) {
  const auto found = object.find(field);
  if (found == object.end() || !found->is_array() || found->empty())
    return Bad(std::string(field) + ": a list of texts is needed");
  std::vector<std::string> texts;
  for (const Json& text : *found) {
    if (!text.is_string()) return Bad(std::string(field) + ": a list of texts is needed");
    texts.push_back(text.get<std::string>());
  }
  return texts;
}

Result<TimeNs> Time(const Json& object, const char* field) {
  const auto found = object.find(field);
  if (found == object.end() || !found->is_string())
    return Bad(std::string(field) + ": a time such as 2026-01-31T00:00:00Z is needed");
  return ParseRfc3339(found->get<std::string>());
}

bool IsSha256(const std::string& text) {
  return text.size() == 64 && text.find_first_not_of("0123456789abcdef") == std::string::npos;
}

}  // namespace

const char* ScopeName(ApiKeyScope scope) {
  switch (scope) {
    case ApiKeyScope::kRead:
      return "read";
    case ApiKeyScope::kWantWrite:
      return "want-write";
    case ApiKeyScope::kTaintWrite:
      return "taint-write";
    case ApiKeyScope::kAdmin:
      return "admin";
  }
  return "unknown";
}

Result<ApiKeyScope> ParseScope(std::string_view text) {
  for (const ApiKeyScope scope : kScopes) {
    if (text == ScopeName(scope)) return scope;
  }
  return Bad("scopes: '" + std::string(text) + "' is none of read, want-write, taint-write, admin");
}

bool ApiKey::Has(ApiKeyScope scope) const {
  return std::any_of(scopes.begin(), scopes.end(), [scope](ApiKeyScope held) {
    return held == scope || held == ApiKeyScope::kAdmin;
  });
}

bool ApiKey::IsFor(const std::string& graph) const {
  return std::any_of(graphs.begin(), graphs.end(),
                     [&](const std::string& held) { return held == graph || held == kAllGraphs; });
}

Status CheckKeyName(const std::string& name) {
  if (IsDnsLabel(name)) return {};
  return Bad("name: '" + name + "' is not 1 to 63 lower-case letters, digits and '-'");
}

std::string FormatApiKey(const ApiKey& key) {
  Json scopes = Json::array();
  for (const ApiKeyScope scope : key.scopes) scopes.push_back(ScopeName(scope));
  return Json{{"sha256", key.sha256},
              {"scopes", std::move(scopes)},
              {"graphs", key.graphs},
              {"created", FormatRfc3339(key.created_at)},
              {"expires", FormatRfc3339(key.expires_at)}}
      .dump();
}

Result<ApiKey> ParseApiKey(const std::string& name, const std::string& text) {
  RETURN_IF_ERROR(CheckKeyName(name));
  const Json object = Json::parse(text, nullptr, false);
  if (!object.is_object()) return Bad("it is no JSON object");
  for (const auto& [field, value] : object.items()) {
    if (field != "sha256" && field != "scopes" && field != "graphs" && field != "created" &&
        field != "expires") {
      return Bad(field + ": this release knows no such field");
    }
  }
  ApiKey key;
  key.name = name;
  const auto hash = object.find("sha256");
  if (hash != object.end() && hash->is_string()) key.sha256 = hash->get<std::string>();
  if (!IsSha256(key.sha256)) return Bad("sha256: 64 lower-case hex digits are needed");
  ASSIGN_OR_RETURN(const std::vector<std::string> scopes, Texts(object, "scopes"));
  for (const std::string& scope : scopes) {
    ASSIGN_OR_RETURN(const ApiKeyScope held, ParseScope(scope));
    key.scopes.push_back(held);
  }
  ASSIGN_OR_RETURN(key.graphs, Texts(object, "graphs"));
  for (const std::string& graph : key.graphs) {
    if (graph != kAllGraphs && !IsDnsLabel(graph))
      return Bad("graphs: '" + graph + "' is no namespace, nor * for all");
  }
  ASSIGN_OR_RETURN(key.expires_at, Time(object, "expires"));
  if (object.contains("created")) {
    ASSIGN_OR_RETURN(key.created_at, Time(object, "created"));
  }
  return key;
}

ApiKeyFolder::ApiKeyFolder(std::string path, std::chrono::milliseconds recheck)
    : path_(std::move(path)),
      recheck_(recheck),
      keys_(std::make_shared<const Keys>()),
      looked_(std::chrono::steady_clock::now() - recheck) {}

std::shared_ptr<const ApiKeyFolder::Keys> ApiKeyFolder::Current() {
  const std::lock_guard lock(mutex_);
  const auto now = std::chrono::steady_clock::now();
  if (now - looked_ < recheck_) return keys_;
  looked_ = now;
  std::string identity = Identity();
  if (identity == identity_) return keys_;
  identity_ = std::move(identity);
  keys_ = std::make_shared<const Keys>(Read());
  LogInfo("API keys read", {{"folder", path_}, {"keys", keys_->size()}});
  return keys_;
}

ApiKeyFolder::Keys ApiKeyFolder::Read() const {
  Keys keys;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(path_, error)) {
    const std::string name = entry.path().filename().string();
    std::error_code unread;
    // A mounted Secret holds its entries as links, and what begins with a dot is the kubelet's own.
    if (name.starts_with('.') || !std::filesystem::is_regular_file(entry.path(), unread)) continue;
    std::string text(kMaxEntryBytes, '\0');
    std::ifstream file(entry.path(), std::ios::binary);
    file.read(text.data(), static_cast<std::streamsize>(text.size()));
    text.resize(static_cast<size_t>(file.gcount()));
    Result<ApiKey> key = ParseApiKey(name, text);
    if (key.ok()) {
      keys.push_back(std::make_shared<const ApiKey>(std::move(*key)));
    } else {
      LogError("an API key cannot be used", {{"key", name}, {"error", key.error().message}});
    }
  }
  return keys;
}

std::string ApiKeyFolder::Identity() const {
  std::vector<std::string> parts;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(path_, error)) {
    struct stat info {};
    if (stat(entry.path().c_str(), &info) != 0) continue;
    std::string part = entry.path().filename().string();
    for (const auto number :
         {static_cast<int64_t>(info.st_ino), static_cast<int64_t>(info.st_size),
          static_cast<int64_t>(info.st_mtim.tv_sec), static_cast<int64_t>(info.st_mtim.tv_nsec)}) {
      part += "/" + std::to_string(number);
    }
    parts.push_back(std::move(part));
  }
  std::sort(parts.begin(), parts.end());
  std::string identity;
  for (const std::string& part : parts) identity += part + "\n";
  return identity;
}

}  // namespace databuild
