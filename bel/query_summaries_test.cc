// Wants, job runs and summaries.
#include <gtest/gtest.h>

#include <functional>

#include "bel/query.h"
#include "bel/query_events.h"
#include "bel/query_testing.h"

namespace databuild {
namespace {

std::vector<std::string> RefsOf(const v1::ListPartitionsResponse& response) {
  std::vector<std::string> refs;
  for (const auto& row : response.refs()) refs.push_back(row.partition_ref().str());
  return refs;
}

std::vector<std::string> IdsOf(const v1::ListJobRunsResponse& response) {
  std::vector<std::string> ids;
  for (const auto& row : response.job_runs()) ids.push_back(row.job_run_id());
  return ids;
}

std::vector<std::string> IdsOf(const v1::ListWantsResponse& response) {
  std::vector<std::string> ids;
  for (const auto& row : response.wants()) ids.push_back(row.want().want_id());
  return ids;
}

TEST(ListWants, AWalkWhileWantsAreCreatedSeesEveryOldWantOnceNewestFirst) {
  QueryWorld world;
  std::vector<std::string> before;
  for (int i = 0; i < 57; ++i) {
    world.Want("w" + std::to_string(i), {"p"});
    before.insert(before.begin(), "w" + std::to_string(i));
  }
  v1::ListWantsRequest request;
  request.set_page_size(10);
  std::vector<std::string> seen;
  for (int page_number = 0;; ++page_number) {
    const auto page = ListWants(world.View(), request).value();
    for (const std::string& id : IdsOf(page)) seen.push_back(id);
    if (!page.has_more()) break;
    request.set_page_token(page.next_page_token());
    world.Want("new" + std::to_string(page_number), {"p"});
  }
  EXPECT_EQ(seen, before);
}

TEST(Lists, ARequestExaminesABoundedNumberOfRowsAndGoesOnWhereItStopped) {
  QueryWorld world;
  constexpr int kRows = 60'000;
  for (int i = 0; i < kRows; ++i) world.Want("w" + std::to_string(i), {"p/" + std::to_string(i)});
  world.Move("w0", v1::WANT_SATISFIED);
  v1::ListWantsRequest request;
  request.add_status(v1::WANT_SATISFIED);
  const auto first = ListWants(world.View(), request).value();
  EXPECT_EQ(first.wants_size(), 0);
  EXPECT_TRUE(first.has_more());
  request.set_page_token(first.next_page_token());
  const auto second = ListWants(world.View(), request).value();
  EXPECT_EQ(IdsOf(second), (std::vector<std::string>{"w0"}));
  EXPECT_FALSE(second.has_more());

  v1::ListPartitionsRequest partitions;
  partitions.set_ref_pattern("^p/9999$");
  size_t pages = 1;
  auto page = ListPartitions(world.View(), partitions).value();
  std::vector<std::string> found = RefsOf(page);
  for (; page.has_more(); ++pages) {
    partitions.set_page_token(page.next_page_token());
    page = ListPartitions(world.View(), partitions).value();
    for (const std::string& ref : RefsOf(page)) found.push_back(ref);
  }
  EXPECT_EQ(found, (std::vector<std::string>{"p/9999"}));
  EXPECT_EQ(pages, 2u);
}

TEST(ListWants, FiltersByTimeTtlStatusNameAndId) {
  QueryWorld world;
  world.Want("w1", {"a"}, 100);    // expires 101 s after the start
  world.Want("w2", {"b"}, 1'000);  // 1,002 s
  world.Want("w3", {"c"});         // never
  world.Move("w1", v1::WANT_SATISFIED);
  world.Move("w2", v1::WANT_SLA_VIOLATED);
  struct Case {
    const char* name;
    std::function<void(v1::ListWantsRequest&)> set;
    std::vector<std::string> ids;
  };
  const auto at = [](int64_t seconds) { return static_cast<uint64_t>(kStart + seconds * kSecond); };
  const std::vector<Case> cases = {
      {"all, newest first", [](auto&) {}, {"w3", "w2", "w1"}},
      {"requested until, inclusive", [&](auto& r) { r.set_requested_until(at(2)); }, {"w2", "w1"}},
      {"still wanted: without TTL too", [&](auto& r) { r.set_ttl_until(at(500)); }, {"w3", "w2"}},
      {"by status", [](auto& r) { r.add_status(v1::WANT_SATISFIED); }, {"w1"}},
      {"by mark", [](auto& r) { r.add_status(v1::WANT_SLA_VIOLATED); }, {"w2"}},
      {"by name", [](auto& r) { r.add_names("name-w2"), r.add_names("name-w3"); }, {"w3", "w2"}},
      {"by id",
       [](auto& r) { r.add_want_ids("w1"), r.add_want_ids("w3"), r.add_want_ids("nobody"); },
       {"w3", "w1"}},
      {"by id nobody has", [](auto& r) { r.add_want_ids("nobody"); }, {}},
      {"by id and status",
       [](auto& r) { r.add_want_ids("w1"), r.add_status(v1::WANT_CREATED); },
       {}},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.name);
    v1::ListWantsRequest request;
    c.set(request);
    EXPECT_EQ(IdsOf(*ListWants(world.View(), request)), c.ids);
    request.set_page_size(1);  // page by page the same
    std::vector<std::string> walked;
    while (true) {
      const auto page = ListWants(world.View(), request).value();
      for (const std::string& id : IdsOf(page)) walked.push_back(id);
      if (!page.has_more()) break;
      request.set_page_token(page.next_page_token());
    }
    EXPECT_EQ(walked, c.ids);
  }
  const auto all = ListWants(world.View(), {}).value();
  EXPECT_EQ(all.total_count(), 3u);
  EXPECT_TRUE(all.total_count_known());
  EXPECT_EQ(all.min_requested_at(), at(1));
  EXPECT_EQ(all.wants(2).want().status_name(), "satisfied");
  EXPECT_EQ(all.wants(2).created_time(), "2025-01-05T00:00:01Z");
  EXPECT_EQ(all.wants(2).expires_time(), "2025-01-05T00:01:41Z");
  EXPECT_EQ(all.wants(2).links().at("self"), "/api/v1/graphs/sales/wants/w1");
}

TEST(GetWantSummary, PagesPartitionsInTheWantsOrderWithOneReasonForEachThatIsNotThere) {
  QueryWorld world;
  world.Make("p/there");
  world.Build("b1", "w");
  world.Instance("p/failed", 1, v1::PARTITION_REQUESTED);
  world.Instance("p/failed", 1, v1::PARTITION_FAILED);
  world.Want("w", {"p/z", "p/failed", "p/there", "p/a"});
  QueryView view = world.View();
  std::vector<Index> wants_asked;
  view.explain = [&](Index want, Index partition) {
    wants_asked.push_back(want);
    v1::PartitionReason reason;
    reason.set_ref(world.state.partition(partition).ref);
    reason.set_reason("Because");
    return reason;
  };
  v1::WantSummaryRequest request;
  request.set_want_id("w");
  request.set_page_size(3);
  const auto first = GetWantSummary(view, request).value();
  ASSERT_EQ(first.want().partitions_size(), 3);
  EXPECT_EQ(first.want().partitions(0).partition_ref().str(), "p/z");
  EXPECT_EQ(first.want().partitions(0).status_name(), "unknown");
  EXPECT_EQ(first.want().partitions(1).status_name(), "failed");
  EXPECT_EQ(first.want().partitions(1).reason().reason(), "Because");
  EXPECT_EQ(first.want().partitions(2).status_name(), "available");
  EXPECT_FALSE(first.want().partitions(2).has_reason());
  ASSERT_EQ(first.want().reasons_size(), 2);
  EXPECT_EQ(first.want().reasons(0).ref(), "p/z");
  EXPECT_EQ(wants_asked, std::vector<Index>(2, world.state.FindWant("w")));
  EXPECT_EQ(first.want().counts().total(), 4u);
  EXPECT_EQ(first.want().counts().available(), 1u);
  EXPECT_EQ(first.want().counts().failed(), 1u);
  EXPECT_EQ(first.want().counts().waiting(), 2u);
  EXPECT_EQ(first.want().want().ref().str(), "p/z");
  EXPECT_EQ(first.want().want().total_partitions(), 4u);
  ASSERT_TRUE(first.has_more());
  request.set_page_token(first.next_page_token());
  const auto second = GetWantSummary(view, request).value();
  ASSERT_EQ(second.want().partitions_size(), 1);
  EXPECT_EQ(second.want().partitions(0).partition_ref().str(), "p/a");
  EXPECT_FALSE(second.has_more());

  request.set_want_id("nobody");
  EXPECT_EQ(GetWantSummary(view, request).error().code, Errc::kNotFound);
  EXPECT_EQ(FieldOf(GetWantSummary(view, v1::WantSummaryRequest()).error()), "want_id");
}

void MakeRuns(QueryWorld& world) {
  world.Build("b1", "w");
  world.Make("in");
  world.Instance("x", 1, v1::PARTITION_REQUESTED);
  world.Instance("y", 1, v1::PARTITION_REQUESTED);
  world.Schedule("r1", "//j:x", {"x"}, {"in"});
  world.Schedule("r2", "//j:y", {"y"});
  world.Finish("r1", v1::JOB_COMPLETED, v1::JOB_OUTCOME_SUCCEEDED);
  world.Instance("x", 1, v1::PARTITION_AVAILABLE, "r1");
  world.Finish("r2", v1::JOB_FAILED, v1::JOB_OUTCOME_OUT_OF_MEMORY);
  world.Schedule("r3", "//j:y", {"y"});
}

TEST(ListJobRuns, FiltersAndRendersRuns) {
  QueryWorld world;
  MakeRuns(world);
  struct Case {
    const char* name;
    std::function<void(v1::ListJobRunsRequest&)> set;
    std::vector<std::string> ids;
  };
  const std::vector<Case> cases = {
      {"all, newest first", [](auto&) {}, {"r3", "r2", "r1"}},
      {"by label", [](auto& r) { r.add_job_labels("//j:y"); }, {"r3", "r2"}},
      {"by a label nobody has", [](auto& r) { r.add_job_labels("//j:z"); }, {}},
      {"by id", [](auto& r) { r.add_job_run_ids("r1"), r.add_job_run_ids("r3"); }, {"r3", "r1"}},
      {"by ref", [](auto& r) { r.add_built_partition_refs("x"); }, {"r1"}},
      {"by ref and label",
       [](auto& r) { r.add_built_partition_refs("x"), r.add_job_labels("//j:y"); },
       {}},
      {"by build, as it was misspelt",
       [](auto& r) { r.add_build_reqeust_ids("b1"); },
       {"r3", "r2", "r1"}},
      {"by build", [](auto& r) { r.add_build_request_ids("b2"); }, {}},
      {"by status", [](auto& r) { r.add_status(v1::JOB_SCHEDULED); }, {"r3"}},
      {"by outcome", [](auto& r) { r.add_outcome(v1::JOB_OUTCOME_OUT_OF_MEMORY); }, {"r2"}},
      {"until a time",
       [](auto& r) { r.set_started_until(static_cast<uint64_t>(kStart + 9 * kSecond)); },
       {"r2", "r1"}},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.name);
    v1::ListJobRunsRequest request;
    c.set(request);
    EXPECT_EQ(IdsOf(*ListJobRuns(world.View(), request)), c.ids);
  }
  const auto all = ListJobRuns(world.View(), {}).value();
  const v1::JobRunSummary& done = all.job_runs(2);
  EXPECT_EQ(done.status_name(), "completed");
  EXPECT_EQ(done.outcome_name(), "succeeded");
  EXPECT_EQ(done.duration_ms(), 2'000);
  EXPECT_EQ(done.build_request_id(), "b1");
  EXPECT_EQ(done.input_instances(0).instance_id(), "in#1");
  EXPECT_EQ(done.exit_code(), 0);
  EXPECT_TRUE(done.has_exit_code());
  const v1::JobRunSummary& open = all.job_runs(0);
  EXPECT_FALSE(open.has_duration_ms());
  EXPECT_FALSE(open.has_started_at());
  EXPECT_EQ(open.outcome_name(), "");
}

TEST(GetPartitionsSummary, ShowsInstancesLineageTaintsAndWhoWaits) {
  QueryWorld world;
  MakeRuns(world);
  world.Want("w9", {"in", "x"});
  world.Taint("t", "in", 1);
  v1::PartitionSummaryRequest request;
  request.mutable_ref()->set_str("in");
  const auto in = GetPartitionsSummary(world.View(), request).value();
  EXPECT_TRUE(in.partition().tainted());
  EXPECT_EQ(in.taint_ids(0), "t");
  EXPECT_EQ(in.want_ids(0), "w9");
  ASSERT_EQ(in.instances_size(), 1);
  EXPECT_TRUE(in.instances(0).current());
  EXPECT_EQ(in.instances(0).tainted_by(0), "t");
  ASSERT_EQ(in.downstream_size(), 1);
  EXPECT_EQ(in.downstream(0).ref(), "x");
  EXPECT_EQ(in.partition().links().at("events"), "/api/v1/graphs/sales/events?partition_refs=in");

  request.mutable_ref()->set_str("x");
  const auto x = GetPartitionsSummary(world.View(), request).value();
  ASSERT_EQ(x.upstream_size(), 1);
  EXPECT_EQ(x.upstream(0).ref(), "in");
  EXPECT_EQ(x.instances(0).job_run_id(), "r1");
  EXPECT_EQ(x.partition().past_build_request(0), "b1");

  request.mutable_ref()->set_str("nobody/mentioned/it");
  EXPECT_EQ(GetPartitionsSummary(world.View(), request).error().code, Errc::kNotFound);
  EXPECT_EQ(FieldOf(GetPartitionsSummary(world.View(), v1::PartitionSummaryRequest()).error()),
            "ref");
  request.add_include("colours");
  EXPECT_EQ(FieldOf(GetPartitionsSummary(world.View(), request).error()), "include");
}

TEST(FillNames, SaysWhatTheEnumSays) {
  v1::BuildEvent event;
  event.mutable_partition_event()->set_status_code(v1::PARTITION_AVAILABLE);
  event.mutable_partition_event()->set_status_name("drifted");
  FillNames(event);
  EXPECT_EQ(event.partition_event().status_name(), "available");
  event.mutable_job_event()->set_status_code(v1::JOB_SKIPPED);
  event.mutable_job_event()->mutable_config()->add_inputs()->set_dep_type_code(v1::MATERIALIZE);
  FillNames(event);
  EXPECT_EQ(event.job_event().status_name(), "skipped");
  EXPECT_EQ(event.job_event().config().inputs(0).dep_type_name(), "materialize");
  event.mutable_build_request_event()->mutable_status()->set_code(
      v1::BUILD_REQUEST_ANALYSIS_COMPLETED);
  FillNames(event);
  EXPECT_EQ(event.build_request_event().status().name(), "analysis_completed");
  event.mutable_want_event()->mutable_source()->mutable_source_type()->set_code(v1::API_REQUEST);
  FillNames(event);
  EXPECT_EQ(event.want_event().source().source_type().name(), "api_request");
}

}  // namespace
}  // namespace databuild
