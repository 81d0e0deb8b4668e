#include "bel/query_builds.h"

#include "bel/query_testing.h"
#include "bel/query_v1_lists.h"
#include "gtest/gtest.h"

namespace databuild {
namespace {

std::string B(int i) { return "b" + std::to_string(i); }

void EndBuild(QueryWorld& world, const std::string& id, v1::BuildRequestStatusCode status) {
  v1::BuildRequestEvent& build = *world.Next(id).mutable_build_request_event();
  build.mutable_status()->set_code(status);
  build.set_want_id("w");
  if (status == v1::BUILD_REQUEST_FAILED) {
    build.mutable_cause()->set_partition_ref("root");
    build.mutable_cause()->set_reason("BuildFailed");
  }
  world.Apply();
}

// Ids of the page, in order.
std::vector<std::string> Ids(const v1::BuildsListResponse& page) {
  std::vector<std::string> ids;
  for (const v1::BuildSummary& build : page.builds()) ids.push_back(build.build_request_id());
  return ids;
}

TEST(BuildsList, PagesHoldEveryBuildOnceWhileNewOnesCome) {
  QueryWorld world;
  world.Want("w", {"a"});
  for (int i = 0; i < 7; ++i) world.Build(B(i), "w");
  v1::BuildsListRequest request;
  request.set_page_size(3);
  std::vector<std::string> seen;
  for (int page = 0;; ++page) {
    const auto response = BuildsList(world.View(), request);
    ASSERT_TRUE(response.ok());
    for (const std::string& id : Ids(*response)) seen.push_back(id);
    EXPECT_EQ(response->has_more(), !response->next_page_token().empty());
    if (!response->has_more()) break;
    request.set_page_token(response->next_page_token());
    world.Build("new" + std::to_string(page), "w");
  }
  EXPECT_EQ(seen, (std::vector<std::string>{B(6), B(5), B(4), B(3), B(2), B(1), B(0)}));
}

TEST(BuildsList, FiltersByStatusAndCounts) {
  QueryWorld world;
  world.Want("w", {"a"});
  for (int i = 0; i < 4; ++i) world.Build(B(i), "w");
  EndBuild(world, B(1), v1::BUILD_REQUEST_FAILED);
  EndBuild(world, B(3), v1::BUILD_REQUEST_FAILED);
  v1::BuildsListRequest request;
  request.set_status_filter("failed");
  const auto failed = BuildsList(world.View(), request);
  ASSERT_TRUE(failed.ok());
  EXPECT_EQ(Ids(*failed), (std::vector<std::string>{B(3), B(1)}));
  EXPECT_EQ(failed->total_count(), 2u);
  request.set_offset(1);
  const auto second = BuildsList(world.View(), request);
  ASSERT_TRUE(second.ok());
  EXPECT_EQ(Ids(*second), (std::vector<std::string>{B(1)}));
  request.set_status_filter("unheard of");
  EXPECT_EQ(FieldOf(BuildsList(world.View(), request).error()), "status_filter");
  request.clear_status_filter();
  request.set_offset(10'001);
  EXPECT_EQ(FieldOf(BuildsList(world.View(), request).error()), "offset");
  request.clear_offset();
  request.set_limit(501);
  EXPECT_EQ(FieldOf(BuildsList(world.View(), request).error()), "limit");
  request.set_limit(2);
  const auto two = BuildsList(world.View(), request);
  ASSERT_TRUE(two.ok());
  EXPECT_EQ(two->builds_size(), 2);
  EXPECT_TRUE(two->has_more());
}

TEST(BuildDetail, SumsUpItsRunsTimesAndWant) {
  QueryWorld world;
  world.Want("w", {"a", "b"});
  world.Build("b1", "w");
  world.Instance("a", 1, v1::PARTITION_REQUESTED);
  world.Schedule("r1", "//j", {"a"});
  world.Finish("r1", v1::JOB_FAILED, v1::JOB_OUTCOME_FAILED);
  world.Schedule("r2", "//j", {"a"});
  world.Finish("r2", v1::JOB_COMPLETED, v1::JOB_OUTCOME_SUCCEEDED);
  v1::DelegationEvent& delegation = *world.Next("b1").mutable_delegation_event();
  delegation.mutable_partition_ref()->set_str("b");
  delegation.set_delegated_to_build_request_id("b0");
  world.Apply();
  EndBuild(world, "b1", v1::BUILD_REQUEST_FAILED);
  v1::BuildDetailRequest request;
  request.set_build_request_id("b1");
  const auto detail = BuildDetail(world.View(), request);
  ASSERT_TRUE(detail.ok());
  const v1::BuildSummary& build = detail->summary();
  EXPECT_EQ(build.status().name(), "failed");
  EXPECT_EQ(build.want_id(), "w");
  EXPECT_EQ(build.total_partitions(), 2u);
  EXPECT_EQ(detail->requested_partitions(1).str(), "b");
  EXPECT_EQ(detail->total_jobs(), 2u);
  EXPECT_EQ(detail->completed_jobs(), 1u);
  EXPECT_EQ(detail->failed_jobs(), 1u);
  EXPECT_EQ(build.delegated_partitions(), 1u);
  EXPECT_DOUBLE_EQ(build.success_ratio(), 0.5);
  EXPECT_DOUBLE_EQ(build.reuse_ratio(), 1.0 / 3);
  EXPECT_EQ(build.cause().partition_ref(), "root");
  EXPECT_EQ(detail->duration_ms(),
            (detail->completed_at() - detail->requested_at()) / kMillisecond);
  EXPECT_GT(detail->duration_ms(), 0);
  request.set_build_request_id("none");
  EXPECT_EQ(BuildDetail(world.View(), request).error().code, Errc::kNotFound);
  request.clear_build_request_id();
  EXPECT_EQ(FieldOf(BuildDetail(world.View(), request).error()), "build_request_id");
}

TEST(GetActivity, CountsWhatIsGoingOn) {
  QueryWorld world;
  world.Want("w", {"a"});
  world.Want("v", {"b"});
  world.Build("b1", "w");
  world.Build("b2", "v");
  world.Make("a");
  world.Instance("b", 1, v1::PARTITION_REQUESTED);
  world.Move("w", v1::WANT_SATISFIED);
  EndBuild(world, "b2", v1::BUILD_REQUEST_FAILED);
  QueryView away = world.View();
  away.trouble = "the database is away";
  EXPECT_EQ(GetActivity(away).system_status(), "degraded: the database is away");
  const v1::ActivityResponse activity = GetActivity(world.View());
  EXPECT_EQ(activity.active_builds_count(), 1u);
  EXPECT_EQ(activity.recent_builds(0).build_request_id(), "b2");
  EXPECT_EQ(activity.recent_partitions(0).partition_ref().str(), "b");
  EXPECT_EQ(activity.recent_partitions_size(), 2);
  EXPECT_EQ(activity.partition_counts().available(), 1u);
  EXPECT_EQ(activity.partition_counts().waiting(), 1u);
  EXPECT_EQ(activity.live_wants_count(), 2u);
  EXPECT_EQ(activity.unsatisfied_wants_count(), 1u);
  EXPECT_EQ(activity.graph_name(), "sales");
  EXPECT_EQ(activity.event_index(), world.state.idx());
}

TEST(ActiveBuilds, AreTheOwnerAndThoseThatLeaveItToHim) {
  QueryWorld world;
  world.Want("w", {"a"});
  world.Build("b1", "w");
  world.Build("b2", "w");
  world.Instance("a", 1, v1::PARTITION_REQUESTED);
  v1::DelegationEvent& delegation = *world.Next("b2").mutable_delegation_event();
  delegation.mutable_partition_ref()->set_str("a");
  delegation.set_delegated_to_build_request_id("b1");
  world.Apply();
  const Index a = world.state.FindPartition("a");
  const Index b1 = world.state.FindBuild("b1"), b2 = world.state.FindBuild("b2");
  EXPECT_EQ(ActiveBuilds(world.state, a), (std::vector<Index>{b1, b2}));
  EndBuild(world, "b2", v1::BUILD_REQUEST_FAILED);
  EXPECT_EQ(ActiveBuilds(world.state, a), (std::vector<Index>{b1}));
  world.Instance("a", 1, v1::PARTITION_FAILED);
  EXPECT_TRUE(ActiveBuilds(world.state, a).empty());
}

TEST(LineageOf, IsOneLevelEachWay) {
  QueryWorld world;
  world.Want("w", {"c"});
  world.Build("b1", "w");
  world.Make("a");
  for (const char* ref : {"b", "c", "d"}) world.Instance(ref, 1, v1::PARTITION_REQUESTED);
  world.Schedule("r1", "//b", {"b"}, {"a"});
  world.Instance("b", 1, v1::PARTITION_AVAILABLE);
  world.Schedule("r2", "//c", {"c"}, {"b"});
  world.Schedule("r3", "//d", {"d"}, {"a", "b"});
  const auto instance = [&](const char* id) { return world.state.FindInstance(id); };
  const Lineage b = LineageOf(world.state, instance("b#1"));
  EXPECT_EQ(b.inputs, (std::vector<Index>{instance("a#1")}));
  EXPECT_EQ(b.outputs, (std::vector<Index>{instance("c#1"), instance("d#1")}));
  EXPECT_TRUE(b.complete);
  const Lineage a = LineageOf(world.state, instance("a#1"));
  EXPECT_TRUE(a.inputs.empty());
  EXPECT_EQ(a.outputs, (std::vector<Index>{instance("b#1"), instance("d#1")}));
  const Lineage d = LineageOf(world.state, instance("d#1"));
  EXPECT_EQ(d.inputs, (std::vector<Index>{instance("a#1"), instance("b#1")}));
  EXPECT_TRUE(d.outputs.empty());
}

}  // namespace
}  // namespace databuild
