// What the planner's stories share: a world, what is true of it at the end of any, a few verbs.
#pragma once

#include <gtest/gtest.h>

#include <iostream>
#include <string>
#include <vector>

#include "tests/support/planner_world.h"

namespace databuild {

class PlannerStory : public ::testing::Test {
 protected:
  using Strings = std::vector<std::string>;

  void TearDown() override {
    EXPECT_EQ(world.violation(), "");
    EXPECT_EQ(world.ReplayDiffers(), "");
    if (HasFailure()) std::cerr << world.Transcript();
  }
  void JobsHang() {
    world.cluster.rule = [](const CreateJob&) { return JobEnd{"Hang", 0, {}, ""}; };
  }
  void JobsFail() {
    world.cluster.rule = [](const CreateJob&) { return JobEnd{"Failed", 1, {}, "Error"}; };
  }
  void JobsSucceed() {
    world.cluster.rule = [](const CreateJob&) { return JobEnd{}; };
  }
  std::string Ready(const std::string& want) const {
    const Condition& ready = world.cluster.WantCondition(want, "Ready");
    return ready.status + " " + ready.reason;
  }
  // Refs of a range: name/0, name/1, ...
  static RangeSpec Numbers(const std::string& name, int64_t from, int64_t to) {
    RangeCapture capture;
    capture.name = "n";
    capture.from = std::to_string(from);
    capture.to = std::to_string(to);
    return {name + "/{n}", {capture}};
  }

  PlannerWorld world;
};

}  // namespace databuild
