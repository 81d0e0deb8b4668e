#include "controller/api/api_key_auth.h"

#include <algorithm>
#include <map>
#include <mutex>

#include "bel/base/crypto.h"
#include "controller/api/api_keys.h"
#include "controller/api/bearer_token.h"
#include "controller/metrics/metrics.h"

namespace databuild {
namespace {

// So many requests a second for each name, and twice as many at once. Thread-safe.
class RequestRates {
 public:
  explicit RequestRates(int64_t per_second) : per_second_(static_cast<double>(per_second)) {}

  bool Take(const std::string& name, TimeNs now) {
    const std::lock_guard lock(mutex_);
    const auto [at, fresh] = buckets_.try_emplace(name, Bucket{2 * per_second_, now});
    Bucket& bucket = at->second;
    const auto passed = static_cast<double>(std::max<DurationNs>(0, now - bucket.since));
    bucket.left = std::min(2 * per_second_, bucket.left + passed / kSecond * per_second_);
    bucket.since = now;
    if (bucket.left < 1) return false;
    bucket.left -= 1;
    return true;
  }

 private:
  struct Bucket {
    double left = 0;
    TimeNs since = 0;
  };

  const double per_second_;
  std::mutex mutex_;  // guards buckets_, which grows with the keys that were ever valid
  std::map<std::string, Bucket> buckets_;
};

class ApiKeyAuthenticator final : public Authenticator {
 public:
  ApiKeyAuthenticator(std::unique_ptr<Authenticator> others, ApiKeyAuthOptions options)
      : others_(std::move(others)),
        options_(std::move(options)),
        folder_(options_.folder, options_.recheck),
        rates_(options_.requests_per_second) {}

  Result<Caller> Authenticate(const HttpRequest& request) override {
    const Result<std::string> token = BearerToken(request);
    if (!token.ok() || !token->starts_with(kApiKeyPrefix)) return others_->Authenticate(request);
    Result<Caller> caller = CallerOf(Sha256Hex(*token));
    if (options_.metrics != nullptr) {
      options_.metrics->Add(Metric::kAuthReviews, {"key", caller.ok() ? "allowed" : "denied"});
    }
    return caller;
  }

  Status Authorize(const Caller& caller, const AccessQuestion& question) override;

 private:
  Result<Caller> CallerOf(const std::string& sha256) {
    std::shared_ptr<const ApiKey> found;
    // All of them are compared, so that the time does not tell which one came close.
    for (const auto& key : *folder_.Current()) {
      if (SameSecret(key->sha256, sha256)) found = key;
    }
    if (found == nullptr) {
      return Error{Errc::kUnauthenticated,
                   "the API key is not valid here: it was revoked, or is so new that it was not "
                   "read yet; that takes up to two minutes"};
    }
    const TimeNs now = options_.clock->Now();
    if (now >= found->expires_at) {
      return Error{Errc::kUnauthenticated, "API key " + found->name + " expired at " +
                                               FormatRfc3339(found->expires_at) +
                                               "; create another one"};
    }
    if (!rates_.Take(found->name, now)) {
      return Error{Errc::kTooLarge, "API key " + found->name + " makes more than " +
                                        std::to_string(options_.requests_per_second) +
                                        " requests a second; send fewer"};
    }
    Caller caller;
    caller.name = kKeyCallerPrefix + found->name;
    caller.token_hash = sha256;
    caller.key = std::move(found);
    return caller;
  }

  const std::unique_ptr<Authenticator> others_;
  const ApiKeyAuthOptions options_;
  ApiKeyFolder folder_;
  RequestRates rates_;
};

// What a key needs for a question; one that no scope stands for is the admin's.
ApiKeyScope ScopeFor(const AccessQuestion& question) {
  if (question.verb == "get" || question.verb == "list") return ApiKeyScope::kRead;
  if (question.verb == "create" && question.resource == "wants") return ApiKeyScope::kWantWrite;
  if (question.verb == "create" && question.resource == "taints") return ApiKeyScope::kTaintWrite;
  return ApiKeyScope::kAdmin;
}

Status ApiKeyAuthenticator::Authorize(const Caller& caller, const AccessQuestion& question) {
  if (caller.key == nullptr) return others_->Authorize(caller, question);
  const ApiKeyScope scope = ScopeFor(question);
  if (!caller.key->Has(scope)) {
    return Error{Errc::kPermissionDenied, "API key " + caller.key->name + " lacks the scope " +
                                              ScopeName(scope) + ", which " + question.verb + " " +
                                              question.resource + " needs"};
  }
  if (!caller.key->IsFor(question.graph)) {
    return Error{Errc::kPermissionDenied,
                 "API key " + caller.key->name + " is not for graph " + question.graph};
  }
  return {};
}

}  // namespace

std::unique_ptr<Authenticator> WithApiKeys(std::unique_ptr<Authenticator> others,
                                           ApiKeyAuthOptions options) {
  return std::make_unique<ApiKeyAuthenticator>(std::move(others), std::move(options));
}

}  // namespace databuild
