#include "wrapper/budget.h"

#include <gtest/gtest.h>

namespace databuild::exec {
namespace {

constexpr TimeNs kStart = 1'700'000'000 * kSecond;

TEST(Budget, WithoutBoundAndRateEverythingIsAdmitted) {
  OutputBudget budget({.bound_bytes = 0, .rate_bytes = 0});
  for (int i = 0; i < 1000; ++i) {
    EXPECT_TRUE(budget.Admit(false, kStart));
    budget.Wrote(1 << 20);
  }
}

TEST(Budget, OrdinaryEntriesNeverExceedTheBound) {
  const int64_t bound = 100'000;
  OutputBudget budget({.bound_bytes = bound});
  int64_t written = 0;
  while (budget.Admit(false, kStart)) {
    budget.Wrote(5000);
    written += 5000;
  }
  EXPECT_LE(written, bound);
  EXPECT_GT(written, bound - 2 * static_cast<int64_t>(kEntryBytesMax));
  EXPECT_TRUE(budget.exhausted());
}

TEST(Budget, TheFirstProtectedEntriesPassBeyondTheBound) {
  OutputBudget budget({.bound_bytes = 1, .protected_entries = 3});
  EXPECT_FALSE(budget.Admit(false, kStart));
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(budget.Admit(true, kStart));
  EXPECT_FALSE(budget.Admit(true, kStart));
}

TEST(Budget, ProtectedEntriesAfterTheFirstAreLikeOthers) {
  OutputBudget budget({.bound_bytes = 1 << 20, .protected_entries = 1});
  EXPECT_TRUE(budget.Admit(true, kStart));
  EXPECT_TRUE(budget.Admit(true, kStart));  // there is room
  budget.Wrote(1 << 20);
  EXPECT_FALSE(budget.Admit(true, kStart));
}

TEST(Budget, TheRateAllowsABurstAndThenItsShare) {
  OutputBudget budget({.bound_bytes = 0, .rate_bytes = 1000});
  int64_t written = 0;
  const auto spend = [&](TimeNs now) {
    while (budget.Admit(false, now)) {
      budget.Wrote(100);
      written += 100;
    }
  };
  spend(kStart);
  EXPECT_EQ(written, 10'000);
  spend(kStart + kSecond);
  EXPECT_EQ(written, 11'000);
  spend(kStart + 2 * kSecond);
  EXPECT_EQ(written, 12'000);
  spend(kStart + kHour);
  EXPECT_EQ(written, 22'000);
}

TEST(Budget, AClockThatStepsBackGrantsNothing) {
  OutputBudget budget({.bound_bytes = 0, .rate_bytes = 1000});
  EXPECT_TRUE(budget.Admit(false, kStart));
  budget.Wrote(20'000);
  EXPECT_FALSE(budget.Admit(false, kStart - kDay));
  EXPECT_FALSE(budget.Admit(false, kStart));
  EXPECT_TRUE(budget.Admit(false, kStart + 11 * kSecond));
}

TEST(Budget, DropsAreCountedByCause) {
  OutputBudget budget({.bound_bytes = 50'000, .rate_bytes = 1});
  budget.Drop(true, 10);
  budget.Drop(false, 20);
  budget.Wrote(50'000);
  budget.Drop(true, 30);
  EXPECT_EQ(budget.dropped(), (Dropped{.lines = 2, .bytes = 60, .rate_lines = 1}));
}

}  // namespace
}  // namespace databuild::exec
