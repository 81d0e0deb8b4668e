#include "wrapper/json.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <random>

namespace databuild::exec {
namespace {

bool Parses(std::string_view text) { return JsonTape().Parse(text, 10'000); }

TEST(Json, AcceptsWhatRfc8259Allows) {
  for (const char* text : {"{}", "[]", " { \"a\" : [ 1 , -0.5e+3 , true , false , null ] } ",
                           R"("\u00e9\n\/")", "0", "-0", "1E5", R"({"a":{"b":{"c":[]}}})"}) {
    EXPECT_TRUE(Parses(text)) << text;
  }
}

TEST(Json, RefusesEverythingElse) {
  for (const char* text :
       {"",        " ",         "{",     "}",       "[1,]",      "{\"a\":1,}",  "{a:1}",
        "{'a':1}", "01",        "-",     "1.",      ".5",        "1e",          "+1",
        "NaN",     "tru",       "\"a",   "\"\\x\"", "\"\\u12\"", "\"\\u12g4\"", "\"a\nb\"",
        "[1 2]",   "{\"a\" 1}", "{} {}", "[] x",    "{1:2}",     "\"\\"}) {
    EXPECT_FALSE(Parses(text)) << text;
  }
}

TEST(Json, DepthIsBounded) {
  const auto nested = [](int depth) {
    return std::string(static_cast<size_t>(depth), '[') +
           std::string(static_cast<size_t>(depth), ']');
  };
  EXPECT_TRUE(Parses(nested(kJsonDepthMax)));
  EXPECT_FALSE(Parses(nested(kJsonDepthMax + 1)));
  EXPECT_FALSE(Parses(std::string(1'000'000, '[')));
  EXPECT_FALSE(Parses(std::string(100'000, '{')));
}

TEST(Json, NumberOfNodesIsBounded) {
  JsonTape tape;
  EXPECT_TRUE(tape.Parse("[1,2,3]", 4));
  EXPECT_FALSE(tape.Parse("[1,2,3]", 3));
  EXPECT_FALSE(tape.Parse(R"({"a":1,"b":2})", 4));
}

TEST(Json, StringsAreDecoded) {
  JsonTape tape;
  std::string scratch;
  ASSERT_TRUE(tape.Parse(
      R"(["a\"\\\/\b\f\n\r\tz","\u0041\u00e9\u20ac","\ud83d\ude00","\ud83d!","\ude00"])", 100));
  std::vector<std::string> decoded;
  for (uint32_t at = tape.First(0); at != tape.End(0); at = tape[at].next) {
    decoded.emplace_back(tape.String(at, &scratch));
  }
  EXPECT_EQ(decoded,
            (std::vector<std::string>{"a\"\\/\b\f\n\r\tz", "A\xc3\xa9\xe2\x82\xac",
                                      "\xf0\x9f\x98\x80", "\xef\xbf\xbd!", "\xef\xbf\xbd"}));
}

TEST(Json, FindTakesTheLastOfEqualKeysAndSkipsNestedOnes) {
  JsonTape tape;
  ASSERT_TRUE(tape.Parse(R"({"x":{"a":1},"a":2,"b":[{"a":3}],"\u0061":4})", 100));
  EXPECT_EQ(tape.Raw(tape.Find(0, "a")), "4");
  EXPECT_EQ(tape.Find(0, "c"), 0u);
}

// The library is the judge: whatever one of the two accepts, the other must.
TEST(Json, AgreesWithALibraryOnMutatedDocuments) {
  const std::string seeds[] = {R"({"level":"info","message":"a\u00e9b","n":[1,-2.5e3,null,true]})",
                               R"([{"a":{}},[],"\\\"",0.1,false])"};
  std::mt19937 random(42);
  int accepted = 0;
  for (int round = 0; round < 30'000; ++round) {
    std::string text = seeds[random() % std::size(seeds)];
    for (size_t edits = random() % 4; edits > 0; --edits) {
      static constexpr std::string_view kBytes = "{}[]\",:\\ue0-+.1 tfn\n";
      const size_t at = random() % text.size();
      if (random() % 2 == 0) {
        text[at] = kBytes[random() % kBytes.size()];
      } else {
        text.insert(at, 1, kBytes[random() % kBytes.size()]);
      }
    }
    const bool ours = Parses(text);
    // Lone surrogates are the one thing that is left to the decoder here.
    const bool theirs = nlohmann::json::accept(text);
    if (text.find("\\ud") == text.npos) {
      EXPECT_EQ(ours, theirs) << text;
    }
    accepted += ours ? 1 : 0;
  }
  EXPECT_GT(accepted, 1000);
}

}  // namespace
}  // namespace databuild::exec
