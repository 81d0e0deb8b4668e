#include "controller/planner/pattern.h"

#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <vector>

namespace databuild {
namespace {

OutputPattern Pattern(const std::string& text) {
  Result<OutputPattern> pattern = OutputPattern::Parse(text);
  EXPECT_TRUE(pattern.ok()) << (pattern.ok() ? "" : pattern.error().message);
  return *pattern;
}

// "a=1 b=2", or "no match".
std::string Matched(const std::string& pattern, const std::string& ref) {
  std::optional<Captures> captures = Pattern(pattern).Match(ref);
  if (!captures) return "no match";
  EXPECT_EQ(Pattern(pattern).Render(*captures), ref);
  std::string text;
  for (const Capture& capture : *captures) {
    text += (text.empty() ? "" : " ") + capture.name + "=" + capture.text;
  }
  return text;
}

TEST(OutputPattern, CapturesMatchTheTextsOfTheirType) {
  struct Case {
    const char* pattern;
    const char* ref;
    const char* captures;
  };
  for (const Case& c :
       std::initializer_list<Case>{{"sales/all", "sales/all", ""},
                                   {"sales/all", "sales/al", "no match"},
                                   {"sales/{team}", "sales/emea", "team=emea"},
                                   {"sales/{team}", "sales/", "no match"},
                                   {"sales/{team}", "sales/a/b", "no match"},
                                   {"sales/{team}/x", "sales/a b/x", "team=a b"},
                                   {"d={d:date}", "d=2024-02-29", "d=2024-02-29"},
                                   {"d={d:date}", "d=2025-02-29", "no match"},
                                   {"d={d:date}", "d=2025-1-1", "no match"},
                                   {"m={m:month}", "m=2025-12", "m=2025-12"},
                                   {"m={m:month}", "m=2025-13", "no match"},
                                   {"y={y:year}", "y=0001", "y=0001"},
                                   {"y={y:year}", "y=0000", "no match"},
                                   {"n={n:int}", "n=0", "n=0"},
                                   {"n={n:int}", "n=-12", "n=-12"},
                                   {"n={n:int}", "n=007", "no match"},
                                   {"n={n:int}", "n=+7", "no match"},
                                   {"n={n:int}", "n=-0", "no match"},
                                   {"n={n:int}", "n=999999999999999999", "n=999999999999999999"},
                                   {"n={n:int}", "n=1000000000000000000", "no match"},
                                   {"h={h:[0-9]{2}}", "h=07", "h=07"},
                                   {"h={h:[0-9]{2}}", "h=7", "no match"},
                                   {"e={e:prod|dev}", "e=dev", "e=dev"},
                                   {"p={p:.*}", "p=a/b", "p=a/b"},
                                   {"p={p:.*}", "p=", "p="},
                                   {"{{{a:[{}]+}}}", "{{}}", "a={}"}}) {
    EXPECT_EQ(Matched(c.pattern, c.ref), c.captures) << c.pattern << " " << c.ref;
  }
}

TEST(OutputPattern, EachCaptureTakesTheLongestTextThatLetsTheRestMatch) {
  EXPECT_EQ(Matched("{a}-{b}", "x-y-z"), "a=x-y b=z");
  EXPECT_EQ(Matched("{a}{b}", "xyz"), "a=xy b=z");
  EXPECT_EQ(Matched("{a:[a-z]*}{b:[a-z]+}", "xyz"), "a=xy b=z");
  EXPECT_EQ(Matched("{a:x|xy}{b:y?z}", "xyz"), "a=xy b=z");
  EXPECT_EQ(Matched("{a}-{d:date}", "2025-01-01-2025-01-02"), "a=2025-01-01 d=2025-01-02");
  EXPECT_EQ(Matched("{b}/{a}", "1/2"), "a=2 b=1");  // sorted by name
}

TEST(OutputPattern, WhatIsNoRefNeverMatches) {
  EXPECT_EQ(Matched("{a}", "caf\xc3\xa9"), "no match");
  EXPECT_EQ(Matched("{a:.*}", "a\nb"), "no match");
  EXPECT_EQ(Matched("{a:.*}", ""), "no match");
  EXPECT_EQ(Matched("{a}", std::string(1'024, 'x')).size(), 1'026u);
  EXPECT_EQ(Matched("{a}", std::string(1'025, 'x')), "no match");
}

TEST(OutputPattern, ManyCapturesThatCannotMatchEndSoon) {
  std::string pattern;
  for (int i = 0; i < 16; ++i) pattern += "{a" + std::to_string(i) + ":[a-z]+}";
  EXPECT_EQ(Matched(pattern + "!", std::string(1'000, 'x')), "no match");
}

TEST(OutputPattern, ErrorsSayWhatAndWhere) {
  struct Case {
    std::string pattern;
    const char* offset;
    const char* says;
  };
  for (const Case& c : std::vector<Case>{
           {"", "offset 0", "0 bytes"},
           {std::string(1'025, 'x'), "offset 0", "1025 bytes"},
           {"a/\xc3\xa9", "offset 2", "printable ASCII"},
           {"a/{b", "offset 2", "never closed"},
           {"a/b}", "offset 3", "closes nothing"},
           {"a/{}", "offset 3", "not a capture's name"},
           {"a/{1a}", "offset 3", "not a capture's name"},
           {"a/{b-c}", "offset 3", "not a capture's name"},
           {"a/{d|-P1D}", "offset 3", "belong to inputs"},
           {"a/{0..15}", "offset 3", "belong to inputs"},
           {"a/{inputs}", "offset 3", "meaning of its own"},
           {"a/{b}/{b}", "offset 7", "stands twice"},
           {"a/{b:}", "offset 5", "no type"},
           {"a/{b:string}", "offset 5", "\"string\" is no type"},
           {"a/{b:[a-}", "offset 2", "never closed"},
           {"a/{b:(a}", "offset 5", "regular expression"},
           {"a/{b:^a.}", "offset 5", "anchor"},
           {"a/{b:(?i)a}", "offset 5", "flag"},
           {"a/{b:\\ba}", "offset 5", "\\b"},
           {"a/{b:\\pL+}", "offset 5", "\\p"},
           {"a/{b:[^ -~]}", "offset 5", "matches no printable text"},
           {"a/{b:(.*a.{12})?}", "offset 5", "500 states"},
           {"{a:x{400}}/{b:x{400}}/{c:x{400}}", "offset 23", "1000 states"},
           {"{a}{b}{c}{d}{e}{f}{g}{h}{i}{j}{k}{l}{m}{n}{o}{p}{q}", "offset 49", "more than 16"}}) {
    Result<OutputPattern> pattern = OutputPattern::Parse(c.pattern);
    ASSERT_FALSE(pattern.ok()) << c.pattern;
    std::string message = pattern.error().message;
    EXPECT_NE(message.find(c.offset), std::string::npos) << message;
    EXPECT_NE(message.find(c.says), std::string::npos) << message;
  }
}

TEST(Overlap, IsFoundWithAShortestWitnessOrExcluded) {
  struct Case {
    const char* a;
    const char* b;
    const char* witness;  // null: none
  };
  for (const Case& c :
       std::initializer_list<Case>{{"a/b", "a/b", "a/b"},
                                   {"a/b", "a/c", nullptr},
                                   {"a/{x}", "a/{y}", "a/a"},
                                   {"a/{x}", "{y}/b", "a/b"},
                                   {"a/{x}", "a/{y}/c", nullptr},
                                   {"a/{x:.*}", "a/{y}/c", "a/a/c"},
                                   {"d={x:date}", "d={y:month}", nullptr},
                                   {"d={x:date}", "d={y:[0-9-]+}", "d=1000-01-01"},
                                   {"d={x:date}", "d=2025-02-30", nullptr},
                                   {"d={x:date}", "d=2025-02-28", "d=2025-02-28"},
                                   {"n={x:int}", "n={y:0[0-9]+}", nullptr},
                                   {"n={x:int}", "n={y:[0-9]{19}}", nullptr},
                                   {"n={x:int}", "n={y:[0-9]{18}}", "n=100000000000000000"},
                                   {"{x:(ab)*}", "{y:(aba)*b}", "abab"},
                                   {"{x:(aa)+}", "{y:a(aa)*}", nullptr},
                                   {"{x:[a-m]+}", "{y:[n-z]+}", nullptr},
                                   {"{a}-{b}", "{c:[^-]+}", nullptr}}) {
    for (bool swapped : {false, true}) {
      std::optional<std::string> found = swapped ? FindOverlap(Pattern(c.b), Pattern(c.a))
                                                 : FindOverlap(Pattern(c.a), Pattern(c.b));
      ASSERT_EQ(found.has_value(), c.witness != nullptr) << c.a << " and " << c.b;
      if (!found) continue;
      EXPECT_EQ(found->size(), std::string(c.witness).size()) << *found;
      EXPECT_TRUE(Pattern(c.a).Match(*found)) << *found;
      EXPECT_TRUE(Pattern(c.b).Match(*found)) << *found;
    }
  }
}

}  // namespace
}  // namespace databuild
