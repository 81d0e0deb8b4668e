// Why something is not there: one story for every reason of reason.h that planner_test.cc does not
// tell.
#include "tests/support/planner_fixture.h"

namespace databuild {
namespace {

using PlannerReasonTest = PlannerStory;

TEST_F(PlannerReasonTest, WhileItsRunIsUnderWayAPartitionIsBuilding) {
  world.cluster.PutDataJob("raw", {"raw/{date}"});
  JobsHang();
  world.cluster.PutWant("w", {"raw/2025-01-01"});
  world.Settle();
  EXPECT_EQ(world.Why("w", "raw/2025-01-01").message, "raw is starting");
  world.Run(kMinute);
  const PartitionReason why = world.Why("w", "raw/2025-01-01");
  EXPECT_EQ(why.reason, "Building");
  EXPECT_EQ(why.message, "raw is running");
  EXPECT_EQ(why.state, "building");
  EXPECT_EQ(why.job_run_id, world.cluster.live.begin()->first);
  EXPECT_EQ(world.cluster.want_status["w"].building, 1u);
}

TEST_F(PlannerReasonTest, WhatWaitsForAnInputNamesTheChainToTheRoot) {
  world.cluster.PutDataJob("raw", {"raw/{date}"});
  world.cluster.PutDataJob("clean", {"clean/{date}"}, {"raw/{date}"});
  world.cluster.PutDataJob("total", {"total/{date}"}, {"clean/{date}"});
  JobsHang();
  world.cluster.PutWant("w", {"total/2025-01-01"});
  world.Run(kMinute);
  const PartitionReason why = world.Why("w", "total/2025-01-01");
  EXPECT_EQ(why.reason, "WaitingForInputs");
  EXPECT_EQ(why.message,
            "waits for clean/2025-01-01 and in the end for raw/2025-01-01: raw is running");
  ASSERT_EQ(why.chain.size(), 3u);
  EXPECT_EQ(why.chain[1].job_label, "clean");
  EXPECT_EQ(why.chain[2].reason, "Building");
  EXPECT_EQ(Ready("w"), "False WaitingForInputs");
}

TEST_F(PlannerReasonTest, WhatAnotherWantsBuildMakesSaysForWhomItIsMade) {
  world.cluster.PutDataJob("raw", {"raw/{date}"}).max_concurrent_runs = 1;
  JobsHang();
  world.cluster.PutWant("first", {"raw/2025-01-01", "raw/2025-01-02"});
  world.Settle();
  world.cluster.PutWant("second", {"raw/2025-01-02"});
  world.Settle();
  const PartitionReason why = world.Why("second", "raw/2025-01-02");
  EXPECT_EQ(why.reason, "WaitingForDelegate");
  EXPECT_EQ(why.message.substr(0, 20), "made for Want first:");
  EXPECT_EQ(world.Why("first", "raw/2025-01-02").reason, "Queued");
}

TEST_F(PlannerReasonTest, ASuspendedDataJobStartsNothingUntilItGoesOn) {
  ObservedDataJob job = world.cluster.PutDataJob("raw", {"raw/{date}"});
  job.suspend = true;
  world.cluster.Touch(job);
  world.cluster.PutWant("w", {"raw/2025-01-01"});
  world.Run();
  EXPECT_EQ(world.Why("w", "raw/2025-01-01").message, "DataJob raw is suspended");
  EXPECT_EQ(Ready("w"), "False Suspended");
  EXPECT_TRUE(world.cluster.created.empty());
  job.suspend = false;
  job.meta.generation = 2;
  world.cluster.Touch(job);
  world.Run();
  EXPECT_EQ(Ready("w"), "True Available");
}

TEST_F(PlannerReasonTest, AnInvalidWantSaysWhatIsWrongAndIsNotRecorded) {
  world.cluster.PutWant("w", {"two\nlines"});
  world.Run();
  EXPECT_EQ(Ready("w"), "False InvalidWant");
  EXPECT_EQ(world.cluster.WantCondition("w", "Stalled").status, "True");
  EXPECT_TRUE(world.log.empty());
}

TEST_F(PlannerReasonTest, ARefOfARejectedDataJobNamesItAndTheOneInItsWay) {
  world.cluster.PutDataJob("first", {"raw/{n:int}"});
  world.Settle();
  world.cluster.PutDataJob("second", {"raw/{name}"});
  world.cluster.PutWant("w", {"raw/yesterday"});
  world.Run();
  EXPECT_EQ(Ready("w"), "False AmbiguousProducer");
  const std::string& message = world.Why("w", "raw/yesterday").message;
  EXPECT_NE(message.find("DataJob second"), std::string::npos) << message;
  EXPECT_NE(message.find("first"), std::string::npos) << message;
}

TEST_F(PlannerReasonTest, ARefusedJobIsTriedAgainAndSaysWhen) {
  world.cluster.PutDataJob("raw", {"raw/{date}"});
  world.cluster.refuse_jobs.insert("raw");
  world.cluster.PutWant("w", {"raw/2025-01-01"});
  world.Settle();
  const PartitionReason why = world.Why("w", "raw/2025-01-01");
  EXPECT_EQ(why.reason, "JobRefused");
  EXPECT_NE(why.message.find("exceeded quota"), std::string::npos);
  EXPECT_EQ(why.next_change, world.clock.now + kRefusedRetry);
  EXPECT_EQ(Ready("w"), "False JobRefused");
  world.cluster.refuse_jobs.clear();
  world.Run();
  EXPECT_EQ(Ready("w"), "True Available");
  EXPECT_EQ(world.RunsOf("raw/2025-01-01"), 1u);
}

TEST_F(PlannerReasonTest, ARunThatNoClusterTakesFailsAtOnce) {
  world.cluster.PutDataJob("raw", {"raw/{date}"});
  world.cluster.too_large_jobs.insert("raw");
  world.cluster.PutWant("w", {"raw/2025-01-01"});
  world.Run();
  EXPECT_EQ(Ready("w"), "False RunTooLarge");
  EXPECT_EQ(world.RunsOf("raw/2025-01-01"), 1u);
  EXPECT_EQ(world.BuildStatuses("w"), Strings{"failed"});
}

TEST_F(PlannerReasonTest, AChainWithoutAnEndIsTooLargeAPlan) {
  world.cluster.PutDataJob("day", {"day/{n:int}"}, {"day/{n|-1}"});
  world.cluster.PutWant("w", {"day/1"});
  world.Run();
  EXPECT_EQ(Ready("w"), "False PlanTooLarge");
  EXPECT_EQ(world.BuildStatuses("w"), Strings{"failed"});
  EXPECT_EQ(world.CountEvents(v1::BuildEvent::kPartitionEvent), 0u);
}

TEST_F(PlannerReasonTest, ALostNodeIsNamedAndAfterTenMinutesTheRunIsMadeAnew) {
  world.cluster.PutDataJob("raw", {"raw/{date}"}).on_node_lost_retry = true;
  JobsHang();
  world.cluster.PutWant("w", {"raw/2025-01-01"});
  world.Run(kMinute);
  world.cluster.LoseNode(world.cluster.live.begin()->first);
  world.Settle();
  EXPECT_EQ(world.Why("w", "raw/2025-01-01").reason, "NodeLost");
  EXPECT_EQ(Ready("w"), "False NodeLost");
  JobsSucceed();
  world.Run();
  EXPECT_EQ(world.RunsOf("raw/2025-01-01"), 2u);
  EXPECT_EQ(world.MostLiveRunsOf("raw/2025-01-01"), 1u);
}

TEST_F(PlannerReasonTest, AWantThatExpiredBeforeItWasThereSaysSo) {
  world.cluster.PutDataJob("raw", {"raw/{date}"}).suspend = true;
  world.cluster.PutWant("w", {"raw/2025-01-01"}).ttl = kMinute;
  world.Run();
  EXPECT_EQ(world.WantStatusName("w"), "expired");
  EXPECT_EQ(Ready("w"), "False Expired");
  EXPECT_EQ(world.cluster.WantCondition("w", "Expired").status, "True");
  EXPECT_EQ(world.RefStatus("raw/2025-01-01"), "cancelled");
}

TEST_F(PlannerReasonTest, WhatADeletedWantHadUnderWayIsCancelled) {
  world.cluster.PutDataJob("raw", {"raw/{date}"});
  JobsHang();
  world.cluster.PutWant("w", {"raw/2025-01-01"});
  world.Run(kMinute);
  world.cluster.DeleteWant("w");
  world.Run();
  const Index partition = world.state().FindPartition("raw/2025-01-01");
  const Instance& newest = world.state().instance(world.state().partition(partition).newest);
  EXPECT_EQ(newest.status, v1::PARTITION_CANCELLED);
  EXPECT_EQ(newest.extra->cause.reason, "Cancelled");
}

}  // namespace
}  // namespace databuild
