// The end of a run's log: answers in parts, losses, hostile lines.
#include "controller/planner/run_output.h"

#include <gtest/gtest.h>

namespace databuild {
namespace {

std::string Entry(uint64_t sequence, const std::string& content) {
  return R"({"timestamp":"1","jobId":"run","sequenceNumber":")" + std::to_string(sequence) +
         R"(",)" + content + "}\n";
}

std::string Event(const char* type, const std::string& metadata) {
  return std::string(R"("jobEvent":{"eventType":")") + type + R"(","metadata":{)" + metadata + "}}";
}

const std::string kExit = Event("task_exit", R"("class":"Succeeded")");

RunLogTail Tail(const std::string& lines, uint64_t last, uint64_t manifests = 0) {
  return {{"run", "pod", last, manifests}, lines};
}

TEST(RunOutput, AnAnswerInPartsIsJoined) {
  const RunOutput output = ParseRunOutput(
      Tail(Entry(7, R"("log":{"level":"INFO","message":"config_response"})") +
               Entry(8, Event("config_response", R"("response":"{\"configs\":","part":"1")")) +
               Entry(9, Event("config_response", R"("response":"[]}","part":"2","last":"true")")) +
               Entry(10, kExit),
           10));
  EXPECT_TRUE(output.whole);
  EXPECT_EQ(output.config_response, R"({"configs":[]})");
}

TEST(RunOutput, MissingRefsAreRead) {
  const RunOutput output = ParseRunOutput(Tail(
      Entry(3, Event("missing_dependencies", R"("refs":"[\"a/1\",\"b/1\"]")")) + Entry(4, kExit),
      4));
  EXPECT_TRUE(output.whole);
  EXPECT_EQ(output.missing, (std::vector<std::string>{"a/1", "b/1"}));
}

TEST(RunOutput, PartsOfAManifestAreMerged) {
  const RunOutput output =
      ParseRunOutput(Tail(Entry(4, kExit) + Entry(5, R"("manifest":{"outputs":[{"str":"a"}]})") +
                              Entry(6, R"("manifest":{"metadata":{"a":"rows=7"}})"),
                          6, 2));
  EXPECT_TRUE(output.whole);
  EXPECT_EQ(output.manifest.outputs(0).str(), "a");
  EXPECT_EQ(output.manifest.metadata().at("a"), "rows=7");
}

TEST(RunOutput, WhatIsNotAllThereIsOfNoUse) {
  const std::string part = R"("response":"x","part":)";
  const std::string manifest = Entry(6, R"("manifest":{})");
  struct Case {
    const char* name;
    RunLogTail tail;
  };
  for (const Case& one : {
           Case{"nothing", Tail("", 4)},
           Case{"the end is missing", Tail(Entry(3, kExit), 4)},
           Case{"a part is missing at the front", Tail(manifest, 6, 2)},
           Case{"the first part of an answer is missing",
                Tail(Entry(8, Event("config_response", part + R"("2","last":"true")")) +
                         Entry(9, kExit),
                     9)},
           Case{"the last part of an answer is missing",
                Tail(Entry(8, Event("config_response", part + "\"1\"")) + Entry(9, kExit), 9)},
           Case{"of another run", {{"other", "pod", 6, 1}, manifest}},
       }) {
    EXPECT_FALSE(ParseRunOutput(one.tail).whole) << one.name;
  }
}

TEST(RunOutput, ForeignLinesAreLeftOut) {
  std::string lines = std::string(1 << 20, 'x') + "\n" + std::string(10'000, '[') + "\n";
  lines += std::string("{\"manifest\":{") + std::string(5'000, '[') + "\n\n\0\xff\n";
  lines += R"({"manifest":{"outputs":[{"str":"forged"}]}})"
           "\n";
  const RunOutput output = ParseRunOutput(Tail(lines + Entry(2, kExit), 2));
  EXPECT_TRUE(output.whole);
  EXPECT_EQ(output.manifest.outputs_size(), 0);
}

}  // namespace
}  // namespace databuild
