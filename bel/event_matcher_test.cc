#include "bel/event_matcher.h"

#include <functional>
#include <random>

#include "bel/glob.h"
#include "databuild/v1/databuild.pb.h"
#include "gtest/gtest.h"

namespace databuild {
namespace {

struct GlobCase {
  const char* glob;
  std::vector<const char*> matches;
  std::vector<const char*> others;
};

TEST(Glob, StarStaysInASegmentDoubleStarDoesNot) {
  const std::vector<GlobCase> cases = {
      {"a/b", {"a/b"}, {"a/bc", "a", "A/b", ""}},
      {"a/*", {"a/b", "a/", "a/date=2025"}, {"a", "a/b/c", "b/a/"}},
      {"a/**", {"a/", "a/b", "a/b/c"}, {"a", "ab/c"}},
      {"**", {"", "a", "a/b/c"}, {}},
      {"*", {"", "abc"}, {"a/b"}},
      {"**/date=2025-01-*",
       {"x/y/date=2025-01-31", "/date=2025-01-"},
       {"x/date=2025-02-01", "x/date=2025-01-1/y"}},
      {"a/*/c", {"a/b/c", "a//c"}, {"a/b/b/c", "a/c"}},
      {"a/**/c", {"a/b/c", "a/b/b/c", "a//c"}, {"a/c"}},
      {"d=202?-01", {"d=2025-01"}, {"d=202-01", "d=202/-01", "d=20255-01"}},
      {"*a*b", {"ab", "aab", "xaxb", "abab"}, {"a/b", "ba"}},
      {"**a*b", {"a/ab", "x/y/ab"}, {"ab/c"}},
      {"a.b+(c)[d]", {"a.b+(c)[d]"}, {"axb+(c)d"}},
  };
  for (const GlobCase& one : cases) {
    const Glob glob = Glob::Compile(one.glob).value();
    for (const char* text : one.matches) EXPECT_TRUE(glob.Matches(text)) << one.glob << " " << text;
    for (const char* text : one.others) EXPECT_FALSE(glob.Matches(text)) << one.glob << " " << text;
  }
}

TEST(Glob, BadOnesAreNamed) {
  for (const std::string& bad :
       {std::string(), std::string("a/***"), std::string("a b"), std::string("a\n"),
        std::string("caf\xc3\xa9"), std::string(1'025, 'a')}) {
    const auto glob = Glob::Compile(bad);
    ASSERT_FALSE(glob.ok()) << bad;
    EXPECT_EQ(glob.error().code, Errc::kInvalidArgument);
    EXPECT_NE(glob.error().message.find(bad.substr(0, 100)), std::string::npos);
  }
}

TEST(Glob, LiteralPrefixEndsAtTheFirstWildcard) {
  EXPECT_EQ(Glob::Compile("sales/orders/date=2025-01-*")->literal_prefix(),
            "sales/orders/date=2025-01-");
  EXPECT_EQ(Glob::Compile("**/x")->literal_prefix(), "");
  EXPECT_EQ(Glob::Compile("a/b")->literal_prefix(), "a/b");
}

// The definition, by recursion.
bool NaiveMatch(std::string_view glob, std::string_view text) {
  if (glob.empty()) return text.empty();
  if (glob[0] == '*') {
    const bool crosses = glob.starts_with("**");
    const std::string_view rest = glob.substr(crosses ? 2 : 1);
    for (size_t i = 0; i <= text.size(); ++i) {
      if (NaiveMatch(rest, text.substr(i))) return true;
      if (i < text.size() && text[i] == '/' && !crosses) return false;
    }
    return false;
  }
  if (text.empty()) return false;
  if (glob[0] == '?' ? text[0] == '/' : glob[0] != text[0]) return false;
  return NaiveMatch(glob.substr(1), text.substr(1));
}

TEST(Glob, AgreesWithItsDefinitionOnRandomInput) {
  std::mt19937 random(7);
  const auto draw = [&](const char* alphabet, size_t letters, size_t longest) {
    std::string text;
    for (size_t length = random() % (longest + 1); text.size() < length;)
      text += alphabet[random() % letters];
    return text;
  };
  for (int round = 0; round < 20'000; ++round) {
    const std::string pattern = draw("ab/**?", 6, 10), text = draw("ab/", 3, 12);
    const auto glob = Glob::Compile(pattern);
    if (!glob.ok()) continue;
    ASSERT_EQ(glob->Matches(text), NaiveMatch(pattern, text)) << pattern << " on " << text;
  }
}

TEST(Glob, LongOnesMatchAcrossWordsOfTheStateSet) {
  std::string pattern, text;
  for (int i = 0; i < 60; ++i) {
    pattern += "*ab/";
    text += std::string(i % 7, 'x') + "ab/";
  }
  EXPECT_TRUE(Glob::Compile(pattern)->Matches(text));
  EXPECT_FALSE(Glob::Compile(pattern)->Matches(text + "x"));
}

v1::EventFilter Filter(const std::function<void(v1::EventFilter&)>& fill) {
  v1::EventFilter filter;
  fill(filter);
  return filter;
}

bool Matches(const v1::EventFilter& filter, const v1::BuildEvent& event) {
  return EventMatcher::Compile(filter).value().Matches(event);
}

v1::EventFilter ByRef(const std::string& ref) {
  return Filter([&](auto& filter) { filter.add_partition_refs(ref); });
}

v1::EventFilter ByGlob(const std::string& glob) {
  return Filter([&](auto& filter) { filter.add_partition_patterns(glob); });
}

v1::PartitionRange January() {
  v1::PartitionRange range;
  range.set_ref("sales/date={date}");
  auto& dates = (*range.mutable_captures())["date"];
  dates.set_from("2025-01-01");
  dates.set_to("2025-01-31");
  dates.set_step("P1D");
  return range;
}

// One event per kind, each naming the ref "x/1" where that kind names refs.
std::vector<v1::BuildEvent> EventsThatNameTheRef() {
  std::vector<v1::BuildEvent> events(10);
  events[0].mutable_build_request_event()->add_requested_partitions()->set_str("x/1");
  events[1].mutable_partition_event()->mutable_partition_ref()->set_str("x/1");
  events[2].mutable_job_event()->add_target_partitions()->set_str("x/1");
  events[3].mutable_delegation_event()->mutable_partition_ref()->set_str("x/1");
  events[4].mutable_delegation_event()->add_partition_refs()->set_str("x/1");
  events[5].mutable_partition_invalidation_event()->mutable_partition_ref()->set_str("x/1");
  events[6].mutable_want_event()->add_requested_partitions()->set_str("x/1");
  events[7].mutable_taint_event()->add_refs()->set_str("x/1");
  events[8].mutable_taint_event()->add_tainted_instances()->set_ref("x/1");
  events[9].mutable_adoption_event()->add_partition_refs()->set_str("x/1");
  return events;
}

TEST(EventMatcher, FindsARefInEveryKindThatCarriesOne) {
  for (const v1::BuildEvent& event : EventsThatNameTheRef()) {
    EXPECT_TRUE(Matches(ByRef("x/1"), event)) << event.ShortDebugString();
    EXPECT_TRUE(Matches(ByGlob("x/*"), event)) << event.ShortDebugString();
    EXPECT_FALSE(Matches(ByRef("x/2"), event)) << event.ShortDebugString();
    EXPECT_FALSE(Matches(ByGlob("y/**"), event)) << event.ShortDebugString();
  }
}

TEST(EventMatcher, DoesNotLookIntoInputsPlansAndManifests) {
  v1::BuildEvent event;
  event.mutable_job_event()->mutable_config()->add_inputs()->mutable_partition_ref()->set_str(
      "x/1");
  event.mutable_job_event()->add_manifests()->add_outputs()->set_str("x/1");
  EXPECT_FALSE(Matches(ByRef("x/1"), event));
  v1::BuildEvent plan;
  plan.mutable_job_graph_event()->mutable_job_graph()->add_outputs()->set_str("x/1");
  EXPECT_FALSE(Matches(ByRef("x/1"), plan));
}

TEST(EventMatcher, FindsRefsInsideRanges) {
  v1::BuildEvent want, build, delegation;
  *want.mutable_want_event()->add_requested_ranges() = January();
  *build.mutable_build_request_event()->add_requested_ranges() = January();
  *delegation.mutable_delegation_event()->add_ranges() = January();
  for (const v1::BuildEvent& event : {want, build, delegation}) {
    EXPECT_TRUE(Matches(ByRef("sales/date=2025-01-31"), event));
    EXPECT_FALSE(Matches(ByRef("sales/date=2025-02-01"), event));
    EXPECT_TRUE(Matches(ByGlob("sales/date=*-15"), event));
    EXPECT_FALSE(Matches(ByGlob("sales/date=2025-02-*"), event));
    EXPECT_FALSE(Matches(ByGlob("orders/**"), event));
  }
}

TEST(EventMatcher, OrInsideAListAndBetweenLists) {
  v1::BuildEvent event;
  event.set_build_request_id("b1");
  event.mutable_job_event()->set_job_run_id("r1");
  event.mutable_job_event()->mutable_job_label()->set_label("//x");
  event.mutable_job_event()->add_target_partitions()->set_str("x/1");
  const auto both = Filter([](auto& filter) {
    filter.add_job_labels("//other");
    filter.add_job_labels("//x");
    filter.add_build_request_ids("b1");
    filter.add_job_run_ids("r1");
    filter.add_partition_refs("x/9");
    filter.add_partition_patterns("x/*");
  });
  EXPECT_TRUE(Matches(both, event));
  auto other_build = both;
  other_build.set_build_request_ids(0, "b2");
  EXPECT_FALSE(Matches(other_build, event));
  auto other_run = both;
  other_run.set_job_run_ids(0, "r2");
  EXPECT_FALSE(Matches(other_run, event));
  auto other_ref = both;
  other_ref.set_partition_patterns(0, "y/*");
  EXPECT_FALSE(Matches(other_ref, event));
  auto other_label = both;
  other_label.set_job_labels(1, "//y");
  EXPECT_FALSE(Matches(other_label, event));
}

TEST(EventMatcher, WantsAndTaintsAreFoundByTheirIds) {
  v1::BuildEvent want, build, taint, hit;
  want.mutable_want_event()->set_want_id("w1");
  build.mutable_build_request_event()->set_want_id("w1");
  taint.mutable_taint_event()->set_taint_id("t1");
  hit.mutable_partition_invalidation_event()->set_taint_id("t1");
  const auto by_want = Filter([](auto& filter) { filter.add_want_ids("w1"); });
  const auto by_taint = Filter([](auto& filter) { filter.add_taint_ids("t1"); });
  EXPECT_TRUE(Matches(by_want, want) && Matches(by_want, build));
  EXPECT_FALSE(Matches(by_want, taint) || Matches(by_want, hit));
  EXPECT_TRUE(Matches(by_taint, taint) && Matches(by_taint, hit));
  EXPECT_FALSE(Matches(by_taint, want) || Matches(by_taint, build));
}

TEST(EventMatcher, AnEmptyFilterMatchesEverything) {
  const EventMatcher matcher = EventMatcher::Compile({}).value();
  EXPECT_TRUE(matcher.matches_all());
  for (const v1::BuildEvent& event : EventsThatNameTheRef()) EXPECT_TRUE(matcher.Matches(event));
}

TEST(EventMatcher, BadFiltersAreErrorsThatNameTheEntry) {
  const auto bad_glob = EventMatcher::Compile(ByGlob("x/***"));
  ASSERT_FALSE(bad_glob.ok());
  EXPECT_NE(bad_glob.error().message.find("x/***"), std::string::npos);
  EXPECT_NE(bad_glob.error().message.find("partition_patterns"), std::string::npos);
  EXPECT_FALSE(EventMatcher::Compile(ByRef("")).ok());
  v1::EventFilter huge;
  for (int i = 0; i <= kMaxFilterEntries; ++i) huge.add_job_run_ids("r" + std::to_string(i));
  EXPECT_FALSE(EventMatcher::Compile(huge).ok());
}

}  // namespace
}  // namespace databuild
