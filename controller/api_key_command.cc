#include "controller/api_key_command.h"

#include <nlohmann/json.hpp>

#include "bel/base/crypto.h"
#include "controller/api/api_keys.h"
#include "controller/kube/api_client.h"

namespace databuild {
namespace {

using Json = nlohmann::json;

constexpr auto kCallTimeout = std::chrono::seconds(30);
constexpr size_t kSecretBytes = 32;
constexpr int kTries = 5;  // against others who change the Secret at the same time

struct Keys {
  bool secret_exists = false;
  std::string resource_version;
  std::map<std::string, std::string> entries;  // as kept: name, text
};

class KeySecret {
 public:
  KeySecret(const ApiKeyOrder& order, kube::ApiClient& client) : order_(order), client_(client) {}

  Result<Keys> Read() {
    Keys keys;
    const kube::ApiReply reply = client_.Get(Path(order_.secret), Call());
    if (reply.failed_with(kube::ApiFailure::kNotFound)) return keys;
    if (!reply.ok()) return reply.error().ToError();
    const Json secret = Json::parse(*reply, nullptr, false);
    if (!secret.is_object() || !secret.contains("metadata"))
      return Error{Errc::kCorrupt, Name() + ": the API server's answer is no object"};
    keys.secret_exists = true;
    keys.resource_version = secret["metadata"].value("resourceVersion", "");
    const Json data = secret.value("data", Json::object());
    for (const auto& [name, value] : data.items()) {
      const auto text = FromBase64(value.is_string() ? value.get<std::string>() : "!");
      if (!text) return Error{Errc::kCorrupt, Name() + ": entry " + name + " is no base64"};
      keys.entries.emplace(name, *text);
    }
    return keys;
  }

  // kConflict: somebody else was faster; read again.
  Status Put(const Keys& read, const std::string& name, const std::string& text) {
    if (read.secret_exists) return Patch(read, "stringData", {{name, text}});
    const Json body{{"apiVersion", "v1"},
                    {"kind", "Secret"},
                    {"type", "Opaque"},
                    {"metadata",
                     {{"name", order_.secret},
                      {"namespace", order_.ns},
                      {"labels", {{"app.kubernetes.io/name", "databuild"}}}}},
                    {"stringData", {{name, text}}}};
    const kube::ApiReply reply = client_.Create(Path(""), body.dump(), Call());
    if (reply.ok()) return {};
    if (reply.failed_with(kube::ApiFailure::kAlreadyExists))
      return Error{Errc::kConflict, reply.error().Describe()};
    return reply.error().ToError();
  }
  Status Remove(const Keys& read, const std::string& name) {
    return Patch(read, "data", {{name, nullptr}});
  }

  std::string Name() const { return "Secret " + order_.ns + "/" + order_.secret; }

 private:
  kube::ObjectPath Path(const std::string& name) const {
    return {kube::kSecrets, order_.ns, name, ""};
  }
  static kube::CallOptions Call() { return kube::CallOptions::Within(kCallTimeout); }
  Status Patch(const Keys& read, const char* field, const Json& change) {
    const Json body{{"metadata", {{"resourceVersion", read.resource_version}}}, {field, change}};
    const kube::ApiReply reply =
        client_.Patch(Path(order_.secret), kube::PatchType::kMerge, body.dump(), Call());
    if (reply.ok()) return {};
    return reply.error().ToError();
  }

  const ApiKeyOrder& order_;
  kube::ApiClient& client_;
};

Result<ApiKey> KeyFor(const ApiKeyOrder& order, const std::string& secret, TimeNs now) {
  RETURN_IF_ERROR(CheckKeyName(order.name));
  ApiKey key;
  key.name = order.name;
  key.sha256 = Sha256Hex(secret);
  for (const std::string& scope : order.scopes) {
    ASSIGN_OR_RETURN(const ApiKeyScope held, ParseScope(scope));
    key.scopes.push_back(held);
  }
  key.graphs = order.graphs;
  key.created_at = now / kSecond * kSecond;
  key.expires_at = key.created_at + order.lifetime;
  // What cannot be read back would not be a key: the operator would leave it out.
  ASSIGN_OR_RETURN(ApiKey same, ParseApiKey(key.name, FormatApiKey(key)));
  return same;
}

std::string Joined(const std::vector<std::string>& words) {
  std::string text;
  for (const std::string& word : words) text += (text.empty() ? "" : ",") + word;
  return text;
}

std::string ScopesOf(const ApiKey& key) {
  std::vector<std::string> names;
  for (const ApiKeyScope scope : key.scopes) names.emplace_back(ScopeName(scope));
  return Joined(names);
}

Result<std::string> Create(const ApiKeyOrder& order, KeySecret& secret, const Clock& clock) {
  const std::string text = std::string(kApiKeyPrefix) + RandomSecret(kSecretBytes);
  ASSIGN_OR_RETURN(const ApiKey key, KeyFor(order, text, clock.Now()));
  for (int tries = 1;; ++tries) {
    ASSIGN_OR_RETURN(const Keys keys, secret.Read());
    if (keys.entries.contains(key.name)) {
      return Error{Errc::kAlreadyExists, "there is a key " + key.name + " in " + secret.Name() +
                                             ": revoke it first, or take another name"};
    }
    const Status put = secret.Put(keys, key.name, FormatApiKey(key));
    if (put.ok()) break;
    if (put.error().code != Errc::kConflict || tries == kTries) return put.error();
  }
  return text + "\n";
}

Result<std::string> List(KeySecret& secret, const Clock& clock) {
  ASSIGN_OR_RETURN(const Keys keys, secret.Read());
  std::string table = "NAME\tSCOPES\tGRAPHS\tEXPIRES\tSTATE\n";
  for (const auto& [name, text] : keys.entries) {
    const Result<ApiKey> key = ParseApiKey(name, text);
    if (!key.ok()) {
      table += name + "\t-\t-\t-\tunusable: " + key.error().message + "\n";
      continue;
    }
    const bool expired = clock.Now() >= key->expires_at;
    table += name + "\t" + ScopesOf(*key) + "\t" + Joined(key->graphs) + "\t" +
             FormatRfc3339(key->expires_at) + "\t" + (expired ? "expired" : "valid") + "\n";
  }
  return table;
}

Result<std::string> Revoke(const ApiKeyOrder& order, KeySecret& secret) {
  for (int tries = 1;; ++tries) {
    ASSIGN_OR_RETURN(const Keys keys, secret.Read());
    if (!keys.entries.contains(order.name)) {
      return Error{Errc::kNotFound,
                   "there is no key " + order.name + " in " + secret.Name() + "; list shows all"};
    }
    const Status removed = secret.Remove(keys, order.name);
    if (removed.ok()) break;
    if (removed.error().code != Errc::kConflict || tries == kTries) return removed.error();
  }
  return "key " + order.name + " is revoked; operators notice within two minutes\n";
}

}  // namespace

Result<std::string> RunApiKeyCommand(const ApiKeyOrder& order, kube::ApiClient& client,
                                     const Clock& clock) {
  KeySecret secret(order, client);
  switch (order.verb) {
    case ApiKeyOrder::Verb::kCreate:
      return Create(order, secret, clock);
    case ApiKeyOrder::Verb::kList:
      return List(secret, clock);
    case ApiKeyOrder::Verb::kRevoke:
      return Revoke(order, secret);
  }
  CHECK(false);
}

Result<std::string> RunApiKeyCommand(const ApiKeyOrder& order) {
  ASSIGN_OR_RETURN(const kube::ClusterAccess access,
                   kube::LoadKubeconfig(order.kubeconfig, order.context));
  ASSIGN_OR_RETURN(const auto client, kube::ApiClient::Create(access, {}));
  const SystemClock clock;
  return RunApiKeyCommand(order, *client, clock);
}

}  // namespace databuild
