#include "controller/kube/object_writer.h"

#include <gtest/gtest.h>

#include <latch>
#include <map>
#include <mutex>
#include <nlohmann/json.hpp>
#include <thread>

#include "tests/support/fault_proxy.h"
#include "tests/support/loopback_access.h"

namespace databuild::kube {
namespace {

using namespace std::chrono_literals;
using Json = nlohmann::json;
using testing::LoopbackConnection;
using testing::LoopbackRequest;
using testing::LoopbackServer;
using testing::SendAnswer;
using testing::StatusJson;

NewObject WantFor(const std::string& name) {
  NewObject object;
  object.graph = "sales";
  object.name = name;
  object.caller = object.source_name = "alice";
  object.source_type = "ApiRequest";
  object.request = "d1";
  object.partitions = {"a/1"};
  return object;
}

// Keeps what is created by path, as an API server does.
class ObjectWriterTest : public ::testing::Test {
 protected:
  void SetUp() override {
    auto client = ApiClient::Create(testing::AccessTo(server_), {});
    ASSERT_TRUE(client.ok());
    client_ = std::move(*client);
    writer_ = std::make_unique<ObjectWriter>(*client_);
  }
  bool Answer(const LoopbackRequest& request, LoopbackConnection& connection) {
    std::unique_lock lock(mutex_);
    if (refuse_.first != 0) {
      return SendAnswer(connection, refuse_.first, StatusJson(refuse_.first, refuse_.second, "no"));
    }
    if (hold_ != nullptr) {
      std::latch* const hold = hold_;
      lock.unlock();
      holding_->count_down();
      hold->wait();
      lock.lock();
    }
    if (request.method == "GET") return SendAnswer(connection, 200, objects_.at(request.path));
    EXPECT_EQ(request.method, "POST");
    Json object = Json::parse(request.body);
    const std::string name = object["metadata"]["name"];
    object["metadata"]["uid"] = "uid-" + name;
    const auto [at, fresh] = objects_.try_emplace(request.path + "/" + name, object.dump());
    if (!fresh) return SendAnswer(connection, 409, StatusJson(409, "AlreadyExists", "there"));
    return SendAnswer(connection, 201, at->second);
  }
  Result<std::string> Create(const NewObject& object) {
    return writer_->Create(object, std::chrono::steady_clock::now() + 20s);
  }

  std::mutex mutex_;
  std::map<std::string, std::string> objects_;
  std::pair<int, std::string> refuse_;
  std::latch* hold_ = nullptr;
  std::latch* holding_ = nullptr;
  LoopbackServer server_{[this](const LoopbackRequest& request, LoopbackConnection& connection) {
    return Answer(request, connection);
  }};
  std::unique_ptr<ApiClient> client_;
  std::unique_ptr<ObjectWriter> writer_;
};

TEST(ObjectBody, SaysWhatTheDefinitionWants) {
  NewObject want = WantFor("api-1");
  want.comment = "board";
  want.data_timestamp = 1'736'035'200'500'000'000;
  want.ttl_seconds = 99'999;
  want.sla_seconds = 360'000 + 61;
  want.priority = -3;
  want.correlation_id = "x#y";
  EXPECT_EQ(Json::parse(ObjectBody(want)), Json::parse(R"({
      "apiVersion": "databuild.dev/v1alpha1", "kind": "Want",
      "metadata": {"name": "api-1", "namespace": "sales", "annotations": {
        "databuild.dev/caller": "alice", "databuild.dev/request": "d1"}},
      "spec": {"partitions": ["a/1"], "source": {"type": "ApiRequest", "name": "alice"},
        "comment": "board", "dataTimestamp": "2025-01-05T00:00:00.5Z", "ttl": "99999s",
        "sla": "100h1m1s", "priority": -3, "correlationId": "x#y"}})"));
  NewObject taint = WantFor("api-2");
  taint.kind = NewObject::Kind::kTaint;
  taint.caller = "";  // nobody was authenticated: no mark
  taint.partitions.clear();
  taint.globs = {"a/*"};
  taint.cascade_downstream = true;
  taint.source_name = std::string(300, 'n');
  EXPECT_EQ(Json::parse(ObjectBody(taint)), Json::parse(R"({
      "apiVersion": "databuild.dev/v1alpha1", "kind": "Taint",
      "metadata": {"name": "api-2", "namespace": "sales", "annotations": {
        "databuild.dev/request": "d1"}},
      "spec": {"globs": ["a/*"], "cascade": "Downstream", "source": {"type": "ApiRequest", "name":
        ")" + std::string(253, 'n') + R"("}}})"));
}

TEST_F(ObjectWriterTest, TheSameRequestFindsItsObjectAndAnotherOneDoesNot) {
  EXPECT_EQ(Create(WantFor("api-1")).value(), "uid-api-1");
  EXPECT_EQ(Create(WantFor("api-1")).value(), "uid-api-1");
  EXPECT_TRUE(objects_.contains("/apis/databuild.dev/v1alpha1/namespaces/sales/wants/api-1"));
  NewObject other = WantFor("api-1");
  other.request = "d2";
  EXPECT_EQ(Create(other).error().code, Errc::kAlreadyExists);
  other = WantFor("api-1");
  other.caller = "mallory";
  EXPECT_EQ(Create(other).error().code, Errc::kAlreadyExists);
  EXPECT_TRUE(Create(other).error().message.starts_with("idempotency_key: "));
}

TEST_F(ObjectWriterTest, RefusalsAreTheCallersOurTroublesAreNot) {
  const std::vector<std::tuple<int, std::string, Errc>> cases{
      {403, "Forbidden", Errc::kPermissionDenied},
      {422, "Invalid", Errc::kInvalidArgument},
      {404, "NotFound", Errc::kNotFound},
      {401, "Unauthorized", Errc::kUnavailable},
      {500, "InternalError", Errc::kUnavailable}};
  for (const auto& [status, reason, code] : cases) {
    refuse_ = {status, reason};
    const Result<std::string> made = Create(WantFor("api-1"));
    ASSERT_FALSE(made.ok()) << reason;
    EXPECT_EQ(made.error().code, code) << reason;
  }
  refuse_ = {};
  const auto over = writer_->Create(WantFor("api-1"), std::chrono::steady_clock::now());
  EXPECT_EQ(over.error().code, Errc::kDeadlineExceeded);
  EXPECT_TRUE(objects_.empty());
}

TEST_F(ObjectWriterTest, OnlyAFewWritersWaitForASlowServer) {
  std::latch hold(1), holding(4);
  hold_ = &hold;
  holding_ = &holding;
  {
    std::vector<std::jthread> writers;
    for (int i = 0; i < 4; ++i) {
      writers.emplace_back(
          [this, i] { EXPECT_TRUE(Create(WantFor("api-" + std::to_string(i))).ok()); });
    }
    holding.wait();
    EXPECT_EQ(Create(WantFor("api-9")).error().code, Errc::kUnavailable);
    hold.count_down();
  }
  {
    std::lock_guard lock(mutex_);
    hold_ = nullptr;
  }
  EXPECT_TRUE(Create(WantFor("api-9")).ok());
}

}  // namespace
}  // namespace databuild::kube
