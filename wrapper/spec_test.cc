#include "wrapper/spec.h"

#include <gtest/gtest.h>
#include <zstd.h>

#include "wrapper/process.h"
#include "wrapper/spec_encoding_for_test.h"

namespace databuild::exec {
namespace {

Result<RunSpec> FromEnvironment(const std::vector<std::string>& env) {
  std::vector<const char*> pointers;
  for (const std::string& assignment : env) pointers.push_back(assignment.c_str());
  pointers.push_back(nullptr);
  return SpecFromEnvironment(pointers.data());
}

constexpr char kFull[] = R"({"version":1,"jobRunId":"r-1","jobLabel":"//a:b","mode":"run",
  "outputs":["o/1","o/2"],"inputs":["i/1"],"outputInstances":{"o/1":"u1"},"inputInstances":{"i/1":"u2"},
  "args":["--date","x y"],"env":{"A":"1","B":""},"timeoutSeconds":3600,"graceSeconds":5,
  "outputBoundBytes":0,"heartbeatSeconds":7,"outputRateBytes":9,"receiptBytes":2048,"later":{"x":[1]}})";

TEST(Spec, EveryMemberIsRead) {
  const Result<RunSpec> read = ParseSpec(kFull);
  ASSERT_TRUE(read.ok()) << read.error().message;
  const RunSpec& spec = read.value();
  EXPECT_EQ(spec.job_run_id, "r-1");
  EXPECT_EQ(spec.job_label, "//a:b");
  EXPECT_FALSE(spec.configure);
  EXPECT_EQ(spec.outputs, (std::vector<std::string>{"o/1", "o/2"}));
  EXPECT_EQ(spec.inputs, std::vector<std::string>{"i/1"});
  EXPECT_EQ(spec.output_instances.at("o/1"), "u1");
  EXPECT_EQ(spec.input_instances.at("i/1"), "u2");
  EXPECT_EQ(spec.args, (std::vector<std::string>{"--date", "x y"}));
  EXPECT_EQ(spec.env, (std::vector<std::pair<std::string, std::string>>{{"A", "1"}, {"B", ""}}));
  EXPECT_EQ(spec.timeout_seconds, 3600);
  EXPECT_EQ(spec.grace_seconds, 5);
  EXPECT_EQ(spec.heartbeat_seconds, 7);
  EXPECT_EQ(spec.output_bound_bytes, 0);
  EXPECT_EQ(spec.output_rate_bytes, 9);
  EXPECT_EQ(spec.receipt_bytes, 2048);
}

TEST(Spec, DefaultsAreThoseOfTheProtocol) {
  const Result<RunSpec> read = ParseSpec(R"({"version":1,"jobRunId":"r","outputs":["o"]})");
  ASSERT_TRUE(read.ok()) << read.error().message;
  EXPECT_EQ(read.value().timeout_seconds, 0);
  EXPECT_EQ(read.value().grace_seconds, kDefaultGraceSeconds);
  EXPECT_EQ(read.value().heartbeat_seconds, kDefaultHeartbeatSeconds);
  EXPECT_EQ(read.value().output_bound_bytes, kDefaultOutputBoundBytes);
  EXPECT_EQ(read.value().receipt_bytes, static_cast<int64_t>(kReceiptBytesMax));
}

TEST(Spec, FaultsAreNamed) {
  struct {
    const char *json, *named;
  } const cases[] = {
      {"[]", "not a JSON object"},
      {R"({"version":2,"jobRunId":"r","outputs":["o"]})", "version 2"},
      {R"({"jobRunId":"r","outputs":["o"]})", "version 0"},
      {R"({"version":1,"outputs":["o"]})", "jobRunId"},
      {R"({"version":1,"jobRunId":7,"outputs":["o"]})", "jobRunId"},
      {R"({"version":1,"jobRunId":"r"})", "outputs"},
      {R"({"version":1,"jobRunId":"r","outputs":["o",1]})", "outputs"},
      {R"({"version":1,"jobRunId":"r","outputs":[""]})", "outputs"},
      {R"({"version":1,"jobRunId":"r","outputs":["o"],"mode":"walk"})", "mode"},
      {R"({"version":1,"jobRunId":"r","outputs":["o"],"timeoutSeconds":-1})", "timeoutSeconds"},
      {R"({"version":1,"jobRunId":"r","outputs":["o"],"graceSeconds":1.5})", "graceSeconds"},
      {R"({"version":1,"jobRunId":"r","outputs":["o"],"env":{"A=B":"1"}})", "env"},
      {R"({"version":1,"jobRunId":"r","outputs":["o"],"env":["A"]})", "env"},
      {R"({"version":1,"jobRunId":"r","outputs":["o"],"args":["a\u0000b"]})", "args"},
  };
  for (const auto& c : cases) {
    const Result<RunSpec> read = ParseSpec(c.json);
    ASSERT_FALSE(read.ok()) << c.json;
    EXPECT_NE(read.error().message.find(c.named), std::string::npos) << read.error().message;
  }
}

TEST(Spec, TravelsThroughTheEnvironmentInChunks) {
  std::string json = R"({"version":1,"jobRunId":"r","outputs":["o"],"args":[)";
  uint32_t noise = 1;
  for (int i = 0; i < 40'000; ++i) {  // does not compress well
    noise = noise * 1664525 + 1013904223;
    json += (i > 0 ? ",\"" : "\"") + std::to_string(noise) + "\"";
  }
  const std::vector<std::string> env = EncodeSpec(json + "]}");
  ASSERT_GT(env.size(), 3u);
  for (const std::string& assignment : env) EXPECT_LT(assignment.size(), 128u * 1024);
  const Result<RunSpec> read = FromEnvironment(env);
  ASSERT_TRUE(read.ok()) << read.error().message;
  EXPECT_EQ(read.value().args.size(), 40'000u);
}

TEST(Spec, ADamagedEnvironmentIsRefused) {
  const std::vector<std::string> good = EncodeSpec(kFull);
  ASSERT_EQ(good.size(), 2u);
  struct {
    const char* name;
    std::vector<std::string> env;
  } const cases[] = {
      {"nothing", {"PATH=/bin"}},
      {"a count that is no number", {"DATABUILD_SPEC_CHUNKS=x", good[1]}},
      {"zero chunks", {"DATABUILD_SPEC_CHUNKS=0"}},
      {"too many chunks", {"DATABUILD_SPEC_CHUNKS=9999999"}},
      {"a missing chunk", {"DATABUILD_SPEC_CHUNKS=2", good[1]}},
      {"not base64", {"DATABUILD_SPEC_CHUNKS=1", "DATABUILD_SPEC_0=!!!!"}},
      {"cut base64", {"DATABUILD_SPEC_CHUNKS=1", good[1].substr(0, good[1].size() - 2)}},
      {"not zstd", {"DATABUILD_SPEC_CHUNKS=1", "DATABUILD_SPEC_0=AAAAAAAA"}},
      {"cut zstd",
       {"DATABUILD_SPEC_CHUNKS=1", good[1].substr(0, 15 + (good[1].size() - 17) / 2 / 4 * 4 + 2)}},
  };
  for (const auto& c : cases) {
    const Result<RunSpec> read = FromEnvironment(c.env);
    ASSERT_FALSE(read.ok()) << c.name;
    EXPECT_EQ(read.error().code, Errc::kInvalidArgument) << c.name;
  }
}

TEST(Spec, ABombIsNotUnpacked) {
  const std::string zeros(1 << 20, '\0');
  std::string frame(ZSTD_compressBound(zeros.size()), '\0');
  frame.resize(ZSTD_compress(frame.data(), frame.size(), zeros.data(), zeros.size(), 3));
  EXPECT_TRUE(DecompressZstd(frame, 1 << 20).ok());
  EXPECT_FALSE(DecompressZstd(frame, (1 << 20) - 1).ok());
}

TEST(Spec, Base64IsReadStrictly) {
  EXPECT_EQ(DecodeBase64("").value(), "");
  EXPECT_EQ(DecodeBase64("Zg==").value(), "f");
  EXPECT_EQ(DecodeBase64("Zm8=").value(), "fo");
  EXPECT_EQ(DecodeBase64("Zm9vYmFy").value(), "foobar");
  for (const char* text : {"Z", "Zg", "Zg=", "Zg=a", "Z===", "Zm 9", "Zg==Zg==", "Zm9-"}) {
    EXPECT_FALSE(DecodeBase64(text).ok()) << text;
  }
}

TEST(Spec, DoesNotReachTheCommandsEnvironment) {
  std::vector<std::string> env = EncodeSpec(kFull);
  env.push_back("PATH=/bin");
  env.push_back("A=old");
  std::vector<const char*> pointers;
  for (const std::string& assignment : env) pointers.push_back(assignment.c_str());
  pointers.push_back(nullptr);
  EXPECT_EQ(BuildEnvironment(pointers.data(), {"A=1", "B=2", "B=3"}),
            (std::vector<std::string>{"PATH=/bin", "A=1", "B=3"}));
}

}  // namespace
}  // namespace databuild::exec
