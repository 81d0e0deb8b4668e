#include "wrapper/manifest.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace databuild::exec {
namespace {

using nlohmann::json;

RunSpec Spec() {
  RunSpec spec;
  spec.job_run_id = "run";
  spec.job_label = "//a:b";
  spec.outputs = {"o/1", "o/2"};
  spec.inputs = {"i/1", "i/2"};
  spec.output_instances = {{"o/1", "u1"}, {"o/2", "u2"}};
  spec.input_instances = {{"i/1", "v1"}, {"i/2", "v2"}};
  return spec;
}

Result<Manifest> Merge(const std::vector<std::string>& claims, std::vector<std::string>* warnings) {
  std::vector<ManifestClaim> list;
  for (const std::string& claim : claims) list.push_back({"the test", claim});
  return MergeManifest(Spec(), list, warnings);
}

// As protobuf merges: lists appended, maps united, the rest overwritten.
json Join(const std::vector<std::string>& parts) {
  json whole = json::object();
  for (const std::string& part : parts) {
    const json parsed = json::parse(part);
    for (const auto& [key, value] : parsed.items()) {
      if (value.is_array()) {
        for (const json& element : value) whole[key].push_back(element);
      } else if (key == "metadata") {
        for (const auto& [name, text] : value.items()) whole[key][name] = text;
      } else {
        whole[key] = value;
      }
    }
  }
  return whole;
}

TEST(Manifest, WithoutClaimsItIsThePlan) {
  std::vector<std::string> warnings;
  Result<Manifest> merged = Merge({}, &warnings);
  ASSERT_TRUE(merged.ok());
  merged.value().start_seconds = 1700000000;
  merged.value().end_seconds = 1700000060;
  const std::vector<std::string> parts = RenderManifest(merged.value(), Spec(), 11'000);
  ASSERT_EQ(parts.size(), 1u);
  EXPECT_EQ(json::parse(parts[0]), json::parse(R"({"startTime":"1700000000","endTime":"1700000060",
      "task":{"job":{"label":"//a:b"}},"outputs":[{"str":"o/1"},{"str":"o/2"}],
      "outputInstances":[{"ref":"o/1","instanceId":"u1"},{"ref":"o/2","instanceId":"u2"}],
      "inputInstances":[{"ref":"i/1","instanceId":"v1"},{"ref":"i/2","instanceId":"v2"}]})"));
}

TEST(Manifest, LaterClaimsWinAndMetadataIsUnited) {
  std::vector<std::string> warnings;
  const Result<Manifest> merged =
      Merge({R"({"metadata":{"rows":5,"a":"x"},"inputs":["i/1"]})",
             R"({"metadata":{"rows":"6","ok":true},"outputs":[{"str":"o/2"},"o/1"]})"},
            &warnings);
  ASSERT_TRUE(merged.ok()) << merged.error().message;
  EXPECT_EQ(merged.value().metadata,
            (std::map<std::string, std::string>{{"rows", "6"}, {"a", "x"}, {"ok", "true"}}));
  EXPECT_EQ(merged.value().inputs, std::vector<std::string>{"i/1"});
  EXPECT_EQ(merged.value().outputs, Spec().outputs);
}

TEST(Manifest, InputsMayBeNamedInEveryForm) {
  for (const char* claim :
       {R"({"inputs":["i/1","x/9","i/1"]})", R"({"inputs":[{"str":"i/1"},{"str":"x/9"}]})",
        R"({"inputs":[{"outputs":[{"str":"i/1"}]},{"outputs":["x/9"]}]})",
        R"({"inputInstances":[{"ref":"i/1"},{"ref":"x/9"}]})",
        R"({"input_instances":[{"ref":"i/1"},{"ref":"x/9"}]})"}) {
    std::vector<std::string> warnings;
    Result<Manifest> merged = Merge({claim}, &warnings);
    ASSERT_TRUE(merged.ok()) << claim << ": " << merged.error().message;
    EXPECT_EQ(merged.value().inputs, (std::vector<std::string>{"i/1", "x/9"})) << claim;
    const json whole = Join(RenderManifest(merged.value(), Spec(), 11'000));
    EXPECT_EQ(whole["inputInstances"],
              json::parse(R"([{"ref":"i/1","instanceId":"v1"},{"ref":"x/9"}])"));
  }
}

TEST(Manifest, ClaimsThatContradictTheRunAreRefused) {
  struct {
    const char *claim, *named;
  } const cases[] = {
      {"", "not a JSON object"},
      {"rows=5", "not a JSON object"},
      {"[]", "not a JSON object"},
      {R"({"outputs":["o/1","o/2","o/3"]})", "o/3"},
      {R"({"outputs":["o/1"]})", "o/2"},
      {R"({"outputs":"o/1"})", "no array"},
      {R"({"outputs":[7]})", "neither a string"},
      {R"({"inputs":[{"x":1}]})", "neither a string"},
      {R"({"inputs":["a\nb"]})", "no partition ref"},
      {R"({"inputs":[""]})", "no partition ref"},
      {R"({"metadata":[1]})", "metadata"},
  };
  for (const auto& c : cases) {
    std::vector<std::string> warnings;
    const Result<Manifest> merged = Merge({c.claim}, &warnings);
    ASSERT_FALSE(merged.ok()) << c.claim;
    EXPECT_NE(merged.error().message.find(c.named), std::string::npos) << merged.error().message;
    EXPECT_NE(merged.error().message.find("the test"), std::string::npos);
  }
}

TEST(Manifest, MetadataNoEntryCanCarryIsLeftOutWithAWarning) {
  std::vector<std::string> warnings;
  const Result<Manifest> merged =
      Merge({R"({"metadata":{"big":")" + std::string(9000, 'x') + R"(","small":"1"}})"}, &warnings);
  ASSERT_TRUE(merged.ok());
  EXPECT_EQ(merged.value().metadata.size(), 1u);
  ASSERT_EQ(warnings.size(), 1u);
  EXPECT_NE(warnings[0].find("big"), std::string::npos);
}

TEST(Manifest, ALargeOneIsCutIntoPartsThatMergeToTheWhole) {
  RunSpec spec;
  spec.job_label = std::string(1024, '"');
  Manifest manifest;
  for (int i = 0; i < 100; ++i) {
    const std::string ref(1020, 'o');
    manifest.outputs.push_back(ref + std::to_string(i));
    spec.output_instances[manifest.outputs.back()] = "u" + std::to_string(i);
  }
  for (int i = 0; i < 3000; ++i) manifest.inputs.push_back("i/" + std::to_string(i));
  for (int i = 0; i < 10; ++i) manifest.metadata["k" + std::to_string(i)] = std::string(8000, 'v');
  const std::vector<std::string> parts = RenderManifest(manifest, spec, 11'000);
  EXPECT_GT(parts.size(), 20u);
  for (const std::string& part : parts) EXPECT_LE(part.size(), 11'000u);
  const json whole = Join(parts);
  EXPECT_EQ(whole["outputs"].size(), 100u);
  EXPECT_EQ(whole["outputInstances"][99]["instanceId"], "u99");
  EXPECT_EQ(whole["inputInstances"].size(), 3000u);
  EXPECT_EQ(whole["metadata"].size(), 10u);
  EXPECT_EQ(whole["task"]["job"]["label"], spec.job_label);
}

TEST(Missing, IsAnArrayOrOneRefPerLine) {
  const std::vector<std::string> two = {"a/b=1", "c d"};
  struct {
    const char *name, *text;
    std::vector<std::string> refs;
  } const cases[] = {
      {"array", R"(["a/b=1","c d"])", two},
      {"array with blanks", " [ \"a\\/b=1\" ,\n \"c d\" ]\n", two},
      {"lines", "a/b=1\nc d\n", two},
      {"lines with blanks and repeats", "\n  a/b=1\r\n\nc d\na/b=1", two},
      {"empty", "", {}},
      {"blank", " \n\n", {}},
      {"empty array", "[]", {}},
  };
  for (const auto& c : cases) {
    const Result<std::vector<std::string>> refs = ParseMissing(c.text);
    ASSERT_TRUE(refs.ok()) << c.name;
    EXPECT_EQ(refs.value(), c.refs) << c.name;
  }
}

TEST(Missing, FaultsAreNamed) {
  struct {
    std::string text, named;
  } const cases[] = {
      {"[1]", "something else than strings"},
      {"[\"a\"", "JSON array"},
      {"a\x01"
       "b",
       "no partition ref"},
      {"caf\xc3\xa9", "no partition ref"},
      {std::string(1025, 'x'), "no partition ref"},
      {[] {
         std::string many;
         for (int i = 0; i < 10'001; ++i) many += std::to_string(i) + "\n";
         return many;
       }(),
       "at most 10000"},
  };
  for (const auto& c : cases) {
    const Result<std::vector<std::string>> refs = ParseMissing(c.text);
    ASSERT_FALSE(refs.ok()) << c.named;
    EXPECT_NE(refs.error().message.find(c.named), std::string::npos) << refs.error().message;
    EXPECT_LT(refs.error().message.size(), 600u);
  }
}

}  // namespace
}  // namespace databuild::exec
