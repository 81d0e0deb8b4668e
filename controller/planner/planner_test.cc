// The planner's behaviour: each test is a small story over the real fold, planner and transition
// table.
#include "controller/planner/planner.h"

#include <gtest/gtest.h>

#include <iostream>

#include "tests/support/planner_world.h"

namespace databuild {
namespace {

using Strings = std::vector<std::string>;

class PlannerTest : public ::testing::Test {
 protected:
  void TearDown() override {
    EXPECT_EQ(world.violation(), "");
    EXPECT_EQ(world.ReplayDiffers(), "");
    if (HasFailure()) std::cerr << world.Transcript();
  }
  // raw -> clean -> total over three days
  void PutChain() {
    world.cluster.PutDataJob("raw", {"raw/{date}"});
    world.cluster.PutDataJob("clean", {"clean/{date}"}, {"raw/{date}"});
    world.cluster.PutDataJob("total", {"total/{date}"}, {"clean/{date|-P2D..P0D}"});
  }
  PlannerWorld world;
};

TEST_F(PlannerTest, AWantOverAChainIsBuiltFromItsLeavesUp) {
  PutChain();
  world.cluster.PutWant("w", {"total/2025-01-03"});
  world.Run();
  EXPECT_EQ(world.WantStatusName("w"), "satisfied");
  EXPECT_EQ(world.RefStatus("total/2025-01-03"), "available");
  EXPECT_EQ(world.cluster.created.size(), 7u);
  EXPECT_EQ(world.BuildStatuses("w"), Strings{"completed"});
  EXPECT_EQ(world.cluster.WantCondition("w", "Ready").status, "True");
  EXPECT_EQ(world.cluster.want_status["w"].progress, "1/1");
  EXPECT_TRUE(world.cluster.live.empty());
}

TEST_F(PlannerTest, TheRunIsToldItsExpandedArgumentsAndInputs) {
  PutChain();
  world.cluster.PutWant("w", {"clean/2025-01-03"});
  world.Run();
  ASSERT_EQ(world.cluster.created.size(), 2u);
  const CreateJob& last = world.cluster.created.back();
  EXPECT_EQ(last.args, Strings{"[\"clean/2025-01-03\"]"});
  ASSERT_EQ(last.inputs.size(), 1u);
  EXPECT_EQ(last.inputs[0].first, "raw/2025-01-03");
}

TEST_F(PlannerTest, OverlappingWantsMakeEachPartitionOnceAndDelegate) {
  PutChain();
  world.cluster.PutWant("a", {"clean/2025-01-01", "clean/2025-01-02"});
  world.cluster.PutWant("b", {"clean/2025-01-02", "clean/2025-01-03"});
  world.cluster.PutWant("c", {"total/2025-01-03"});
  world.Run();
  for (const char* name : {"a", "b", "c"})
    EXPECT_EQ(world.WantStatusName(name), "satisfied") << name;
  EXPECT_EQ(world.RunsOf("clean/2025-01-02"), 1u);
  EXPECT_EQ(world.cluster.created.size(), 7u);
  EXPECT_GE(world.CountEvents(v1::BuildEvent::kDelegationEvent), 2u);
}

TEST_F(PlannerTest, AWantOverAvailablePartitionsIsHistoricallyDelegatedWithoutAJob) {
  PutChain();
  world.cluster.PutWant("a", {"clean/2025-01-01"});
  world.Run();
  const size_t jobs = world.cluster.created.size();
  world.cluster.PutWant("b", {"clean/2025-01-01"});
  world.Run();
  EXPECT_EQ(world.cluster.created.size(), jobs);
  EXPECT_EQ(world.WantStatusName("b"), "satisfied");
  EXPECT_EQ(world.BuildStatuses("b"), Strings{"completed"});
  EXPECT_EQ(world.state().runs_by_status().at(v1::JOB_SKIPPED), 1u);
}

TEST_F(PlannerTest, AJobThatFailsTwiceSucceedsAtTheThirdRunAfterBackoff) {
  world.cluster.PutDataJob("raw", {"raw/{date}"});
  int runs = 0;
  world.cluster.rule = [&](const CreateJob&) {
    return ++runs <= 2 ? JobEnd{"Failed", 1, {}, "Error"} : JobEnd{};
  };
  world.cluster.PutWant("w", {"raw/2025-01-01"});
  world.Run();
  EXPECT_EQ(world.WantStatusName("w"), "satisfied");
  EXPECT_EQ(world.RunsOf("raw/2025-01-01"), 3u);
  EXPECT_EQ(world.MostLiveRunsOf("raw/2025-01-01"), 1u);
}

TEST_F(PlannerTest, WhileItBacksOffTheWantSaysSoAndUntilWhen) {
  world.cluster.PutDataJob("raw", {"raw/{date}"});
  world.cluster.rule = [](const CreateJob&) { return JobEnd{"Failed", 3, {}, "Error"}; };
  world.cluster.PutWant("w", {"raw/2025-01-01"});
  world.Settle();
  world.cluster.StepJobs();
  world.cluster.StepJobs();
  world.Settle();
  const PartitionReason why = world.Why("w", "raw/2025-01-01");
  EXPECT_EQ(why.reason, "BackingOff");
  EXPECT_EQ(why.next_change, world.state().last_event_at() - 1 + 10 * kSecond);
  EXPECT_EQ(world.cluster.WantCondition("w", "Ready").reason, "BackingOff");
}

TEST_F(PlannerTest, AJobThatAlwaysFailsFailsEverythingDownstreamWithTheRootCause) {
  PutChain();
  world.cluster.rule = [](const CreateJob& job) {
    return job.outputs[0].first == "raw/2025-01-02" ? JobEnd{"Failed", 1, {}, "Error"} : JobEnd{};
  };
  world.cluster.PutWant("w", {"total/2025-01-03", "clean/2025-01-01"});
  world.Run(24 * kHour);
  EXPECT_EQ(world.RefStatus("raw/2025-01-02"), "failed");
  EXPECT_EQ(world.RefStatus("total/2025-01-03"), "failed");
  EXPECT_EQ(world.RefStatus("clean/2025-01-01"), "available");
  EXPECT_EQ(world.RunsOf("raw/2025-01-02"), 4u);
  EXPECT_EQ(world.BuildStatuses("w"), Strings{"failed"});
  const Condition& stalled = world.cluster.WantCondition("w", "Stalled");
  EXPECT_EQ(stalled.status, "True");
  EXPECT_EQ(stalled.reason, "BuildFailed");
  EXPECT_NE(stalled.message.find("raw/2025-01-02"), std::string::npos) << stalled.message;
}

TEST_F(PlannerTest, ANewWantOverAFailedPartitionTriesAgain) {
  world.cluster.PutDataJob("raw", {"raw/{date}"}).retry.limit = 0;
  bool broken = true;
  world.cluster.rule = [&](const CreateJob&) {
    return broken ? JobEnd{"Failed", 1, {}, "Error"} : JobEnd{};
  };
  world.cluster.PutWant("a", {"raw/2025-01-01"});
  world.Run();
  EXPECT_EQ(world.RefStatus("raw/2025-01-01"), "failed");
  broken = false;
  world.cluster.PutWant("b", {"raw/2025-01-01"});
  world.Run();
  EXPECT_EQ(world.WantStatusName("b"), "satisfied");
  EXPECT_EQ(world.WantStatusName("a"), "satisfied");
  EXPECT_EQ(world.RunsOf("raw/2025-01-01"), 2u);
}

TEST_F(PlannerTest, TheRetryAnnotationBuildsAgain) {
  world.cluster.PutDataJob("raw", {"raw/{date}"}).retry.limit = 0;
  bool broken = true;
  world.cluster.rule = [&](const CreateJob&) {
    return broken ? JobEnd{"Failed", 1, {}, "Error"} : JobEnd{};
  };
  ObservedWant want = world.cluster.PutWant("w", {"raw/2025-01-01"});
  world.Run();
  broken = false;
  want.meta.retry_token = "again";
  world.cluster.Touch(want);
  world.Run();
  EXPECT_EQ(world.BuildStatuses("w"), (Strings{"failed", "completed"}));
}

TEST_F(PlannerTest, AWantWithoutAProducerStallsAndBuildsWhenADataJobAppears) {
  world.cluster.PutWant("w", {"nobody/makes/this"});
  world.Run();
  EXPECT_EQ(world.BuildStatuses("w"), Strings{"precondition_failed"});
  EXPECT_EQ(world.cluster.WantCondition("w", "Stalled").status, "True");
  EXPECT_EQ(world.cluster.WantCondition("w", "Stalled").reason, "NoProducer");
  world.cluster.PutDataJob("maker", {"nobody/makes/{what}"});
  world.Run();
  EXPECT_EQ(world.WantStatusName("w"), "satisfied");
  EXPECT_EQ(world.cluster.WantCondition("w", "Stalled").status, "False");
}

TEST_F(PlannerTest, WhatDoesNotDependOnAMissingProducerIsBuiltAnyway) {
  world.cluster.PutDataJob("raw", {"raw/{date}"});
  world.cluster.PutDataJob("clean", {"clean/{date}"}, {"raw/{date}", "rates/{date}"});
  world.cluster.PutWant("w", {"clean/2025-01-01"});
  world.Run();
  EXPECT_EQ(world.RefStatus("raw/2025-01-01"), "available");
  EXPECT_EQ(world.RefStatus("clean/2025-01-01"), "cancelled");
  EXPECT_EQ(world.BuildStatuses("w"), Strings{"precondition_failed"});
  const Condition& ready = world.cluster.WantCondition("w", "Ready");
  EXPECT_EQ(ready.reason, "NoProducer");
  EXPECT_NE(ready.message.find("rates/2025-01-01"), std::string::npos) << ready.message;
}

TEST_F(PlannerTest, OfTwoDataJobsThatMakeTheSameRefTheSecondIsNotAccepted) {
  world.cluster.PutDataJob("first", {"raw/{date}"});
  world.Run();
  world.cluster.PutDataJob("second", {"raw/{day}"});
  world.Run();
  const Condition& accepted = world.cluster.job_status["second"].conditions.at(0);
  EXPECT_EQ(accepted.status, "False");
  EXPECT_EQ(accepted.reason, "AmbiguousProducer");
  EXPECT_NE(accepted.message.find("first"), std::string::npos) << accepted.message;
  world.cluster.DeleteDataJob("first");
  world.Run();
  EXPECT_EQ(world.cluster.job_status["second"].conditions.at(0).status, "True");
}

TEST_F(PlannerTest, ADataJobWhosePodTemplateIsRefusedIsNotUsed) {
  world.cluster.refuse_templates = {"raw"};
  world.cluster.PutDataJob("raw", {"raw/{date}"});
  world.cluster.PutWant("w", {"raw/2025-01-01"});
  world.Run();
  EXPECT_TRUE(world.cluster.created.empty());
  EXPECT_EQ(world.cluster.WantCondition("w", "Ready").reason, "InvalidJob");
}

TEST_F(PlannerTest, DeletingAWantMidRunDeletesItsJobsAndCancelsItsBuild) {
  PutChain();
  world.cluster.rule = [](const CreateJob&) { return JobEnd{"Hang", 0, {}, ""}; };
  world.cluster.PutWant("w", {"total/2025-01-03"});
  world.Run(kMinute);
  EXPECT_EQ(world.cluster.live.size(), 3u);
  world.cluster.DeleteWant("w");
  world.Run();
  EXPECT_TRUE(world.cluster.live.empty());
  EXPECT_EQ(world.WantStatusName("w"), "cancelled");
  EXPECT_EQ(world.BuildStatuses("w"), Strings{"cancelled"});
  EXPECT_EQ(world.RefStatus("raw/2025-01-01"), "cancelled");
}

TEST_F(PlannerTest, WhatAnotherWantStillNeedsIsAdoptedAndNotRestarted) {
  PutChain();
  world.cluster.PutWant("a", {"total/2025-01-03"});
  world.Settle();
  world.cluster.PutWant("b", {"clean/2025-01-02"});
  world.Settle();
  world.cluster.DeleteWant("a");
  world.Run();
  EXPECT_EQ(world.WantStatusName("b"), "satisfied");
  EXPECT_EQ(world.BuildStatuses("a"), Strings{"cancelled"});
  EXPECT_EQ(world.RunsOf("raw/2025-01-02"), 1u);
  EXPECT_EQ(world.RunsOf("clean/2025-01-02"), 1u);
  EXPECT_EQ(world.CountEvents(v1::BuildEvent::kAdoptionEvent), 1u);
  EXPECT_EQ(world.RefStatus("total/2025-01-03"), "cancelled");
}

TEST_F(PlannerTest, TaintedPartitionIsRebuiltOnlyWhileAWantIsLive) {
  PutChain();
  world.cluster.PutWant("w", {"clean/2025-01-01"});
  world.Run();
  world.cluster.PutTaint("t", {"clean/2025-01-01"});
  world.Run();
  EXPECT_EQ(world.WantStatusName("w"), "satisfied");
  EXPECT_EQ(world.RunsOf("clean/2025-01-01"), 2u);
  EXPECT_EQ(world.RunsOf("raw/2025-01-01"), 1u);
  EXPECT_EQ(world.cluster.taint_status["t"].repaired, 1u);
  world.cluster.DeleteWant("w");
  world.Run();
  world.cluster.PutTaint("t2", {"clean/2025-01-01"});
  world.Run();
  EXPECT_EQ(world.RunsOf("clean/2025-01-01"), 2u);
}

TEST_F(PlannerTest, ATaintedInputIsBuiltAgainWhenADataDependencyPointsToIt) {
  PutChain();
  world.cluster.PutWant("a", {"raw/2025-01-01"});
  world.Run();
  world.cluster.DeleteWant("a");
  world.Run();
  world.cluster.PutTaint("t", {}, {"raw/*"});
  world.Run();
  EXPECT_EQ(world.RunsOf("raw/2025-01-01"), 1u);
  world.cluster.PutWant("b", {"clean/2025-01-01"});
  world.Run();
  EXPECT_EQ(world.RunsOf("raw/2025-01-01"), 2u);
  EXPECT_EQ(world.WantStatusName("b"), "satisfied");
}

TEST_F(PlannerTest, ATaintHitsTheProductOfALiveRunWhenItCompletes) {
  world.cluster.PutDataJob("raw", {"raw/{date}"});
  world.cluster.PutWant("w", {"raw/2025-01-01"});
  world.Settle();
  world.cluster.StepJobs();
  world.Settle();
  world.cluster.PutTaint("t", {"raw/2025-01-01"});
  world.Run();
  EXPECT_EQ(world.RunsOf("raw/2025-01-01"), 2u);
  EXPECT_EQ(world.MostLiveRunsOf("raw/2025-01-01"), 1u);
  EXPECT_EQ(world.WantStatusName("w"), "satisfied");
}

TEST_F(PlannerTest, DeletingATaintBeforeRepairMakesTheInstanceGoodAgain) {
  world.cluster.PutDataJob("raw", {"raw/{date}"});
  ObservedWant want = world.cluster.PutWant("w", {"raw/2025-01-01"});
  world.Run();
  want.suspend = true;
  world.cluster.Touch(want);
  world.Run();
  world.cluster.PutTaint("t", {"raw/2025-01-01"});
  world.Run();
  EXPECT_EQ(world.WantStatusName("w"), "unsatisfied");
  EXPECT_EQ(world.cluster.WantCondition("w", "Ready").reason, "Suspended");
  world.cluster.DeleteTaint("t");
  world.Run();
  EXPECT_EQ(world.WantStatusName("w"), "satisfied");
  EXPECT_EQ(world.RunsOf("raw/2025-01-01"), 1u);
}

TEST_F(PlannerTest, CascadeDownstreamTaintsWhatWasBuiltFromIt) {
  PutChain();
  world.cluster.PutWant("w", {"total/2025-01-03"});
  world.Run();
  world.cluster.PutTaint("t", {"raw/2025-01-01"}, {}, true);
  world.Run();
  EXPECT_EQ(world.cluster.taint_status["t"].downstream, 2u);
  EXPECT_EQ(world.RunsOf("raw/2025-01-01"), 2u);
  EXPECT_EQ(world.RunsOf("clean/2025-01-01"), 2u);
  EXPECT_EQ(world.RunsOf("total/2025-01-03"), 2u);
  EXPECT_EQ(world.WantStatusName("w"), "satisfied");
}

TEST_F(PlannerTest, AWantExpiresAtItsTtlAndRunningWorkStillCounts) {
  world.cluster.PutDataJob("raw", {"raw/{date}"});
  world.cluster.PutDataJob("clean", {"clean/{date}"}, {"raw/{date}"});
  world.cluster.rule = [](const CreateJob&) { return JobEnd{"Hang", 0, {}, ""}; };
  world.cluster.PutWant("w", {"clean/2025-01-01"}).ttl = kMinute;
  world.Run(10 * kMinute);
  EXPECT_EQ(world.WantStatusName("w"), "expired");
  EXPECT_EQ(world.RefStatus("clean/2025-01-01"), "cancelled");
  EXPECT_EQ(world.RefStatus("raw/2025-01-01"), "building");
  EXPECT_EQ(world.cluster.WantCondition("w", "Expired").status, "True");
}

TEST_F(PlannerTest, TheSlaIsJudgedOnceAtItsDeadline) {
  world.cluster.PutDataJob("raw", {"raw/{date}"});
  world.cluster.rule = [](const CreateJob&) { return JobEnd{"Hang", 0, {}, ""}; };
  world.cluster.PutWant("late", {"raw/2025-01-01"}).sla = kMinute;
  world.Run(10 * kMinute);
  EXPECT_EQ(world.cluster.WantCondition("late", "SLAMet").status, "False");
  world.cluster.rule = [](const CreateJob&) { return JobEnd{}; };
  world.cluster.PutWant("met", {"raw/2025-01-02"}).sla = kMinute;
  world.Run(10 * kMinute);
  EXPECT_EQ(world.cluster.WantCondition("met", "SLAMet").status, "True");
}

TEST_F(PlannerTest, MissingDependenciesAreBuiltAndTheRunIsTriedAgain) {
  world.cluster.PutDataJob("rates", {"rates/{date}"});
  world.cluster.PutDataJob("clean", {"clean/{date}"});
  world.cluster.rule = [](const CreateJob& job) {
    if (job.job_label == "clean" && job.inputs.empty()) {
      return JobEnd{"MissingDependencies", 75, {"rates/2025-01-01"}, "Error"};
    }
    return JobEnd{};
  };
  world.cluster.PutWant("w", {"clean/2025-01-01"});
  world.Run();
  EXPECT_EQ(world.WantStatusName("w"), "satisfied");
  EXPECT_EQ(world.RunsOf("clean/2025-01-01"), 2u);
  EXPECT_EQ(world.RefStatus("rates/2025-01-01"), "available");
}

TEST_F(PlannerTest, TheSameMissingDependencyTwiceFails) {
  world.cluster.PutDataJob("rates", {"rates/{date}"});
  world.cluster.PutDataJob("clean", {"clean/{date}"});
  world.cluster.rule = [](const CreateJob& job) {
    return job.job_label == "clean"
               ? JobEnd{"MissingDependencies", 75, {"rates/2025-01-01"}, "Error"}
               : JobEnd{};
  };
  world.cluster.PutWant("w", {"clean/2025-01-01"});
  world.Run();
  EXPECT_EQ(world.RunsOf("clean/2025-01-01"), 2u);
  EXPECT_EQ(world.RefStatus("clean/2025-01-01"), "failed");
}

TEST_F(PlannerTest, QueryInputsAreReadWhenThereAndNeverWaitedFor) {
  world.cluster.PutDataJob("running", {"running/{date}"}, {"?running/{date|-P1D}"});
  world.cluster.PutWant("w", {"running/2025-01-01"});
  world.Run();
  ASSERT_EQ(world.cluster.created.size(), 1u);
  EXPECT_TRUE(world.cluster.created[0].inputs.empty());
  world.cluster.PutWant("w2", {"running/2025-01-02"});
  world.Run();
  ASSERT_EQ(world.cluster.created.size(), 2u);
  EXPECT_EQ(world.cluster.created[1].inputs.size(), 1u);
}

TEST_F(PlannerTest, LimitsHoldRunsBackAndSayQueued) {
  world.cluster.PutDataJob("raw", {"raw/{date}"}).max_concurrent_runs = 1;
  world.cluster.rule = [](const CreateJob&) { return JobEnd{"Hang", 0, {}, ""}; };
  world.cluster.PutWant("w", {"raw/2025-01-01", "raw/2025-01-02"});
  world.Run(kMinute);
  EXPECT_EQ(world.cluster.live.size(), 1u);
  EXPECT_EQ(world.Why("w", "raw/2025-01-02").reason, "Queued");
}

TEST_F(PlannerTest, ReadyPartitionsAreBatchedIntoOneRun) {
  ObservedDataJob& job = world.cluster.PutDataJob("raw", {"raw/{date}"});
  job.batch_max = 10;
  world.cluster.PutWant("w", {"raw/2025-01-01", "raw/2025-01-02", "raw/2025-01-03"});
  world.Run();
  EXPECT_EQ(world.cluster.created.size(), 1u);
  EXPECT_EQ(world.cluster.created.at(0).outputs.size(), 3u);
  EXPECT_EQ(world.WantStatusName("w"), "satisfied");
}

TEST_F(PlannerTest, ACycleIsNamedAndFailsTheBuild) {
  world.cluster.PutDataJob("a", {"a/{x}"}, {"b/{x}"});
  world.cluster.PutDataJob("b", {"b/{x}"}, {"a/{x}"});
  world.cluster.PutWant("w", {"a/1"});
  world.Run();
  EXPECT_EQ(world.BuildStatuses("w"), Strings{"failed"});
  EXPECT_EQ(world.cluster.WantCondition("w", "Ready").reason, "Cycle");
  EXPECT_NE(world.cluster.WantCondition("w", "Ready").message.find("a/1 needs b/1 needs a/1"),
            std::string::npos);
}

TEST_F(PlannerTest, AJobDeletedBySomebodyElseIsRunAgain) {
  world.cluster.PutDataJob("raw", {"raw/{date}"});
  bool hang = true;
  world.cluster.rule = [&](const CreateJob&) {
    return hang ? JobEnd{"Hang", 0, {}, ""} : JobEnd{};
  };
  world.cluster.PutWant("w", {"raw/2025-01-01"});
  world.Run(kMinute);
  hang = false;
  ASSERT_EQ(world.cluster.live.size(), 1u);
  world.cluster.DeleteJobByHand(world.cluster.live.begin()->first);
  world.Run();
  EXPECT_EQ(world.WantStatusName("w"), "satisfied");
  EXPECT_EQ(world.RunsOf("raw/2025-01-01"), 2u);
  EXPECT_EQ(world.MostLiveRunsOf("raw/2025-01-01"), 1u);
}

TEST_F(PlannerTest, ARestartAtAnyTickChangesNothing) {
  for (int restart_at = 1; restart_at < 40; ++restart_at) {
    PlannerWorld one;
    one.cluster.PutDataJob("raw", {"raw/{date}"});
    one.cluster.PutDataJob("clean", {"clean/{date}"}, {"raw/{date}"});
    one.cluster.PutWant("w", {"clean/2025-01-01", "clean/2025-01-02"});
    for (int tick = 0; tick < restart_at; ++tick) {
      one.Tick();
      one.cluster.StepJobs();
    }
    one.Restart();
    one.Run();
    EXPECT_EQ(one.violation(), "") << restart_at;
    EXPECT_EQ(one.WantStatusName("w"), "satisfied") << restart_at;
    EXPECT_EQ(one.cluster.created.size(), 4u) << restart_at;
  }
}

TEST_F(PlannerTest, AWantDeletedWhileTheOperatorWasAwayIsNoticed) {
  world.cluster.PutDataJob("raw", {"raw/{date}"});
  world.cluster.PutWant("w", {"raw/2025-01-01"});
  world.Run();
  world.cluster.DeleteWant("w");
  world.Restart();
  world.Run();
  EXPECT_EQ(world.WantStatusName("w"), "cancelled");
}

TEST_F(PlannerTest, AQuietWorldDecidesNothing) {
  PutChain();
  world.cluster.PutWant("w", {"total/2025-01-03"});
  world.Run();
  const size_t events = world.log.size();
  world.Advance(kHour);
  for (int i = 0; i < 10; ++i) EXPECT_EQ(world.Tick(), 0u);
  EXPECT_EQ(world.log.size(), events);
}

}  // namespace
}  // namespace databuild
