// The engine against brute force: random patterns over a small alphabet, every ref up to a length.
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "controller/planner/pattern.h"
#include "controller/planner/pattern_graph.h"
#include "controller/planner/pattern_index.h"
#include "controller/planner/pattern_template.h"

namespace databuild {
namespace {

using Random = std::mt19937;

constexpr size_t kLongestRef = 6;

int Pick(Random& random, int below) {
  return std::uniform_int_distribution<int>(0, below - 1)(random);
}

// Every ref of a, b and / up to kLongestRef bytes.
const std::vector<std::string>& AllRefs() {
  static const std::vector<std::string> refs = [] {
    std::vector<std::string> all{""};
    for (size_t i = 0; i < all.size(); ++i) {
      if (all[i].size() == kLongestRef) continue;
      for (char c : {'a', 'b', '/'}) all.push_back(all[i] + c);
    }
    all.erase(all.begin());
    return all;
  }();
  return refs;
}

// What the captures of random patterns can be, with the naive test of a text.
struct Language {
  const char* declaration;
  bool (*matches)(const std::string& text);
};

bool HasOnly(const std::string& text, const std::string& bytes) {
  return text.find_first_not_of(bytes) == std::string::npos;
}

const Language kLanguages[] = {
    {"", [](const std::string& text) { return !text.empty() && HasOnly(text, "ab"); }},
    {":a+", [](const std::string& text) { return !text.empty() && HasOnly(text, "a"); }},
    {":b*", [](const std::string& text) { return HasOnly(text, "b"); }},
    {":.*", [](const std::string& text) { return true; }},
    {":a|ab", [](const std::string& text) { return text == "a" || text == "ab"; }},
    {":[a/]{2}", [](const std::string& text) { return text.size() == 2 && HasOnly(text, "a/"); }},
    {":(ab)*",
     [](const std::string& text) {
       for (size_t i = 0; i < text.size(); ++i) {
         if (text[i] != "ab"[i % 2]) return false;
       }
       return text.size() % 2 == 0;
     }},
};

// A random pattern, as text and as pieces that a naive matcher understands.
struct NaivePattern {
  struct Piece {
    std::string literal;
    const Language* language = nullptr;
  };
  std::vector<Piece> pieces;

  std::string Text() const {
    std::string text;
    int captures = 0;
    for (const Piece& piece : pieces) {
      text += piece.language ? "{c" + std::to_string(captures++) + piece.language->declaration + "}"
                             : piece.literal;
    }
    return text;
  }

  // Every way to read `ref`, in the order "longest text of the leftmost capture first".
  std::vector<std::vector<std::string>> Readings(const std::string& ref, size_t piece = 0) const {
    if (piece == pieces.size()) {
      return ref.empty() ? std::vector<std::vector<std::string>>{{}}
                         : std::vector<std::vector<std::string>>{};
    }
    const Piece& first = pieces[piece];
    if (first.language == nullptr) {
      if (!ref.starts_with(first.literal)) return {};
      return Readings(ref.substr(first.literal.size()), piece + 1);
    }
    std::vector<std::vector<std::string>> readings;
    for (size_t length = ref.size() + 1; length-- > 0;) {
      if (!first.language->matches(ref.substr(0, length))) continue;
      for (std::vector<std::string>& rest : Readings(ref.substr(length), piece + 1)) {
        rest.insert(rest.begin(), ref.substr(0, length));
        readings.push_back(std::move(rest));
      }
    }
    return readings;
  }
};

NaivePattern RandomPattern(Random& random) {
  static const char* kLiterals[] = {"a", "b", "/", "ab", "a/", "/b"};
  NaivePattern pattern;
  int count = 1 + Pick(random, 4);
  for (int i = 0; i < count; ++i) {
    if (Pick(random, 2) == 0) {
      pattern.pieces.push_back({kLiterals[Pick(random, std::size(kLiterals))], nullptr});
    } else {
      pattern.pieces.push_back({"", &kLanguages[Pick(random, std::size(kLanguages))]});
    }
  }
  return pattern;
}

TEST(PatternProperty, MatchIsTheFirstNaiveReading) {
  Random random(6);
  for (int round = 0; round < 150; ++round) {
    NaivePattern naive = RandomPattern(random);
    OutputPattern pattern = OutputPattern::Parse(naive.Text()).value();
    for (const std::string& ref : AllRefs()) {
      std::vector<std::vector<std::string>> readings = naive.Readings(ref);
      std::optional<Captures> match = pattern.Match(ref);
      ASSERT_EQ(match.has_value(), !readings.empty()) << naive.Text() << " on " << ref;
      if (!match) continue;
      for (size_t i = 0; i < match->size(); ++i) {
        ASSERT_EQ((*match)[i].text, readings[0][i]) << naive.Text() << " on " << ref;
      }
      ASSERT_EQ(pattern.Render(*match), ref);
    }
  }
}

TEST(PatternProperty, AmbiguityIsFoundExactlyWhereARefHasTwoReadings) {
  Random random(7);
  int ambiguous = 0;
  for (int round = 0; round < 600; ++round) {
    NaivePattern naive = RandomPattern(random);
    PatternGraph graph;
    graph.Add(0, OutputPattern::Parse(naive.Text())->program());
    std::optional<std::string> found = FindAmbiguousRef(graph);
    if (found) {
      ++ambiguous;
      ASSERT_GE(naive.Readings(*found).size(), 2u) << naive.Text() << " on " << *found;
      if (found->size() <= 1) continue;
    }
    for (const std::string& ref : AllRefs()) {
      if (found && ref.size() >= found->size()) break;  // AllRefs is sorted by length
      ASSERT_LE(naive.Readings(ref).size(), 1u) << naive.Text() << " on " << ref;
    }
  }
  EXPECT_GT(ambiguous, 20);
  EXPECT_LT(ambiguous, 400);
}

TEST(PatternProperty, OverlapIsFoundExactlyWhereARefIsShared) {
  Random random(8);
  std::vector<NaivePattern> patterns;
  std::vector<std::set<std::string>> languages;
  for (int i = 0; i < 60; ++i) {
    patterns.push_back(RandomPattern(random));
    std::set<std::string>& language = languages.emplace_back();
    for (const std::string& ref : AllRefs()) {
      if (!patterns.back().Readings(ref).empty()) language.insert(ref);
    }
  }
  for (size_t a = 0; a < patterns.size(); ++a) {
    OutputPattern pattern_a = OutputPattern::Parse(patterns[a].Text()).value();
    for (size_t b = 0; b < patterns.size(); ++b) {
      OutputPattern pattern_b = OutputPattern::Parse(patterns[b].Text()).value();
      std::optional<std::string> witness = FindOverlap(pattern_a, pattern_b);
      std::string pair = patterns[a].Text() + " and " + patterns[b].Text();
      size_t shortest = kLongestRef + 1;
      for (const std::string& ref : languages[a]) {
        if (languages[b].contains(ref)) shortest = std::min(shortest, ref.size());
      }
      if (shortest <= kLongestRef) {
        ASSERT_TRUE(witness) << pair;
        ASSERT_EQ(witness->size(), shortest) << pair << ": " << *witness;
      }
      if (witness) {
        ASSERT_TRUE(pattern_a.Match(*witness)) << pair << ": " << *witness;
        ASSERT_TRUE(pattern_b.Match(*witness)) << pair << ": " << *witness;
      }
    }
  }
}

TEST(PatternProperty, TheIndexAnswersAsEveryPatternAloneWhileJobsComeAndGo) {
  Random random(9);
  PatternIndex index;
  std::map<PatternIndex::JobKey, std::vector<OutputPattern>> jobs;
  for (int round = 0; round < 300; ++round) {
    PatternIndex::JobKey job = static_cast<PatternIndex::JobKey>(Pick(random, 30));
    if (Pick(random, 3) == 0) {
      index.Remove(job);
      jobs.erase(job);
    } else {
      OutputPattern pattern = OutputPattern::Parse(RandomPattern(random).Text()).value();
      index.Add(job, pattern);
      jobs[job].push_back(pattern);
    }
    for (int i = 0; i < 30; ++i) {
      const std::string& ref =
          AllRefs()[static_cast<size_t>(Pick(random, static_cast<int>(AllRefs().size())))];
      std::vector<PatternIndex::JobKey> expected;
      for (const auto& [key, patterns] : jobs) {
        bool any = std::any_of(patterns.begin(), patterns.end(), [&](const OutputPattern& pattern) {
          return pattern.Match(ref).has_value();
        });
        if (any) expected.push_back(key);
      }
      ASSERT_EQ(index.Find(ref), expected) << ref;
    }
    OutputPattern asked = OutputPattern::Parse(RandomPattern(random).Text()).value();
    std::multiset<std::pair<PatternIndex::JobKey, std::string>> expected;
    for (const auto& [key, patterns] : jobs) {
      for (const OutputPattern& pattern : patterns) {
        if (FindOverlap(pattern, asked)) expected.insert({key, pattern.text()});
      }
    }
    std::multiset<std::pair<PatternIndex::JobKey, std::string>> found;
    for (const PatternIndex::Overlap& overlap : index.Overlaps(asked, 1'000)) {
      found.insert({overlap.job, overlap.pattern});
      ASSERT_TRUE(asked.Match(overlap.witness)) << overlap.witness;
    }
    ASSERT_EQ(found, expected) << asked.text();
  }
}

TEST(PatternProperty, EveryRefOfAUnitLeadsBackToTheUnit) {
  Random random(10);
  int accepted = 0;
  for (int round = 0; round < 400; ++round) {
    JobTemplates templates;
    for (int i = 0; i < 2; ++i) templates.outputs.push_back(RandomPattern(random).Text());
    Result<JobPatterns> job = CompileJob(templates);
    if (!job.ok()) continue;
    ++accepted;
    for (const std::string& ref : AllRefs()) {
      std::optional<Captures> unit = job->Match(ref);
      if (!unit) continue;
      std::vector<std::string> refs = job->Outputs(*unit).value();
      ASSERT_NE(std::find(refs.begin(), refs.end(), ref), refs.end()) << ref;
      for (const std::string& sibling : refs) {
        ASSERT_EQ(job->Match(sibling), unit)
            << templates.outputs[0] << ", " << templates.outputs[1] << " on " << sibling;
      }
    }
  }
  EXPECT_GT(accepted, 10);
}

// Nothing that a user can write stops the process, and what is refused is refused with words.
TEST(PatternProperty, RandomTextIsParsedOrRefused) {
  Random random(11);
  static const std::vector<std::string> kTokens = {"{",      "}",
                                                   "{{",     "}}",
                                                   "date",   "n",
                                                   ":",      "|",
                                                   "..",     "P1D",
                                                   "-P6D",   "P1M",
                                                   "%Y",     "%m-%d",
                                                   "%",      "+1",
                                                   "-2",     "0",
                                                   "15",     "07",
                                                   "/",      "a",
                                                   ".",      "[a-z]",
                                                   "+",      "*",
                                                   "(",      ")",
                                                   "\\",     "\xff",
                                                   "",       "outputs",
                                                   "inputs", "job_run_id",
                                                   "int",    "month",
                                                   "P",      "999999999999999999"};
  int accepted = 0;
  for (int round = 0; round < 60'000; ++round) {
    std::string texts[3];
    for (std::string& text : texts) {
      for (int i = Pick(random, 7); i >= 0; --i) {
        text += kTokens[static_cast<size_t>(Pick(random, static_cast<int>(kTokens.size())))];
      }
    }
    if (Pick(random, 2) == 0) texts[0] = "r/{date}/{n}";
    Result<JobPatterns> job = CompileJob({{texts[0]}, {texts[1]}, {texts[2]}, {}, 1, {}});
    if (!job.ok()) {
      ASSERT_FALSE(job.error().message.empty());
      continue;
    }
    ++accepted;
    for (const char* ref : {"r/2025-01-05/7", "r/9999-12-31/999999999999999999", "a"}) {
      std::optional<Captures> unit = job->Match(ref);
      if (!unit) continue;
      Result<std::vector<InputRef>> inputs = job->Inputs(*unit);
      ASSERT_TRUE(inputs.ok() || !inputs.error().message.empty());
      if (inputs.ok()) {
        for (const InputRef& input : *inputs) ASSERT_TRUE(IsPartitionRef(input.ref)) << input.ref;
      }
      Result<CommandLine> command = job->Command({*unit, {ref}, {}, "run"});
      ASSERT_TRUE(command.ok() || !command.error().message.empty());
    }
  }
  EXPECT_GT(accepted, 300);
}

}  // namespace
}  // namespace databuild
