#include "controller/planner/ready_queue.h"

#include <gtest/gtest.h>

namespace databuild {
namespace {

constexpr Index kRaw = 0, kClean = 1;

ReadyQueue::Place At(int64_t order, Index unit, Index job) {
  return {{order, 0, 0, unit}, job, "", false};
}

ReadyQueue::Place Batched(int64_t order, Index unit, std::string batch) {
  return {{order, 0, 0, unit}, kRaw, std::move(batch), true};
}

TEST(ReadyQueueTest, PositionsCountTheUnitsOfAllJobsInTheOrderOfWork) {
  ReadyQueue queue;
  queue.Put(7, At(3, 7, kRaw));
  queue.Put(8, At(1, 8, kClean));
  queue.Put(9, At(2, 9, kRaw));
  EXPECT_EQ(queue.Position(8), 1u);
  EXPECT_EQ(queue.Position(9), 2u);
  EXPECT_EQ(queue.Position(7), 3u);
  EXPECT_EQ(queue.Position(1), 0u);
  queue.Remove(8);
  EXPECT_EQ(queue.Position(7), 2u);
  EXPECT_EQ(queue.size(), 2u);
}

TEST(ReadyQueueTest, AUnitIsInOnePlaceOnly) {
  ReadyQueue queue;
  queue.Put(7, At(3, 7, kRaw));
  queue.Put(9, At(2, 9, kRaw));
  queue.Put(7, At(1, 7, kRaw));
  EXPECT_EQ(queue.size(), 2u);
  EXPECT_EQ(queue.Position(7), 1u);
  EXPECT_EQ(std::get<3>(*queue.Head(kRaw)), 7u);
}

TEST(ReadyQueueTest, EachJobHasOneHead) {
  ReadyQueue queue;
  queue.Put(7, At(3, 7, kRaw));
  queue.Put(8, At(1, 8, kClean));
  queue.Put(9, At(2, 9, kRaw));
  const auto heads = queue.Heads();
  ASSERT_EQ(heads.size(), 2u);
  EXPECT_EQ(std::get<3>(heads.begin()->first), 8u);
  EXPECT_EQ(std::get<3>(heads.rbegin()->first), 9u);
  queue.Remove(8);
  EXPECT_EQ(queue.Head(kClean), nullptr);
}

TEST(ReadyQueueTest, ABatchHoldsTheFirstUnitsOfTheSameGroup) {
  ReadyQueue queue;
  for (Index unit = 0; unit < 6; ++unit) {
    queue.Put(unit, Batched(10 - unit, unit, unit % 2 ? "odd" : "even"));
  }
  queue.Put(9, At(0, 9, kRaw));
  EXPECT_EQ(queue.Batch(4, 2), (std::vector<Index>{4, 2}));
  EXPECT_EQ(queue.Batch(1, 10), (std::vector<Index>{1, 5, 3}));
  EXPECT_EQ(queue.Batch(9, 10), std::vector<Index>{9});
  queue.Remove(2);
  EXPECT_EQ(queue.Batch(4, 10), (std::vector<Index>{4, 0}));
}

}  // namespace
}  // namespace databuild
