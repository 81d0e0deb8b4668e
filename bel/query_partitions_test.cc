// Lists of partitions, and the rules all lists share.
#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <random>
#include <set>

#include "bel/query.h"
#include "bel/query_page.h"
#include "bel/query_testing.h"

namespace databuild {
namespace {

std::vector<std::string> RefsOf(const v1::ListPartitionsResponse& response) {
  std::vector<std::string> refs;
  for (const auto& row : response.refs()) refs.push_back(row.partition_ref().str());
  return refs;
}

void MakePartitions(QueryWorld& world) {
  world.Make("a/1");
  world.Make("a/2");
  world.Instance("a/3", 1, v1::PARTITION_REQUESTED);
  world.Instance("a/4", 1, v1::PARTITION_REQUESTED);
  world.Instance("a/4", 1, v1::PARTITION_FAILED);
  world.Make("b/1");
  world.Want("w", {"c/never"});
  world.Taint("t", "b/1", 1);
}

TEST(ListPartitions, FiltersAreAndedAndTheirValuesOred) {
  QueryWorld world;
  MakePartitions(world);
  struct Case {
    const char* name;
    std::function<void(v1::ListPartitionsRequest&)> set;
    std::vector<std::string> refs;
  };
  const std::vector<Case> cases = {
      {"everything, bytewise", [](auto&) {}, {"a/1", "a/2", "a/3", "a/4", "b/1", "c/never"}},
      {"by status", [](auto& r) { r.add_partition_status(v1::PARTITION_FAILED); }, {"a/4"}},
      {"by either status",
       [](auto& r) {
         r.add_partition_status(v1::PARTITION_FAILED);
         r.add_partition_status(v1::PARTITION_REQUESTED);
       },
       {"a/3", "a/4"}},
      {"never made", [](auto& r) { r.add_partition_status(v1::PARTITION_UNKNOWN); }, {"c/never"}},
      {"by pattern, not anchored",
       [](auto& r) { r.set_ref_pattern("/[13]"); },
       {"a/1", "a/3", "b/1"}},
      {"by pattern and status",
       [](auto& r) {
         r.set_ref_pattern("/[13]$");
         r.add_partition_status(v1::PARTITION_AVAILABLE);
       },
       {"a/1", "b/1"}},
      {"by prefix", [](auto& r) { r.set_ref_prefix("b"); }, {"b/1"}},
      {"after a ref", [](auto& r) { r.set_last_partition("a/3"); }, {"a/4", "b/1", "c/never"}},
      {"after a ref that is none",
       [](auto& r) { r.set_last_partition("a/33"); },
       {"a/4", "b/1", "c/never"}},
      {"prefix and after",
       [](auto& r) {
         r.set_ref_prefix("a/");
         r.set_last_partition("a/2");
       },
       {"a/3", "a/4"}},
      {"tainted", [](auto& r) { r.set_tainted(true); }, {"b/1"}},
      {"not tainted, b", [](auto& r) { r.set_tainted(false), r.set_ref_prefix("b"); }, {}},
      {"a state no partition is in",
       [](auto& r) { r.add_partition_status(v1::PARTITION_DELEGATED); },
       {}},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.name);
    v1::ListPartitionsRequest request;
    c.set(request);
    const auto response = ListPartitions(world.View(), request);
    ASSERT_TRUE(response.ok()) << response.error().message;
    EXPECT_EQ(RefsOf(*response), c.refs);
    EXPECT_FALSE(response->has_more());
    EXPECT_EQ(response->event_index(), world.state.idx());
  }
}

TEST(ListPartitions, RefusesWhatItCannotMeanInsteadOfAnsweringMore) {
  QueryWorld world;
  MakePartitions(world);
  struct Case {
    std::function<void(v1::ListPartitionsRequest&)> set;
    const char* field;
  };
  const std::vector<Case> cases = {
      {[](auto& r) { r.set_ref_pattern("("); }, "ref_pattern"},
      {[](auto& r) { r.set_ref_pattern(std::string(1'001, 'a')); }, "ref_pattern"},
      {[](auto& r) { r.add_partition_status(static_cast<v1::PartitionStatus>(77)); },
       "partition_status"},
      {[](auto& r) { r.set_page_size(501); }, "page_size"},
      {[](auto& r) { r.set_page_token("nonsense"); }, "page_token"},
      {[](auto& r) { r.set_page_token("!!!"); }, "page_token"},
  };
  for (const Case& c : cases) {
    v1::ListPartitionsRequest request;
    c.set(request);
    const auto response = ListPartitions(world.View(), request);
    ASSERT_FALSE(response.ok());
    EXPECT_EQ(FieldOf(response.error()), c.field);
  }
}

TEST(ListPartitions, TotalsAreExactOrSaidToBeUnknown) {
  QueryWorld world;
  MakePartitions(world);
  v1::ListPartitionsRequest request;
  auto response = ListPartitions(world.View(), request).value();
  EXPECT_TRUE(response.total_count_known());
  EXPECT_EQ(response.total_count(), 6u);
  request.add_partition_status(v1::PARTITION_AVAILABLE);
  request.add_partition_status(v1::PARTITION_AVAILABLE);
  request.add_partition_status(v1::PARTITION_FAILED);
  response = ListPartitions(world.View(), request).value();
  EXPECT_TRUE(response.total_count_known());
  EXPECT_EQ(response.total_count(), static_cast<uint64_t>(response.refs_size()));
  request.set_ref_pattern("a");
  EXPECT_FALSE(ListPartitions(world.View(), request)->total_count_known());
}

TEST(PageTokens, AreGoodForTheSameListOnly) {
  QueryWorld world;
  MakePartitions(world);
  v1::ListPartitionsRequest request;
  request.set_page_size(2);
  const auto first = ListPartitions(world.View(), request).value();
  ASSERT_TRUE(first.has_more());
  request.set_page_token(first.next_page_token());
  request.set_page_size(3);  // another page size is fine
  EXPECT_EQ(RefsOf(*ListPartitions(world.View(), request)),
            (std::vector<std::string>{"a/3", "a/4", "b/1"}));

  auto other = request;
  other.add_partition_status(v1::PARTITION_FAILED);
  EXPECT_EQ(FieldOf(ListPartitions(world.View(), other).error()), "page_token");
  QueryView elsewhere = {world.state, "ops", nullptr};
  EXPECT_EQ(FieldOf(ListPartitions(elsewhere, request).error()), "page_token");
  v1::ListWantsRequest wants;
  wants.set_page_token(first.next_page_token());
  EXPECT_EQ(FieldOf(ListWants(world.View(), wants).error()), "page_token");
}

TEST(PageTokens, AnyChangedCharacterIsNoticed) {
  v1::ListPartitionsRequest request;
  const std::string token = PageToken(request, "scope", "sales/revenue/date=2025-01-05");
  request.set_page_token(token);
  EXPECT_EQ(StartPage(request, "scope")->after, "sales/revenue/date=2025-01-05");
  for (size_t i = 0; i < token.size(); ++i) {
    for (char replacement : {'A', 'z', '_', '='}) {
      std::string mangled = token;
      if (mangled[i] == replacement) continue;
      mangled[i] = replacement;
      request.set_page_token(mangled);
      EXPECT_FALSE(StartPage(request, "scope").ok()) << mangled;
    }
    request.set_page_token(token.substr(0, i));
    EXPECT_EQ(StartPage(request, "scope").ok(), i == 0);
  }
}

// Rows come in at random places while a reader walks the pages; what was there at the start is seen
// exactly once, in order, whatever is inserted and however rows change their state.
TEST(ListPartitions, AWalkWhileRowsAreInsertedSeesEveryOldRowOnce) {
  for (unsigned seed = 1; seed <= 30; ++seed) {
    SCOPED_TRACE(seed);
    std::mt19937 random(seed);
    QueryWorld world;
    const auto insert = [&] { world.Make("p/" + std::to_string(random() % 100'000)); };
    for (int i = 0; i < 120; ++i) insert();
    std::set<std::string> before;
    for (const Index partition : world.state.by_ref()) {
      before.insert(world.state.partition(partition).ref);
    }
    v1::ListPartitionsRequest request;
    request.set_page_size(1 + random() % 17);
    std::vector<std::string> seen;
    while (true) {
      const auto page = ListPartitions(world.View(), request).value();
      EXPECT_LE(page.refs_size(), static_cast<int>(request.page_size()));
      for (const std::string& ref : RefsOf(page)) seen.push_back(ref);
      EXPECT_EQ(page.has_more(), !page.next_page_token().empty());
      if (!page.has_more()) break;
      request.set_page_token(page.next_page_token());
      for (int i = 0; i < 5; ++i) insert();
    }
    EXPECT_TRUE(std::is_sorted(seen.begin(), seen.end()));
    const std::set<std::string> unique(seen.begin(), seen.end());
    EXPECT_EQ(unique.size(), seen.size());
    EXPECT_TRUE(std::includes(unique.begin(), unique.end(), before.begin(), before.end()));
  }
}

}  // namespace
}  // namespace databuild
