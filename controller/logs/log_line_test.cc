#include "controller/logs/log_line.h"

#include <gtest/gtest.h>

#include <random>
#include <vector>

namespace databuild {
namespace {

constexpr char kRun[] = "6ba7b810-9dad-11d1-80b4-00c04fd430c8";

std::string Entry(const std::string& sequence, const std::string& content) {
  return R"({"timestamp":"17","jobId":")" + std::string(kRun) + R"(","sequenceNumber":)" +
         sequence + "," + content + "}";
}

TEST(LogLineParser, EntriesOfDatabuildExecAreRead) {
  LogLineParser parser(kRun);
  const JudgedLine text = parser.Judge(
      Entry(R"("7")", R"("log":{"level":"WARN","message":"x","fields":{"stream":"stdout"}})"));
  ASSERT_TRUE(text.entry.has_value());
  EXPECT_EQ(text.entry->sequence, 7);
  EXPECT_EQ(text.entry->timestamp, 17);
  EXPECT_EQ(text.entry->level, 2);
  const JudgedLine metric = parser.Judge(Entry("8", R"("metric":{"name":"rows","value":2.5})"));
  ASSERT_TRUE(metric.entry.has_value());
  EXPECT_EQ(metric.entry->metric->name, "rows");
  EXPECT_EQ(metric.entry->metric->value, 2.5);
  EXPECT_TRUE(parser.Judge(Entry("9", R"("jobEvent":{"eventType":"heartbeat"})")).entry);
  EXPECT_TRUE(parser.Judge(Entry("10", R"("manifest":{"outputs":[]})")).entry);
}

TEST(LogLineParser, ForeignLinesSayWhyTheyAreNone) {
  const std::string log = R"("log":{"message":"x"})";
  std::string deep = R"("log":{"message":"x","fields":)";
  for (int i = 0; i < 5'000; ++i) deep += "[";
  const struct {
    const char* name;
    std::string line;
    const char* why;
  } kCases[] = {
      {"empty", "", "NotJson"},
      {"text", "hello", "NotJson"},
      {"nul", std::string("a\0b", 3), "NotJson"},
      {"cut short", Entry("1", log).substr(0, 40), "NotJson"},
      {"bad UTF-8", Entry("1", "\"log\":{\"message\":\"\xff\"}"), "NotJson"},
      {"escape", "\x1b[31mred", "NotJson"},
      {"deep", Entry("1", deep), "NotJson"},
      {"a list", "[1]", "NotAnEntry"},
      {"no entry", R"({"level":"INFO","message":"x"})", "NotAnEntry"},
      {"sequence 0", Entry("0", log), "NotAnEntry"},
      {"negative sequence", Entry("-4", log), "NotAnEntry"},
      {"sequence out of range", Entry(R"("99999999999999999999")", log), "NotAnEntry"},
      {"sequence with a tail", Entry(R"("7x")", log), "NotAnEntry"},
      {"two contents", Entry("1", log + R"(,"metric":{"name":"x","value":1})"), "NotAnEntry"},
      {"no content", Entry("1", R"("other":{})"), "NotAnEntry"},
      {"level", Entry("1", R"("log":{"level":"LOUD"})"), "NotAnEntry"},
      {"metric without a name", Entry("1", R"("metric":{"value":1})"), "NotAnEntry"},
      {"metric as text", Entry("1", R"("metric":{"name":"x","value":"NaN"})"), "NotAnEntry"},
      {"other run", R"({"timestamp":"1","jobId":"x","sequenceNumber":"1","log":{}})", "OtherRun"},
      {"long", Entry("1", "\"log\":{\"message\":\"" + std::string(20'000, 'x') + "\"}"), "TooLong"},
  };
  LogLineParser parser(kRun);
  for (const auto& one : kCases) {
    const JudgedLine judged = parser.Judge(one.line);
    EXPECT_FALSE(judged.entry.has_value()) << one.name;
    EXPECT_STREQ(judged.unframed, one.why) << one.name;
    EXPECT_TRUE(parser.Judge(Entry("1", log)).entry) << "after " << one.name;
  }
}

using Lines = std::vector<std::pair<std::string, bool>>;

TEST(LineCutter, LinesDoNotDependOnHowTheyArrive) {
  const std::string text = "one\n\n" + std::string(kMaxLogLineBytes, 'b') + "\n" +
                           std::string(3 * kMaxLogLineBytes, 'c') + "\nlast\nopen";
  const Lines expected = {{"one", false},
                          {"", false},
                          {std::string(kMaxLogLineBytes, 'b'), false},
                          {std::string(kMaxLogLineBytes, 'c'), true},
                          {"last", false},
                          {"open", false}};
  std::mt19937 random(7);
  for (size_t most : {size_t{1} << 20, size_t{40'000}, size_t{5'000}, size_t{7}}) {
    Lines lines;
    const LineCutter::Take take = [&](std::string_view line, bool cut) {
      lines.emplace_back(std::string(line), cut);
    };
    LineCutter cutter;
    for (size_t at = 0; at < text.size();) {
      const size_t size = std::uniform_int_distribution<size_t>(1, most)(random);
      cutter.Push(std::string_view(text).substr(at, size), take);
      at += size;
    }
    cutter.End(take);
    EXPECT_EQ(lines, expected) << "pieces of up to " << most;
  }
}

}  // namespace
}  // namespace databuild
