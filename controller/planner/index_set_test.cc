#include "controller/planner/index_set.h"

#include <gtest/gtest.h>

#include <random>
#include <set>
#include <vector>

namespace databuild {
namespace {

std::vector<Index> Members(const IndexSet& set) {
  std::vector<Index> members;
  for (Index at = set.First(); at != kNone; at = set.Next(at + 1)) members.push_back(at);
  return members;
}

TEST(IndexSetTest, IsASetWhateverIsDoneToIt) {
  std::mt19937 random(1);
  IndexSet set;
  std::set<Index> plain;
  for (int i = 0; i < 20'000; ++i) {
    const Index index = random() % 3 ? random() % 300 : random() % 1'000'000;
    if (random() % 2) {
      EXPECT_EQ(set.Insert(index), plain.insert(index).second);
    } else {
      EXPECT_EQ(set.Erase(index), plain.erase(index) == 1);
    }
    ASSERT_EQ(set.size(), plain.size());
    const Index from = random() % 1'000'000;
    const auto next = plain.lower_bound(from);
    ASSERT_EQ(set.Next(from), next == plain.end() ? kNone : *next);
    ASSERT_EQ(set.Contains(from), plain.contains(from));
  }
  EXPECT_EQ(Members(set), std::vector<Index>(plain.begin(), plain.end()));
  set.Clear();
  EXPECT_TRUE(set.empty());
  EXPECT_EQ(set.First(), kNone);
}

TEST(IndexSetTest, BlocksEndWhereTheyShould) {
  IndexSet set;
  for (const Index index : {0u, 63u, 64u, 127u, 128u, kNone - 1}) set.Insert(index);
  EXPECT_EQ(Members(set), (std::vector<Index>{0, 63, 64, 127, 128, kNone - 1}));
  EXPECT_EQ(set.Next(64), 64u);
  EXPECT_EQ(set.Next(65), 127u);
  EXPECT_EQ(set.Next(129), kNone - 1);
}

}  // namespace
}  // namespace databuild
