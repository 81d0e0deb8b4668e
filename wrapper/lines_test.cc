#include "wrapper/lines.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <csignal>
#include <cstring>
#include <random>

#include "wrapper/entries_for_test.h"

namespace databuild::exec {
namespace {

using nlohmann::json;

// A job's output through reader, classifier, writer and sink into memory.
class Pipeline {
 public:
  explicit Pipeline(BudgetLimits limits = {.bound_bytes = 0}, bool hold_last = false,
                    size_t capacity = 64 * 1024)
      : sink_(file_.fd()),
        budget_(limits),
        writer_({"run-1", "//a:b", {"o/1"}}, &sink_, &budget_),
        lines_(&writer_, &budget_, hold_last),
        out_(JobLines::Stream::kStdout, capacity),
        err_(JobLines::Stream::kStderr, capacity) {
    writer_.SetTime(1'735'000'000'123'456'789);
  }

  // As read() might deliver it: pieces of at most `chunk` bytes.
  void Feed(std::string_view bytes, size_t chunk = 1 << 20, bool to_stderr = false) {
    LineReader& reader = to_stderr ? err_ : out_;
    while (!bytes.empty()) {
      const LineReader::Span space = reader.Space();
      const size_t size = std::min({bytes.size(), space.size, chunk});
      ASSERT_GT(size, 0u);
      std::memcpy(space.data, bytes.data(), size);
      reader.Filled(size);
      bytes.remove_prefix(size);
      while (!reader.Cut(&lines_, sink_, false)) sink_.Flush();
    }
  }
  std::vector<json> Finish() {
    while (!out_.Cut(&lines_, sink_, true)) sink_.Flush();
    while (!err_.Cut(&lines_, sink_, true)) sink_.Flush();
    sink_.Flush();
    return ParseEntries(file_.Content());
  }

  const MemoryFile& file() const { return file_; }
  OutputSink& sink() { return sink_; }
  EntryWriter& writer() { return writer_; }
  const JobLines& lines() const { return lines_; }
  const OutputBudget& budget() const { return budget_; }

 private:
  MemoryFile file_;
  OutputSink sink_;
  OutputBudget budget_;
  EntryWriter writer_;
  JobLines lines_;
  LineReader out_, err_;
};

using Lines = std::vector<std::string>;

TEST(Lines, ALineBecomesAnInfoEntryThatNamesItsStream) {
  Pipeline pipeline;
  pipeline.Feed("hello\n");
  pipeline.Feed("oops\n", 100, true);
  const std::vector<json> entries = pipeline.Finish();
  ASSERT_EQ(entries.size(), 2u);
  EXPECT_EQ(entries[0], json::parse(R"({"timestamp":"1735000000123456789","jobId":"run-1",
      "sequenceNumber":"1","log":{"level":"INFO","message":"hello","fields":{"stream":"stdout"}}})"));
  EXPECT_EQ(entries[1]["log"]["fields"], json({{"stream", "stderr"}}));
}

TEST(Lines, EmptyLinesAndALastLineWithoutItsEndAreKept) {
  Pipeline pipeline;
  pipeline.Feed("\n\na\r\n\nb");
  EXPECT_EQ(JoinLines(pipeline.Finish(), "stdout"), (Lines{"", "", "a\r", "", "b"}));
  EXPECT_EQ(pipeline.lines().counts().stdout_lines, 5u);
}

TEST(Lines, LongLinesAreSplitAndComeTogetherAgain) {
  std::mt19937 random(5);
  for (const size_t size : {11'000u, 12'288u, 30'000u, 64u * 1024, 200'000u, 1'500'000u}) {
    std::string line;
    while (line.size() < size) line += random() % 50 == 0 ? "\xe2\x82\xac\"\x01" : "abcdefgh ";
    Pipeline pipeline;
    pipeline.Feed("before\n" + line + "\nafter\n", 5000);
    const std::vector<json> entries = pipeline.Finish();
    EXPECT_EQ(JoinLines(entries, "stdout"), (Lines{"before", line, "after"})) << size;
    EXPECT_EQ(pipeline.lines().counts().stdout_lines, 3u);
  }
}

TEST(Lines, AMessageTooLongForOneEntryKeepsItsLevelInEveryPart) {
  Pipeline pipeline;
  const std::string message(40'000, 'm');
  pipeline.Feed(R"({"level":"error","user":"u","message":")" + message + "\"}\n");
  const std::vector<json> entries = pipeline.Finish();
  ASSERT_GT(entries.size(), 3u);
  for (const json& entry : entries) EXPECT_EQ(entry["log"]["level"], "ERROR");
  EXPECT_EQ(entries[0]["log"]["fields"]["user"], "u");
  EXPECT_FALSE(entries[1]["log"]["fields"].contains("user"));
  EXPECT_EQ(JoinLines(entries, "stdout"), Lines{message});
}

TEST(Lines, MetricsAndLogsAreTakenAsSuch) {
  Pipeline pipeline;
  pipeline.Feed(
      "{\"name\":\"rows\",\"value\":5}\n{\"level\":\"WARN\",\"message\":\"w\",\"k\":1}\n{\"x\":1}"
      "\n");
  const std::vector<json> entries = pipeline.Finish();
  ASSERT_EQ(entries.size(), 3u);
  EXPECT_EQ(entries[0]["metric"], json::parse(R"({"name":"rows","value":5})"));
  EXPECT_EQ(entries[1]["log"],
            json::parse(R"({"level":"WARN","message":"w","fields":{"k":"1","stream":"stdout"}})"));
  EXPECT_EQ(entries[2]["log"]["message"], R"({"x":1})");
  EXPECT_EQ(pipeline.writer().counts().metrics, 1u);
}

TEST(Lines, PrintedManifestsAreKeptForTheEnd) {
  Pipeline pipeline;
  pipeline.Feed("{\"manifest\":{\"metadata\":{\"a\":\"1\"}}}\ntext\n{\"manifest\":{}}\n");
  EXPECT_EQ(pipeline.Finish().size(), 1u);
  EXPECT_EQ(pipeline.lines().manifests(), (Lines{R"({"metadata":{"a":"1"}})", "{}"}));
}

TEST(Lines, BeyondTheBoundOrdinaryLinesAreDroppedAndProtectedOnesAreNot) {
  const int64_t bound = 50'000;
  Pipeline pipeline({.bound_bytes = bound});
  uint64_t bytes = 0;
  for (int i = 0; i < 2000; ++i) {
    const std::string line = "line " + std::to_string(i) + std::string(60, '.');
    bytes += line.size();
    pipeline.Feed(line + "\n");
    if (i % 100 == 0)
      pipeline.Feed("{\"level\":\"warn\",\"message\":\"w\"}\n{\"name\":\"m\",\"value\":1}\n");
    if (i % 100 == 0) pipeline.Feed("{\"level\":\"info\",\"message\":\"i\"}\n");
  }
  const std::vector<json> entries = pipeline.Finish();
  size_t warnings = 0, metrics = 0, infos = 0;
  for (const json& entry : entries) {
    metrics += entry.contains("metric") ? 1 : 0;
    if (!entry.contains("log")) continue;
    ++(entry["log"]["level"] == "WARN" ? warnings : infos);
  }
  EXPECT_EQ(warnings, 20u);
  EXPECT_EQ(metrics, 20u);
  EXPECT_EQ(infos + pipeline.budget().dropped().lines, 2020u);
  EXPECT_GT(pipeline.budget().dropped().lines, 1000u);
  EXPECT_LT(pipeline.file().Content().size(), static_cast<size_t>(bound) + 40 * 300);
}

TEST(Lines, ADroppedLongLineCountsOnce) {
  Pipeline pipeline({.bound_bytes = 1});
  pipeline.Feed(std::string(1'000'000, 'x') + "\nshort\n", 30'000);
  EXPECT_TRUE(pipeline.Finish().empty());
  EXPECT_EQ(pipeline.budget().dropped(), (Dropped{.lines = 2, .bytes = 1'000'005}));
}

TEST(Lines, TheRateLimitDropsAndCounts) {
  Pipeline pipeline({.bound_bytes = 0, .rate_bytes = 1000});
  for (int i = 0; i < 500; ++i) pipeline.Feed("0123456789\n");
  const size_t written = pipeline.Finish().size();
  EXPECT_LT(written, 100u);
  EXPECT_EQ(pipeline.budget().dropped().rate_lines, 500 - written);
}

TEST(Lines, TheLastLineOfAConfigureRunIsHeldBack) {
  Pipeline pipeline({}, true);
  pipeline.Feed("one\n{\"configs\":[]}\n\n  \n", 7);
  pipeline.Feed("noise\n", 100, true);
  const std::vector<json> entries = pipeline.Finish();
  EXPECT_EQ(pipeline.lines().held(), R"({"configs":[]})");
  EXPECT_EQ(JoinLines(entries, "stdout"), (Lines{"one", "", "  "}));
}

TEST(Lines, ALineTooLongToBeAnAnswerIsOutput) {
  Pipeline pipeline({.bound_bytes = 0}, true);
  pipeline.Feed("{\"configs\":[]}\n" + std::string(100'000, 'x') + "\n");
  const std::vector<json> entries = pipeline.Finish();
  EXPECT_EQ(pipeline.lines().held(), "");
  EXPECT_EQ(JoinLines(entries, "stdout"), (Lines{"{\"configs\":[]}", std::string(100'000, 'x')}));
}

TEST(Lines, SequenceNumbersGrowOverEveryPowerOfTen) {
  Pipeline pipeline;
  for (int i = 0; i < 10'500; ++i) pipeline.Feed("x\n");
  EXPECT_EQ(pipeline.Finish().size(), 10'500u);
  EXPECT_EQ(pipeline.writer().last_sequence(), 10'500u);
}

// Differential: whatever valid text goes in, cut however, comes out line by line.
TEST(Lines, RandomTextComesBackLineByLine) {
  static const std::string kWords[] = {"alpha ", "beta", "\xc3\xa9", "\xf0\x9f\x98\x80", "\"q\"",
                                       "\\",     "\t",   "\x1b[1m",  "\xc2\x9b",         "{",
                                       "}",      ",",    "0"};
  for (unsigned seed = 1; seed <= 60; ++seed) {
    std::mt19937 random(seed);
    Pipeline pipeline({.bound_bytes = 0}, false, 16 * 1024);
    Lines expected;
    std::string input;
    for (int line = 0; line < 60; ++line) {
      std::string text;
      const size_t words = random() % 20 == 0 ? random() % 8000 : random() % 12;
      for (size_t i = 0; i < words; ++i) text += kWords[random() % std::size(kWords)];
      expected.push_back(text);
      input += text + "\n";
    }
    pipeline.Feed(input, 1 + random() % 4000);
    EXPECT_EQ(JoinLines(pipeline.Finish(), "stdout"), expected) << "seed " << seed;
  }
}

TEST(Lines, RandomBytesNeverBreakAFrame) {
  for (unsigned seed = 1; seed <= 60; ++seed) {
    std::mt19937 random(seed);
    std::string input(100'000, '\0');
    // From pure noise to noise with many line ends, quotes and brackets.
    for (char& c : input) {
      c = random() % 8 < seed % 8 ? "\n\"{}\\\xff\xe2\x00"[random() % 8]
                                  : static_cast<char>(random());
    }
    Pipeline pipeline({.bound_bytes = 0}, false, 8 * 1024);
    pipeline.Feed(input, 1 + random() % 9000);
    const std::vector<json> entries = pipeline.Finish();
    EXPECT_FALSE(entries.empty());
    const size_t lines = static_cast<size_t>(std::count(input.begin(), input.end(), '\n'));
    EXPECT_EQ(pipeline.lines().counts().stdout_lines, lines + (input.back() == '\n' ? 0 : 1));
  }
}

TEST(Lines, WhatTheReaderDoesNotTakeStaysBounded) {
  std::signal(SIGPIPE, SIG_IGN);  // as databuild-exec does
  int ends[2];
  ASSERT_EQ(pipe2(ends, O_CLOEXEC), 0);
  {
    OutputSink sink(ends[1]);
    OutputBudget budget({.bound_bytes = 0});
    EntryWriter writer({"r", "", {}}, &sink, &budget);
    JobLines lines(&writer, &budget, false);
    LineReader reader(JobLines::Stream::kStdout, 64 * 1024);
    const LineReader::Span space = reader.Space();
    std::memset(space.data, '\n', space.size);  // the worst case: every byte becomes an entry
    reader.Filled(space.size);
    EXPECT_FALSE(reader.Cut(&lines, sink, false));
    sink.Flush();
    EXPECT_TRUE(sink.pending());
    EXPECT_FALSE(sink.closed());
    close(ends[0]);
    sink.Flush();
    EXPECT_TRUE(sink.closed());
    while (!reader.Cut(&lines, sink, false)) sink.Flush();  // a closed sink takes everything
    EXPECT_GT(sink.undelivered(), 60'000u);
    EXPECT_LE(sink.undelivered(), writer.last_sequence());
  }
  close(ends[1]);
}

TEST(Lines, OutputsAreNamedOnlyWhereAskedForAndOnlyIfTheyFit) {
  MemoryFile file;
  OutputSink sink(file.fd());
  OutputBudget budget({});
  EntryWriter small({"r", "//j", {"a", "b"}}, &sink, &budget);
  small.Event(
      {.type = "x", .metadata = {}, .job_status = {}, .exit_code = {}, .with_outputs = true});
  small.Event({.type = "x", .metadata = {}, .job_status = {}, .exit_code = {}});
  EntryWriter large({"r", "//j", std::vector<std::string>(20, std::string(1000, 'r'))}, &sink,
                    &budget);
  large.Event(
      {.type = "x", .metadata = {}, .job_status = {}, .exit_code = {}, .with_outputs = true});
  sink.Flush();
  const std::string content = file.Content();
  const size_t first = content.find('\n') + 1, second = content.find('\n', first) + 1;
  EXPECT_EQ(json::parse(content.substr(0, first))["outputs"],
            json::parse(R"([{"str":"a"},{"str":"b"}])"));
  EXPECT_EQ(json::parse(content.substr(first, second - first)).contains("outputs"), false);
  EXPECT_EQ(json::parse(content.substr(second)).contains("outputs"), false);
}

}  // namespace
}  // namespace databuild::exec
