// The simulator itself is tested: with a fault put into the planner on purpose it must find
// something wrong within 2,000 seeds, and without one it must not.
#include <gtest/gtest.h>

#include "bel/base/log.h"
#include "controller/planner/mutant.h"
#include "tests/sim/random_world.h"

namespace databuild {
namespace {

constexpr uint64_t kSeeds = 2'000;

class MutantTest : public ::testing::Test {
 protected:
  MutantTest() {
    SetLogSink([](std::string_view) {});
  }
  ~MutantTest() override { active_mutant = Mutant::kNone; }

  // What the first seed that found something found; "" if none did.
  static std::string Hunt(Mutant mutant, int forget = 0, uint64_t seeds = kSeeds) {
    active_mutant = mutant;
    for (uint64_t seed = 1; seed <= seeds; ++seed) {
      const std::string wrong = RandomWorld(seed, forget).Play();
      if (!wrong.empty()) {
        RecordProperty("seed", std::to_string(seed));
        RecordProperty("wrong", wrong);
        return wrong;
      }
    }
    return "";
  }
};

TEST_F(MutantTest, TheUnharmedPlannerIsNotAccused) { EXPECT_EQ(Hunt(Mutant::kNone, 0, 50), ""); }

TEST_F(MutantTest, ActingBeforeTheAppendIsDurableIsCaught) {
  EXPECT_NE(Hunt(Mutant::kNone, 5), "");
}

TEST_F(MutantTest, ActingWithoutALiveGetIsCaught) { EXPECT_NE(Hunt(Mutant::kNoLiveGet), ""); }

TEST_F(MutantTest, JudgingAnEndedJobBeforeItsPodIsShownIsCaught) {
  EXPECT_NE(Hunt(Mutant::kNoPodList), "");
}

TEST_F(MutantTest, NotCheckingForAnActiveRunIsCaught) {
  EXPECT_NE(Hunt(Mutant::kNoActiveRunCheck), "");
}

TEST_F(MutantTest, CountingDelegationAsSuccessIsCaught) {
  EXPECT_NE(Hunt(Mutant::kDelegationIsSuccess), "");
}

TEST_F(MutantTest, NotAdoptingWhatOthersWaitForIsCaught) {
  EXPECT_NE(Hunt(Mutant::kNoAdoption), "");
}

TEST_F(MutantTest, TaintsThatIgnoreWhenARunBeganAreCaught) {
  EXPECT_NE(Hunt(Mutant::kTaintIgnoresRunStart), "");
}

}  // namespace
}  // namespace databuild
