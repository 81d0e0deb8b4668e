// Batched.
#include "controller/api/api_service_testing.h"
#include "controller/api/batch.h"
#include "controller/api/method_table.h"

namespace databuild {
namespace {

constexpr char kBatched[] = "DataBuildService/Batched";

TEST_F(ApiServiceTest, ABatchAnswersOrRefusesEachEntryUnderItsKey) {
  ASSERT_TRUE(log().Append({WantCreated("w1", "a/1")}).ok());
  const Json body = Json::parse(Rpc(kBatched, R"({"requests": {
      "wants": {"listWants": {}},
      "one": {"getWantSummary": {"wantId": "w1"}},
      "events": {"getBuildEvents": {"limit": 1}},
      "alias": {"buildRequestStatus": {"buildId": "none"}},
      "missing": {"getWantSummary": {"wantId": "w9"}},
      "nested": {"batched": {}},
      "empty": {},
      "wrong": {"listBuildEvents": {}},
      "waits": {"getBuildEvents": {"sinceIdx": 1, "waitMs": 1000}},
      "huge": {"listWants": {"pageSize": 501}}}})")
                                    .body);
  const Json& answers = body["responses"];
  EXPECT_EQ(answers.size(), 4u) << body;
  EXPECT_EQ(answers["wants"]["listWants"]["wants"].size(), 1u);
  EXPECT_EQ(answers["one"]["getWantSummary"]["want"]["want"]["wantId"], "w1");
  EXPECT_EQ(answers["events"]["listBuildEvents"]["events"].size(), 1u);
  EXPECT_TRUE(answers.contains("waits"));  // answered at once, empty
  const Json& errors = body["errors"];
  EXPECT_EQ(errors.size(), 6u) << body;
  EXPECT_EQ(errors["alias"]["code"], "not_found");
  EXPECT_EQ(errors["missing"]["code"], "not_found");
  for (const char* key : {"nested", "empty", "wrong", "huge"}) {
    EXPECT_EQ(errors[key]["code"], "invalid_argument") << key << errors;
  }
}

TEST_F(ApiServiceTest, EntriesOfABatchAreAuthorisedEachInItsOwnGraph) {
  AddGraph("public");
  ASSERT_TRUE(log("public").Append({WantCreated("p1", "a/1")}).ok());
  const std::string body = R"({"graph": "public", "requests": {"a": {"listWants": {}},)"
                           R"("b": {"listWants": {"graph": "sales"}}}})";
  const TestResponse answer = client_->Ask(
      "POST /databuild.v1.DataBuildService/Batched HTTP/1.1\r\nHost: h\r\nAuthorization: bob\r\n"
      "Content-Type: application/json\r\nContent-Length: " +
      std::to_string(body.size()) + "\r\n\r\n" + body);
  const Json parsed = Json::parse(answer.body);
  EXPECT_EQ(parsed["responses"]["a"]["listWants"]["wants"].size(), 1u) << parsed;
  EXPECT_EQ(parsed["errors"]["b"]["code"], "permission_denied");
}

TEST_F(ApiServiceTest, ABatchIsBounded) {
  std::string entries;
  for (int i = 0; i <= kMaxBatch; ++i) {
    entries += (i == 0 ? "\"" : ", \"") + std::to_string(i) + "\": {\"listWants\": {}}";
  }
  const TestResponse answer = Rpc(kBatched, "{\"requests\": {" + entries + "}}");
  EXPECT_EQ(answer.status, 400);
  EXPECT_NE(answer.body.find("requests: at most 100, got 101"), std::string::npos) << answer.body;
}

TEST(BatchedTest, EveryMethodOfTheServiceHasItsEntry) {
  const MethodTable table = MakeMethodTable();
  for (const Method& method : table.methods()) {
    if (method.IsBatch() || method.service != "databuild.v1.DataBuildService") continue;
    bool found = false;
    const auto* container = v1::RequestContainer::descriptor();
    for (int i = 0; i < container->field_count(); ++i) {
      found |= MethodOfEntry(table, container->field(i)->name()) == &method;
    }
    EXPECT_TRUE(found) << method.name;
  }
}

}  // namespace
}  // namespace databuild
