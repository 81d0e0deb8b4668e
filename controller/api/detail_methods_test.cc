// Details, timelines, events on demand, activity, plans: at both doors.
#include "controller/api/api_service_testing.h"
#include "controller/api/event_pages.h"

namespace databuild {
namespace {

constexpr char kRun[] = "made/1#run";

TEST_F(ApiServiceTest, APartitionsDetailTellsItsHistory) {
  ASSERT_TRUE(log().Append(PartitionMade("made/1")).ok());
  const Json detail = Json::parse(Rest("details/partitions/made%2F1").body);
  EXPECT_EQ(detail["status_name"], "available") << detail;
  std::vector<std::string> states;
  for (const Json& entry : detail["timeline"]) states.push_back(entry["status_name"]);
  EXPECT_EQ(states, (std::vector<std::string>{"requested", "analyzed", "building", "available"}));
  EXPECT_EQ(detail["timeline_cut"], false);
  const Json rpc =
      Json::parse(Rpc("GraphService/PartitionDetail", R"({"partitionRef":{"str":"made/1"}})").body);
  EXPECT_EQ(rpc["timeline"].size(), 4u) << rpc;
  EXPECT_EQ(Rest("details/partitions/other").status, 404);
}

TEST_F(ApiServiceTest, ARunsDetailTellsItsHistoryAndItsSummaryWhatItMade) {
  std::vector<v1::BuildEvent> events = PartitionMade("made/1");
  for (v1::BuildEvent& event : events) {
    if (event.job_event().status_code() == v1::JOB_COMPLETED)
      (*event.mutable_job_event()->add_manifests()->mutable_metadata())["made/1"] = "rows=7";
  }
  ASSERT_TRUE(log().Append(std::move(events)).ok());
  const Json detail = Json::parse(Rest("details/job_runs/made%2F1%23run").body);
  ASSERT_EQ(detail["timeline"].size(), 2u) << detail;
  EXPECT_EQ(detail["timeline"][0]["status_name"], "scheduled");
  EXPECT_EQ(detail["timeline"][1]["event_type"], "job_event");
  const Json summary = Json::parse(Rest("job_runs/made%2F1%23run").body);
  EXPECT_EQ(summary["manifests"][0]["metadata"]["made/1"], "rows=7") << summary;
  EXPECT_EQ(summary["job_run"]["job_run_id"], kRun);
}

TEST_F(ApiServiceTest, EventsComeWhenTheyAreAskedFor) {
  ASSERT_TRUE(log().Append({WantCreated("w1", "made/1")}).ok());
  ASSERT_TRUE(log().Append(PartitionMade("made/1")).ok());
  const auto count = [&](const std::string& path) {
    const Json body = Json::parse(Rest(path).body);
    EXPECT_TRUE(body["events"].is_array()) << body;
    return body["events"].size();
  };
  EXPECT_EQ(count("partitions/made%2F1"), 0u);
  EXPECT_GE(count("partitions/made%2F1?include=events"), 4u);
  EXPECT_EQ(count("wants/w1?include=events"), 1u);
  EXPECT_EQ(count("job_runs/made%2F1%23run?include=events"), 4u);
  const TestResponse unknown = Rest("wants/w1?include=colours");
  EXPECT_EQ(unknown.status, 400);
  EXPECT_NE(unknown.body.find("include: 'colours' is none of events"), std::string::npos);
}

TEST_F(ApiServiceTest, WhatIsIncludedNeedsItsOwnRight) {
  ASSERT_TRUE(log().Append(PartitionMade("made/1")).ok());
  auth_.asked.clear();
  EXPECT_EQ(Rest("job_runs/made%2F1%23run?include=events").status, 200);
  EXPECT_EQ(auth_.asked,
            (std::vector<std::string>{"get datajobs sales", "get datajobs/events sales"}));
  auth_.asked.clear();
  EXPECT_EQ(Rest("job_runs/made%2F1%23run?include=logs").status, 501)
      << "nobody collects logs here";
  EXPECT_EQ(auth_.asked.back(), "get datajobs/log sales");
}

TEST_F(ApiServiceTest, ListsOfTheFirstGenerationGoByLimitAndOffset) {
  for (const char* ref : {"made/1", "made/2", "made/3"})
    ASSERT_TRUE(log().Append(PartitionMade(ref)).ok());
  const Json page = Json::parse(Rest("lists/partitions?limit=1&offset=1").body);
  ASSERT_EQ(page["partitions"].size(), 1u) << page;
  EXPECT_EQ(page["partitions"][0]["partition_ref"]["str"], "made/2");
  EXPECT_EQ(page["total_count"], 3);
  EXPECT_EQ(Json::parse(Rest("lists/job_runs").body)["tasks"].size(), 3u);
  EXPECT_EQ(Json::parse(Rest("lists/jobs").body)["jobs"].size(), 1u);
  EXPECT_EQ(Json::parse(Rest("lists/builds").body)["builds"].size(), 0u);
  const Json job = Json::parse(Rest("details/jobs/maker").body);
  EXPECT_EQ(job["runs"].size(), 3u) << job;
}

TEST_F(ApiServiceTest, ActivitySaysWhatIsGoingOn) {
  ASSERT_TRUE(log().Append({WantCreated("w1", "made/1")}).ok());
  const auto reply = Rest("activity");
  EXPECT_EQ(reply.head.find("ETag"), std::string::npos) << "trouble comes without an event";
  const Json activity = Json::parse(reply.body);
  EXPECT_EQ(activity["graph_name"], "sales") << activity;
  EXPECT_EQ(activity["system_status"], "ok");
  EXPECT_EQ(activity["live_wants_count"], 1);
}

TEST_F(ApiServiceTest, PlansAreThePlanners) {
  EXPECT_EQ(Rest("plan?partition=a").status, 501) << "nobody plans here";
  const EchoPlans plans;
  graphs_.planner = &plans;
  const Json plan = Json::parse(Rest("plan?outputs=a%2F1&partition=b").body);
  EXPECT_EQ(plan["graph"]["label"]["label"], "sales") << plan;
  ASSERT_EQ(plan["graph"]["outputs"].size(), 2u);
  EXPECT_EQ(plan["graph"]["outputs"][0]["str"], "a/1");
  EXPECT_EQ(plan["graph"]["outputs"][1]["str"], "b");
  const Json found = Json::parse(Rpc("GraphLookup/Lookup", R"({"outputs":[{"str":"x"}]})").body);
  EXPECT_EQ(found["taskRefs"][0]["job"]["label"], "sales:x");
  const Json configs =
      Json::parse(Rpc("JobConfigure/Configure", R"({"outputs":[{"str":"x"}]})").body);
  EXPECT_EQ(configs["configs"][0]["outputs"][0]["str"], "x");
}

// Few matches lie far apart in a long log; each is found, the newest first, and the end is known.
TEST_F(ApiServiceTest, TheNewestEventsAreFoundHoweverFarApartTheyAre) {
  constexpr int kEvents = 30'000;
  std::vector<v1::BuildEvent> batch;
  for (int i = 1; i <= kEvents; ++i) {
    batch.push_back(WantCreated("w" + std::to_string(i), i % 7'000 == 1 ? "rare" : "common"));
    if (batch.size() < 1'000) continue;
    ASSERT_TRUE(log().Append(std::move(batch)).ok());
    batch.clear();
  }
  v1::EventFilter filter;
  filter.add_partition_refs("rare");
  NewestQuery query;
  query.matcher = std::make_shared<const EventMatcher>(EventMatcher::Compile(filter).value());
  const auto idx = [&] {
    const auto newest = ReadNewest(log(), query);
    EXPECT_TRUE(newest.ok());
    std::vector<int64_t> found;
    for (const v1::BuildEvent& event : newest->events) found.push_back(event.idx());
    EXPECT_EQ(newest->cut, newest->from > std::max<int64_t>(query.since_idx, 0));
    return found;
  };
  EXPECT_EQ(idx(), (std::vector<int64_t>{1, 7'001, 14'001, 21'001, 28'001}));
  query.limit = 2;
  EXPECT_EQ(idx(), (std::vector<int64_t>{21'001, 28'001}));
  query.last_idx = 21'001;
  EXPECT_EQ(idx(), (std::vector<int64_t>{14'001, 21'001}));
  query.last_idx = 21'000;
  query.since_idx = 7'001;
  EXPECT_EQ(idx(), (std::vector<int64_t>{14'001}));
  query.since_idx = 0;
  query.most_looked_at = 2'000;
  EXPECT_TRUE(idx().empty());
}

}  // namespace
}  // namespace databuild
