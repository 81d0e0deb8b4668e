// PutWants and PutTaints through the whole service; objects are kept in memory.
#include <set>
#include <thread>

#include "controller/api/api_service_testing.h"

namespace databuild {
namespace {

constexpr char kPutWants[] = "DataBuildService/PutWants";
constexpr char kPutTaints[] = "DataBuildService/PutTaints";

class WriteTest : public ApiServiceTest {};

TEST_F(WriteTest, BothDoorsCreateTheSameObjectsAndAnswerTheirEvents) {
  const TestResponse rest = Post("wants", R"({"wants": [{"ref": {"str": "a/1"}, "priority": 3},
      {"ref": {"str": "a/2"}, "data_timestamp": "1736035200000000000"}], "comment": "board",
      "source": {"source_type": {"code": "scheduled"}, "name": "mallory"}})");
  ASSERT_EQ(rest.status, 200) << rest.body;
  const Json first = Json::parse(rest.body);
  ASSERT_EQ(first["wants"].size(), 2u);
  EXPECT_EQ(first["wants"][0]["ref"]["str"], "a/1");
  EXPECT_EQ(first["wants"][0]["want_id"], "uid-" + first["wants"][0]["name"].get<std::string>());
  EXPECT_EQ(first["wants"][0]["event_index"], "1");
  EXPECT_EQ(first["wants"][1]["event_index"], "2");
  std::vector<NewObject> made = objects_.All();
  ASSERT_EQ(made.size(), 2u);
  for (const NewObject& object : made) {
    EXPECT_EQ(object.graph, "sales");
    EXPECT_EQ(object.caller, "alice");
    EXPECT_EQ(object.source_name, "alice") << "not mallory";
    EXPECT_EQ(object.source_type, "Scheduled");
    EXPECT_EQ(object.comment, "board");
    EXPECT_EQ(object.data_timestamp.has_value(), object.partitions[0] == "a/2");
  }
  const TestResponse rpc = Rpc(kPutTaints, R"({"refs": [{"str": "a/1"}], "globs": ["a/*"],
      "cascade": "downstream", "comment": "late"})");
  ASSERT_EQ(rpc.status, 200) << rpc.body;
  const Json second = Json::parse(rpc.body);
  EXPECT_EQ(second["eventIndex"], "3");
  const NewObject& taint = objects_.objects.at("sales/" + second["name"].get<std::string>());
  EXPECT_EQ(taint.partitions, std::vector<std::string>{"a/1"});
  EXPECT_EQ(taint.globs, std::vector<std::string>{"a/*"});
  EXPECT_TRUE(taint.cascade_downstream);
  EXPECT_EQ(Post("taints", R"({"refs": [{"str": "a/1"}]})").status, 200);
  EXPECT_EQ(Rpc(kPutWants, R"({"wants": [{"ref": {"str": "a/1"}}]})").status, 200);
  v1::PutWantsRequest binary;
  binary.add_wants()->mutable_ref()->set_str("a/3");
  const TestResponse proto =
      Rpc(kPutWants, binary.SerializeAsString(), "Content-Type: application/proto\r\n");
  v1::PutWantsResponse message;
  ASSERT_TRUE(message.ParseFromString(proto.body));
  EXPECT_EQ(message.wants(0).event_index(), 6);
}

// More writers than worker threads: each waits for its event without holding one.
TEST_F(WriteTest, AWriteWaitsForItsEventWithoutHoldingAThread) {
  constexpr int kWriters = 20;
  objects_.on_create = nullptr;
  std::vector<std::unique_ptr<TestClient>> writers;
  for (int i = 0; i < kWriters; ++i) {
    const std::string body = R"({"wants": [{"ref": {"str": "a/)" + std::to_string(i) + "\"}}]}";
    writers.push_back(std::make_unique<TestClient>(server_->port()));
    writers.back()->Send(
        "POST /api/v1/graphs/sales/wants HTTP/1.1\r\nHost: h\r\nAuthorization: alice\r\n"
        "Content-Type: application/json\r\nContent-Length: " +
        std::to_string(body.size()) + "\r\n\r\n" + body);
  }
  while (metrics_.Value(Metric::kApiLongPolls, {}) != kWriters) std::this_thread::yield();
  EXPECT_EQ(Rest("wants").status, 200);
  for (const NewObject& object : objects_.All()) {
    ASSERT_TRUE(RecordCreated(log(), object, "uid-" + object.name).ok());
  }
  std::set<std::string> indexes;
  for (const auto& writer : writers) {
    const Json answer = Json::parse(writer->Read().body);
    indexes.insert(answer["wants"][0]["event_index"].get<std::string>());
  }
  EXPECT_EQ(indexes.size(), static_cast<size_t>(kWriters));
  EXPECT_FALSE(indexes.contains("0"));
}

TEST_F(WriteTest, WhatIsNotRecordedInTimeIsPending) {
  objects_.on_create = nullptr;
  const TestResponse late = Rpc(kPutWants, R"({"wants": [{"ref": {"str": "a/1"}}]})",
                                "Content-Type: application/json\r\nConnect-Timeout-Ms: 60\r\n");
  ASSERT_EQ(late.status, 200) << late.body;
  const Json answer = Json::parse(late.body);
  EXPECT_NE(answer["wants"][0]["wantId"], "");
  EXPECT_FALSE(answer["wants"][0].contains("eventIndex"));
}

TEST_F(WriteTest, AKeyUsedAgainGivesTheFirstAnswerOrAnErrorNeverAnotherObject) {
  const std::string body =
      R"({"wants": [{"ref": {"str": "a/1"}}, {"ref": {"str": "a/2"}, "priority": 1}],
          "idempotency_key": "k"})";
  const TestResponse first = Post("wants", body);
  ASSERT_EQ(first.status, 200) << first.body;
  EXPECT_EQ(Post("wants", body).body, first.body);
  EXPECT_EQ(Json::parse(Rpc(kPutWants, body).body)["wants"][1]["eventIndex"], "2");
  const TestResponse other = Post("wants", R"({"wants": [{"ref": {"str": "a/3"}}, {"ref":
      {"str": "a/4"}, "priority": 1}, {"ref": {"str": "a/5"}, "priority": 2}],
      "idempotency_key": "k"})");
  EXPECT_EQ(other.status, 409);
  EXPECT_EQ(Code(other), "already_exists");
  EXPECT_EQ(objects_.All().size(), 2u);
  EXPECT_EQ(Post("taints", R"({"refs": [{"str": "a/1"}], "idempotency_key": "k"})").status, 200)
      << "a key is one kind's";
  const std::string without = R"({"wants": [{"ref": {"str": "a/1"}}]})";
  EXPECT_NE(Post("wants", without).body, Post("wants", without).body);
}

TEST_F(WriteTest, TheFirstObjectDecidesTheCallAndLaterOnesAnswerByEntry) {
  const std::string body = R"({"wants": [{"ref": {"str": "good/1"}}, {"ref": {"str": "bad/1"},
      "priority": 1}, {"ref": {"str": "good/2"}}, {"ref": {"str": "good/3"}, "priority": 2}]})";
  objects_.on_create = [this](const NewObject& object, const std::string& uid) -> Status {
    if (object.partitions[0].starts_with("bad"))
      return Error{Errc::kPermissionDenied, "exceeded quota"};
    return RecordCreated(log(), object, uid);
  };
  const TestResponse partly = Post("wants", body);
  ASSERT_EQ(partly.status, 200) << partly.body;
  const Json wants = Json::parse(partly.body)["wants"];
  EXPECT_EQ(wants[0]["error"], "");
  EXPECT_EQ(wants[1]["error"], "exceeded quota");
  EXPECT_EQ(wants[1]["want_id"], "");
  EXPECT_EQ(wants[1]["event_index"], "0");
  EXPECT_EQ(wants[2]["want_id"], wants[0]["want_id"]);
  EXPECT_EQ(wants[3]["event_index"], "2");
  objects_.on_create = [](const NewObject&, const std::string&) -> Status {
    return Error{Errc::kUnavailable, "connection refused"};
  };
  const size_t before = objects_.All().size();
  const TestResponse away = Post("wants", body);
  EXPECT_EQ(away.status, 503);
  EXPECT_EQ(objects_.All().size(), before);
}

TEST_F(WriteTest, MistakesAreErrorsThatNameTheFieldAndCreateNothing) {
  const std::vector<std::pair<std::string, std::string>> cases{
      {R"({})", "wants"},
      {R"({"wants": [{"ref": {"str": "a/1"}}, {"ref": {"str": "\u00fc"}}]})", "wants[1].ref"},
      {R"({"wants": [{"ref": {"str": "a/1"}, "ttl": 3}]})", "wants[0].ttl"},
      {R"({"wants": [{"ref": {"str": "a/1"}, "date_timestamp": "1", "dataTimestamp": "2"}]})",
       "wants[0].date_timestamp"},
      {R"({"wants": [{"ref": {"str": "a/1"}}], "graph": "ops"})", "graph"},
      {R"({"wants": [{"ref": {"str": "a/1"}}], "source": {"source_type": {"code": "fax"}}})",
       "source.source_type.code"}};
  for (const auto& [body, field] : cases) {
    const TestResponse refused = Post("wants", body);
    ASSERT_EQ(refused.status, 400) << body << refused.body;
    EXPECT_EQ(Json::parse(refused.body)["details"][0]["debug"]["fieldViolations"][0]["field"],
              field);
  }
  EXPECT_EQ(Post("wants?comment=x", R"({"wants": [{"ref": {"str": "a/1"}}]})").status, 400);
  for (const char* type :
       {"", "Content-Type: text/plain\r\n", "Content-Type: application/x-www-form-urlencoded\r\n",
        "Content-Type: application/proto\r\n"}) {
    const TestResponse refused = Post("wants", R"({"wants": [{"ref": {"str": "a/1"}}]})",
                                      std::string("Authorization: alice\r\n") + type);
    EXPECT_EQ(refused.status, 415) << type;
    EXPECT_NE(refused.head.find("Accept-Post: application/json\r\n"), std::string::npos);
  }
  const TestResponse verb = Post("wants/w1", "{}");
  EXPECT_EQ(verb.status, 405);
  EXPECT_NE(verb.head.find("Allow: GET, HEAD\r\n"), std::string::npos);
  const TestResponse both = client_->Ask(
      "DELETE /api/v1/graphs/sales/wants HTTP/1.1\r\nHost: h\r\nAuthorization: alice\r\n\r\n");
  EXPECT_NE(both.head.find("Allow: GET, HEAD, POST\r\n"), std::string::npos) << both.head;
  EXPECT_TRUE(objects_.All().empty());
}

TEST_F(WriteTest, WritesNeedTheirOwnRight) {
  const std::string body = R"({"wants": [{"ref": {"str": "a/1"}}]})";
  const std::string json = "Content-Type: application/json\r\n";
  EXPECT_EQ(Post("wants", body, json).status, 401);
  EXPECT_EQ(Post("wants", body, "Authorization: bob\r\n" + json).status, 403);
  EXPECT_EQ(Post("taints", R"({"refs": [{"str": "a/1"}]})", "Authorization: bob\r\n" + json).status,
            403);
  EXPECT_TRUE(objects_.All().empty());
  EXPECT_EQ(auth_.asked, (std::vector<std::string>{"create wants sales", "create taints sales"}));
}

TEST_F(WriteTest, ABatchWritesWithoutWaiting) {
  const TestResponse batch = Rpc("DataBuildService/Batched", R"({"requests": {
      "w": {"putWants": {"wants": [{"ref": {"str": "a/1"}}]}},
      "t": {"putTaints": {"refs": [{"str": "a/1"}]}},
      "x": {"putWants": {}}}})");
  ASSERT_EQ(batch.status, 200) << batch.body;
  const Json answer = Json::parse(batch.body);
  EXPECT_NE(answer["responses"]["w"]["putWants"]["wants"][0]["wantId"], "");
  EXPECT_NE(answer["responses"]["t"]["putTaints"]["taintId"], "");
  EXPECT_EQ(answer["errors"]["x"]["code"], "invalid_argument");
  EXPECT_EQ(objects_.All().size(), 2u);
}

// ---- databuild-min-index --------------------------------------------------------------------

std::string AtIndex(const std::string& index) {
  return "Authorization: alice\r\ndatabuild-min-index: " + index + "\r\n";
}

TEST_F(WriteTest, AReaderWaitsUntilTheLogHasTheIndexItAsksFor) {
  ASSERT_TRUE(log().Append({WantCreated("w1")}).ok());
  EXPECT_EQ(Get("/api/v1/graphs/sales/wants", AtIndex("1")).status, 200);
  EXPECT_EQ(Get("/api/v1/graphs/sales/wants", AtIndex("0")).status, 200);
  std::vector<std::unique_ptr<TestClient>> readers;
  constexpr int kReaders = 20;
  for (int i = 0; i < kReaders; ++i) {
    readers.push_back(std::make_unique<TestClient>(server_->port()));
    readers.back()->Send("GET /api/v1/graphs/sales/events HTTP/1.1\r\nHost: h\r\n" + AtIndex("3") +
                         "\r\n");
  }
  while (metrics_.Value(Metric::kApiLongPolls, {}) != kReaders) std::this_thread::yield();
  EXPECT_EQ(Rest("wants").status, 200) << "they hold no thread";
  ASSERT_TRUE(log().Append({WantCreated("w2")}).ok());
  EXPECT_EQ(metrics_.Value(Metric::kApiLongPolls, {}), kReaders);
  ASSERT_TRUE(log().Append({WantCreated("w3")}).ok());
  for (const auto& reader : readers) {
    const TestResponse response = reader->Read();
    ASSERT_EQ(response.status, 200) << response.body;
    EXPECT_EQ(Json::parse(response.body)["events"].size(), 3u) << "from the start, not from there";
  }
}

TEST_F(WriteTest, AnIndexThatDoesNotComeIsUnavailable) {
  const TestResponse late =
      Rpc("DataBuildService/ListWants", "{}",
          "Content-Type: application/json\r\ndatabuild-min-index: 7\r\nConnect-Timeout-Ms: 60\r\n");
  EXPECT_EQ(late.status, 503);
  EXPECT_EQ(Code(late), "unavailable");
  EXPECT_NE(late.body.find("has come to 0, not yet to 7"), std::string::npos) << late.body;
  const auto start = std::chrono::steady_clock::now();
  EXPECT_EQ(Get("/api/v1/graphs/sales/wants", AtIndex("7")).status, 503);
  const auto took = std::chrono::steady_clock::now() - start;
  EXPECT_GE(took, std::chrono::milliseconds(2'000));
  EXPECT_LT(took, std::chrono::milliseconds(20'000));
}

TEST_F(WriteTest, ABadIndexNamesItsHeader) {
  for (const char* bad : {"", "x", "-1", "1.5", " ", "9223372036854775808", "1 2"}) {
    const TestResponse refused = Get("/api/v1/graphs/sales/wants", AtIndex(bad));
    ASSERT_EQ(refused.status, 400) << bad << refused.body;
    EXPECT_EQ(Json::parse(refused.body)["details"][0]["debug"]["fieldViolations"][0]["field"],
              "databuild-min-index");
  }
  const TestResponse twice =
      Get("/api/v1/graphs/sales/wants", AtIndex("1") + "databuild-min-index: 1\r\n");
  EXPECT_EQ(twice.status, 400);
  EXPECT_EQ(Rpc("DataBuildService/Batched", "{}",
                "Content-Type: application/json\r\ndatabuild-min-index: 1\r\n")
                .status,
            400);
}

}  // namespace
}  // namespace databuild
