// What the simulator (tests/sim) found, each as the smallest world that shows it.
#include <gtest/gtest.h>

#include "tests/support/planner_world.h"

namespace databuild {
namespace {

class PlannerFoundTest : public ::testing::Test {
 protected:
  void TearDown() override { EXPECT_EQ(world.violation(), ""); }
  PlannerWorld world;
};

TEST_F(PlannerFoundTest, ARunHitByTwoTaintsIsGoodOnlyWhenBothAreLifted) {
  world.cluster.PutDataJob("raw", {"raw/{n}"});
  world.cluster.PutWant("w", {"raw/1"});
  world.Settle();
  world.cluster.StepJobs();
  world.cluster.PutTaint("first", {"raw/1"});
  world.cluster.PutTaint("second", {"raw/1"});
  world.Settle();
  world.cluster.DeleteWant("w");
  world.cluster.rule = [](const CreateJob&) { return JobEnd{"Hang", 0, {}, ""}; };
  world.cluster.StepJobs();
  world.Settle();
  const Index ref = world.state().FindPartition("raw/1");
  world.cluster.DeleteTaint("first");
  world.Settle();
  EXPECT_FALSE(world.state().Usable(ref));
  world.cluster.DeleteTaint("second");
  world.Settle();
  EXPECT_TRUE(world.state().Usable(ref));
}

TEST_F(PlannerFoundTest, AFailureComesBeforeAMissingProducerInAWantsReason) {
  world.cluster.PutDataJob("raw", {"raw/{n}"}).retry.limit = 0;
  world.cluster.PutDataJob("stuck", {"stuck/{n}"}, {"nobody/{n}"});
  world.cluster.rule = [](const CreateJob&) { return JobEnd{"Failed", 1, {}, "Error"}; };
  world.cluster.PutWant("w", {"stuck/1", "raw/1"});
  world.Run();
  EXPECT_EQ(world.cluster.WantCondition("w", "Ready").reason, "BuildFailed");
  EXPECT_EQ(world.cluster.WantCondition("w", "Stalled").status, "True");
}

TEST_F(PlannerFoundTest, AFailedSuccessorOfAGoodPartitionDoesNotStartBuildsForEver) {
  world.cluster.PutDataJob("raw", {"raw/{n}"}).retry.limit = 0;
  world.cluster.PutDataJob("doomed", {"doomed/{n}"}).retry.limit = 0;
  world.cluster.PutWant("keeps", {"raw/1"});
  world.Run();
  world.cluster.PutTaint("bad", {"raw/1"});
  world.cluster.rule = [](const CreateJob&) { return JobEnd{"Failed", 1, {}, "Error"}; };
  world.Run();
  world.cluster.DeleteTaint("bad");  // the first instance is good again; its successor has failed
  world.Run();
  world.cluster.PutWant("both", {"raw/1", "doomed/1"});
  world.Run(24 * kHour);
  EXPECT_EQ(world.BuildStatuses("both"), std::vector<std::string>{"failed"});
}

// Objects that were there before the operator, and are nothing the log knows of, had no status.
TEST_F(PlannerFoundTest, AnInvalidWantThatIsOlderThanTheOperatorHasAStatus) {
  world.cluster.PutWant("w", {"two\nlines"});
  world.cluster.PutTaint("t", {}).error = "spec.globs: not a glob";
  world.Restart();
  world.Settle();
  EXPECT_EQ(world.cluster.WantCondition("w", "Ready").reason, "InvalidWant");
  EXPECT_EQ(world.cluster.taint_status["t"].conditions.at(0).reason, "InvalidTaint");
}

// A round that was full between the two outputs of a unit left one of them open. Another build took
// it over, and no run ever came: the unit's outputs are made together.
TEST(PlannerFound, TheOutputsOfAUnitAreCancelledTogetherHoweverFullTheRound) {
  for (size_t most = 1; most <= 12; ++most) {
    PlannerOptions options = PlannerWorld::Defaults();
    options.max_events_per_round = most;
    PlannerWorld world(options);
    world.cluster.rule = [](const CreateJob& job) {
      return job.configure ? AnswerTo(job, "raw") : JobEnd{};
    };
    ObservedDataJob& raw = world.cluster.PutDataJob("raw", {"raw/{n}"});
    raw.suspend = true;
    world.cluster.PutDataJob("pair", {"a/{n}", "b/{n}"}, {"raw/{n}"});
    ObservedDataJob& asked = world.cluster.PutDataJob("asked", {"asked/{n}"});
    asked.configure_container = true;
    asked.args.clear();
    world.cluster.PutWant("keeps", {"raw/1", "raw/2", "raw/3"});
    world.Settle();
    // Its plan waits for what an image says, and goes on in the round that cancels the others.
    world.cluster.PutWant("v", {"asked/1", "b/1", "b/2", "b/3"});
    world.Settle();
    world.cluster.PutWant("w", {"a/1", "a/2", "a/3"}).ttl = kMinute;
    for (const char* name : {"x", "y", "z"}) world.cluster.PutWant(name, {"raw/1"}).ttl = kMinute;
    world.Settle();
    world.Advance(kMinute);
    world.cluster.StepJobs();
    world.cluster.StepJobs();
    world.Settle();
    for (const char* n : {"1", "2", "3"}) {
      const auto first = [&](const char* name) {
        const Index ref = world.state().FindPartition(std::string(name) + "/" + n);
        Index instance = world.state().partition(ref).newest;
        CHECK(instance != kNone);
        while (world.state().instance(instance).ordinal > 1)
          instance = world.state().instance(instance).previous;
        return world.state().instance(instance).status;
      };
      EXPECT_EQ(first("a"), first("b")) << "round of " << most << ", unit " << n;
    }
    ObservedDataJob goes = raw;
    goes.suspend = false;
    world.cluster.Touch(goes);
    world.Run(24 * kHour);
    EXPECT_EQ(world.WantStatusName("v"), "satisfied") << "round of " << most;
    EXPECT_EQ(world.violation(), "");
  }
}

// Only what was live was told anew.
TEST_F(PlannerFoundTest, AWantThatExpiredAsTheOperatorDiedSaysSoAfterTheRestart) {
  std::mt19937_64 random(1);
  WorldFaults deaf;
  deaf.storage.random = deaf.cluster.random = &random;
  deaf.cluster.lose = 100;
  world.cluster.PutDataJob("raw", {"raw/{date}"}).suspend = true;
  world.cluster.PutWant("w", {"raw/2025-01-01"}).ttl = kMinute;
  world.Settle();
  world.SetFaults(deaf);
  world.Advance(kMinute);
  world.Settle();
  ASSERT_EQ(world.WantStatusName("w"), "expired");
  ASSERT_EQ(world.cluster.WantCondition("w", "Expired").status, "False");
  deaf.cluster.lose = 0;
  world.SetFaults(deaf);
  world.Restart();
  world.Settle();
  EXPECT_EQ(world.cluster.WantCondition("w", "Expired").status, "True");
}

}  // namespace
}  // namespace databuild
