// The lines are JobLogEntry in the JSON form of proto3: protobuf's own parser, in its strict mode,
// agrees.

#include <google/protobuf/util/json_util.h>
#include <gtest/gtest.h>

#include "databuild/v1/databuild.pb.h"
#include "wrapper/exec_harness_for_test.h"

namespace databuild::exec {
namespace {

std::vector<v1::JobLogEntry> ParseStrictly(const Finished& run) {
  std::vector<v1::JobLogEntry> entries;
  for (size_t at = 0; at < run.output.size();) {
    const size_t end = run.output.find('\n', at);
    v1::JobLogEntry entry;
    const auto status =
        google::protobuf::util::JsonStringToMessage(run.output.substr(at, end - at), &entry);
    EXPECT_TRUE(status.ok()) << status.ToString() << ": "
                             << run.output.substr(at, std::min<size_t>(end - at, 400));
    entries.push_back(entry);
    EXPECT_EQ(entry.sequence_number(), entries.size());
    EXPECT_NE(entry.content_case(), v1::JobLogEntry::CONTENT_NOT_SET);
    at = end + 1;
  }
  return entries;
}

TEST(ExecProto, EveryKindOfEntryIsAJobLogEntry) {
  const Finished run = RunWithSpec(
      R"({"version":1,"jobRunId":"r","jobLabel":"//a:\"b\"","outputs":["o/\"1\"","o/2"],"inputs":["i/1"],
          "inputInstances":{"i/1":"u-1"},"outputInstances":{"o/2":"u-2"},"heartbeatSeconds":1})",
      {"sh", "-c",
       R"(echo text; printf 'nul \000 esc \033[1m bad \377\n' >&2
          echo '{"level":"debug","message":"m","a":1,"b":[{}],"stream":"x"}'
          echo '{"level":"FATAL","message":""}'
          echo '{"name":"rows","value":-1.5e-3,"unit":"s","labels":{"a":"b"}}'
          echo '{"name":"n","value":12345678901234567890}'
          head -c 100000 /dev/zero; echo
          echo '{"metadata":{"k":{"nested":[1]}}}' > "$DATABUILD_MANIFEST"; sleep 1.2)"});
  EXPECT_EQ(run.status, 0);
  const std::vector<v1::JobLogEntry> entries = ParseStrictly(run);
  const v1::PartitionManifest& manifest = entries.back().manifest();
  EXPECT_EQ(manifest.outputs(0).str(), "o/\"1\"");
  EXPECT_EQ(manifest.output_instances(1).instance_id(), "u-2");
  EXPECT_EQ(manifest.input_instances(0).instance_id(), "u-1");
  EXPECT_EQ(manifest.metadata().at("k"), R"({"nested":[1]})");
  EXPECT_EQ(manifest.task().job().label(), "//a:\"b\"");
  EXPECT_GT(manifest.end_time(), 1'700'000'000);
  EXPECT_EQ(entries[0].outputs_size(), 2);
}

TEST(ExecProto, OtherEndingsAreToo) {
  ParseStrictly(RunScript("echo m/1 > \"$DATABUILD_MISSING\"; exit 75"));
  ParseStrictly(RunScript("exit 3"));
  ParseStrictly(RunLocal({}, {"no-such-command"}));
  ParseStrictly(RunScript("echo '{\"configs\":[]}'", {"--configure"}));
  ParseStrictly(RunWithSpec("{}", {"true"}));
}

TEST(ExecProto, BinaryGarbageIsToo) {
  const Finished run = RunScript("head -c 1000000 /dev/urandom", {"--bound", "0"});
  EXPECT_GT(ParseStrictly(run).size(), 1000u);
}

}  // namespace
}  // namespace databuild::exec
