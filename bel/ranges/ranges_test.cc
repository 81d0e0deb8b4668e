#include "bel/ranges/ranges.h"

#include <gtest/gtest.h>

#include <random>
#include <set>

namespace databuild {
namespace {

RangeCapture FromTo(std::string name, std::string from, std::string to, std::string step = "") {
  return {std::move(name), std::move(from), std::move(to), std::move(step), {}};
}

RangeCapture Values(std::string name, std::vector<std::string> values) {
  return {std::move(name), "", "", "", std::move(values)};
}

std::vector<std::string> All(const PartitionRange& range) {
  std::vector<std::string> refs;
  for (uint64_t i = 0; i < range.size(); ++i) refs.push_back(range.At(i));
  return refs;
}

std::vector<std::string> Expand(const RangeSpec& spec) {
  Result<PartitionRange> range = PartitionRange::Compile(spec, "range");
  if (!range.ok()) return {range.error().message};
  return All(*range);
}

using Refs = std::vector<std::string>;

TEST(PartitionRange, DaysMonthsAndIntegersAreCountedFromEndToEnd) {
  EXPECT_EQ(Expand({"d={d}", {FromTo("d", "2024-02-28", "2024-03-01")}}),
            (Refs{"d=2024-02-28", "d=2024-02-29", "d=2024-03-01"}));
  EXPECT_EQ(Expand({"m={m}", {FromTo("m", "2024-11", "2025-01")}}),
            (Refs{"m=2024-11", "m=2024-12", "m=2025-01"}));
  EXPECT_EQ(Expand({"n={n}", {FromTo("n", "-1", "1")}}), (Refs{"n=-1", "n=0", "n=1"}));
  EXPECT_EQ(Expand({"h={h}", {FromTo("h", "08", "10")}}), (Refs{"h=08", "h=09", "h=10"}));
}

TEST(PartitionRange, StepsStayOnTheGridOfTheFirstValue) {
  EXPECT_EQ(Expand({"{d}", {FromTo("d", "2025-01-31", "2025-04-30", "P1M")}}),
            (Refs{"2025-01-31", "2025-02-28", "2025-03-31", "2025-04-30"}));
  EXPECT_EQ(Expand({"{d}", {FromTo("d", "2025-01-06", "2025-01-26", "P1W")}}),
            (Refs{"2025-01-06", "2025-01-13", "2025-01-20"}));
  EXPECT_EQ(Expand({"{m}", {FromTo("m", "2025-01", "2026-03", "P1Y")}}),
            (Refs{"2025-01", "2026-01"}));
  EXPECT_EQ(Expand({"{n}", {FromTo("n", "0", "10", "4")}}), (Refs{"0", "4", "8"}));
}

TEST(PartitionRange, SeveralCapturesAreACrossProductInTheOrderOfTheRef) {
  EXPECT_EQ(Expand({"{b}/{a}", {FromTo("a", "1", "2"), Values("b", {"x", "y"})}}),
            (Refs{"x/1", "x/2", "y/1", "y/2"}));
  EXPECT_EQ(Expand({"only/one", {}}), (Refs{"only/one"}));
  EXPECT_EQ(Expand({"{{{a}}}", {Values("a", {"x"})}}), (Refs{"{x}"}));
}

TEST(PartitionRange, AMillionRefsAreNotExpandedToBeCounted) {
  Result<PartitionRange> range =
      PartitionRange::Compile({"n={n}", {FromTo("n", "1", "1000000")}}, "range");
  ASSERT_TRUE(range.ok());
  EXPECT_EQ(range->size(), 1'000'000u);
  EXPECT_EQ(range->At(999'999), "n=1000000");
  EXPECT_TRUE(range->Contains("n=500000"));
  EXPECT_FALSE(range->Contains("n=1000001"));
  EXPECT_FALSE(range->Contains("n=0500000"));

  Result<PartitionRange> over =
      PartitionRange::Compile({"n={n}", {FromTo("n", "0", "1000000")}}, "range");
  ASSERT_FALSE(over.ok());
  EXPECT_EQ(over.error().code, Errc::kTooLarge);
  Result<PartitionRange> product = PartitionRange::Compile(
      {"{a}/{b}", {FromTo("a", "1", "1001"), FromTo("b", "1", "1000")}}, "range");
  ASSERT_FALSE(product.ok());
  EXPECT_EQ(product.error().code, Errc::kTooLarge);
}

TEST(PartitionRange, AllRangesOfAWantAreLimitedTogether) {
  RangeSpec half{"n={n}", {FromTo("n", "1", "600000")}};
  EXPECT_TRUE(CompileRanges({half}).ok());
  Result<std::vector<PartitionRange>> both = CompileRanges({half, half});
  ASSERT_FALSE(both.ok());
  EXPECT_EQ(both.error().code, Errc::kTooLarge);
}

TEST(PartitionRange, ErrorsNameFieldAndValue) {
  struct Case {
    RangeSpec spec;
    std::string field;
    std::string value;
  };
  const std::string long_text(1'020, 'x');
  for (const Case& c : std::vector<Case>{
           {{"{d}", {FromTo("d", "2025-02-30", "2025-03-01")}}, ".captures.d.from", "2025-02-30"},
           {{"{d}", {FromTo("d", "2025-02-01", "2025-02-30")}}, ".captures.d.to", "2025-02-30"},
           {{"{d}", {FromTo("d", "2025-02-01", "2025-03")}}, ".captures.d.to", "2025-03"},
           {{"{d}", {FromTo("d", "2025-02-01", "2025-01-01")}}, ".captures.d", "2025-01-01"},
           {{"{d}", {FromTo("d", "2025-02-01", "2025-03-01", "1")}}, ".captures.d.step", "\"1\""},
           {{"{d}", {FromTo("d", "2025-02-01", "2025-03-01", "P0D")}}, ".captures.d.step", "P0D"},
           {{"{d}", {FromTo("d", "2025-02-01", "2025-03-01", "-P1D")}}, ".captures.d.step", "-P1D"},
           {{"{d}", {FromTo("d", "2025-02", "2025-03", "P1D")}}, ".captures.d.step", "P1D"},
           {{"{n}", {FromTo("n", "1", "x")}}, ".captures.n.to", "\"x\""},
           {{"{n}", {FromTo("n", "1", "3", "0")}}, ".captures.n.step", "\"0\""},
           {{"{n}", {FromTo("n", "3", "1")}}, ".captures.n", "from 3"},
           {{"{n}", {FromTo("n", "", "1")}}, ".captures.n.from", "missing"},
           {{"{n}", {FromTo("n", "1", "")}}, ".captures.n.to", "missing"},
           {{"{n}", {FromTo("n", "", "")}}, ".captures.n", "either"},
           {{"{n}", {{"n", "1", "2", "", {"a"}}}}, ".captures.n", "either"},
           {{"{n}", {Values("n", {"a", "b", "a"})}}, ".captures.n.values[2]", "\"a\""},
           {{"{n}", {Values("n", {"a", ""})}}, ".captures.n.values[1]", "\"\""},
           {{"{n}", {}}, ".ref", "\"n\""},
           {{"{n}/{n}", {Values("n", {"a"})}}, ".ref", "twice"},
           {{"x", {Values("n", {"a"})}}, ".captures.n", "{n}"},
           {{"{n", {Values("n", {"a"})}}, ".ref", "offset 0"},
           {{"{n|+1}", {Values("n", {"a"})}}, ".ref", "n|+1"},
           {{"", {}}, ".ref", "1,024"},
           {{long_text + "{n}", {FromTo("n", "1", "10000")}}, ".ref", "1025"}}) {
    Result<PartitionRange> range = PartitionRange::Compile(c.spec, "spec.ranges[3]");
    ASSERT_FALSE(range.ok()) << c.spec.ref;
    std::string message = range.error().message;
    std::string value = c.value == "1,024" ? "1024" : c.value;
    EXPECT_TRUE(message.starts_with("spec.ranges[3]" + c.field + ":")) << message;
    EXPECT_NE(message.find(value), std::string::npos) << message;
  }
}

TEST(PartitionRange, ContainsAgreesWithExpansion) {
  std::mt19937 random(3);
  const std::vector<RangeSpec> specs = {
      {"{a}{b}", {FromTo("a", "8", "12"), FromTo("b", "1", "30", "7")}},
      {"{a}-{b}", {Values("a", {"x", "x-", "-x"}), Values("b", {"y", "-y", "x-y"})}},
      {"{d}", {FromTo("d", "2024-01-31", "2025-12-31", "P1M")}},
      {"{d}", {FromTo("d", "2024-01-31", "2025-12-31", "P1M3D")}},
      {"{m}/{n}", {FromTo("m", "2024-05", "2026-05", "P5M"), FromTo("n", "08", "111", "9")}},
      {"{n}", {FromTo("n", "-20", "20", "3")}}};
  for (const RangeSpec& spec : specs) {
    PartitionRange range = PartitionRange::Compile(spec, "range").value();
    Refs refs = All(range);
    std::set<std::string> known(refs.begin(), refs.end());
    for (const std::string& ref : refs) {
      ASSERT_TRUE(range.Contains(ref)) << spec.ref << " " << ref;
      for (int round = 0; round < 20; ++round) {
        std::string near = ref;
        size_t at = std::uniform_int_distribution<size_t>(0, near.size() - 1)(random);
        static const std::string kBytes = "0123456789-xy/";
        char byte = kBytes[std::uniform_int_distribution<size_t>(0, kBytes.size() - 1)(random)];
        if (round % 3 == 0) near.insert(at, 1, byte);
        if (round % 3 == 1) near.erase(at, 1);
        if (round % 3 == 2) near[at] = byte;
        ASSERT_EQ(range.Contains(near), known.contains(near)) << spec.ref << " " << near;
      }
    }
  }
}

}  // namespace
}  // namespace databuild
