// API keys: what one is, how it is kept, and the folder in which the operator finds them.
//
// A key is "dbk_" and 256 random bits, shown once. One entry of a Secret stands for it: its name,
// and as text a JSON object with SHA-256, scopes, graphs and expiry. The kubelet mounts the Secret
// as a folder; the operator has no right to read it from the API server.
#pragma once

#include <chrono>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "bel/base/clock.h"
#include "bel/base/result.h"

namespace databuild {

inline constexpr std::string_view kApiKeyPrefix = "dbk_";
inline constexpr char kAllGraphs[] = "*";

enum class ApiKeyScope { kRead, kWantWrite, kTaintWrite, kAdmin };
// "read", "want-write", "taint-write", "admin".
const char* ScopeName(ApiKeyScope scope);
Result<ApiKeyScope> ParseScope(std::string_view text);

struct ApiKey {
  std::string name;
  std::string sha256;  // of the whole key, 64 lower-case hex digits
  std::vector<ApiKeyScope> scopes;
  std::vector<std::string> graphs;  // kAllGraphs among them: all
  TimeNs created_at = 0;
  TimeNs expires_at = 0;

  bool Has(ApiKeyScope scope) const;  // admin has all
  bool IsFor(const std::string& graph) const;
};

// 1 to 63 lower-case letters, digits and '-', as a name of Kubernetes.
Status CheckKeyName(const std::string& name);

// The text of an entry, and back. A field that is not known is an error: it might limit the key.
std::string FormatApiKey(const ApiKey& key);
Result<ApiKey> ParseApiKey(const std::string& name, const std::string& text);

// Thread-safe.
class ApiKeyFolder {
 public:
  explicit ApiKeyFolder(std::string path, std::chrono::milliseconds recheck);

  using Keys = std::vector<std::shared_ptr<const ApiKey>>;
  // Looks at the folder at most every `recheck`, and reads it again when it has changed. An entry
  // that cannot be used is logged and left out; without a folder there are no keys.
  std::shared_ptr<const Keys> Current();

 private:
  Keys Read() const;
  // Changes whenever one of the files does, symlinks followed.
  std::string Identity() const;

  const std::string path_;
  const std::chrono::milliseconds recheck_;
  std::mutex mutex_;  // guards what follows
  std::shared_ptr<const Keys> keys_;
  std::string identity_;
  std::chrono::steady_clock::time_point looked_;
};

}  // namespace databuild
