#include "bel/ref_order.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>
#include <random>
#include <set>

namespace databuild {
namespace {

// Refs that share long beginnings, begin others, end at every distance, and hold zeros.
TEST(RefOrder, IsBytewise) {
  std::mt19937 random(1);
  for (int round = 0; round < 20; ++round) {
    std::set<std::string> refs;
    while (refs.size() < 2'000) {
      std::string ref;
      for (size_t words = random() % 5; words > 0; --words) {
        ref += random() % 2 ? "region=eu-west-1/"
                            : std::string(random() % 9, "ab\0\xff"[random() % 4]);
      }
      refs.insert(ref);
    }
    std::vector<std::string> shuffled(refs.begin(), refs.end());
    std::shuffle(shuffled.begin(), shuffled.end(), random);
    EntityList<Partition> partitions;
    for (const std::string& ref : shuffled) partitions.emplace_back().ref = ref;
    std::vector<Index> order(shuffled.size());
    std::iota(order.begin(), order.end(), 0);
    SortByRef(partitions, order);
    RefOrder one_by_one(partitions), at_once(partitions);
    for (Index i = 0; i < order.size(); ++i) one_by_one.Add(i);
    for (const Index i : order) at_once.AddLast(i);
    size_t at = 0;
    for (const std::string& ref : refs) {
      ASSERT_EQ(partitions[order[at++]].ref, ref);
      ASSERT_EQ(partitions[*one_by_one.lower_bound(ref)].ref, ref);
    }
    ASSERT_TRUE(std::equal(one_by_one.begin(), one_by_one.end(), at_once.begin(), at_once.end()));
    ASSERT_TRUE(std::equal(order.begin(), order.end(), at_once.begin(), at_once.end()));
  }
}

}  // namespace
}  // namespace databuild
