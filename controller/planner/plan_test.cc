// Plan: what would be done, in the planner's own words, without doing it.
#include "controller/planner/plan.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "tests/support/planner_world.h"

namespace databuild {
namespace {

using Strings = std::vector<std::string>;

class PlanTest : public ::testing::Test {
 protected:
  void SetUp() override {
    world.cluster.PutDataJob("raw", {"raw/{date}"});
    world.cluster.PutDataJob("clean", {"clean/{date}", "bad/{date}"}, {"raw/{date}"});
    world.cluster.PutDataJob("total", {"total/{date}"}, {"clean/{date|-P1D..P0D}", "?hint/{date}"});
    world.Settle();
  }
  static std::set<std::string> Outputs(const PlanAnswer& plan) {
    std::set<std::string> refs;
    for (const PlanTask& task : plan.tasks) refs.insert(task.outputs.begin(), task.outputs.end());
    return refs;
  }
  PlannerWorld world;
};

TEST_F(PlanTest, NamesEveryUnitDownToTheLeavesWithItsJobAndInputs) {
  const PlanAnswer plan = Plan(world.state(), {"total/2025-01-02"});
  ASSERT_EQ(plan.tasks.size(), 5u);
  EXPECT_EQ(plan.tasks[0].job_label, "total");
  EXPECT_EQ(plan.tasks[0].generation, 1);
  EXPECT_EQ(plan.tasks[0].outputs, Strings{"total/2025-01-02"});
  ASSERT_EQ(plan.tasks[0].inputs.size(), 3u);
  EXPECT_EQ(plan.tasks[0].inputs[0], (std::pair<std::string, bool>{"clean/2025-01-01", true}));
  EXPECT_EQ(plan.tasks[0].inputs[2], (std::pair<std::string, bool>{"hint/2025-01-02", false}));
  EXPECT_EQ(plan.tasks[1].outputs, (Strings{"clean/2025-01-01", "bad/2025-01-01"}));
  EXPECT_TRUE(plan.available.empty() && plan.delegated.empty() && plan.unproducible.empty());
  EXPECT_EQ(plan.refused.reason, "");
}

TEST_F(PlanTest, IsWhatAWantOverTheSameRefsThenDoes) {
  const Strings refs = {"total/2025-01-02", "bad/2025-01-05"};
  std::set<std::string> planned = Outputs(Plan(world.state(), refs)), made;
  world.cluster.PutWant("w", refs);
  world.Run();
  for (const CreateJob& job : world.cluster.created) {
    for (const auto& [ref, instance] : job.outputs) made.insert(ref);
  }
  EXPECT_EQ(planned, made);
  EXPECT_FALSE(made.empty());
}

TEST_F(PlanTest, WhatIsThereIsNamedWithWhoMadeIt) {
  world.cluster.PutWant("w", {"clean/2025-01-01"});
  world.Run();
  const PlanAnswer plan = Plan(world.state(), {"total/2025-01-02", "clean/2025-01-01"});
  EXPECT_EQ(Outputs(plan), (std::set<std::string>{"total/2025-01-02", "clean/2025-01-02",
                                                  "bad/2025-01-02", "raw/2025-01-02"}));
  ASSERT_EQ(plan.available.size(), 1u);
  EXPECT_EQ(plan.available[0].ref, "clean/2025-01-01");
  const Index build = world.WantOf("w").builds.front();
  EXPECT_EQ(plan.available[0].build_request_id, world.state().build(build).id.str());
  EXPECT_FALSE(plan.available[0].instance_id.empty());
}

TEST_F(PlanTest, WhatAnotherBuildMakesIsLeftToIt) {
  world.cluster.rule = [](const CreateJob&) { return JobEnd{"Hang", 0, {}, ""}; };
  world.cluster.PutWant("w", {"clean/2025-01-01"});
  world.Run(kMinute);
  const PlanAnswer plan = Plan(world.state(), {"bad/2025-01-01"});
  EXPECT_TRUE(plan.tasks.empty());
  ASSERT_EQ(plan.delegated.size(), 1u);
  EXPECT_EQ(plan.delegated[0].ref, "bad/2025-01-01");
  const Index build = world.WantOf("w").builds.front();
  EXPECT_EQ(plan.delegated[0].build_request_id, world.state().build(build).id.str());
}

TEST_F(PlanTest, WhatFailedWouldBeTriedAgain) {
  world.cluster.rule = [](const CreateJob&) { return JobEnd{"Failed", 1, {}, "Error"}; };
  world.cluster.PutWant("w", {"raw/2025-01-01"});
  world.Run();
  ASSERT_EQ(world.RefStatus("raw/2025-01-01"), "failed");
  EXPECT_EQ(Outputs(Plan(world.state(), {"raw/2025-01-01"})).size(), 1u);
}

TEST_F(PlanTest, ATaintedPartitionWouldBeMadeAgain) {
  world.cluster.PutWant("w", {"raw/2025-01-01"}).ttl = kMinute;
  world.Run();
  world.cluster.PutTaint("t", {"raw/2025-01-01"});
  world.Settle();
  EXPECT_EQ(Outputs(Plan(world.state(), {"raw/2025-01-01"})).count("raw/2025-01-01"), 1u);
}

TEST_F(PlanTest, WhatNobodyMakesIsNamedAndTheRestPlanned) {
  world.cluster.PutDataJob("days", {"day/{n:int}"});
  world.Settle();
  world.cluster.PutDataJob("other", {"day/{name}"});
  world.cluster.PutDataJob("half", {"half/{date}"}, {"nobody/{date}", "raw/{date}"});
  world.Settle();
  const PlanAnswer plan = Plan(world.state(), {"half/2025-01-01", "day/yesterday"});
  EXPECT_EQ(Outputs(plan), (std::set<std::string>{"half/2025-01-01", "raw/2025-01-01"}));
  ASSERT_EQ(plan.unproducible.size(), 2u);
  EXPECT_EQ(plan.unproducible[0].ref, "nobody/2025-01-01");
  EXPECT_EQ(plan.unproducible[0].reason, "NoProducer");
  EXPECT_EQ(plan.unproducible[1].ref, "day/yesterday");
  EXPECT_EQ(plan.unproducible[1].reason, "AmbiguousProducer");
}

TEST_F(PlanTest, ACycleIsNamed) {
  world.cluster.PutDataJob("a", {"a/{x}"}, {"b/{x}"});
  world.cluster.PutDataJob("b", {"b/{x}"}, {"a/{x}"});
  world.Settle();
  const PlanAnswer plan = Plan(world.state(), {"a/1"});
  EXPECT_EQ(plan.refused.reason, "Cycle");
  EXPECT_EQ(plan.refused.message, "a/1 needs b/1 needs a/1");
  EXPECT_TRUE(plan.tasks.empty());
}

TEST_F(PlanTest, TextThatIsNoRefIsRefused) {
  const PlanAnswer plan = Plan(world.state(), {"raw/2025-01-01", "two\nlines"});
  EXPECT_EQ(plan.refused.reason, "InvalidWant");
  EXPECT_EQ(plan.refused.ref, "two\nlines");
}

}  // namespace
}  // namespace databuild
