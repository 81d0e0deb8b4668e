// One request examines so many rows and no more; what it has not seen comes with the next page.
#include "bel/query_page.h"
#include "bel/query_testing.h"

namespace databuild {
namespace {

constexpr size_t kOver = kMaxCandidates + 10;  // rows before the one that is looked for

TEST(QueryLimits, APageOfPartitionsIsShortWhenTooManyWereExamined) {
  QueryWorld world;
  for (size_t i = 0; i < kOver; ++i)
    world.Instance("a/" + std::to_string(i), 1, v1::PARTITION_REQUESTED);
  world.Instance("z", 1, v1::PARTITION_REQUESTED);
  v1::ListPartitionsRequest request;
  request.set_ref_pattern("^z$");
  const auto first = ListPartitions(world.View(), request);
  ASSERT_TRUE(first.ok());
  EXPECT_EQ(first->refs_size(), 0);
  ASSERT_TRUE(first->has_more());
  EXPECT_FALSE(first->total_count_known());
  request.set_page_token(first->next_page_token());
  const auto second = ListPartitions(world.View(), request);
  ASSERT_TRUE(second.ok());
  ASSERT_EQ(second->refs_size(), 1);
  EXPECT_EQ(second->refs(0).partition_ref().str(), "z");
  EXPECT_FALSE(second->has_more());
}

TEST(QueryLimits, APageOfWantsIsShortWhenTooManyWereExamined) {
  QueryWorld world;
  world.Want("oldest", {"z"});
  for (size_t i = 0; i < kOver; ++i) world.Want("w" + std::to_string(i), {"a"});
  v1::ListWantsRequest request;
  request.add_names("name-oldest");
  const auto first = ListWants(world.View(), request);
  ASSERT_TRUE(first.ok());
  EXPECT_EQ(first->wants_size(), 0);
  ASSERT_TRUE(first->has_more());
  request.set_page_token(first->next_page_token());
  const auto second = ListWants(world.View(), request);
  ASSERT_TRUE(second.ok());
  ASSERT_EQ(second->wants_size(), 1);
  EXPECT_EQ(second->wants(0).want().want_id(), "oldest");
  EXPECT_FALSE(second->has_more());
}

}  // namespace
}  // namespace databuild
