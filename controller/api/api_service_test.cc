// Both doors, a real log in memory, rights, paging, long polls.
#include <latch>
#include <thread>

#include "controller/api/api_service_testing.h"
#include "tests/support/faulty_storage.h"

namespace databuild {
namespace {

TEST_F(ApiServiceTest, BothDoorsGiveTheSameAnswer) {
  ASSERT_TRUE(log().Append({WantCreated("w1", "a/1"), WantCreated("w2", "a/2")}).ok());
  const Json rest = Json::parse(Rest("wants").body);
  const Json rpc = Json::parse(Rpc("DataBuildService/ListWants", "{}").body);
  ASSERT_EQ(rest["wants"].size(), 2u);
  EXPECT_EQ(rest["wants"][0]["want"]["want_id"], "w2");
  EXPECT_EQ(rpc["wants"][0]["want"]["wantId"], "w2");
  EXPECT_EQ(rest["total_count"], "2");
  EXPECT_EQ(rest["has_more"], false);
  EXPECT_EQ(rpc["eventIndex"], "2");
  const TestResponse binary =
      Rpc("DataBuildService/ListWants", "", "Content-Type: application/proto\r\n");
  EXPECT_NE(binary.head.find("Content-Type: application/proto"), std::string::npos);
  v1::ListWantsResponse message;
  ASSERT_TRUE(message.ParseFromString(binary.body));
  EXPECT_EQ(message.wants(0).want().want_id(), "w2");
}

TEST_F(ApiServiceTest, EveryListAnswersAtBothDoorsAndEverySummarySaysWhatIsMissing) {
  ASSERT_TRUE(log().Append({WantCreated("w1", "a/1")}).ok());
  const std::vector<std::tuple<std::string, std::string, std::string>> lists{
      {"builds", "ListBuildRequests", "builds"}, {"jobs", "ListJobs", "jobs"},
      {"job_runs", "ListJobRuns", "job_runs"},   {"wants", "ListWants", "wants"},
      {"partitions", "ListPartitions", "refs"},  {"taints", "ListTaints", "taints"}};
  for (const auto& [path, method, rows] : lists) {
    const Json rest = Json::parse(Rest(path).body);
    EXPECT_TRUE(rest[rows].is_array()) << path << rest;
    EXPECT_EQ(rest["event_index"], "1") << path;
    const Json rpc = Json::parse(Rpc("DataBuildService/" + method, "{}").body);
    EXPECT_EQ(rpc["eventIndex"], "1") << method << rpc;
  }
  for (const char* path : {"builds/x", "builds/x/mermaid", "jobs/%2F%2Fx", "jobs//x", "job_runs/x",
                           "wants/x", "partitions/x", "taints/x"}) {
    const TestResponse missing = Rest(path);
    EXPECT_EQ(missing.status, 404) << path;
    EXPECT_NE(missing.body.find(" in graph sales: "), std::string::npos) << missing.body;
  }
}

TEST_F(ApiServiceTest, SummariesAreFoundByPathWithEscapedOrPlainRefs) {
  ASSERT_TRUE(log().Append({WantCreated("w1", "sales/date=2025-01-05")}).ok());
  for (const char* path :
       {"partitions/sales%2Fdate%3D2025-01-05", "partitions/sales/date=2025-01-05"}) {
    const TestResponse response = Rest(path);
    ASSERT_EQ(response.status, 200) << response.body;
    const Json summary = Json::parse(response.body);
    EXPECT_EQ(summary["partition"]["partition_ref"]["str"], "sales/date=2025-01-05");
    EXPECT_EQ(summary["reason"]["reason"], "NoProducer");
    const std::string self = summary["partition"]["links"]["self"];
    EXPECT_EQ(Json::parse(Get(self).body), summary) << "the link leads to the same answer";
  }
  const Json want = Json::parse(Rest("wants/w1").body);
  EXPECT_EQ(want["want"]["reasons"][0]["reason"], "NoProducer");
  EXPECT_EQ(Rest("wants/nobody").status, 404);
  EXPECT_EQ(Code(Rest("partitions/nobody")), "not_found");
  EXPECT_EQ(Code(Rpc("DataBuildService/GetWantSummary", R"({"wantId":"nobody"})")), "not_found");
}

TEST_F(ApiServiceTest, APartitionsManifestsComeFromTheEventThatEndedItsRun) {
  std::vector<v1::BuildEvent> events = PartitionMade("made/1");
  for (v1::BuildEvent& event : events) {
    if (event.job_event().status_code() == v1::JOB_COMPLETED)
      (*event.mutable_job_event()->add_manifests()->mutable_metadata())["made/1"] = "rows=7";
  }
  ASSERT_TRUE(log().Append(std::move(events)).ok());
  const Json summary = Json::parse(Rest("partitions/made%2F1").body);
  ASSERT_EQ(summary["manifests"].size(), 1u) << summary;
  EXPECT_EQ(summary["manifests"][0]["metadata"]["made/1"], "rows=7");
}

TEST_F(ApiServiceTest, AnswersSayHowOldTheyMayBeWhileTheStorageIsAway) {
  FaultyStorage faulty(storage_);
  LogOptions options;
  options.storage = &faulty;
  options.graph = "sales";
  options.holder = "pod-2";
  options.cluster_uid = "cluster-1";
  options.clock = &clock_;
  graphs_.logs["sales"] = OpenLog(options);
  ASSERT_TRUE(log().Append({WantCreated("w1", "a/1")}).ok());
  EXPECT_EQ(Rest("wants").head.find("databuild-stale-seconds"), std::string::npos);
  faulty.away = true;
  ASSERT_FALSE(log().Append({WantCreated("w2", "a/2")}).ok());
  for (const TestResponse& response :
       {Rest("wants"), Rest("events"), Rpc("DataBuildService/ListWants", "{}"),
        Rpc("DataBuildService/ListWants", "", "Content-Type: application/proto\r\n")}) {
    EXPECT_EQ(response.status, 200);
    EXPECT_NE(response.head.find("databuild-stale-seconds: "), std::string::npos) << response.head;
  }
  graphs_.logs.clear();  // before its storage goes
}

TEST_F(ApiServiceTest, WhatIsNotInTheTableDoesNotExist) {
  TestResponse response = Rpc("DataBuildService/DeleteWants", "{}");
  EXPECT_EQ(response.status, 404);
  EXPECT_EQ(Code(response), "unimplemented");
  EXPECT_EQ(Code(Rpc("Nobody/Nothing", "{}")), "unimplemented");
  for (const char* path :
       {"/", "/api/v1/graphs", "/api/v1/graphs/", "/api/v1/graphs/sales", "/api/v1/graphs/sales/",
        "/api/v1/graphs/sales/nothing", "/api/v1/graphs/sales/wants/", "/api/v1/graphs//wants",
        "/api/v1/graphs/sales/wants/a/b", "/api/v2/graphs/sales/wants",
        "/api/v1/graphs/sales/partitions/", "/api/v1/graphs/%zz/wants"}) {
    response = Get(path);
    EXPECT_EQ(response.status, 404) << path;
    EXPECT_EQ(Code(response), "not_found") << path;
  }
  EXPECT_EQ(metrics_.Value(Metric::kApiRequests, {"other", "not_found"}), 12);
}

TEST_F(ApiServiceTest, WrongVerbsAndTypesAreSaidSo) {
  TestResponse response = client_->Ask(
      "DELETE /api/v1/graphs/sales/wants HTTP/1.1\r\nHost: h\r\nAuthorization: alice\r\n\r\n");
  EXPECT_EQ(response.status, 405);
  EXPECT_NE(response.head.find("Allow: GET, HEAD"), std::string::npos);
  response = Get("/databuild.v1.DataBuildService/ListWants");
  EXPECT_EQ(response.status, 405);
  EXPECT_NE(response.head.find("Allow: POST"), std::string::npos);
  response = Rpc("DataBuildService/ListWants", "{}", "Content-Type: text/plain\r\n");
  EXPECT_EQ(response.status, 415);
  EXPECT_NE(response.head.find("Accept-Post: application/json, application/proto"),
            std::string::npos);
  EXPECT_EQ(Rpc("DataBuildService/ListWants", "{}", "").status, 415);
  EXPECT_EQ(
      Rpc("DataBuildService/ListWants", "{}", "Content-Type: Application/JSON; charset=utf-8\r\n")
          .status,
      200);
  EXPECT_EQ(Code(Rpc("DataBuildService/ListWants", "x",
                     "Content-Type: application/json\r\nContent-Encoding: gzip\r\n")),
            "unimplemented");
  EXPECT_EQ(Code(Rpc("DataBuildService/ListWants", "{}",
                     "Content-Type: application/json\r\nConnect-Protocol-Version: 2\r\n")),
            "invalid_argument");
  EXPECT_EQ(Code(Rpc("DataBuildService/ListWants", "{}",
                     "Content-Type: application/json\r\nConnect-Timeout-Ms: soon\r\n")),
            "invalid_argument");
  EXPECT_EQ(Code(Rpc("DataBuildService/ListWants", "{}",
                     "Content-Type: application/json\r\nConnect-Timeout-Ms: 0\r\n")),
            "deadline_exceeded");
  EXPECT_EQ(
      Code(Rpc("DataBuildService/ListWants", "\xff\xff", "Content-Type: application/proto\r\n")),
      "invalid_argument");
}

TEST_F(ApiServiceTest, MistakesAreErrorsThatNameTheField) {
  struct Case {
    std::string target;
    const char* field;
  };
  for (const Case& c :
       std::vector<Case>{{"wants?statos=created", "statos"},
                         {"wants?status=vanished", "status"},
                         {"wants?page_size=501", "page_size"},
                         {"wants?page_size=-1", "page_size"},
                         {"wants?page_token=abc", "page_token"},
                         {"partitions?ref_pattern=(", "ref_pattern"},
                         {"events?limit=10001", "limit"},
                         {"events?since_idx=-1", "since_idx"},
                         {"events?wait_ms=60001", "wait_ms"},
                         {"events?partition_patterns=a/***", "filter.partition_patterns"},
                         {"events?graph=ops", "graph"},
                         {"wants/w1?want_id=w2", "want_id"},
                         {"partitions/a?ref=b", "ref"},
                         {"wants?x=%zz", "query"}}) {
    const TestResponse response = Rest(c.target);
    ASSERT_EQ(response.status, 400) << c.target << response.body;
    const Json body = Json::parse(response.body);
    EXPECT_EQ(body["code"], "invalid_argument") << c.target;
    EXPECT_EQ(body["details"][0]["debug"]["fieldViolations"][0]["field"], c.field) << response.body;
  }
}

TEST_F(ApiServiceTest, RightsAreAskedOfTheTableBeforeAnythingIsLookedUp) {
  EXPECT_EQ(Get("/api/v1/graphs/sales/wants", "").status, 401);
  EXPECT_EQ(Get("/api/v1/graphs/sales/wants", "Authorization: bob\r\n").status, 403);
  EXPECT_EQ(Get("/api/v1/graphs/secret/wants", "Authorization: bob\r\n").status, 403)
      << "whether a graph exists is told only to those who may see it";
  EXPECT_EQ(Get("/api/v1/graphs/secret/wants").status, 404);
  EXPECT_EQ(Get("/api/v1/graphs/Not_A_Namespace/wants").status, 400);
  auth_.asked.clear();
  Rest("events");
  Rpc("DataBuildService/GetBuildEvents", "{}");
  Rest("wants");
  Rest("wants/x");
  Rest("partitions");
  Rest("partitions/x");
  Rest("job_runs");
  EXPECT_EQ(auth_.asked,
            (std::vector<std::string>{"get datajobs/events sales", "get datajobs/events sales",
                                      "list wants sales", "get wants sales", "list datajobs sales",
                                      "get datajobs sales", "list datajobs sales"}));
}

TEST_F(ApiServiceTest, TheGraphMayBeLeftOutWhileThereIsOne) {
  EXPECT_EQ(Rpc("DataBuildService/ListWants", "{}").status, 200);
  EXPECT_EQ(Rpc("DataBuildService/ListWants", R"({"graph":"sales"})").status, 200);
  EXPECT_EQ(Rpc("DataBuildService/ListWants", "{}",
                "Content-Type: application/json\r\ndatabuild-graph: sales\r\n")
                .status,
            200);
  EXPECT_EQ(Rpc("DataBuildService/ListWants", R"({"graph":"ops"})").status, 404);
  EXPECT_EQ(Code(Rpc("DataBuildService/ListWants", R"({"graph":"sales"})",
                     "Content-Type: application/json\r\ndatabuild-graph: ops\r\n")),
            "invalid_argument");
  AddGraph("ops");
  EXPECT_EQ(Code(Rpc("DataBuildService/ListWants", "{}")), "invalid_argument");
}

TEST_F(ApiServiceTest, AWalkOverPagesSeesEachWantOnceWhileOthersAreCreated) {
  for (int i = 0; i < 25; ++i)
    ASSERT_TRUE(log().Append({WantCreated("w" + std::to_string(i))}).ok());
  std::vector<std::string> seen;
  std::string token;
  for (int page = 0; page < 100; ++page) {
    const Json body =
        Json::parse(Rest("wants?page_size=4" + (token.empty() ? "" : "&page_token=" + token)).body);
    for (const Json& want : body["wants"]) seen.push_back(want["want"]["want_id"]);
    if (!body["has_more"]) break;
    token = body["next_page_token"];
    ASSERT_TRUE(log().Append({WantCreated("new" + std::to_string(page))}).ok());
  }
  ASSERT_EQ(seen.size(), 25u);
  for (int i = 0; i < 25; ++i)
    EXPECT_EQ(seen[static_cast<size_t>(i)], "w" + std::to_string(24 - i));
}

TEST_F(ApiServiceTest, AnUnchangedStateIsNotSentAgain) {
  ASSERT_TRUE(log().Append({WantCreated("w1")}).ok());
  const TestResponse first = Rest("wants");
  const size_t at = first.head.find("ETag: ");
  ASSERT_NE(at, std::string::npos);
  const std::string tag = first.head.substr(at + 6, first.head.find("\r\n", at) - at - 6);
  const std::string again = "Authorization: alice\r\nIf-None-Match: " + tag + "\r\n";
  TestResponse second = Get("/api/v1/graphs/sales/wants", again);
  EXPECT_EQ(second.status, 304);
  EXPECT_EQ(second.body, "");
  const std::string either = "Authorization: alice\r\nIf-None-Match: \"other\", " + tag + "\r\n";
  EXPECT_EQ(Get("/api/v1/graphs/sales/wants", either).status, 304);
  ASSERT_TRUE(log().Append({WantCreated("w2")}).ok());
  EXPECT_EQ(Get("/api/v1/graphs/sales/wants", again).status, 200);
}

TEST_F(ApiServiceTest, EventsAreFilteredAndPagedByIndex) {
  for (int i = 1; i <= 5; ++i) {
    ASSERT_TRUE(
        log().Append({WantCreated("w" + std::to_string(i), "p/" + std::to_string(i))}).ok());
  }
  Json page = Json::parse(Rest("events?limit=2").body);
  EXPECT_EQ(page["events"].size(), 2u);
  EXPECT_EQ(page["next_idx"], "2");
  EXPECT_EQ(page["has_more"], true);
  EXPECT_EQ(page["head_idx"], "5");
  EXPECT_EQ(page["events"][0]["idx"], "1");
  page = Json::parse(
      Rest("events?since_idx=2&partition_patterns=p/*&partition_refs=x&want_ids=w4&want_ids=w2")
          .body);
  ASSERT_EQ(page["events"].size(), 1u);
  EXPECT_EQ(page["events"][0]["want_event"]["want_id"], "w4");
  EXPECT_EQ(page["next_idx"], "5");
  const TestResponse binary =
      Rpc("GraphService/ListEvents", "", "Content-Type: application/proto\r\n");
  v1::EventPage message;
  ASSERT_TRUE(message.ParseFromString(binary.body));
  EXPECT_EQ(message.events_size(), 5);
  EXPECT_EQ(message.log_id(), log().log_id());
  page = Json::parse(Rest("events?since_idx=99&wait_ms=60000").body);
  EXPECT_EQ(page["head_idx"], "5") << "a reader beyond the head is told at once";
}

TEST_F(ApiServiceTest, BuildEventsScrollFromATimeOrBackBelowOne) {
  std::vector<int64_t> times;
  for (int i = 1; i <= 9; ++i) {
    ASSERT_TRUE(log().Append({WantCreated("w" + std::to_string(i), i % 2 ? "odd" : "even")}).ok());
  }
  for (const v1::BuildEvent& event : ReadWhole(log())) times.push_back(event.timestamp());
  const auto ids = [&](const std::string& request) {
    const TestResponse response = Rpc("DataBuildService/GetBuildEvents", request);
    EXPECT_EQ(response.status, 200) << response.body;
    v1::ListBuildEventsResponse unused;
    std::vector<int> found;
    const Json body = Json::parse(response.body);
    for (const Json& event : body["events"])
      found.push_back(std::stoi(event["idx"].get<std::string>()));
    next_token_ = body.value("nextPageToken", "");
    return found;
  };
  const auto at = [&](int idx) {
    return "\"" + std::to_string(times[static_cast<size_t>(idx) - 1]) + "\"";
  };
  EXPECT_EQ(ids("{}"), (std::vector<int>{1, 2, 3, 4, 5, 6, 7, 8, 9}));
  EXPECT_EQ(ids(R"({"minTimestampNs":)" + at(6) + "}"), (std::vector<int>{7, 8, 9}))
      << "bounds are exclusive";
  EXPECT_EQ(ids(R"({"minTimestampNs":"1"})"), (std::vector<int>{1, 2, 3, 4, 5, 6, 7, 8, 9}));
  EXPECT_EQ(ids(R"({"maxTimestampNs":)" + at(6) + R"(,"limit":3})"), (std::vector<int>{3, 4, 5}));
  EXPECT_EQ(
      ids(R"({"maxTimestampNs":)" + at(6) + R"(,"limit":3,"pageToken":")" + next_token_ + "\"}"),
      (std::vector<int>{1, 2}));
  EXPECT_EQ(next_token_, "");
  EXPECT_EQ(
      ids(R"({"maxTimestampNs":)" + at(9) + R"(,"limit":2,"filters":{"partitionRefs":["odd"]}})"),
      (std::vector<int>{5, 7}));
  EXPECT_EQ(ids(R"({"sinceIdx":"4","pageSize":2})"), (std::vector<int>{5, 6}));
  EXPECT_EQ(ids(R"({"sinceIdx":"4","pageSize":3,"pageToken":")" + next_token_ + "\"}"),
            (std::vector<int>{7, 8, 9}));
  EXPECT_EQ(ids(R"({"maxTimestampNs":"5"})"), (std::vector<int>{}));
  for (const char* both : {R"({"minTimestampNs":"1","maxTimestampNs":"2"})",
                           R"({"minTimestampNs":"1","sinceIdx":"2"})",
                           R"({"limit":"1","pageSize":2})", R"({"limit":"10001"})",
                           R"({"pageSize":10001})", R"({"maxTimestampNs":"2","waitMs":"5"})"}) {
    EXPECT_EQ(Code(Rpc("DataBuildService/GetBuildEvents", both)), "invalid_argument") << both;
  }
}

TEST_F(ApiServiceTest, AWaitingCallIsAnsweredByTheFirstEventThatMatches) {
  ASSERT_TRUE(log().Append({WantCreated("w1", "other")}).ok());
  std::jthread poller([this] {
    TestClient client(server_->port());
    const TestResponse response = client.Ask(
        "GET /api/v1/graphs/sales/events?since_idx=1&wait_ms=60000&partition_refs=mine HTTP/1.1\r\n"
        "Host: h\r\nAuthorization: alice\r\n\r\n");
    const Json page = Json::parse(response.body);
    ASSERT_EQ(page["events"].size(), 1u);
    EXPECT_EQ(page["events"][0]["want_event"]["want_id"], "w3");
    EXPECT_EQ(page["next_idx"], "3");
  });
  while (metrics_.Value(Metric::kApiLongPolls, {}) != 1) std::this_thread::yield();
  ASSERT_TRUE(log().Append({WantCreated("w2", "other")}).ok());
  ASSERT_TRUE(log().Append({WantCreated("w3", "mine")}).ok());
  poller.join();
  EXPECT_EQ(metrics_.Value(Metric::kApiLongPolls, {}), 0);
}

TEST_F(ApiServiceTest, AWaitingCallIsAnsweredEmptyWhenItsTimeIsOver) {
  const auto start = std::chrono::steady_clock::now();
  Json page = Json::parse(Rest("events?wait_ms=80").body);
  EXPECT_EQ(page["events"].size(), 0u);
  EXPECT_GE(std::chrono::steady_clock::now() - start, std::chrono::milliseconds(80));
  const TestResponse rpc = Rpc("GraphService/ListEvents", R"({"waitMs":"60000"})",
                               "Content-Type: application/json\r\nConnect-Timeout-Ms: 50\r\n");
  EXPECT_EQ(rpc.status, 200);
  EXPECT_EQ(Json::parse(rpc.body)["events"].size(), 0u);
}

// More pollers than worker threads, and readers served beside them.
TEST_F(ApiServiceTest, ManyWaitingCallsHoldNoThread) {
  constexpr int kPollers = 40;
  std::vector<std::unique_ptr<TestClient>> pollers;
  for (int i = 0; i < kPollers; ++i) {
    pollers.push_back(std::make_unique<TestClient>(server_->port()));
    pollers.back()->Send("GET /api/v1/graphs/sales/events?wait_ms=60000&want_ids=w" +
                         std::to_string(i % 2) +
                         " HTTP/1.1\r\nHost: h\r\nAuthorization: alice\r\n\r\n");
  }
  while (metrics_.Value(Metric::kApiLongPolls, {}) != kPollers) std::this_thread::yield();
  EXPECT_EQ(Rest("wants").status, 200);
  ASSERT_TRUE(log().Append({WantCreated("w0")}).ok());
  for (int i = 0; i < kPollers; i += 2) {
    EXPECT_EQ(Json::parse(pollers[static_cast<size_t>(i)]->Read().body)["events"].size(), 1u);
  }
  EXPECT_EQ(metrics_.Value(Metric::kApiLongPolls, {}), kPollers / 2);
  ASSERT_TRUE(log().Append({WantCreated("w1")}).ok());
  for (int i = 1; i < kPollers; i += 2) {
    const Json page = Json::parse(pollers[static_cast<size_t>(i)]->Read().body);
    EXPECT_EQ(page["events"][0]["idx"], "2");
  }
}

TEST_F(ApiServiceTest, AClientThatLeavesWhileItWaitsIsForgotten) {
  {
    TestClient client(server_->port());
    client.Send(
        "GET /api/v1/graphs/sales/events?wait_ms=60000 HTTP/1.1\r\nHost: h\r\nAuthorization: "
        "alice\r\n\r\n");
    while (metrics_.Value(Metric::kApiLongPolls, {}) != 1) std::this_thread::yield();
  }
  while (metrics_.Value(Metric::kHttpConnections, {"api"}) != 1) std::this_thread::yield();
  ASSERT_TRUE(log().Append({WantCreated("w1")}).ok());
  while (metrics_.Value(Metric::kApiRequests, {"ListEvents", "canceled"}) != 1)
    std::this_thread::yield();
}

TEST_F(ApiServiceTest, StopAnswersWaitingCallsAndFinishes) {
  TestClient client(server_->port());
  client.Send(
      "GET /api/v1/graphs/sales/events?wait_ms=60000 HTTP/1.1\r\nHost: h\r\nAuthorization: "
      "alice\r\n\r\n");
  while (metrics_.Value(Metric::kApiLongPolls, {}) != 1) std::this_thread::yield();
  std::jthread stopper([this] { server_->Stop(std::chrono::seconds(10)); });
  const TestResponse response = client.Read();
  EXPECT_EQ(response.status, 200);
  EXPECT_TRUE(client.ClosedByServer());
  stopper.join();
}

TEST_F(ApiServiceTest, RequestsAreCountedByMethodAndCode) {
  Rest("wants");
  Rest("wants?x=1");
  Rpc("DataBuildService/ListWants", "{}");
  EXPECT_EQ(metrics_.Value(Metric::kApiRequests, {"ListWants", "ok"}), 2);
  EXPECT_EQ(metrics_.Value(Metric::kApiRequests, {"ListWants", "invalid_argument"}), 1);
  EXPECT_NE(metrics_.Scrape().find(
                "databuild_api_request_duration_seconds_count{method=\"ListWants\"} 3"),
            std::string::npos);
}

}  // namespace
}  // namespace databuild
