// Random worlds, from seeds. What they find goes into controller/planner/planner_found_test.cc.
//
//   SIM_SEEDS=5000 tests_planner_sim        more seeds
//   SIM_SEED=17 tests_planner_sim           one seed, with its transcript when it fails
#include <gtest/gtest.h>

#include <cstdlib>
#include <iostream>

#include "bel/base/log.h"
#include "tests/sim/random_world.h"

namespace databuild {
namespace {

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr uint64_t kSeeds = 200;
#else
constexpr uint64_t kSeeds = 2'000;
#endif

uint64_t FromEnvironment(const char* name, uint64_t otherwise) {
  const char* text = std::getenv(name);
  return text ? std::strtoull(text, nullptr, 10) : otherwise;
}

// Seeds that found a fault which has no smaller world that shows it.
constexpr uint64_t kFound[] = {48'645};

TEST(PlannerSim, WhatWasFoundOnceIsNotFoundAgain) {
  SetLogSink([](std::string_view) {});
  for (const uint64_t seed : kFound) {
    RandomWorld world(seed);
    EXPECT_EQ(world.Play(), "") << "replay with SIM_SEED=" << seed;
  }
}

TEST(PlannerSim, OnceTheWorldIsCalmEveryWantGetsWhatCanBeMade) {
  SetLogSink([](std::string_view) {});
  const uint64_t only = FromEnvironment("SIM_SEED", 0);
  const uint64_t seeds = FromEnvironment("SIM_SEEDS", kSeeds);
  for (uint64_t seed = only ? only : 1; seed <= (only ? only : seeds); ++seed) {
    RandomWorld world(seed);
    const std::string wrong = world.Play();
    if (only && !wrong.empty()) std::cerr << world.Transcript();
    ASSERT_EQ(wrong, "") << "replay with SIM_SEED=" << seed;
  }
}

}  // namespace
}  // namespace databuild
