// Lookup, Analyze and Configure: what the planner would do, as the messages of the API.
#include "controller/planner/plan_answers.h"

#include <gtest/gtest.h>

#include <map>

#include "tests/support/planner_world.h"

namespace databuild {
namespace {

using Strings = std::vector<std::string>;

class PlanAnswersTest : public ::testing::Test {
 protected:
  void SetUp() override {
    world.cluster.PutDataJob("raw", {"raw/{date}"});
    ObservedDataJob& clean =
        world.cluster.PutDataJob("clean", {"clean/{date}", "bad/{date}"}, {"raw/{date}"});
    clean.args = {"--day={date}"};
    clean.env = {{"DAY", "{date}"}};
    world.cluster.PutDataJob("total", {"total/{date}"}, {"clean/{date|-P1D..P0D}", "?hint/{date}"});
    world.Settle();
  }
  Result<v1::GraphAnalyzeResponse> Analyze(const Strings& refs) {
    Result<v1::GraphAnalyzeResponse> answer = Error{Errc::kInternal, "not asked"};
    world.Ask([&](const BuildState& state, Planner* planner) {
      answer = AnalyzePlan(state, planner->catalogue(), refs);
    });
    return answer;
  }
  Result<v1::GraphLookupResponse> Lookup(const Strings& refs) {
    Result<v1::GraphLookupResponse> answer = Error{Errc::kInternal, "not asked"};
    world.Ask([&](const BuildState& state, Planner* planner) {
      answer = LookupJobs(state, planner->catalogue(), refs);
    });
    return answer;
  }
  Result<v1::JobConfigureResponse> Configure(const Strings& refs) {
    Result<v1::JobConfigureResponse> answer = Error{Errc::kInternal, "not asked"};
    world.Ask([&](const BuildState&, Planner* planner) { answer = planner->Configure(refs); });
    return answer;
  }
  PlannerWorld world;
};

TEST_F(PlanAnswersTest, APlanNamesInputsBeforeWhatNeedsThem) {
  const auto plan = Analyze({"total/2025-01-02"});
  ASSERT_TRUE(plan.ok());
  ASSERT_EQ(plan->graph().nodes_size(), 5);
  std::map<std::string, int> position;
  for (int i = 0; i < 5; ++i) {
    for (const auto& output : plan->graph().nodes(i).config().outputs()) position[output.str()] = i;
  }
  for (int i = 0; i < 5; ++i) {
    for (const v1::DataDep& input : plan->graph().nodes(i).config().inputs()) {
      if (input.dep_type_code() != v1::MATERIALIZE) continue;
      EXPECT_LT(position.at(input.partition_ref().str()), i);
    }
  }
  EXPECT_EQ(plan->graph().nodes(4).job().label(), "total");
  EXPECT_EQ(plan->graph().nodes(4).config().inputs(2).dep_type_name(), "query");
  EXPECT_FALSE(plan->has_refused());
  EXPECT_EQ(plan->event_index(), world.state().idx());
}

TEST_F(PlanAnswersTest, WhatIsThereAndWhatIsUnderWayNeedsNoRun) {
  world.cluster.PutWant("w", {"raw/2025-01-01"});
  world.Run();
  world.cluster.rule = [](const CreateJob&) { return JobEnd{"Hang", 0, {}, ""}; };
  world.cluster.PutWant("v", {"clean/2025-01-01"});
  world.Run(kMinute);
  const auto plan = Analyze({"raw/2025-01-01", "bad/2025-01-01", "nobody/1"});
  ASSERT_TRUE(plan.ok());
  EXPECT_EQ(plan->graph().nodes_size(), 0);
  ASSERT_EQ(plan->delegations_size(), 2);
  EXPECT_EQ(plan->delegations(0).ref(), "raw/2025-01-01");
  EXPECT_TRUE(plan->delegations(0).historical());
  EXPECT_EQ(plan->delegations(1).ref(), "bad/2025-01-01");
  EXPECT_FALSE(plan->delegations(1).historical());
  EXPECT_FALSE(plan->delegations(1).build_request_id().empty());
  ASSERT_EQ(plan->unproducible_size(), 1);
  EXPECT_EQ(plan->unproducible(0).kind(), "no_producer");
}

TEST(PlanAnswers, AnotherGraphsRefsNameIt) {
  PlannerOptions options = PlannerWorld::Defaults();
  options.peers = {{"upstream", "sales", {*Glob::Compile("sales/**")}}};
  PlannerWorld world(options);
  world.cluster.PutDataJob("report", {"report/{date}"}, {"sales/{date}", "nobody/{date}"});
  world.Settle();
  world.Ask([&](const BuildState& state, Planner* planner) {
    const auto plan = AnalyzePlan(state, planner->catalogue(), {"report/2025-01-01"});
    ASSERT_TRUE(plan.ok());
    ASSERT_EQ(plan->unproducible_size(), 2);
    EXPECT_EQ(plan->unproducible(0).kind(), "external");
    EXPECT_EQ(plan->unproducible(1).kind(), "no_producer");
    ASSERT_EQ(plan->external_size(), 1);
    EXPECT_EQ(plan->external(0).graph(), "sales");
  });
}

TEST_F(PlanAnswersTest, APlanThatCannotBeSaysWhy) {
  world.cluster.PutDataJob("a", {"a/{x}"}, {"b/{x}"});
  world.cluster.PutDataJob("b", {"b/{x}"}, {"a/{x}"});
  world.Settle();
  const auto cycle = Analyze({"a/1"});
  ASSERT_TRUE(cycle.ok());
  EXPECT_EQ(cycle->refused().reason(), "Cycle");
  EXPECT_EQ(cycle->graph().nodes_size(), 0);
  world.cluster.PutDataJob("wide", {"wide/{n:int}"}, {"part/{n}/{k:int}"});
  PlanAnswer large;
  world.Ask([&](const BuildState& state, Planner* planner) {
    large = Plan(state, planner->catalogue(), {"total/2025-01-02"}, 2);
  });
  EXPECT_EQ(large.refused.reason, "PlanTooLarge");
}

TEST_F(PlanAnswersTest, EveryRefStandsUnderItsJob) {
  const auto found = Lookup({"total/2025-01-02", "bad/2025-01-02", "clean/2025-01-03"});
  ASSERT_TRUE(found.ok());
  ASSERT_EQ(found->task_refs_size(), 2);
  EXPECT_EQ(found->task_refs(0).job().label(), "clean");
  EXPECT_EQ(found->task_refs(0).outputs(1).str(), "clean/2025-01-03");
  EXPECT_EQ(found->task_refs(1).job().label(), "total");
  const auto nobody = Lookup({"total/2025-01-02", "nobody/1"});
  ASSERT_FALSE(nobody.ok());
  EXPECT_TRUE(nobody.error().message.starts_with("outputs[1]: ")) << nobody.error().message;
}

TEST_F(PlanAnswersTest, AConfigIsWhatTheRunThenIsTold) {
  const auto asked = Configure({"bad/2025-01-02", "clean/2025-01-02"});
  ASSERT_TRUE(asked.ok());
  ASSERT_EQ(asked->configs_size(), 1);
  const v1::JobConfig& config = asked->configs(0);
  ASSERT_EQ(config.args_size(), 1);
  EXPECT_EQ(config.args(0), "--day=2025-01-02");
  world.cluster.PutWant("w", {"clean/2025-01-02"});
  world.Run();
  for (const v1::BuildEvent& event : world.log) {
    if (event.job_event().status_code() != v1::JOB_SCHEDULED ||
        event.job_event().job_label().label() != "clean")
      continue;
    v1::JobConfig told = event.job_event().config();
    for (v1::DataDep& input : *told.mutable_inputs()) input.set_dep_type_name("materialize");
    EXPECT_EQ(told.ShortDebugString(), config.ShortDebugString());
    return;
  }
  FAIL() << world.Transcript();
}

TEST_F(PlanAnswersTest, WhatCannotBeAskedNamesTheField) {
  const auto field = [](const auto& answer) {
    return answer.ok() ? "" : answer.error().message.substr(0, answer.error().message.find(':'));
  };
  EXPECT_EQ(field(Configure({})), "outputs");
  EXPECT_EQ(field(Configure({"raw/2025-01-01", "clean/2025-01-01"})), "outputs[1]");
  EXPECT_EQ(field(Configure({"nobody/1"})), "outputs[0]");
  EXPECT_EQ(field(Lookup(Strings(1'001, "raw/2025-01-01"))), "outputs");
  EXPECT_EQ(field(Analyze({"raw/2025-01-01", "with\nnewline"})), "outputs[1]");
}

}  // namespace
}  // namespace databuild
