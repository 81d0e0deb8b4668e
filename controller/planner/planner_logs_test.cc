// The Job of a run stays until its log is stored.
#include <gtest/gtest.h>

#include "tests/support/planner_world.h"

namespace databuild {
namespace {

PlannerOptions Collecting() {
  PlannerOptions options = PlannerWorld::Defaults();
  options.log_deadline = 10 * kMinute;
  return options;
}

// A world in which one run has ended, and its id.
std::string RunOnce(PlannerWorld& world) {
  world.cluster.PutDataJob("raw", {"raw/{n}"});
  world.cluster.PutWant("w", {"raw/1"});
  world.Run(kMinute);
  EXPECT_EQ(world.WantStatusName("w"), "satisfied");
  return world.cluster.created.front().run_id;
}

TEST(PlannerLogs, TheJobOfAnEndedRunGoesWhenItsLogIsStored) {
  PlannerWorld world(Collecting());
  const std::string run = RunOnce(world);
  world.Run(kMinute);
  ASSERT_TRUE(world.cluster.live.contains(run));
  world.cluster.StoreLog(run);
  world.Run(kMinute);
  EXPECT_FALSE(world.cluster.live.contains(run));
}

TEST(PlannerLogs, AfterARestartItStillWaits) {
  PlannerWorld world(Collecting());
  const std::string run = RunOnce(world);
  world.Restart();
  world.Run(kMinute);
  ASSERT_TRUE(world.cluster.live.contains(run));
  world.cluster.StoreLog(run);
  world.Run(kMinute);
  EXPECT_FALSE(world.cluster.live.contains(run));
}

TEST(PlannerLogs, ALogThatIsNeverStoredHoldsTheJobUntilTheDeadlineOnly) {
  PlannerWorld world(Collecting());
  const std::string run = RunOnce(world);
  world.Run(5 * kMinute);
  EXPECT_TRUE(world.cluster.live.contains(run));
  world.Run(10 * kMinute);
  EXPECT_FALSE(world.cluster.live.contains(run));
}

TEST(PlannerLogs, WhereNobodyCollectsNobodyWaits) {
  PlannerWorld world;
  const std::string run = RunOnce(world);
  EXPECT_FALSE(world.cluster.live.contains(run));
}

}  // namespace
}  // namespace databuild
