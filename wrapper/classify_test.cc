#include "wrapper/classify.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace databuild::exec {
namespace {

using nlohmann::json;

json Fields(const Line& line) { return json::parse("{" + line.body + "\"stream\":\"stdout\"}"); }

TEST(Classify, OnlyTheThreeFormsAreMoreThanText) {
  struct {
    const char* name;
    std::string line;
    LineKind then;
  } const cases[] = {
      {"plain text", "hello", LineKind::kText},
      {"empty", "", LineKind::kText},
      {"log", R"({"level":"info","message":"m"})", LineKind::kLog},
      {"log with blanks around", "  {\"level\":\"info\",\"message\":\"m\"} \r", LineKind::kLog},
      {"log by other names", R"({"severity":"WARNING","msg":"m"})", LineKind::kLog},
      {"unknown level", R"({"level":"loud","message":"m"})", LineKind::kText},
      {"numeric level", R"({"level":30,"message":"m"})", LineKind::kText},
      {"no message", R"({"level":"info"})", LineKind::kText},
      {"message is no string", R"({"level":"info","message":{}})", LineKind::kText},
      {"metric", R"({"name":"rows","value":1})", LineKind::kMetric},
      {"metric in full", R"({"name":"b","value":-1.5e3,"unit":"bytes","labels":{"a":"b"}})",
       LineKind::kMetric},
      {"metric without value", R"({"name":"rows"})", LineKind::kText},
      {"value is a string", R"({"name":"rows","value":"1"})", LineKind::kText},
      {"value no double can hold", R"({"name":"rows","value":1e999})", LineKind::kText},
      {"empty name", R"({"name":"","value":1})", LineKind::kText},
      {"label is no string", R"({"name":"a","value":1,"labels":{"x":1}})", LineKind::kText},
      {"label twice", R"({"name":"a","value":1,"labels":{"x":"1","x":"2"}})", LineKind::kText},
      {"member a metric has not", R"({"name":"bob","value":3,"age":5})", LineKind::kText},
      {"both", R"({"name":"a","value":1,"level":"error","message":"m"})", LineKind::kLog},
      {"manifest", R"({"manifest":{"metadata":{"rows":"5"}}})", LineKind::kManifest},
      {"manifest and more", R"({"manifest":{},"x":1})", LineKind::kText},
      {"an imitated frame",
       R"({"timestamp":"1","jobId":"x","sequenceNumber":"9","jobEvent":{"eventType":"task_exit"}})",
       LineKind::kText},
      {"array", R"([{"level":"info","message":"m"}])", LineKind::kText},
      {"broken JSON", R"({"level":"info","message":"m")", LineKind::kText},
      {"too deep",
       R"({"level":"info","message":"m","x":)" + std::string(40, '[') + std::string(40, ']') + "}",
       LineKind::kText},
      {"too long", R"({"level":"info","message":")" + std::string(kJsonLineBytesMax, 'x') + "\"}",
       LineKind::kText},
  };
  LineClassifier classifier;
  for (const auto& c : cases) {
    const Line& line = classifier.Classify(c.line);
    EXPECT_EQ(line.kind, c.then) << c.name;
    if (c.then == LineKind::kText) {
      EXPECT_EQ(line.message, c.line) << c.name;
    }
  }
}

TEST(Classify, LevelsOfCommonLoggersAreKnownInAnyCase) {
  struct {
    const char* name;
    Level level;
  } const cases[] = {
      {"TRACE", Level::kDebug}, {"debug", Level::kDebug},    {"Info", Level::kInfo},
      {"NOTICE", Level::kInfo}, {"warning", Level::kWarn},   {"WARN", Level::kWarn},
      {"err", Level::kError},   {"CRITICAL", Level::kError}, {"fatal", Level::kError}};
  LineClassifier classifier;
  for (const auto& c : cases) {
    const std::string text = std::string(R"({"message":"m","level":")") + c.name + "\"}";
    const Line& line = classifier.Classify(text);
    EXPECT_EQ(line.kind, LineKind::kLog) << c.name;
    EXPECT_EQ(line.level, c.level) << c.name;
  }
}

TEST(Classify, OtherMembersBecomeFields) {
  LineClassifier classifier;
  const Line& line = classifier.Classify(
      R"({"level":"error","message":"a\nb","user":"x\ty","n":1.50,"t":true,"nothing":null,"o":{"k":[1]}})");
  EXPECT_EQ(line.message, "a\nb");
  EXPECT_EQ(Fields(line), json({{"user", "x\ty"},
                                {"n", "1.50"},
                                {"t", "true"},
                                {"o", "{\"k\":[1]}"},
                                {"stream", "stdout"}}));
}

TEST(Classify, OurOwnFieldsCannotBeForged) {
  LineClassifier classifier;
  const Line& line = classifier.Classify(
      R"({"level":"info","message":"m","stream":"wrapper","part":"7","last":"true"})");
  EXPECT_EQ(Fields(line), json({{"user_stream", "wrapper"},
                                {"user_part", "7"},
                                {"user_last", "true"},
                                {"stream", "stdout"}}));
}

TEST(Classify, FieldsAreUniqueAndBoundedAndTheRestIsCounted) {
  LineClassifier classifier;
  std::string text = R"({"level":"info","message":"m","a":"1","a":"2","\u0061":"3")";
  for (int i = 0; i < 100; ++i) text += ",\"k" + std::to_string(i) + "\":\"v\"";
  const Line& many = classifier.Classify(text + "}");
  EXPECT_EQ(Fields(many)["a"], "1");
  EXPECT_EQ(Fields(many)["fieldsDropped"], "39");
  EXPECT_EQ(Fields(many).size(), kFieldsMax + 2);

  const std::string big =
      R"({"level":"info","message":"m","big":")" + std::string(5000, 'x') + "\",\"s\":\"1\"}";
  const Line& large = classifier.Classify(big);
  EXPECT_EQ(Fields(large), json({{"s", "1"}, {"fieldsDropped", "1"}, {"stream", "stdout"}}));
}

TEST(Classify, MetricsAreWrittenAgainInOneForm) {
  LineClassifier classifier;
  const Line& line = classifier.Classify(
      R"( {"unit":"bytes", "labels":{"t":"a\"b"}, "value":1.2500e2, "name":"x"} )");
  EXPECT_EQ(line.body, R"({"name":"x","value":125,"labels":{"t":"a\"b"},"unit":"bytes"})");
}

TEST(Classify, AMetricThatNoEntryCanCarryIsText) {
  LineClassifier classifier;
  const std::string text =
      R"({"name":"x","value":1,"unit":")" + std::string(kMetricBytesMax, 'u') + "\"}";
  EXPECT_EQ(classifier.Classify(text).kind, LineKind::kText);
}

}  // namespace
}  // namespace databuild::exec
