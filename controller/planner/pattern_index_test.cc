#include "controller/planner/pattern_index.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace databuild {
namespace {

OutputPattern Pattern(const std::string& text) { return OutputPattern::Parse(text).value(); }

using Keys = std::vector<PatternIndex::JobKey>;

TEST(PatternIndex, FindsEveryJobThatMakesARef) {
  PatternIndex index;
  index.Add(1, Pattern("sales/revenue/date={date:date}"));
  index.Add(2, Pattern("sales/revenue/date={date}"));
  index.Add(3, Pattern("sales/{table}/all"));
  index.Add(3, Pattern("sales/all"));
  EXPECT_EQ(index.Find("sales/revenue/date=2025-01-05"), (Keys{1, 2}));
  EXPECT_EQ(index.Find("sales/revenue/date=latest"), (Keys{2}));
  EXPECT_EQ(index.Find("sales/revenue/all"), (Keys{3}));
  EXPECT_EQ(index.Find("sales/all"), (Keys{3}));
  EXPECT_EQ(index.Find("sales/al"), Keys{});
  EXPECT_EQ(index.Find(""), Keys{});
  EXPECT_EQ(index.Find(std::string(2'000, 'x')), Keys{});
}

TEST(PatternIndex, OverlapsNameJobPatternAndWitness) {
  PatternIndex index;
  index.Add(7, Pattern("sales/{table}/all"));
  index.Add(8, Pattern("sales/revenue/{day:date}"));
  index.Add(9, Pattern("costs/{table}/all"));
  std::vector<PatternIndex::Overlap> overlaps = index.Overlaps(Pattern("sales/{a:.*}"), 10);
  ASSERT_EQ(overlaps.size(), 2u);
  EXPECT_EQ(overlaps[0].job, 7u);
  EXPECT_EQ(overlaps[0].pattern, "sales/{table}/all");
  EXPECT_EQ(overlaps[0].witness, "sales/a/all");
  EXPECT_EQ(overlaps[1].job, 8u);
  EXPECT_EQ(index.Overlaps(Pattern("sales/{a:.*}"), 1).size(), 1u);
  EXPECT_TRUE(index.Overlaps(Pattern("sales/revenue"), 10).empty());
}

TEST(PatternIndex, RemovedJobsAreGoneAndMayComeBack) {
  PatternIndex index;
  index.Add(1, Pattern("a/{x}"));
  index.Add(1, Pattern("b/{x}"));
  index.Add(2, Pattern("a/{x}"));
  index.Remove(1);
  index.Remove(1);
  EXPECT_EQ(index.size(), 1u);
  EXPECT_EQ(index.Find("a/1"), (Keys{2}));
  EXPECT_EQ(index.Find("b/1"), Keys{});
  EXPECT_EQ(index.Overlaps(Pattern("b/1"), 10).size(), 0u);
  index.Add(1, Pattern("b/{x}"));
  EXPECT_EQ(index.Find("b/1"), (Keys{1}));
}

// Jobs that are renamed all the time leave no growing rest: the answers stay, whatever was removed.
TEST(PatternIndex, ManyGenerationsLeaveTheAnswersRight) {
  PatternIndex index;
  for (uint32_t generation = 0; generation < 400; ++generation) {
    for (uint32_t job = 0; job < 5; ++job) {
      index.Remove(job);
      index.Add(job, Pattern("generation" + std::to_string(generation) + "/a-long-name/" +
                             std::to_string(job) + "/{x}"));
    }
    std::string prefix = "generation" + std::to_string(generation) + "/a-long-name/";
    ASSERT_EQ(index.Find(prefix + "3/x"), (Keys{3}));
    if (generation > 0) {
      ASSERT_EQ(index.Find("generation" + std::to_string(generation - 1) + "/a-long-name/3/x"),
                Keys{});
    }
  }
  EXPECT_EQ(index.size(), 5u);
}

}  // namespace
}  // namespace databuild
