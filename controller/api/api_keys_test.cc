#include "controller/api/api_keys.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "bel/base/crypto.h"
#include "controller/api/api_key_auth.h"
#include "controller/metrics/metrics.h"
#include "tests/support/temp_folder.h"

namespace databuild {
namespace {

namespace fs = std::filesystem;

constexpr TimeNs kNow = 1'767'225'600 * kSecond;  // 2026-01-01

class SetClock final : public Clock {
 public:
  TimeNs Now() const override { return now; }
  TimeNs now = kNow;
};

// Stands for everybody without a key.
class OnlyBob final : public Authenticator {
 public:
  Result<Caller> Authenticate(const HttpRequest& request) override {
    if (request.Header("authorization") != "Bearer bob")
      return Error{Errc::kUnauthenticated, "not bob"};
    Caller caller;
    caller.name = "bob";
    return caller;
  }
  Status Authorize(const Caller& caller, const AccessQuestion&) override {
    if (caller.name == "bob") return {};
    return Error{Errc::kPermissionDenied, "not bob"};
  }
};

HttpRequest With(const std::string& authorization) {
  HttpRequest request;
  request.headers = {{"authorization", authorization}};
  return request;
}

AccessQuestion Question(const std::string& verb, const std::string& resource,
                        const std::string& graph = "sales") {
  AccessQuestion question;
  question.verb = verb;
  question.resource = resource;
  question.graph = graph;
  return question;
}

class ApiKeysTest : public testing::Test {
 protected:
  void SetUp() override {
    ApiKeyAuthOptions options;
    options.folder = folder_.path();
    options.recheck = std::chrono::milliseconds(0);
    options.requests_per_second = 10;
    options.clock = &clock_;
    options.metrics = &metrics_;
    auth_ = WithApiKeys(std::make_unique<OnlyBob>(), options);
  }

  // A new file each time, as a mounted Secret's are.
  void Write(const std::string& name, const std::string& text) {
    const fs::path file = fs::path(folder_.path()) / name;
    const fs::path fresh = fs::path(folder_.path()) / ("..new-" + name);
    std::ofstream(fresh, std::ios::binary) << text;
    fs::rename(fresh, file);
  }
  std::string Make(const std::string& name, std::vector<ApiKeyScope> scopes,
                   std::vector<std::string> graphs = {"sales"}) {
    const std::string secret = std::string(kApiKeyPrefix) + RandomSecret(32);
    ApiKey key;
    key.sha256 = Sha256Hex(secret);
    key.scopes = std::move(scopes);
    key.graphs = std::move(graphs);
    key.created_at = kNow;
    key.expires_at = kNow + kHour;
    Write(name, FormatApiKey(key));
    return "Bearer " + secret;
  }
  Errc Refusal(const Caller& caller, const AccessQuestion& question) {
    const Status allowed = auth_->Authorize(caller, question);
    EXPECT_FALSE(allowed.ok());
    return allowed.ok() ? Errc::kInternal : allowed.error().code;
  }

  TempFolder folder_;
  SetClock clock_;
  Metrics metrics_;
  std::unique_ptr<Authenticator> auth_;
};

TEST_F(ApiKeysTest, AKeyIsACallerWithItsName) {
  const std::string key = Make("ci", {ApiKeyScope::kRead});
  const auto caller = auth_->Authenticate(With(key));
  ASSERT_TRUE(caller.ok()) << caller.error().message;
  EXPECT_EQ(caller->name, "apikey:ci");
  EXPECT_FALSE(caller->token_hash.empty());
  EXPECT_TRUE(auth_->Authenticate(With("Bearer bob")).ok()) << "others go the other way";
  EXPECT_EQ(metrics_.Value(Metric::kAuthReviews, {"key", "allowed"}), 1);
}

TEST_F(ApiKeysTest, WhatLooksLikeAKeyIsNeverAnythingElse) {
  const std::string key = Make("ci", {ApiKeyScope::kRead});
  for (const std::string& bad :
       {std::string("Bearer dbk_"), std::string("Bearer dbk_bob"), key + "x",
        key.substr(0, key.size() - 1), "Bearer dbk_" + std::string(43, 'A')}) {
    const auto caller = auth_->Authenticate(With(bad));
    ASSERT_FALSE(caller.ok()) << bad;
    EXPECT_EQ(caller.error().code, Errc::kUnauthenticated);
    EXPECT_NE(caller.error().message, "not bob") << bad;
    EXPECT_EQ(caller.error().message.find("dbk_"), std::string::npos) << "never repeated";
  }
  HttpRequest twice = With(key);
  twice.headers.emplace_back("authorization", key);
  EXPECT_FALSE(auth_->Authenticate(twice).ok());
  EXPECT_FALSE(auth_->Authenticate(HttpRequest()).ok());
}

TEST_F(ApiKeysTest, ScopesAndGraphsBoundWhatAKeyMay) {
  struct Case {
    ApiKeyScope scope;
    std::vector<int> may;  // of the questions below
  };
  const std::vector<AccessQuestion> questions{
      Question("list", "wants"),    Question("get", "datajobs"), Question("create", "wants"),
      Question("create", "taints"), Question("delete", "wants"), Question("list", "wants", "ops")};
  for (const Case& c : std::vector<Case>{{ApiKeyScope::kRead, {1, 1, 0, 0, 0, 0}},
                                         {ApiKeyScope::kWantWrite, {0, 0, 1, 0, 0, 0}},
                                         {ApiKeyScope::kTaintWrite, {0, 0, 0, 1, 0, 0}},
                                         {ApiKeyScope::kAdmin, {1, 1, 1, 1, 1, 0}}}) {
    const std::string key = Make("ci", {c.scope});
    const Caller caller = auth_->Authenticate(With(key)).value();
    for (size_t i = 0; i < questions.size(); ++i) {
      const Status allowed = auth_->Authorize(caller, questions[i]);
      EXPECT_EQ(allowed.ok(), c.may[i] == 1) << ScopeName(c.scope) << " " << i;
      if (!allowed.ok()) {
        EXPECT_EQ(allowed.error().code, Errc::kPermissionDenied);
      }
    }
  }
  const Caller all = auth_->Authenticate(With(Make("all", {ApiKeyScope::kRead}, {"*"}))).value();
  EXPECT_TRUE(auth_->Authorize(all, Question("list", "wants", "ops")).ok());
  const Caller two =
      auth_->Authenticate(With(Make("two", {ApiKeyScope::kRead}, {"ops", "sales"}))).value();
  EXPECT_TRUE(auth_->Authorize(two, Question("list", "wants", "ops")).ok());
  EXPECT_EQ(Refusal(two, Question("list", "wants", "finance")), Errc::kPermissionDenied);
}

TEST_F(ApiKeysTest, AKeyEndsWhenItExpires) {
  const std::string key = Make("ci", {ApiKeyScope::kRead});
  clock_.now = kNow + kHour - 1;
  EXPECT_TRUE(auth_->Authenticate(With(key)).ok());
  clock_.now = kNow + kHour;
  const auto late = auth_->Authenticate(With(key));
  EXPECT_EQ(late.error().code, Errc::kUnauthenticated);
  EXPECT_NE(late.error().message.find("ci expired at 2026-01-01T01:00:00Z"), std::string::npos);
}

TEST_F(ApiKeysTest, TheFolderIsReadAgainWhenItChanges) {
  const std::string first = Make("ci", {ApiKeyScope::kRead});
  EXPECT_TRUE(auth_->Authenticate(With(first)).ok());
  const std::string second = Make("ci", {ApiKeyScope::kRead});
  EXPECT_FALSE(auth_->Authenticate(With(first)).ok());
  EXPECT_TRUE(auth_->Authenticate(With(second)).ok());
  fs::remove(fs::path(folder_.path()) / "ci");
  EXPECT_FALSE(auth_->Authenticate(With(second)).ok());
  const std::string third = Make("new", {ApiKeyScope::kRead});
  EXPECT_TRUE(auth_->Authenticate(With(third)).ok());
  fs::remove_all(folder_.path());
  EXPECT_EQ(auth_->Authenticate(With(third)).error().code, Errc::kUnauthenticated);
}

// The kubelet mounts links to a folder that it replaces by another.
TEST_F(ApiKeysTest, AMountedSecretIsReadThroughItsLinks) {
  const fs::path root(folder_.path());
  const std::string key = Make("..content", {ApiKeyScope::kRead});
  fs::create_directory(root / "..one");
  fs::rename(root / "..content", root / "..one" / "ci");
  fs::create_directory_symlink("..one", root / "..data");
  fs::create_symlink("..data/ci", root / "ci");
  EXPECT_TRUE(auth_->Authenticate(With(key)).ok());
  fs::create_directory(root / "..two");
  fs::create_directory_symlink("..two", root / "..data_tmp");
  fs::rename(root / "..data_tmp", root / "..data");
  EXPECT_FALSE(auth_->Authenticate(With(key)).ok());
}

TEST_F(ApiKeysTest, AnEntryThatCannotBeReadIsNoKeyAndHarmsNoOther) {
  const std::string good = Make("good", {ApiKeyScope::kRead});
  const std::string hash = Sha256Hex("dbk_x");
  const std::string rest =
      R"("scopes":["read"],"graphs":["sales"],"expires":"2030-01-01T00:00:00Z")";
  for (const std::string& text :
       {std::string(), std::string("{"), std::string("[]"), std::string("{}"),
        "{\"sha256\":\"" + hash + "\"}", "{\"sha256\":\"x\"," + rest + "}", "{" + rest + "}",
        "{\"sha256\":\"" + hash + "\",\"ip\":\"10.0.0.0/8\"," + rest + "}",
        "{\"sha256\":\"" + hash +
            R"(","scopes":["all"],"graphs":["*"],"expires":"2030-01-01T00:00:00Z"})",
        "{\"sha256\":\"" + hash +
            R"(","scopes":[],"graphs":["*"],"expires":"2030-01-01T00:00:00Z"})",
        "{\"sha256\":\"" + hash + R"(","scopes":["read"],"graphs":"*","expires":"2030"})",
        "{\"sha256\":\"" + hash + R"(","scopes":["read"],"graphs":["*"]})",
        std::string(1 << 20, '[')}) {
    Write("bad", text);
    EXPECT_EQ(auth_->Authenticate(With("Bearer dbk_x")).error().code, Errc::kUnauthenticated)
        << text.substr(0, 200);
    EXPECT_TRUE(auth_->Authenticate(With(good)).ok());
    clock_.now += kSecond;
  }
  Write("bad", "{\"sha256\":\"" + hash + "\"," + rest + "}");
  EXPECT_TRUE(auth_->Authenticate(With("Bearer dbk_x")).ok());
}

TEST_F(ApiKeysTest, AKeyMayOnlyAskSoOften) {
  const std::string key = Make("ci", {ApiKeyScope::kRead});
  const std::string other = Make("other", {ApiKeyScope::kRead});
  for (int i = 0; i < 20; ++i) EXPECT_TRUE(auth_->Authenticate(With(key)).ok()) << i;
  const auto refused = auth_->Authenticate(With(key));
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code, Errc::kTooLarge);
  EXPECT_TRUE(auth_->Authenticate(With(other)).ok());
  clock_.now += kSecond / 10;
  EXPECT_TRUE(auth_->Authenticate(With(key)).ok());
  EXPECT_FALSE(auth_->Authenticate(With(key)).ok());
  clock_.now -= kMinute;  // the clock steps back: nothing is given for it
  EXPECT_FALSE(auth_->Authenticate(With(key)).ok());
}

}  // namespace
}  // namespace databuild
