// What the informers show of Jobs and pods may be behind, each kind by itself.
#include <gtest/gtest.h>

#include "tests/support/planner_world.h"

namespace databuild {
namespace {

TEST(PlannerWatches, AnEndedJobWhosePodIsShownLaterHasSucceeded) {
  PlannerWorld world;
  world.cluster.PutDataJob("raw", {"raw/{n}"});
  std::mt19937_64 random(1);
  WorldFaults faults;
  faults.cluster.hide_pod = 80;
  faults.cluster.random = &random;
  world.SetFaults(faults);
  world.cluster.PutWant("w", {"raw/1", "raw/2", "raw/3", "raw/4"});
  world.Run();
  EXPECT_EQ(world.WantStatusName("w"), "satisfied");
  EXPECT_EQ(world.cluster.created.size(), 4u);
}

TEST(PlannerWatches, AJobThatFailedWithoutItsPodIsRunAgain) {
  PlannerWorld world;
  world.cluster.PutDataJob("raw", {"raw/{n}"});
  world.cluster.rule = [](const CreateJob&) { return JobEnd{"Hang", 0, {}, ""}; };
  world.cluster.PutWant("w", {"raw/1"});
  world.Run(kMinute);
  world.cluster.rule = [](const CreateJob&) { return JobEnd{}; };
  world.cluster.LosePod(world.cluster.live.begin()->first);
  world.Run();
  EXPECT_EQ(world.WantStatusName("w"), "satisfied");
  EXPECT_EQ(world.RunsOf("raw/1"), 2u);
}

TEST(PlannerWatches, AJobThatTheInformerDoesNotShowYetIsNotCreatedAgainAndAgain) {
  PlannerWorld world;
  world.cluster.PutDataJob("raw", {"raw/{n}"});
  world.cluster.PutWant("w", {"raw/1"});
  for (int i = 0; i < 10 && world.cluster.created.empty(); ++i) world.Tick();
  ASSERT_EQ(world.cluster.created.size(), 1u);
  std::mt19937_64 random(1);
  WorldFaults faults;
  faults.cluster.hold_back = 100;
  faults.cluster.random = &random;
  world.SetFaults(faults);
  for (int i = 0; i < 20; ++i) {
    world.Tick();
    world.Advance(100 * kMillisecond);
  }
  EXPECT_EQ(world.cluster.effects["create_job"], 1u);
  for (int i = 0; i < 20; ++i) {
    world.Tick();
    world.Advance(kSecond);
  }
  EXPECT_GE(world.cluster.effects["create_job"], 3u) << "it may be gone: it is tried again";
  EXPECT_LE(world.cluster.effects["create_job"], 6u);
  world.SetFaults({});
  world.Run();
  EXPECT_EQ(world.WantStatusName("w"), "satisfied");
}

}  // namespace
}  // namespace databuild
