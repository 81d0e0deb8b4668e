#include "controller/api/auth.h"

#include <gtest/gtest.h>

#include <condition_variable>
#include <latch>
#include <mutex>
#include <set>
#include <thread>

#include "controller/api/expiring_cache.h"
#include "controller/metrics/metrics.h"

namespace databuild {
namespace {

class SetClock final : public Clock {
 public:
  TimeNs Now() const override { return now.load(); }
  std::atomic<TimeNs> now{1'000 * kSecond};
};

// An API server that knows some tokens and rules, and counts what it is asked.
class FakeReviews final : public ReviewClient {
 public:
  Result<TokenReviewAnswer> ReviewToken(const std::string& token,
                                        const std::vector<std::string>& audiences) override {
    std::unique_lock lock(mutex);
    ++token_calls;
    changed.notify_all();
    changed.wait(lock, [this] { return !held; });
    EXPECT_EQ(audiences, std::vector<std::string>{"databuild"});
    if (down) return Error{Errc::kUnavailable, "connection refused"};
    TokenReviewAnswer answer;
    if (!tokens.contains(token)) {
      answer.error = "token unknown";
      return answer;
    }
    answer = tokens[token];
    return answer;
  }
  Result<bool> ReviewAccess(const Caller& caller, const AccessQuestion& question) override {
    std::lock_guard lock(mutex);
    ++access_calls;
    if (down) return Error{Errc::kUnavailable, "connection refused"};
    EXPECT_EQ(question.group, "databuild.dev");
    return allowed.contains(caller.name + " " + question.verb + " " + question.resource + "/" +
                            question.subresource + " " + question.graph);
  }
  void Hold(bool hold) {
    std::lock_guard lock(mutex);
    held = hold;
    changed.notify_all();
  }

  std::mutex mutex;
  std::condition_variable changed;
  std::map<std::string, TokenReviewAnswer> tokens;
  std::set<std::string> allowed;
  bool down = false, held = false;
  int token_calls = 0, access_calls = 0;
};

TokenReviewAnswer Good(const std::string& user) {
  TokenReviewAnswer answer;
  answer.authenticated = true;
  answer.user = user;
  answer.uid = "uid-" + user;
  answer.groups = {"system:authenticated"};
  answer.extra = {{"scopes", {"a"}}};
  answer.audiences = {"databuild"};
  return answer;
}

HttpRequest With(const std::string& authorization) {
  HttpRequest request;
  request.headers = {{"host", "databuild.sales.svc:8080"}, {"authorization", authorization}};
  return request;
}

AccessQuestion ListWantsIn(const std::string& graph) {
  AccessQuestion question;
  question.verb = "list";
  question.resource = "wants";
  question.graph = graph;
  return question;
}

class KubernetesAuth : public testing::Test {
 protected:
  void SetUp() override {
    reviews_.tokens["alice"] = Good("alice");
    reviews_.allowed = {"alice list wants/ sales"};
    Make({});
  }
  void Make(ReviewCacheOptions cache) {
    AuthOptions options;
    options.listen_address = "0.0.0.0";
    options.reviews = &reviews_;
    options.clock = &clock_;
    options.metrics = &metrics_;
    options.cache = cache;
    auth_ = std::move(MakeAuthenticator(options).value());
  }

  FakeReviews reviews_;
  SetClock clock_;
  Metrics metrics_;
  std::unique_ptr<Authenticator> auth_;
};

TEST_F(KubernetesAuth, ATokenForOurAudienceNamesItsCaller) {
  const auto caller = auth_->Authenticate(With("Bearer alice"));
  ASSERT_TRUE(caller.ok());
  EXPECT_EQ(caller->name, "alice");
  EXPECT_EQ(caller->uid, "uid-alice");
  EXPECT_EQ(caller->groups, std::vector<std::string>{"system:authenticated"});
  EXPECT_EQ(caller->extra.at("scopes"), std::vector<std::string>{"a"});
  EXPECT_EQ(caller->token_hash.size(), 64u);
  EXPECT_TRUE(auth_->Authenticate(With("bearer  alice")).ok())
      << "the scheme's case and blanks do not matter";
}

TEST_F(KubernetesAuth, EverythingElseIsUnauthenticated) {
  TokenReviewAnswer foreign = Good("eve");
  foreign.audiences = {"https://kubernetes.default.svc"};
  reviews_.tokens["for-the-api-server"] = foreign;
  TokenReviewAnswer old = Good("eve");
  old.audiences.clear();
  reviews_.tokens["server-without-audiences"] = old;
  TokenReviewAnswer refused = Good("eve");
  refused.authenticated = false;
  reviews_.tokens["refused"] = refused;
  TokenReviewAnswer nameless = Good("");
  reviews_.tokens["nameless"] = nameless;
  for (const std::string header :
       {"Bearer unknown", "Bearer for-the-api-server", "Bearer server-without-audiences",
        "Bearer refused", "Bearer nameless", "Bearer ", "Bearer", "", "Basic YWxpY2U6eA==", "alice",
        "Bearer ali ce", "Bearer a\x01"}) {
    const auto caller = auth_->Authenticate(With(header));
    ASSERT_FALSE(caller.ok()) << header;
    EXPECT_EQ(caller.error().code, Errc::kUnauthenticated) << header;
    EXPECT_EQ(caller.error().message.find("unknown"), std::string::npos)
        << "tokens are never repeated";
  }
  EXPECT_EQ(auth_->Authenticate(HttpRequest()).error().code, Errc::kUnauthenticated);
  HttpRequest twice = With("Bearer alice");
  twice.headers.emplace_back("authorization", "Bearer alice");
  EXPECT_EQ(auth_->Authenticate(twice).error().code, Errc::kUnauthenticated);
  EXPECT_EQ(auth_->Authenticate(With("Bearer " + std::string(20'000, 'x'))).error().code,
            Errc::kUnauthenticated);
}

TEST_F(KubernetesAuth, RightsAreAskedPerVerbResourceAndGraph) {
  const Caller alice = auth_->Authenticate(With("Bearer alice")).value();
  EXPECT_TRUE(auth_->Authorize(alice, ListWantsIn("sales")).ok());
  EXPECT_EQ(auth_->Authorize(alice, ListWantsIn("ops")).error().code, Errc::kPermissionDenied);
  AccessQuestion get = ListWantsIn("sales");
  get.verb = "get";
  EXPECT_EQ(auth_->Authorize(alice, get).error().code, Errc::kPermissionDenied);
  AccessQuestion events = ListWantsIn("sales");
  events.subresource = "events";
  const auto denied = auth_->Authorize(alice, events);
  EXPECT_EQ(
      denied.error().message,
      "alice may not list wants/events.databuild.dev in graph sales; a Role that allows it helps");
}

TEST_F(KubernetesAuth, AnswersAreRememberedForTheirTimeAndNoLonger) {
  const auto ask = [&] { return auth_->Authenticate(With("Bearer alice")); };
  const Caller alice = ask().value();
  clock_.now += 59 * kSecond;
  EXPECT_TRUE(ask().ok());
  EXPECT_EQ(reviews_.token_calls, 1);
  clock_.now += 2 * kSecond;
  EXPECT_TRUE(ask().ok());
  EXPECT_EQ(reviews_.token_calls, 2);
  clock_.now -= kHour;  // the clock steps back: what was remembered is not trusted
  EXPECT_TRUE(ask().ok());
  EXPECT_EQ(reviews_.token_calls, 3);

  for (int i = 0; i < 3; ++i) {
    EXPECT_TRUE(auth_->Authorize(alice, ListWantsIn("sales")).ok());
    EXPECT_FALSE(auth_->Authorize(alice, ListWantsIn("ops")).ok());
  }
  EXPECT_EQ(reviews_.access_calls, 2);
  reviews_.allowed = {"alice list wants/ ops"};
  clock_.now += 31 * kSecond;  // a denial is forgotten sooner than a grant
  EXPECT_TRUE(auth_->Authorize(alice, ListWantsIn("ops")).ok());
  EXPECT_TRUE(auth_->Authorize(alice, ListWantsIn("sales")).ok());
  clock_.now += 5 * kMinute;
  EXPECT_FALSE(auth_->Authorize(alice, ListWantsIn("sales")).ok());

  EXPECT_FALSE(auth_->Authenticate(With("Bearer unknown")).ok());
  const int calls = reviews_.token_calls;
  EXPECT_FALSE(auth_->Authenticate(With("Bearer unknown")).ok());
  EXPECT_EQ(reviews_.token_calls, calls);
  EXPECT_EQ(metrics_.Value(Metric::kAuthReviews, {"token", "denied"}), 1);
}

TEST_F(KubernetesAuth, NobodyGetsInWhileTheApiServerIsAway) {
  const Caller alice = auth_->Authenticate(With("Bearer alice")).value();
  reviews_.down = true;
  EXPECT_TRUE(auth_->Authenticate(With("Bearer alice")).ok()) << "remembered";
  clock_.now += 2 * kMinute;
  EXPECT_EQ(auth_->Authenticate(With("Bearer alice")).error().code, Errc::kUnavailable);
  EXPECT_EQ(auth_->Authorize(alice, ListWantsIn("sales")).error().code, Errc::kUnavailable);
  reviews_.down = false;
  EXPECT_TRUE(auth_->Authenticate(With("Bearer alice")).ok()) << "a failure is not remembered";
}

TEST_F(KubernetesAuth, ManyCallersWithOneTokenAskOnce) {
  reviews_.Hold(true);
  std::vector<std::jthread> callers;
  std::atomic<int> good{0};
  std::latch started(8);
  for (int i = 0; i < 8; ++i) {
    callers.emplace_back([&] {
      started.count_down();
      good += auth_->Authenticate(With("Bearer alice")).ok() ? 1 : 0;
    });
  }
  started.wait();
  reviews_.Hold(false);
  callers.clear();
  EXPECT_EQ(good, 8);
  EXPECT_EQ(reviews_.token_calls, 1);
}

TEST_F(KubernetesAuth, StrangersCannotTakeEveryThread) {
  ReviewCacheOptions cache;
  cache.max_reviews_in_flight = 2;
  Make(cache);
  ASSERT_TRUE(auth_->Authenticate(With("Bearer alice")).ok());
  reviews_.Hold(true);
  std::vector<std::jthread> strangers;
  for (int i = 0; i < 2; ++i) {
    strangers.emplace_back([this, i] {
      EXPECT_FALSE(auth_->Authenticate(With("Bearer stranger" + std::to_string(i))).ok());
    });
  }
  {
    std::unique_lock lock(reviews_.mutex);
    reviews_.changed.wait(lock, [this] { return reviews_.token_calls == 3; });
  }
  EXPECT_EQ(auth_->Authenticate(With("Bearer stranger9")).error().code, Errc::kUnavailable);
  EXPECT_TRUE(auth_->Authenticate(With("Bearer alice")).ok())
      << "known callers are served meanwhile";
  reviews_.Hold(false);
}

TEST(NoAuth, ListensOnLoopbackOnlyAndAnswersLocalhostOnly) {
  AuthOptions options;
  options.mode = AuthMode::kOff;
  for (const char* address : {"0.0.0.0", "10.1.2.3", "::", "localhost", "", "127.0.0.1.example"}) {
    options.listen_address = address;
    const auto refused = MakeAuthenticator(options);
    ASSERT_FALSE(refused.ok()) << address;
    EXPECT_EQ(refused.error().code, Errc::kInvalidArgument);
  }
  for (const char* address : {"127.0.0.1", "127.3.4.5", "::1"}) {
    options.listen_address = address;
    EXPECT_TRUE(MakeAuthenticator(options).ok()) << address;
  }
  const auto auth = std::move(MakeAuthenticator(options).value());
  for (const char* host :
       {"localhost", "localhost:8080", "127.0.0.1:8080", "[::1]:8080", "[::1]"}) {
    HttpRequest request;
    request.headers = {{"host", host}};
    EXPECT_TRUE(auth->Authenticate(request).ok()) << host;
  }
  for (const char* host : {"evil.example:8080", "localhost.evil.example", "10.0.0.1", "[", ""}) {
    HttpRequest request;
    request.headers = {{"host", host}};
    EXPECT_EQ(auth->Authenticate(request).error().code, Errc::kUnauthenticated) << host;
  }
  EXPECT_TRUE(auth->Authorize({}, ListWantsIn("sales")).ok());
}

TEST(NoAuth, ModesHaveNames) {
  EXPECT_EQ(ParseAuthMode("none").value(), AuthMode::kOff);
  EXPECT_EQ(ParseAuthMode("kubernetes").value(), AuthMode::kKubernetes);
  EXPECT_EQ(ParseAuthMode("None").error().code, Errc::kInvalidArgument);
}

TEST(ExpiringCache, IsBoundedAndForgetsTheLeastRecentlyUsed) {
  ExpiringCache<int> cache(3);
  for (int i = 0; i < 3; ++i) cache.Store(std::to_string(i), i, 0, 10);
  EXPECT_EQ(cache.Find("0", 1), 0);
  cache.Store("3", 3, 1, 10);
  EXPECT_EQ(cache.size(), 3u);
  EXPECT_EQ(cache.Find("1", 1), std::nullopt);
  EXPECT_EQ(cache.Find("0", 1), 0);
  cache.Store("0", 7, 1, 10);
  EXPECT_EQ(cache.Find("0", 10), 7);
  EXPECT_EQ(cache.Find("0", 11), std::nullopt);
  EXPECT_EQ(cache.size(), 2u);
}

}  // namespace
}  // namespace databuild
