// Jobs, taints and builds: lists, summaries, the chart.
#include <gtest/gtest.h>

#include <algorithm>
#include <functional>

#include "bel/query.h"
#include "bel/query_testing.h"

namespace databuild {
namespace {

using Ids = std::vector<std::string>;

Ids LabelsOf(const v1::ListJobsResponse& page) {
  Ids labels;
  for (const auto& job : page.jobs()) labels.push_back(job.job_label());
  return labels;
}
Ids IdsOf(const v1::ListTaintsResponse& page) {
  Ids ids;
  for (const auto& taint : page.taints()) ids.push_back(taint.taint_id());
  return ids;
}
Ids IdsOf(const v1::ListBuildsResponse& page) {
  Ids ids;
  for (const auto& build : page.builds()) ids.push_back(build.build_request_id());
  return ids;
}

void Define(QueryWorld& world, const std::string& label, bool accepted = true) {
  v1::JobDefinitionEvent& job = *world.Next("").mutable_job_definition_event();
  job.set_job_label(label);
  job.set_name("name-of-" + label);
  job.set_generation(3);
  job.add_outputs("o/{x}");
  job.set_accepted(accepted);
  if (!accepted) job.set_reason("AmbiguousProducer");
  world.Apply();
}

void EndBuild(QueryWorld& world, const std::string& id, v1::BuildRequestStatusCode status) {
  world.Next(id).mutable_build_request_event()->mutable_status()->set_code(status);
  world.Apply();
}

// One task per ref, made by job //<ref> from what stands after it.
void Plan(QueryWorld& world, const std::string& build,
          const std::vector<std::pair<std::string, Ids>>& tasks) {
  v1::JobGraphEvent& plan = *world.Next(build).mutable_job_graph_event();
  plan.set_plan_number(1);
  plan.set_last(true);
  for (const auto& [ref, inputs] : tasks) {
    v1::Task& task = *plan.mutable_job_graph()->add_nodes();
    task.mutable_job()->set_label("//" + ref);
    task.mutable_config()->add_outputs()->set_str(ref);
    for (const std::string& input : inputs) {
      v1::DataDep& dep = *task.mutable_config()->add_inputs();
      dep.mutable_partition_ref()->set_str(input);
      dep.set_dep_type_code(v1::MATERIALIZE);
    }
  }
  world.Apply();
}

TEST(ListJobs, AreOrderedByLabelAndPagedWhileOthersCome) {
  QueryWorld world;
  for (const char* label : {"//d", "//a", "//c", "//b"}) Define(world, label);
  v1::ListJobsRequest request;
  request.set_page_size(2);
  const auto first = ListJobs(world.View(), request).value();
  EXPECT_EQ(LabelsOf(first), (Ids{"//a", "//b"}));
  EXPECT_TRUE(first.has_more());
  EXPECT_EQ(first.total_count(), 4u);
  Define(world, "//aa");
  request.set_page_token(first.next_page_token());
  const auto second = ListJobs(world.View(), request).value();
  EXPECT_EQ(LabelsOf(second), (Ids{"//c", "//d"}));
  EXPECT_FALSE(second.has_more());
  v1::ListJobsRequest search;
  search.set_search("/a");
  EXPECT_EQ(LabelsOf(ListJobs(world.View(), search).value()), (Ids{"//a", "//aa"}));
}

TEST(GetJobSummary, CountsRunsByOutcomeAndShowsTheNewest) {
  QueryWorld world;
  Define(world, "//j");
  world.Want("w", {"a", "b"});
  world.Build("b1", "w");
  for (const char* ref : {"a", "b"}) world.Instance(ref, 1, v1::PARTITION_REQUESTED);
  world.Schedule("r1", "//j", {"a", "b"});
  world.Finish("r1", v1::JOB_COMPLETED, v1::JOB_OUTCOME_SUCCEEDED);
  world.Schedule("r2", "//j", {"a"});
  world.Finish("r2", v1::JOB_FAILED, v1::JOB_OUTCOME_FAILED);
  world.Schedule("r3", "//j", {"a"});
  v1::JobSummaryRequest request;
  request.set_job_label("//j");
  const auto answer = GetJobSummary(world.View(), request).value();
  const v1::JobSummary& job = answer.job();
  EXPECT_EQ(job.total_runs(), 3u);
  EXPECT_EQ(job.successful_runs(), 1u);
  EXPECT_EQ(job.failed_runs(), 1u);
  EXPECT_DOUBLE_EQ(job.success_ratio(), 0.5);
  EXPECT_DOUBLE_EQ(job.average_partitions_per_run(), 2.0);
  EXPECT_EQ(job.last_run_status_name(), "scheduled");
  EXPECT_EQ(job.recent_builds(0), "b1");
  EXPECT_EQ(job.recent_builds_size(), 1);
  EXPECT_EQ(job.name(), "name-of-//j");
  EXPECT_EQ(job.links().at("job_runs"), "/api/v1/graphs/sales/job_runs?job_labels=%2F%2Fj");
  ASSERT_EQ(answer.job_runs_size(), 3);
  EXPECT_EQ(answer.job_runs(0).job_run_id(), "r3");
  request.set_job_label("//none");
  EXPECT_EQ(GetJobSummary(world.View(), request).error().code, Errc::kNotFound);
  request.clear_job_label();
  EXPECT_EQ(FieldOf(GetJobSummary(world.View(), request).error()), "job_label");
}

TEST(GetJobSummary, ARefusedJobSaysWhy) {
  QueryWorld world;
  Define(world, "//j", false);
  v1::JobSummaryRequest request;
  request.set_job_label("//j");
  const auto answer = GetJobSummary(world.View(), request).value();
  EXPECT_FALSE(answer.job().accepted());
  EXPECT_EQ(answer.job().reason(), "AmbiguousProducer");
  EXPECT_FALSE(answer.job().has_success_ratio());
}

TEST(ListTaints, FiltersByTimeStatusAndWhatTheyHit) {
  QueryWorld world;
  world.Want("w", {"a", "b"});
  world.Build("b1", "w");
  world.Make("a");
  world.Make("b");
  world.Taint("t1", "a", 1);
  world.Taint("t2", "b", 1);
  v1::ListTaintsRequest request;
  const auto all = ListTaints(world.View(), request).value();
  EXPECT_EQ(IdsOf(all), (Ids{"t2", "t1"}));
  EXPECT_EQ(all.total_count(), 2u);
  request.add_partition_refs("a");
  EXPECT_EQ(IdsOf(ListTaints(world.View(), request).value()), (Ids{"t1"}));
  request.Clear();
  request.add_partition_refs("unheard of");
  EXPECT_TRUE(IdsOf(ListTaints(world.View(), request).value()).empty());
  request.Clear();
  request.set_tainted_at_until(all.taints(1).tainted_at());
  EXPECT_EQ(IdsOf(ListTaints(world.View(), request).value()), (Ids{"t1"}));
  request.Clear();
  request.add_status(v1::TAINT_REPAIRED);
  EXPECT_TRUE(IdsOf(ListTaints(world.View(), request).value()).empty());
  request.set_page_size(501);
  EXPECT_EQ(FieldOf(ListTaints(world.View(), request).error()), "page_size");
}

TEST(GetTaintSummary, CountsWhatItHitAndWhatWasReplaced) {
  QueryWorld world;
  world.Want("w", {"a"});
  world.Build("b1", "w");
  world.Make("a");
  world.Taint("t1", "a", 1);
  v1::TaintSummaryRequest request;
  request.set_taint_id("t1");
  auto taint = GetTaintSummary(world.View(), request).value().taint();
  EXPECT_EQ(taint.tainted_count(), 1u);
  EXPECT_EQ(taint.repaired_count(), 0u);
  EXPECT_EQ(taint.tainted_instances(0).instance_id(), "a#1");
  EXPECT_EQ(taint.status_name(), "created");
  world.Make("a", 2);
  taint = GetTaintSummary(world.View(), request).value().taint();
  EXPECT_EQ(taint.repaired_count(), 1u);
  request.set_taint_id("none");
  EXPECT_EQ(GetTaintSummary(world.View(), request).error().code, Errc::kNotFound);
}

TEST(ListBuildRequests, FiltersAreAndedBetweenFields) {
  QueryWorld world;
  world.Want("w", {"a", "b"});
  world.Want("v", {"c"});
  world.Build("b1", "w");
  world.Build("b2", "v");
  world.Build("b3", "w");
  Plan(world, "b1", {{"a", {}}});
  world.Instance("a", 1, v1::PARTITION_REQUESTED);
  world.Make("a", 2);
  EndBuild(world, "b1", v1::BUILD_REQUEST_COMPLETED);
  const auto ids = [&](const std::function<void(v1::ListBuildsRequest&)>& set) {
    v1::ListBuildsRequest request;
    set(request);
    return IdsOf(ListBuildRequests(world.View(), request).value());
  };
  EXPECT_EQ(ids([](auto&) {}), (Ids{"b3", "b2", "b1"}));
  EXPECT_EQ(ids([](auto& r) { r.add_triggering_want_ids("w"); }), (Ids{"b3", "b1"}));
  EXPECT_EQ(ids([](auto& r) { r.add_output_partition("c"); }), (Ids{"b2"}));
  EXPECT_EQ(ids([](auto& r) { r.add_built_partition("a"); }), (Ids{"b1"}));
  EXPECT_EQ(ids([](auto& r) { r.add_build_status("Completed"); }), (Ids{"b1"}));
  EXPECT_EQ(ids([](auto& r) { r.add_build_status("BUILD_REQUEST_RECEIVED"); }), (Ids{"b3", "b2"}));
  EXPECT_EQ(ids([](auto& r) {
              r.add_triggering_want_ids("w");
              r.add_build_status("received");
            }),
            (Ids{"b3"}));
  EXPECT_EQ(ids([](auto& r) {
              r.add_triggering_want_ids("v");
              r.add_built_partition("a");
            }),
            Ids{});
  EXPECT_EQ(ids([](auto& r) { r.set_comment_contains("nobody said this"); }), Ids{});
  v1::ListBuildsRequest bad;
  bad.add_build_status("sleeping");
  EXPECT_EQ(FieldOf(ListBuildRequests(world.View(), bad).error()), "build_status");
}

TEST(GetBuildSummary, PagesThroughWhatItMakesLeavesAndWasAskedFor) {
  QueryWorld world;
  world.Want("w", {"a", "b", "c"});
  world.Build("b0", "w");
  world.Build("b1", "w");
  world.Instance("a", 1, v1::PARTITION_REQUESTED);
  v1::DelegationEvent& delegation = *world.Next("b1").mutable_delegation_event();
  delegation.mutable_partition_ref()->set_str("b");
  delegation.set_delegated_to_build_request_id("b0");
  world.Apply();
  v1::BuildSummaryRequest request;
  request.set_build_id("b1");
  request.set_page_size(2);
  const auto first = GetBuildSummary(world.View(), request).value();
  EXPECT_EQ(first.summary().links().at("mermaid"), "/api/v1/graphs/sales/builds/b1/mermaid");
  ASSERT_EQ(first.partitions_size(), 2);
  EXPECT_EQ(first.partitions(0).ref().str(), "a");
  EXPECT_EQ(first.partitions(0).status_name(), "requested");
  EXPECT_EQ(first.partitions(0).instance_id(), "a#1");
  EXPECT_EQ(first.partitions(1).status_name(), "delegated");
  EXPECT_EQ(first.partitions(1).delegated_to_build_request_id(), "b0");
  ASSERT_TRUE(first.has_more());
  request.set_page_token(first.next_page_token());
  const auto second = GetBuildSummary(world.View(), request).value();
  ASSERT_EQ(second.partitions_size(), 1);
  EXPECT_EQ(second.partitions(0).ref().str(), "c");
  EXPECT_FALSE(second.has_more());
  request.set_build_id("none");
  EXPECT_EQ(GetBuildSummary(world.View(), request).error().code, Errc::kNotFound);
}

TEST(GetBuildMermaid, DrawsUnitsInputsAndStatesWithRefsEscaped) {
  QueryWorld world;
  world.Want("w", {"out"});
  world.Build("b1", "w");
  const std::string hostile = "in\"]; click <b>";
  world.Instance("out", 1, v1::PARTITION_REQUESTED);
  world.Instance("mid", 1, v1::PARTITION_REQUESTED);
  Plan(world, "b1", {{"mid", {hostile}}, {"out", {"mid"}}});
  world.Instance("mid", 1, v1::PARTITION_BUILDING);
  v1::BuildSummaryRequest request;
  request.set_build_id("b1");
  const std::string chart = GetBuildMermaid(world.View(), request).value().mermaid();
  EXPECT_EQ(chart,
            "flowchart LR\n"
            "  n0[\"//mid<br/>mid\"]:::building\n"
            "  n1[\"//out<br/>out\"]:::requested\n"
            "  n2([\"in#34;]#59; click #60;b#62;\"]):::absent\n"
            "  n0 --> n1\n"
            "  n2 --> n0\n"
            "  classDef requested fill:#e8eaed,color:#000\n"
            "  classDef building fill:#9ec5fe,color:#000\n"
            "  classDef absent fill:#fff3c4,color:#000\n");
}

TEST(GetBuildMermaid, FoldsTheUnitsOfAJobAboveTwoHundredNodes) {
  QueryWorld world;
  world.Want("w", {"p/0"});
  world.Build("b1", "w");
  v1::JobGraphEvent plan;
  plan.set_plan_number(1);
  plan.set_last(true);
  for (int i = 0; i < 300; ++i) {
    const std::string ref = "p/" + std::to_string(i);
    world.Instance(ref, 1, v1::PARTITION_REQUESTED);
    v1::Task& task = *plan.mutable_job_graph()->add_nodes();
    task.mutable_job()->set_label("//j");
    task.mutable_config()->add_outputs()->set_str(ref);
  }
  *world.Next("b1").mutable_job_graph_event() = plan;
  world.Apply();
  world.Instance("p/7", 1, v1::PARTITION_FAILED);
  v1::BuildSummaryRequest request;
  request.set_build_id("b1");
  const std::string chart = GetBuildMermaid(world.View(), request).value().mermaid();
  EXPECT_NE(chart.find("n0[\"//j<br/>299 requested<br/>1 failed\"]:::failed"), std::string::npos)
      << chart;
  EXPECT_EQ(std::count(chart.begin(), chart.end(), '['), 1);
}

}  // namespace
}  // namespace databuild
