#include "controller/api/auth.h"

#include <arpa/inet.h>

#include <algorithm>
#include <condition_variable>
#include <mutex>
#include <set>

#include "bel/base/check.h"
#include "bel/base/crypto.h"
#include "controller/api/api_key_auth.h"
#include "controller/api/bearer_token.h"
#include "controller/api/expiring_cache.h"
#include "controller/metrics/metrics.h"

namespace databuild {
namespace {

constexpr size_t kMaxTokenBytes = 16 * 1024;

bool IsLoopbackAddress(const std::string& address) {
  in_addr v4{};
  if (inet_pton(AF_INET, address.c_str(), &v4) == 1) return (ntohl(v4.s_addr) >> 24) == 127;
  in6_addr v6{};
  return inet_pton(AF_INET6, address.c_str(), &v6) == 1 && IN6_IS_ADDR_LOOPBACK(&v6);
}

// The host of a Host header: without port and brackets.
std::string HostOf(std::string_view header) {
  if (header.starts_with('[')) return std::string(header.substr(1, header.find(']') - 1));
  return std::string(header.substr(0, header.find(':')));
}

// Nobody is asked. Only for a loopback listener, and only for requests that name a loopback host: a
// web page whose name was pointed at 127.0.0.1 reads nothing.
class NoAuthenticator final : public Authenticator {
 public:
  Result<Caller> Authenticate(const HttpRequest& request) override {
    const std::string host = HostOf(request.Header("host").value_or("localhost"));
    if (host != "localhost" && !IsLoopbackAddress(host)) {
      return Error{Errc::kUnauthenticated,
                   "without authentication only requests to localhost are answered, not to " +
                       host + "; start the operator with --auth=kubernetes"};
    }
    Caller caller;
    caller.name = "anonymous";
    return caller;
  }
  Status Authorize(const Caller&, const AccessQuestion&) override { return {}; }
};

// Bearer tokens, reviewed by the API server. Questions in flight are asked once, however many wait
// for the answer.
class KubernetesAuthenticator final : public Authenticator {
 public:
  explicit KubernetesAuthenticator(AuthOptions options)
      : options_(std::move(options)),
        tokens_(options_.cache.max_tokens),
        answers_(options_.cache.max_answers) {}

  Result<Caller> Authenticate(const HttpRequest& request) override;
  Status Authorize(const Caller& caller, const AccessQuestion& question) override;

 private:
  struct TokenVerdict {
    bool good = false;
    Caller caller;
  };

  // Holds one place for a call to the API server under `key`; waits while the same question is
  // being asked.
  class Place {
   public:
    Place(KubernetesAuthenticator& owner, std::string key);
    ~Place();
    Place(const Place&) = delete;
    Place& operator=(const Place&) = delete;
    bool taken() const { return taken_; }

   private:
    KubernetesAuthenticator& owner_;
    const std::string key_;
    bool taken_ = false;
  };

  void Count(const char* kind, const char* result) {
    if (options_.metrics != nullptr) options_.metrics->Add(Metric::kAuthReviews, {kind, result});
  }

  const AuthOptions options_;
  ExpiringCache<TokenVerdict> tokens_;
  ExpiringCache<bool> answers_;
  std::mutex mutex_;  // guards asking_
  std::condition_variable asked_;
  std::set<std::string> asking_;
};

KubernetesAuthenticator::Place::Place(KubernetesAuthenticator& owner, std::string key)
    : owner_(owner), key_(std::move(key)) {
  std::unique_lock lock(owner_.mutex_);
  // Whoever asks the same question now leaves the answer in the cache; its call has a deadline, so
  // has this wait.
  owner_.asked_.wait(lock, [this] { return !owner_.asking_.contains(key_); });
  if (owner_.asking_.size() >= static_cast<size_t>(owner_.options_.cache.max_reviews_in_flight))
    return;
  owner_.asking_.insert(key_);
  taken_ = true;
}

KubernetesAuthenticator::Place::~Place() {
  if (!taken_) return;
  {
    std::lock_guard lock(owner_.mutex_);
    owner_.asking_.erase(key_);
  }
  owner_.asked_.notify_all();
}

}  // namespace

Error Unauthenticated(const std::string& why) {
  return {Errc::kUnauthenticated,
          why +
              "; send 'Authorization: Bearer <token>' with a token for this service's audience "
              "(kubectl create token <serviceaccount> --audience=databuild, unless configured "
              "otherwise)"};
}

Result<std::string> BearerToken(const HttpRequest& request) {
  if (request.HeaderCount("authorization") != 1)
    return Unauthenticated("one Authorization header is needed");
  const std::string_view header = *request.Header("authorization");
  static constexpr std::string_view kScheme = "bearer ";
  const bool bearer =
      header.size() > kScheme.size() &&
      std::equal(kScheme.begin(), kScheme.end(), header.begin(), [](char a, char b) {
        return a == static_cast<char>(std::tolower(static_cast<unsigned char>(b)));
      });
  if (!bearer) return Unauthenticated("the Authorization header is no bearer token");
  std::string_view token = header.substr(kScheme.size());
  while (token.starts_with(' ')) token.remove_prefix(1);
  const bool printable =
      std::all_of(token.begin(), token.end(), [](char c) { return c > ' ' && c < 127; });
  if (token.empty() || token.size() > kMaxTokenBytes || !printable) {
    return Unauthenticated("the bearer token is malformed");
  }
  return std::string(token);
}

namespace {

Error NobodyCanTell(const std::string& what) {
  return {Errc::kUnavailable, what + ": the API server gave no answer; try again"};
}

Result<Caller> KubernetesAuthenticator::Authenticate(const HttpRequest& request) {
  ASSIGN_OR_RETURN(const std::string token, BearerToken(request));
  const std::string hash = Sha256Hex(token);
  const auto verdict_of = [](const TokenVerdict& verdict) -> Result<Caller> {
    if (!verdict.good) return Unauthenticated("the token is not valid here");
    return verdict.caller;
  };
  auto known = tokens_.Find(hash, options_.clock->Now());
  std::optional<Place> place;
  if (!known) {
    place.emplace(*this, "token " + hash);
    known = tokens_.Find(hash, options_.clock->Now());  // answered while this one waited
  }
  if (known) {
    Count("token", "cached");
    return verdict_of(*known);
  }
  if (!place->taken()) {
    Count("token", "error");
    return NobodyCanTell("review of the token");
  }
  const auto answer = options_.reviews->ReviewToken(token, options_.audiences);
  if (!answer.ok()) {
    Count("token", "error");
    return NobodyCanTell("review of the token");
  }
  TokenVerdict verdict;
  // An API server that knows no audiences names none: its word is not enough.
  const bool for_us = std::any_of(
      answer->audiences.begin(), answer->audiences.end(), [this](const std::string& audience) {
        return std::find(options_.audiences.begin(), options_.audiences.end(), audience) !=
               options_.audiences.end();
      });
  // Nobody in the cluster is called as the holders of API keys are.
  verdict.good = answer->authenticated && for_us && !answer->user.empty() &&
                 !answer->user.starts_with(kKeyCallerPrefix);
  if (verdict.good)
    verdict.caller =
        Caller{answer->user, answer->uid, answer->groups, answer->extra, hash, nullptr};
  Count("token", verdict.good ? "allowed" : "denied");
  tokens_.Store(hash, verdict, options_.clock->Now(),
                verdict.good ? options_.cache.token_ttl : options_.cache.bad_token_ttl);
  return verdict_of(verdict);
}

Status KubernetesAuthenticator::Authorize(const Caller& caller, const AccessQuestion& question) {
  const std::string what = question.verb + " " + question.resource +
                           (question.subresource.empty() ? "" : "/" + question.subresource) + "." +
                           question.group + " in graph " + question.graph;
  // None of the parts can hold a line feed: they come from our own table, and the graph was
  // checked.
  const std::string key = caller.token_hash + "\n" + question.verb + "\n" + question.group + "\n" +
                          question.resource + "\n" + question.subresource + "\n" + question.graph;
  const auto verdict_of = [&](bool allowed) -> Status {
    if (allowed) return {};
    return Error{Errc::kPermissionDenied,
                 caller.name + " may not " + what + "; a Role that allows it helps"};
  };
  auto known = answers_.Find(key, options_.clock->Now());
  std::optional<Place> place;
  if (!known) {
    place.emplace(*this, "access " + key);
    known = answers_.Find(key, options_.clock->Now());
  }
  if (known) {
    Count("access", "cached");
    return verdict_of(*known);
  }
  if (!place->taken()) {
    Count("access", "error");
    return NobodyCanTell("review of access to " + what);
  }
  const auto allowed = options_.reviews->ReviewAccess(caller, question);
  if (!allowed.ok()) {
    Count("access", "error");
    return NobodyCanTell("review of access to " + what);
  }
  Count("access", *allowed ? "allowed" : "denied");
  answers_.Store(key, *allowed, options_.clock->Now(),
                 *allowed ? options_.cache.allowed_ttl : options_.cache.denied_ttl);
  return verdict_of(*allowed);
}

}  // namespace

Result<AuthMode> ParseAuthMode(std::string_view text) {
  if (text == "none") return AuthMode::kOff;
  if (text == "kubernetes") return AuthMode::kKubernetes;
  return Error{Errc::kInvalidArgument,
               "--auth: none or kubernetes, not '" + std::string(text) + "'"};
}

Result<std::unique_ptr<Authenticator>> MakeAuthenticator(AuthOptions options) {
  if (options.mode == AuthMode::kKubernetes) {
    CHECK(options.reviews != nullptr && options.clock != nullptr && !options.audiences.empty());
    ApiKeyAuthOptions keys;
    keys.folder = options.keys_folder;
    keys.requests_per_second = options.key_requests_per_second;
    keys.clock = options.clock;
    keys.metrics = options.metrics;
    std::unique_ptr<Authenticator> tokens =
        std::make_unique<KubernetesAuthenticator>(std::move(options));
    if (keys.folder.empty()) return tokens;
    return WithApiKeys(std::move(tokens), std::move(keys));
  }
  if (!IsLoopbackAddress(options.listen_address)) {
    return Error{Errc::kInvalidArgument,
                 "--auth=none on " + options.listen_address +
                     ": others can reach this address; listen on 127.0.0.1 or use "
                     "--auth=kubernetes"};
  }
  return std::unique_ptr<Authenticator>(std::make_unique<NoAuthenticator>());
}

}  // namespace databuild
