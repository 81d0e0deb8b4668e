// Callers with an API key, beside those with a token of the cluster.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>

#include "controller/api/auth.h"

namespace databuild {

// What a caller with a key is called, before the key's name. No user of the cluster may be called
// so.
inline constexpr char kKeyCallerPrefix[] = "apikey:";

struct ApiKeyAuthOptions {
  std::string folder;
  std::chrono::milliseconds recheck{1'000};
  int64_t requests_per_second = 100;  // of each key; twice as many at once
  const Clock* clock = nullptr;       // outlives the Authenticator
  Metrics* metrics = nullptr;         // may be null
};

// Bearer tokens that begin with "dbk_" are API keys and nothing else; `others` sees all the others.
std::unique_ptr<Authenticator> WithApiKeys(std::unique_ptr<Authenticator> others,
                                           ApiKeyAuthOptions options);

}  // namespace databuild
