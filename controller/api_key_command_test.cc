#include "controller/api_key_command.h"

#include <gtest/gtest.h>

#include <mutex>
#include <nlohmann/json.hpp>
#include <optional>

#include "bel/base/crypto.h"
#include "controller/api/api_keys.h"
#include "controller/kube/api_client.h"
#include "tests/support/fault_proxy.h"
#include "tests/support/loopback_access.h"

namespace databuild {
namespace {

using Json = nlohmann::json;
using testing::LoopbackConnection;
using testing::LoopbackRequest;
using testing::LoopbackServer;
using testing::SendAnswer;
using testing::StatusJson;

std::string ToBase64(const std::string& text) {
  static constexpr char kAlphabet[] =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string out;
  for (size_t i = 0; i < text.size(); i += 3) {
    uint32_t bits = 0;
    for (size_t k = 0; k < 3; ++k)
      bits = bits << 8 | (i + k < text.size() ? static_cast<unsigned char>(text[i + k]) : 0u);
    for (size_t k = 0; k < 4; ++k)
      out += i + k > text.size() ? '=' : kAlphabet[bits >> (18 - 6 * k) & 63];
  }
  return out;
}

class SetClock final : public Clock {
 public:
  TimeNs Now() const override { return now; }
  TimeNs now = 1'767'225'600 * kSecond;  // 2026-01-01
};

// One Secret, as an API server keeps it: stringData goes into data, resourceVersion is checked.
class ApiKeyCommandTest : public ::testing::Test {
 protected:
  void SetUp() override {
    client_ = std::move(kube::ApiClient::Create(testing::AccessTo(server_), {}).value());
    order_.name = "ci";
    order_.scopes = {"read", "want-write"};
    order_.graphs = {"sales"};
    order_.lifetime = 90 * kDay;
    order_.ns = "system";
    order_.secret = "keys";
  }

  void Take(const Json& change) {
    const Json texts = change.value("stringData", Json::object());
    const Json entries = change.value("data", Json::object());
    for (const auto& [name, text] : texts.items())
      data_[name] = ToBase64(text.get<std::string>());
    for (const auto& [name, value] : entries.items()) {
      if (value.is_null()) data_.erase(name);
    }
    ++version_;
  }
  bool Answer(const LoopbackRequest& request, LoopbackConnection& connection) {
    std::lock_guard lock(mutex_);
    const bool one = request.path == "/api/v1/namespaces/system/secrets/keys";
    EXPECT_TRUE(one || request.path == "/api/v1/namespaces/system/secrets") << request.path;
    if (request.method == "POST") {
      if (version_ > 0) return SendAnswer(connection, 409, StatusJson(409, "AlreadyExists", "x"));
      Take(Json::parse(request.body));
    } else if (version_ == 0) {
      return SendAnswer(connection, 404, StatusJson(404, "NotFound", "x"));
    } else if (request.method == "PATCH") {
      const Json patch = Json::parse(request.body);
      if (rival_ > 0) {
        --rival_;
        ++version_;
      }
      if (patch["metadata"]["resourceVersion"] != std::to_string(version_))
        return SendAnswer(connection, 409, StatusJson(409, "Conflict", "x"));
      Take(patch);
    }
    const Json secret{{"metadata", {{"resourceVersion", std::to_string(version_)}}},
                      {"data", data_}};
    return SendAnswer(connection, 200, secret.dump());
  }
  Result<std::string> Run(ApiKeyOrder::Verb verb) {
    order_.verb = verb;
    return RunApiKeyCommand(order_, *client_, clock_);
  }
  std::string Kept(const std::string& name) {
    std::lock_guard lock(mutex_);
    return FromBase64(data_.at(name).get<std::string>()).value();
  }

  std::mutex mutex_;
  Json data_ = Json::object();
  int version_ = 0;
  int rival_ = 0;  // changes by somebody else, right before the next patches
  LoopbackServer server_{[this](const LoopbackRequest& request, LoopbackConnection& connection) {
    return Answer(request, connection);
  }};
  std::unique_ptr<kube::ApiClient> client_;
  SetClock clock_;
  ApiKeyOrder order_;
};

TEST_F(ApiKeyCommandTest, AKeyIsShownOnceAndKeptAsItsHash) {
  const auto shown = Run(ApiKeyOrder::Verb::kCreate);
  ASSERT_TRUE(shown.ok()) << shown.error().message;
  ASSERT_TRUE(shown->starts_with("dbk_") && shown->ends_with("\n"));
  const std::string key = shown->substr(0, shown->size() - 1);
  EXPECT_EQ(key.size(), 47u);
  const std::string kept = Kept("ci");
  EXPECT_EQ(kept.find(key.substr(4)), std::string::npos);
  const auto read = ParseApiKey("ci", kept);
  ASSERT_TRUE(read.ok()) << read.error().message;
  EXPECT_EQ(read->sha256, Sha256Hex(key));
  EXPECT_EQ(read->expires_at, clock_.now + 90 * kDay);
  EXPECT_TRUE(read->Has(ApiKeyScope::kWantWrite));
  EXPECT_FALSE(read->Has(ApiKeyScope::kTaintWrite));
  EXPECT_EQ(Run(ApiKeyOrder::Verb::kCreate).error().code, Errc::kAlreadyExists);
  EXPECT_EQ(Kept("ci"), kept);
  order_.name = "other";
  ASSERT_TRUE(Run(ApiKeyOrder::Verb::kCreate).ok()) << "beside the first";
  EXPECT_EQ(Kept("ci"), kept);
}

TEST_F(ApiKeyCommandTest, ListShowsAllButTheKeys) {
  EXPECT_EQ(Run(ApiKeyOrder::Verb::kList).value(), "NAME\tSCOPES\tGRAPHS\tEXPIRES\tSTATE\n");
  ASSERT_TRUE(Run(ApiKeyOrder::Verb::kCreate).ok());
  order_.name = "all";
  order_.scopes = {"admin"};
  order_.graphs = {"*"};
  order_.lifetime = kHour;
  ASSERT_TRUE(Run(ApiKeyOrder::Verb::kCreate).ok());
  clock_.now += 2 * kHour;
  data_["broken"] = ToBase64("{}");
  EXPECT_EQ(Run(ApiKeyOrder::Verb::kList).value(),
            "NAME\tSCOPES\tGRAPHS\tEXPIRES\tSTATE\n"
            "all\tadmin\t*\t2026-01-01T01:00:00Z\texpired\n"
            "broken\t-\t-\t-\tunusable: sha256: 64 lower-case hex digits are needed\n"
            "ci\tread,want-write\tsales\t2026-04-01T00:00:00Z\tvalid\n");
}

TEST_F(ApiKeyCommandTest, RevokingRemovesTheKeyAlone) {
  EXPECT_EQ(Run(ApiKeyOrder::Verb::kRevoke).error().code, Errc::kNotFound);
  ASSERT_TRUE(Run(ApiKeyOrder::Verb::kCreate).ok());
  order_.name = "other";
  ASSERT_TRUE(Run(ApiKeyOrder::Verb::kCreate).ok());
  ASSERT_TRUE(Run(ApiKeyOrder::Verb::kRevoke).ok());
  EXPECT_TRUE(data_.contains("ci"));
  EXPECT_FALSE(data_.contains("other"));
}

TEST_F(ApiKeyCommandTest, ChangesBySomebodyElseAtTheSameTimeAreNotLost) {
  ASSERT_TRUE(Run(ApiKeyOrder::Verb::kCreate).ok());
  order_.name = "other";
  rival_ = 3;
  EXPECT_TRUE(Run(ApiKeyOrder::Verb::kCreate).ok());
  rival_ = 100;
  order_.name = "third";
  EXPECT_EQ(Run(ApiKeyOrder::Verb::kCreate).error().code, Errc::kConflict);
  EXPECT_FALSE(data_.contains("third"));
}

TEST_F(ApiKeyCommandTest, WhatWouldBeNoKeyIsRefused) {
  for (const auto& change : std::vector<std::function<void(ApiKeyOrder&)>>{
           [](auto& order) { order.name = "CI"; }, [](auto& order) { order.name = "a.b"; },
           [](auto& order) { order.scopes = {"write"}; }, [](auto& order) { order.scopes = {}; },
           [](auto& order) { order.graphs = {}; }, [](auto& order) { order.graphs = {"Sales"}; }}) {
    const ApiKeyOrder good = order_;
    change(order_);
    EXPECT_EQ(Run(ApiKeyOrder::Verb::kCreate).error().code, Errc::kInvalidArgument);
    order_ = good;
  }
  EXPECT_EQ(version_, 0);
}

}  // namespace
}  // namespace databuild
