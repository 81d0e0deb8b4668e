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

}  // namespace
}  // namespace databuild
