#include "wrapper/text.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <random>

namespace databuild::exec {
namespace {

std::string Escape(std::string_view text) {
  std::string out;
  AppendEscaped(text, &out);
  return out;
}

TEST(Text, ControlCharactersAndQuotesAreEscaped) {
  struct {
    std::string_view name, given, then;
  } const cases[] = {
      {"plain", "hello, world", "hello, world"},
      {"quote and backslash", R"(a"b\c)", R"(a\"b\\c)"},
      {"line ends", "a\r\n\tb", R"(a\r\n\tb)"},
      {"NUL", std::string_view("a\0b", 3), R"(a\u0000b)"},
      {"ANSI colour", "\x1b[31mred", R"(\u001b[31mred)"},
      {"DEL", "\x7f", R"(\u007f)"},
      {"C1 control sequence introducer", "\xc2\x9b", R"(\u009b)"},
      {"first after C1", "\xc2\xa0", "\xc2\xa0"},
      {"two, three and four bytes", "\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80",
       "\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80"},
  };
  for (const auto& c : cases) EXPECT_EQ(Escape(c.given), c.then) << c.name;
}

// Unicode 15, section 3.9, tables 3-8 to 3-11: one U+FFFD per maximal subpart.
TEST(Text, InvalidUtf8BecomesOneReplacementPerMaximalSubpart) {
  const std::string r = "\xef\xbf\xbd";
  struct {
    std::string name, given, then;
  } const cases[] = {
      {"lone continuation", "a\x80z", "a" + r + "z"},
      {"overlong two bytes", "\xc0\xaf", r + r},
      {"overlong three bytes", "\xe0\x9f\x80", r + r + r},
      {"surrogate", "\xed\xa0\x80", r + r + r},
      {"beyond U+10FFFF", "\xf4\x91\x92\x93", r + r + r + r},
      {"truncated four bytes",
       "\xf1\x80\x80"
       "A",
       r + "A"},
      {"truncated at the end", "\xe2\x82", r},
      {"bytes that never occur", "\xfe\xff", r + r},
      {"table 3-11", "\xe1\x80\xe2\xf0\x91\x92\xf1\xbf\x41", r + r + r + r + "A"},
  };
  for (const auto& c : cases) EXPECT_EQ(Escape(c.given), c.then) << c.name;
}

TEST(Text, CutsBetweenCharactersWhenRoomRunsOut) {
  const std::string text = "ab\n\xe2\x82\xac\x01z";
  for (size_t room = 0; room < 20; ++room) {
    char out[32];
    const Escaped done = EscapeInto(text, out, room);
    EXPECT_LE(done.written, room);
    std::string joined(out, done.written);
    AppendEscaped(std::string_view(text).substr(done.consumed), &joined);
    EXPECT_EQ(joined, Escape(text)) << "room " << room;
  }
}

TEST(Text, NeverWritesBeyondTheRoom) {
  std::mt19937 random(11);
  for (int round = 0; round < 2000; ++round) {
    std::string text(random() % 80, '\0');
    for (char& c : text) c = static_cast<char>(random() % 4 == 0 ? random() : 'a' + random() % 26);
    const size_t room = random() % 100;
    std::string out(room + 16, '#');
    EscapeInto(text, out.data(), room);
    EXPECT_EQ(out.substr(room), std::string(16, '#'));
  }
}

TEST(Text, RandomBytesAlwaysMakeAStringThatJsonParsersTake) {
  std::mt19937 random(20130101);
  for (int round = 0; round < 3000; ++round) {
    std::string text(random() % 200, '\0');
    for (char& c : text) c = static_cast<char>(random());
    EXPECT_TRUE(nlohmann::json::accept("\"" + Escape(text) + "\""));
  }
}

TEST(Text, ValidTextComesBackUnchanged) {
  std::mt19937 random(7);
  for (int round = 0; round < 2000; ++round) {
    std::string text;
    for (size_t i = random() % 60; i > 0; --i) {
      static const std::string kAlphabet[] = {
          "a",       "\"", "\\", "\n", "\x01", "\xc3\xa9", "\xe2\x82\xac", "\xf0\x9f\x98\x80",
          "\xc2\x85"};
      text += kAlphabet[random() % std::size(kAlphabet)];
    }
    EXPECT_EQ(nlohmann::json::parse("\"" + Escape(text) + "\"").get<std::string>(), text);
    EXPECT_EQ(EscapedSize(text), Escape(text).size());
  }
}

TEST(Text, IncompleteTailIsWhatMayStillBecomeACharacter) {
  struct {
    std::string_view text;
    size_t tail;
  } const cases[] = {
      {"", 0},
      {"abc", 0},
      {"a\xc3", 1},
      {"a\xe2\x82", 2},
      {"\xf0\x9f\x98", 3},
      {"\xf0\x9f\x98\x80", 0},
      {"\xe2\x82\xac", 0},
      {"\x80\x80\x80", 0},
      {"\xe0\x80", 0},
      {"\xff", 0},
      {"\xc0", 0},
      {"\xed\xa0", 0},
  };
  for (const auto& c : cases) EXPECT_EQ(IncompleteTail(c.text), c.tail) << Escape(c.text);
}

TEST(Text, DecimalsOfEverySize) {
  for (const uint64_t value :
       {uint64_t{0}, uint64_t{9}, uint64_t{10}, uint64_t{123456789}, UINT64_MAX}) {
    char out[20];
    EXPECT_EQ(std::string(out, WriteDecimal(value, out)), std::to_string(value));
  }
}

}  // namespace
}  // namespace databuild::exec
