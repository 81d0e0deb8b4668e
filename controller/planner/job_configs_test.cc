// What an image may answer when it is asked how partitions are made.
#include "controller/planner/job_configs.h"

#include <gtest/gtest.h>

namespace databuild {
namespace {

using Units = std::vector<std::vector<std::string>>;

std::string Config(const std::string& outputs, const std::string& more = "") {
  return R"({"outputs":[)" + outputs + "]" + (more.empty() ? "" : "," + more) + "}";
}

std::string Ref(const std::string& ref) { return R"({"str":")" + ref + R"("})"; }

std::string Input(const std::string& ref, const std::string& type) {
  return R"({"partitionRef":)" + Ref(ref) + "," + type + "}";
}

std::string Answer(const std::string& configs) { return R"({"configs":[)" + configs + "]}"; }

const std::string kMaterialize = R"("depTypeCode":"MATERIALIZE")";

TEST(JobConfigs, OneForEachUnitInTheOrderAsked) {
  const auto configs =
      ReadConfigs(Answer(Config(Ref("b/2") + "," + Ref("a/2"), R"("args":["--two"])") + "," +
                         Config(Ref("a/1") + "," + Ref("b/1"),
                                R"("env":{"K":"v"},"inputs":[)" + Input("raw/1", kMaterialize) +
                                    "," + Input("old/1", R"("depTypeName":"query")") + "," +
                                    Input("new/1", R"("depTypeName":"materialize")") + "]")),
                  Units{{"a/1", "b/1"}, {"a/2", "b/2"}});
  ASSERT_TRUE(configs.ok()) << configs.error().message;
  ASSERT_EQ(configs->size(), 2u);
  EXPECT_EQ((*configs)[0].env().at("K"), "v");
  EXPECT_EQ((*configs)[0].inputs(0).dep_type_code(), v1::MATERIALIZE);
  EXPECT_EQ((*configs)[0].inputs(1).dep_type_code(), v1::QUERY);
  EXPECT_EQ((*configs)[0].inputs(2).dep_type_code(), v1::MATERIALIZE);
  EXPECT_EQ((*configs)[1].outputs(0).str(), "a/2") << "in the unit's order";
  EXPECT_EQ((*configs)[1].args(0), "--two");
}

TEST(JobConfigs, WhatDoesNotFitTheQuestionIsRefused) {
  const std::string one = Config(Ref("a/1"));
  const std::string raw = Input("raw/1", kMaterialize);
  const auto with = [](const std::string& inputs) {
    return Answer(Config(Ref("a/1"), R"("inputs":[)" + inputs + "]"));
  };
  struct Case {
    std::string answer;
    const char* words;
  };
  for (const Case& one_case : {
           Case{"", "there is none"},
           Case{"hello", "no JobConfigureResponse"},
           Case{R"({"configs":7})", "no JobConfigureResponse"},
           Case{Answer(Config(Ref("a/1"), R"("input":[])")), "no JobConfigureResponse"},
           Case{std::string(60'000, '['), "no JobConfigureResponse"},
           Case{std::string(2 << 20, ' '), "more than 1 MiB"},
           Case{Answer(""), "no config makes exactly a/1"},
           Case{Answer(Config("")), "has no outputs"},
           Case{Answer(Config(Ref("a/2"))), "no config makes exactly a/1"},
           Case{Answer(Config(Ref("a/1") + "," + Ref("a/2"))), "no config makes exactly a/1"},
           Case{Answer(one + "," + Config(Ref("a/2"))), "a/2 was not asked for"},
           Case{Answer(one + "," + one), "two configs for a/1"},
           Case{with(Input("", kMaterialize)), "no partition ref"},
           Case{with(Input("caf\u00e9", kMaterialize)), "no partition ref"},
           Case{with(Input("a/1", kMaterialize)), "a/1 is an input of itself"},
           Case{with(raw + "," + raw), "raw/1 is an input of a/1 twice"},
           Case{with(Input("raw/1", R"("depTypeName":"maybe")")), "depTypeName"},
           Case{with(Input("raw/1", R"("depTypeCode":9)")), "depTypeCode"},
       }) {
    const auto configs = ReadConfigs(one_case.answer, Units{{"a/1"}});
    ASSERT_FALSE(configs.ok()) << one_case.words;
    EXPECT_NE(configs.error().message.find(one_case.words), std::string::npos)
        << configs.error().message;
  }
}

}  // namespace
}  // namespace databuild
