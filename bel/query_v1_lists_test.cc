#include "bel/query_v1_lists.h"

#include "bel/query_testing.h"
#include "gtest/gtest.h"

namespace databuild {
namespace {

std::vector<std::string> Refs(const v1::PartitionsListResponse& page) {
  std::vector<std::string> refs;
  for (const v1::PartitionSummary& row : page.partitions())
    refs.push_back(row.partition_ref().str());
  return refs;
}

// Five partitions, of which b and d failed.
void MakeFive(QueryWorld& world) {
  world.Want("w", {"a", "b", "c", "d", "e"});
  world.Build("b1", "w");
  for (const char* ref : {"a", "c", "e"}) world.Make(ref);
  for (const char* ref : {"b", "d"}) {
    world.Instance(ref, 1, v1::PARTITION_REQUESTED);
    world.Instance(ref, 1, v1::PARTITION_FAILED);
  }
}

TEST(PartitionsList, GoesByLimitOffsetAndToken) {
  QueryWorld world;
  MakeFive(world);
  v1::PartitionsListRequest request;
  request.set_limit(2);
  request.set_offset(1);
  const auto first = PartitionsList(world.View(), request);
  ASSERT_TRUE(first.ok());
  EXPECT_EQ(Refs(*first), (std::vector<std::string>{"b", "c"}));
  EXPECT_EQ(first->total_count(), 5u);
  EXPECT_TRUE(first->has_more());
  request.set_page_token(first->next_page_token());
  const auto second = PartitionsList(world.View(), request);
  ASSERT_TRUE(second.ok());
  EXPECT_EQ(Refs(*second), (std::vector<std::string>{"d", "e"}));
  EXPECT_FALSE(second->has_more());
}

TEST(PartitionsList, FiltersByTheNameOfAStatus) {
  QueryWorld world;
  MakeFive(world);
  v1::PartitionsListRequest request;
  for (const char* name : {"failed", "PARTITION_FAILED", "Failed"}) {
    request.set_status_filter(name);
    const auto page = PartitionsList(world.View(), request);
    ASSERT_TRUE(page.ok());
    EXPECT_EQ(Refs(*page), (std::vector<std::string>{"b", "d"}));
    EXPECT_EQ(page->total_count(), 2u);
    EXPECT_TRUE(page->total_count_known());
  }
  request.set_status_filter("faild");
  EXPECT_EQ(FieldOf(PartitionsList(world.View(), request).error()), "status_filter");
}

TEST(FirstGeneration, LimitsAreCheckedEverywhere) {
  QueryWorld world;
  MakeFive(world);
  const auto check = [&]<typename Request>(auto list, Request request) {
    request.set_limit(0);
    EXPECT_EQ(FieldOf(list(world.View(), request).error()), "limit");
    request.set_limit(501);
    EXPECT_EQ(FieldOf(list(world.View(), request).error()), "limit");
    request.set_limit(5);
    request.set_page_size(5);
    EXPECT_EQ(FieldOf(list(world.View(), request).error()), "limit");
    request.clear_limit();
    request.set_page_size(501);
    EXPECT_EQ(FieldOf(list(world.View(), request).error()), "page_size");
    request.set_page_size(1);
    EXPECT_TRUE(list(world.View(), request).ok());
  };
  check(PartitionsList, v1::PartitionsListRequest());
  check(JobsList, v1::JobsListRequest());
  check(JobRunsList, v1::JobRunsListRequest());
  check(BuildsList, v1::BuildsListRequest());
  v1::PartitionsListRequest far;
  far.set_offset(10'001);
  EXPECT_EQ(FieldOf(PartitionsList(world.View(), far).error()), "offset");
}

TEST(FirstGeneration, RunsAndJobsAreThoseOfTheSecond) {
  QueryWorld world;
  MakeFive(world);
  world.Schedule("r1", "//j", {"a"});
  world.Finish("r1", v1::JOB_COMPLETED, v1::JOB_OUTCOME_SUCCEEDED);
  world.Schedule("r2", "//j", {"b"});
  v1::JobRunsListRequest runs;
  runs.set_limit(1);
  const auto page = JobRunsList(world.View(), runs);
  ASSERT_TRUE(page.ok());
  ASSERT_EQ(page->job_runs_size(), 1);
  EXPECT_EQ(page->tasks(0).job_run_id(), page->job_runs(0).job_run_id());
  EXPECT_EQ(page->job_runs(0).job_run_id(), "r2");
  EXPECT_TRUE(page->has_more());
  const auto jobs = JobsList(world.View(), {});
  ASSERT_TRUE(jobs.ok());
  ASSERT_EQ(jobs->jobs_size(), 1);
  EXPECT_EQ(jobs->jobs(0).job_label(), "//j");
  EXPECT_EQ(jobs->total_count(), 1u);
}

TEST(FirstGeneration, DetailsSayWhatTheSummariesSay) {
  QueryWorld world;
  MakeFive(world);
  world.Schedule("r1", "//j", {"a"});
  world.Finish("r1", v1::JOB_COMPLETED, v1::JOB_OUTCOME_SUCCEEDED);
  v1::PartitionDetailRequest partition;
  EXPECT_EQ(FieldOf(PartitionDetail(world.View(), partition).error()), "partition_ref");
  partition.mutable_partition_ref()->set_str("nobody");
  EXPECT_EQ(PartitionDetail(world.View(), partition).error().code, Errc::kNotFound);
  partition.mutable_partition_ref()->set_str("d");
  const auto d = PartitionDetail(world.View(), partition);
  ASSERT_TRUE(d.ok());
  EXPECT_EQ(d->status_name(), "failed");
  EXPECT_EQ(d->builds_count(), 1u);
  EXPECT_FALSE(d->has_last_successful_build());

  v1::JobDetailRequest job;
  job.set_job_label("//j");
  const auto j = JobDetail(world.View(), job);
  ASSERT_TRUE(j.ok());
  EXPECT_EQ(j->successful_runs(), 1u);
  ASSERT_EQ(j->runs_size(), 1);
  EXPECT_EQ(j->runs(0).job_run_id(), "r1");
  EXPECT_EQ(j->summary().job_label(), "//j");
  job.set_job_label("//other");
  EXPECT_EQ(JobDetail(world.View(), job).error().code, Errc::kNotFound);

  v1::JobRunDetailRequest run;
  run.set_job_run_id("r1");
  const auto r = JobRunDetail(world.View(), run);
  ASSERT_TRUE(r.ok());
  EXPECT_EQ(r->status_name(), "completed");
  EXPECT_EQ(r->target_partitions(0).str(), "a");
  EXPECT_GT(r->completed_at(), r->scheduled_at());
  EXPECT_FALSE(r->cancelled());
}

}  // namespace
}  // namespace databuild
