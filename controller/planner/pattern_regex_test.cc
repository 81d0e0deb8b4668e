#include "controller/planner/pattern_regex.h"

#include <gtest/gtest.h>
#include <re2/re2.h>

#include <random>
#include <string>

#include "bel/ranges/calendar.h"
#include "controller/planner/pattern_automaton.h"
#include "controller/planner/pattern_program.h"

namespace databuild {
namespace {

using Random = std::mt19937;

int Pick(Random& random, int below) {
  return std::uniform_int_distribution<int>(0, below - 1)(random);
}

std::string RandomRegex(Random& random, int depth) {
  static const char* kAtoms[] = {"a",    "b",      "-",       "\\.",         ".",         "[ab]",
                                 "[^a]", "[a-c]",  "\\d",     "[[:alpha:]]", "[]a]",      "[^]-]",
                                 "\\w",  "[\\d-]", "[a\\-c]", "\\W",         "[b-b0-9_]", "{"};
  if (depth == 0) return kAtoms[Pick(random, std::size(kAtoms))];
  switch (Pick(random, 9)) {
    case 0:
      return RandomRegex(random, depth - 1) + "|" + RandomRegex(random, depth - 1);
    case 1:
      return "(" + RandomRegex(random, depth - 1) + ")";
    case 2:
      return "(?:" + RandomRegex(random, depth - 1) + ")*";
    case 3:
      return "(" + RandomRegex(random, depth - 1) + ")+?";
    case 4:
      return "(" + RandomRegex(random, depth - 1) + ")?";
    case 5:
      return "(" + RandomRegex(random, depth - 1) + "){1,3}";
    case 6:
      return "(" + RandomRegex(random, depth - 1) + "){2}";
    default:
      return RandomRegex(random, depth - 1) + RandomRegex(random, depth - 1);
  }
}

std::string RandomText(Random& random) {
  static const std::string kBytes = "aabbc-.0_]{ ~\n\x80";
  std::string text;
  for (int i = Pick(random, 8); i > 0; --i) {
    text += kBytes[static_cast<size_t>(Pick(random, static_cast<int>(kBytes.size())))];
  }
  return text;
}

bool Printable(const std::string& text) {
  for (char c : text) {
    if (!IsRefByte(static_cast<unsigned char>(c))) return false;
  }
  return true;
}

TEST(Regex, AgreesWithRe2OnRandomExpressionsAndTexts) {
  Random random(4);
  re2::RE2::Options options(re2::RE2::Latin1);
  int matches = 0;
  for (int round = 0; round < 3'000; ++round) {
    std::string regex = RandomRegex(random, 1 + Pick(random, 4));
    Result<Dfa> dfa = CompileRegex(regex);
    if (!dfa.ok()) {
      // Only for size or because nothing printable is left.
      ASSERT_TRUE(dfa.error().code == Errc::kTooLarge ||
                  dfa.error().message.find("printable") != std::string::npos)
          << dfa.error().message;
      continue;
    }
    re2::RE2 reference(regex, options);
    for (int i = 0; i < 40; ++i) {
      std::string text = RandomText(random);
      bool expected = Printable(text) && re2::RE2::FullMatch(text, reference);
      ASSERT_EQ(dfa->Matches(text), expected) << regex << " on \"" << text << "\"";
      matches += expected;
    }
  }
  EXPECT_GT(matches, 5'000);  // the texts are not all misses
}

const Dfa& Language(CaptureType type) {
  static std::map<CaptureType, CaptureLanguage> known;
  auto found = known.find(type);
  if (found == known.end()) {
    found = known.emplace(type, LanguageOf({"x", type, ""}).value()).first;
  }
  return *found->second.dfa;
}

TEST(Regex, TheLanguageOfDatesIsWhatTheCalendarReads) {
  const Dfa& dates = Language(CaptureType::kDate);
  TimeFormat format = *TimeFormat::Parse("%Y-%m-%d");
  for (Day day = kFirstDay; day <= kLastDay; day += 7)
    ASSERT_TRUE(dates.Matches(format.Format(day)));
  for (int year = 0; year < 10'000; ++year) {
    char text[40];
    for (const char* rest :
         {"-02-28", "-02-29", "-02-30", "-04-31", "-12-31", "-00-10", "-13-01"}) {
      snprintf(text, sizeof(text), "%04d%s", year, rest);
      ASSERT_EQ(dates.Matches(text), ParseDate(text).has_value()) << text;
    }
    for (const char* rest : {"-00", "-01", "-12", "-13"}) {
      snprintf(text, sizeof(text), "%04d%s", year, rest);
      ASSERT_EQ(Language(CaptureType::kMonth).Matches(text), ParseMonth(text).has_value()) << text;
    }
    snprintf(text, sizeof(text), "%04d", year);
    ASSERT_EQ(Language(CaptureType::kYear).Matches(text), ParseYear(text).has_value()) << text;
  }
}

TEST(Regex, RandomBytesAreParsedOrRefused) {
  Random random(5);
  static const std::string kBytes = "ab(|)[]{}*+?.\\^$-:,019dwWsSpPQEx<>!=\n\xff";
  int accepted = 0;
  for (int round = 0; round < 50'000; ++round) {
    std::string regex;
    for (int i = Pick(random, 14); i > 0; --i) {
      regex += kBytes[static_cast<size_t>(Pick(random, static_cast<int>(kBytes.size())))];
    }
    Result<Dfa> dfa = CompileRegex(regex);
    accepted += dfa.ok();
    if (!dfa.ok()) {
      ASSERT_FALSE(dfa.error().message.empty());
      continue;
    }
    re2::RE2 reference(regex, re2::RE2::Latin1);
    for (int i = 0; i < 4; ++i) {
      std::string text = RandomText(random);
      ASSERT_EQ(dfa->Matches(text), Printable(text) && re2::RE2::FullMatch(text, reference))
          << regex << " on \"" << text << "\"";
    }
  }
  EXPECT_GT(accepted, 1'000);
}

}  // namespace
}  // namespace databuild
