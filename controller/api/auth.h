// Who is calling, and may they? Both questions fail closed.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "bel/base/clock.h"
#include "bel/base/result.h"
#include "controller/api/http_message.h"

namespace databuild {

class Metrics;
struct ApiKey;

// The audience a token must be made for; tokens for the API server itself are refused, so that
// nobody who is shown one can replay it there.
inline constexpr char kTokenAudience[] = "databuild";

struct Caller {
  std::string name;
  std::string uid;
  std::vector<std::string> groups;
  std::map<std::string, std::vector<std::string>> extra;
  std::string token_hash;  // SHA-256 of the bearer token, hex; empty without authentication
  std::shared_ptr<const ApiKey> key;  // nullptr: the caller is a user of the cluster
};

// A question about one thing in one graph, in the words of Kubernetes RBAC.
struct AccessQuestion {
  std::string verb;  // "get", "list", "create"
  std::string group = "databuild.dev";
  std::string resource;     // "wants", "taints", "datajobs"
  std::string subresource;  // "events", "log"; empty: none
  std::string graph;        // the namespace
};

// Thread-safe; may block for as long as the review calls' own deadlines.
class Authenticator {
 public:
  virtual ~Authenticator() = default;
  // kUnauthenticated: no, a bad or an expired token. kUnavailable: nobody could tell.
  virtual Result<Caller> Authenticate(const HttpRequest& request) = 0;
  // kPermissionDenied names verb, resource and graph. kUnavailable: nobody could tell.
  virtual Status Authorize(const Caller& caller, const AccessQuestion& question) = 0;
};

// status of a TokenReview, authentication.k8s.io/v1.
struct TokenReviewAnswer {
  bool authenticated = false;
  std::string user;
  std::string uid;
  std::vector<std::string> groups;
  std::map<std::string, std::vector<std::string>> extra;
  std::vector<std::string> audiences;  // those of the question the token is good for
  std::string error;
};

// The two calls to the API server. Thread-safe; each has a deadline of at most 10 s. Errors mean
// "no answer": a refusal is an answer. Implementations never log the token.
class ReviewClient {
 public:
  virtual ~ReviewClient() = default;
  // POST tokenreviews with spec.token and spec.audiences.
  virtual Result<TokenReviewAnswer> ReviewToken(const std::string& token,
                                                const std::vector<std::string>& audiences) = 0;
  // POST subjectaccessreviews with resourceAttributes; user, uid, groups and extra of the caller.
  // status.allowed, false when status.denied.
  virtual Result<bool> ReviewAccess(const Caller& caller, const AccessQuestion& question) = 0;
};

// Lifetimes and bounds of what is remembered; numbers as in controller-runtime's metrics filter.
struct ReviewCacheOptions {
  DurationNs token_ttl = kMinute;
  DurationNs bad_token_ttl = 10 * kSecond;
  DurationNs allowed_ttl = 5 * kMinute;
  DurationNs denied_ttl = 30 * kSecond;
  size_t max_tokens = 4'096;
  size_t max_answers = 16'384;
  int max_reviews_in_flight =
      4;  // over it: kUnavailable, so that strangers cannot take every thread
};

enum class AuthMode { kOff, kKubernetes };
// "none", "kubernetes".
Result<AuthMode> ParseAuthMode(std::string_view text);

struct AuthOptions {
  AuthMode mode = AuthMode::kKubernetes;
  std::string listen_address;                          // of the API
  std::vector<std::string> audiences{kTokenAudience};  // a token must be made for one of them
  ReviewClient* reviews = nullptr;        // for kKubernetes; outlives the Authenticator
  const Clock* clock = nullptr;           // for kKubernetes; outlives the Authenticator
  Metrics* metrics = nullptr;             // may be null
  std::string keys_folder;                // of API keys, for kKubernetes; empty: there are none
  int64_t key_requests_per_second = 100;  // of each key
  ReviewCacheOptions cache;
};

// kInvalidArgument: no authentication on an address that others can reach.
Result<std::unique_ptr<Authenticator>> MakeAuthenticator(AuthOptions options);

}  // namespace databuild
