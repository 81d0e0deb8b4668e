#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "controller/planner/pattern.h"

namespace databuild {
namespace {

using Texts = std::vector<std::string>;

JobTemplates Job(Texts outputs, Texts inputs = {}, Texts args = {}) {
  JobTemplates job;
  job.outputs = std::move(outputs);
  job.inputs = std::move(inputs);
  job.args = std::move(args);
  return job;
}

JobPatterns Compiled(const JobTemplates& templates) {
  Result<JobPatterns> job = CompileJob(templates);
  EXPECT_TRUE(job.ok()) << (job.ok() ? "" : job.error().message);
  return *job;
}

// The inputs of the unit that makes `ref`, or the error.
Texts InputsOf(const JobTemplates& templates, const std::string& ref) {
  JobPatterns job = Compiled(templates);
  std::optional<Captures> unit = job.Match(ref);
  if (!unit) return {"no match"};
  Result<std::vector<InputRef>> inputs = job.Inputs(*unit);
  if (!inputs.ok()) return {inputs.error().message};
  Texts refs;
  for (const InputRef& input : *inputs) refs.push_back(input.ref);
  return refs;
}

std::string Fault(const JobTemplates& templates) {
  Result<JobPatterns> job = CompileJob(templates);
  return job.ok() ? "" : job.error().message;
}

TEST(JobPatterns, InputsFollowTheirOutput) {
  struct Case {
    const char* output;
    const char* input;
    const char* ref;
    Texts refs;
  };
  for (const Case& c : std::vector<Case>{
           {"r/{date:date}", "o/{date}", "r/2025-01-05", {"o/2025-01-05"}},
           {"r/{date:date}", "o/{date|%Y-%m}", "r/2025-01-05", {"o/2025-01"}},
           {"r/{date:date}", "o/{date|-P1D}", "r/2025-01-01", {"o/2024-12-31"}},
           {"r/{date:date}", "o/{date|P1M-P1D}", "r/2024-01-31", {"o/2024-02-28"}},
           {"r/{date:date}", "o/{date|-P1D|%Y/%m/%d}", "r/2025-01-01", {"o/2024/12/31"}},
           {"r/{date:date}",
            "o/{date|-P2D..P0D}",
            "r/2025-01-01",
            {"o/2024-12-30", "o/2024-12-31", "o/2025-01-01"}},
           {"r/{date:date}",
            "o/{date|-P2M..P0D|%Y-%m}",
            "r/2025-01-31",
            {"o/2024-11", "o/2024-12", "o/2025-01"}},
           {"r/{date:date}",
            "o/{date|-P1W..P0D|%G-W%V}",
            "r/2025-01-01",
            {"o/2024-W52", "o/2025-W01"}},
           {"r/{date:date}",
            "o/{date|-P400D..P0D|%Y}",
            "r/2025-01-01",
            {"o/2023", "o/2024", "o/2025"}},
           {"r/{month:month}", "o/{month|-P1M..P0M}", "r/2025-01", {"o/2024-12", "o/2025-01"}},
           {"r/{month:month}",
            "o/{month|P26D..P1M-P1D|%Y-%m-%d}",
            "r/2025-02",
            {"o/2025-02-27", "o/2025-02-28"}},
           {"r/{year:year}",
            "o/{year|P0M..P2M|%Y-%m}",
            "r/2025",
            {"o/2025-01", "o/2025-02", "o/2025-03"}},
           {"r/{n:int}", "o/{n|-2..0}", "r/1", {"o/-1", "o/0", "o/1"}},
           {"r/{n:int}", "o/{n|+1}", "r/9", {"o/10"}},
           {"r/{n}", "o/{8..11}", "r/x", {"o/8", "o/9", "o/10", "o/11"}},
           {"r/{n}", "o/{08..11}", "r/x", {"o/08", "o/09", "o/10", "o/11"}},
           {"r/{n}", "o/{0..1}/{n}/{5..6}", "r/x", {"o/0/x/5", "o/0/x/6", "o/1/x/5", "o/1/x/6"}},
           {"r/{n}", "o/{{{n}}}", "r/x", {"o/{x}"}},
           {"r/{n}", "o/all", "r/x", {"o/all"}}}) {
    EXPECT_EQ(InputsOf(Job({c.output}, {c.input}), c.ref), c.refs) << c.input;
  }
}

TEST(JobPatterns, InputsKnowWhichPatternTheyCameFrom) {
  JobPatterns job = Compiled(Job({"r/{n}"}, {"a/{n}", "b/{0..1}"}));
  std::vector<InputRef> inputs = job.Inputs(*job.Match("r/x")).value();
  EXPECT_EQ(inputs, (std::vector<InputRef>{{0, "a/x"}, {1, "b/0"}, {1, "b/1"}}));
}

TEST(JobPatterns, AnUndeclaredCaptureHasTheTypeThatItsUseNeeds) {
  JobPatterns date = Compiled(Job({"r/{date}"}, {"o/{date|-P1D}"}));
  EXPECT_TRUE(date.Match("r/2025-01-05"));
  EXPECT_FALSE(date.Match("r/latest"));
  EXPECT_EQ(date.captures()[0].type, CaptureType::kDate);
  EXPECT_EQ(Compiled(Job({"r/{d}"}, {"o/{d|%Y}"})).captures()[0].type, CaptureType::kDate);
  EXPECT_EQ(Compiled(Job({"r/{month}"}, {"o/{month|-P1M}"})).captures()[0].type,
            CaptureType::kMonth);
  EXPECT_EQ(Compiled(Job({"r/{year}"}, {"o/{year|-P1Y}"})).captures()[0].type, CaptureType::kYear);
  EXPECT_EQ(Compiled(Job({"r/{n}"}, {"o/{n|+1}"})).captures()[0].type, CaptureType::kInt);
  EXPECT_EQ(Compiled(Job({"r/{date}"}, {"o/{date}"})).captures()[0].type, CaptureType::kText);
  EXPECT_EQ(Compiled(Job({"r/{d}"}, {}, {"--month={d|%Y-%m}"})).captures()[0].type,
            CaptureType::kDate);
  JobPatterns once = Compiled(Job({"a/{d:date}", "b/{d}"}));
  EXPECT_TRUE(once.Match("b/2025-01-05"));
  EXPECT_FALSE(once.Match("b/x"));
}

TEST(JobPatterns, OutputsOfOneUnitAreMadeTogether) {
  JobPatterns job = Compiled(Job({"a/{x}/{d:date}", "b/{d}/{x}"}));
  for (const char* ref : {"a/k/2025-01-05", "b/2025-01-05/k"}) {
    std::optional<Captures> unit = job.Match(ref);
    ASSERT_TRUE(unit);
    EXPECT_EQ(*unit, (Captures{{"d", "2025-01-05"}, {"x", "k"}}));
    EXPECT_EQ(job.Outputs(*unit).value(), (Texts{"a/k/2025-01-05", "b/2025-01-05/k"}));
  }
}

TEST(JobPatterns, CommandsAreFilledIn) {
  JobTemplates templates = Job({"r/{d:date}/{k}"}, {"o/{d}"},
                               {"--date", "{d}", "--month={d|%Y-%m}", "--next={d|P1D}", "{outputs}",
                                "{inputs}", "{job_run_id}", "{{{k}}}", "", "caf\xc3\xa9"});
  templates.env = {{"KEY", "k={k}"}, {"ALL", "{outputs}"}};
  JobPatterns job = Compiled(templates);
  CommandContext context{*job.Match("r/2025-12-31/a"), {"r/2025-12-31/a", "x\"\\"}, {}, "run-1"};
  CommandLine command = job.Command(context).value();
  EXPECT_EQ(command.args,
            (Texts{"--date", "2025-12-31", "--month=2025-12", "--next=2026-01-01",
                   R"(["r/2025-12-31/a","x\"\\"])", "[]", "run-1", "{a}", "", "caf\xc3\xa9"}));
  EXPECT_EQ(command.env.at("KEY"), "k=a");
  EXPECT_EQ(command.env.at("ALL"), R"(["r/2025-12-31/a","x\"\\"])");
}

TEST(JobPatterns, BatchedUnitsAgreeOnWhatTheCommandUses) {
  JobTemplates job = Job({"r/{d:date}/{k}"}, {}, {"{k}", "{outputs}"});
  job.max_partitions = 10;
  EXPECT_NE(Fault(job).find("args[0]"), std::string::npos);
  EXPECT_NE(Fault(job).find("batching.by"), std::string::npos);
  job.batch_by = {"k"};
  JobPatterns compiled = Compiled(job);
  EXPECT_EQ(compiled.BatchKey(*compiled.Match("r/2025-01-01/a")), (Captures{{"k", "a"}}));
  job.batch_by = {"k", "other"};
  EXPECT_NE(Fault(job).find("batching.by[1]"), std::string::npos);
  job.batch_by = {"k"};
  job.max_partitions = 101;
  EXPECT_NE(Fault(job).find("batching.maxPartitions"), std::string::npos);
}

TEST(JobPatterns, ErrorsNameTheFieldAndTheRemedy) {
  struct Case {
    JobTemplates job;
    const char* field;
    const char* says;
  };
  Texts many(101, "o/x");
  for (const Case& c : std::vector<Case>{
           {Job({}), "outputs:", "0 patterns"},
           {Job({"a/{b"}), "outputs[0]:", "offset 2"},
           {Job({"a"}, many), "inputs:", "101 inputs"},
           {Job({"a/{b}"}, {"o", "i/{c}"}), "inputs[1]:", "no output binds the capture c"},
           {Job({"a/{b}"}, {"i/{c}"}), "inputs[0]:", "the outputs bind b"},
           {Job({"a"}, {"i/{c}"}), "inputs[0]:", "the outputs bind none"},
           {Job({"a/{b}"}, {}, {"x", "{c}"}), "args[1]:", "no output binds the capture c"},
           {Job({"a/{b}"}, {""}), "inputs[0]:", "0 bytes"},
           {Job({"a/{b}"}, {"i/\n"}), "inputs[0]:", "printable ASCII"},
           {Job({"a/{b:int}"}, {"i/{b|-P1D}"}), "inputs[0]:", "b is int"},
           {Job({"a/{b:date}"}, {"i/{b|+1}"}), "inputs[0]:", "b is date"},
           {Job({"a/{b:[a-z]+}"}, {"i/{b|%Y}"}), "inputs[0]:", "a regular expression"},
           {Job({"a/{b}"}, {"i/{b|+1}", "i/{b|-P1D}"}), "inputs[1]:", "b is int"},
           {Job({"a/{b}"}, {"i/{b|%H}"}), "inputs[0]:", "%H is not known"},
           {Job({"a/{b}"}, {"i/{b|P1H}"}), "inputs[0]:", "'H'"},
           {Job({"a/{b}"}, {"i/{b|x}"}), "inputs[0]:", "neither an offset"},
           {Job({"a/{b}"}, {"i/{b|P1D|P1D}"}), "inputs[0]:", "follows an offset"},
           {Job({"a/{b}"}, {"i/{b|+1|%Y}"}), "inputs[0]:", "takes no time format"},
           {Job({"a/{b}"}, {"i/{b|2..1}"}), "inputs[0]:", "is empty"},
           {Job({"a/{b}"}, {"i/{2..1}"}), "inputs[0]:", "is empty"},
           {Job({"a/{b}"}, {"i/{0..10000}"}), "inputs[0]:", "more than 10000"},
           {Job({"a/{b}"}, {"i/{b:date}"}), "inputs[0]:", "neither a capture nor a range"},
           {Job({"a/{b}"}, {"i/{b}}"}), "inputs[0]:", "closes nothing"},
           {Job({"a/{b}"}, {}, {"awk {print}"}), "args[0]:", "no output binds the capture print"},
           {Job({"a/{b}"}, {}, {"awk '{print $1}'"}), "args[0]:", "{{ and }}"},
           {Job({"a/{b}"}, {}, {"{b|-P1D..P0D}"}), "args[0]:", "{inputs}"},
           {Job({"a/{b}"}, {}, {"{0..3}"}), "args[0]:", "{inputs}"},
           {Job({"a/{b}", "c/{d}"}), "outputs[0]:", "binds the captures b"},
           {Job({"a/{b}", "c"}), "outputs[1]:", "binds the captures none"},
           {Job({"a/{b:date}", "c/{b:int}"}), "outputs[1]:", "int here and date in another"},
           {Job({"a/{b:[a-z]}", "c/{b:[a-y]}"}), "outputs[1]:", "declare the same type"},
           {Job({"a/{b}", "{b}/c"}), "outputs[1]:", "both match \"a/c\""},
           {Job({"{b:x*}", "a/{b}"}), "outputs[0]:", "can be empty"},
           {Job({"a/{b}-{c}", "c/{b}/{c}"}), "outputs[0]:", "in two ways"}}) {
    std::string fault = Fault(c.job);
    EXPECT_TRUE(fault.starts_with(c.field)) << c.field << " " << fault;
    EXPECT_NE(fault.find(c.says), std::string::npos) << c.says << " " << fault;
  }
  JobTemplates env = Job({"a/{b}"});
  env.env = {{"X", "{c}"}};
  EXPECT_TRUE(Fault(env).starts_with("env.X:")) << Fault(env);
}

TEST(JobPatterns, WhatGoesWrongWithARefIsSaidWhenItIsThere) {
  struct Case {
    JobTemplates job;
    std::string ref;
    Errc code;
    const char* says;
  };
  const std::string long_text(1'000, 'x');
  for (const Case& c : std::vector<Case>{
           {Job({"{d:date}"}, {"i/{d|-P1D}"}), "0001-01-01", Errc::kInvalidArgument,
            "0001 to 9999"},
           {Job({"{d:date}"}, {"i/{d|P1D}"}), "9999-12-31", Errc::kInvalidArgument, "0001 to 9999"},
           {Job({"{d:date}"}, {"i/{d|P1M..P30D}"}), "2025-01-01", Errc::kInvalidArgument,
            "the window is empty"},
           {Job({"{d:date}"}, {"i/{d|-P30Y..P0D}"}), "2025-01-01", Errc::kTooLarge,
            "more than 10000"},
           {Job({"{d:date}"}, {"i/{0..99}/{0..99}/{0..1}"}), "2025-01-01", Errc::kTooLarge,
            "more than 10000"},
           {Job({"{d:date}"}, {"i/{1..6000}", "j/{1..6000}"}), "2025-01-01", Errc::kTooLarge,
            "together"},
           {Job({"{n:int}"}, {"i/{n|+1}"}), "999999999999999999", Errc::kInvalidArgument,
            "18 digits"},
           {Job({"{n:int}"}, {"i/{n|0..999999999}"}), "1", Errc::kTooLarge, "more than 10000"},
           {Job({"{a}"}, {"{a}/" + long_text}), std::string(100, 'y'), Errc::kTooLarge,
            "1101 bytes"}}) {
    JobPatterns job = Compiled(c.job);
    std::optional<Captures> unit = job.Match(c.ref);
    ASSERT_TRUE(unit) << c.ref;
    Result<std::vector<InputRef>> inputs = job.Inputs(*unit);
    ASSERT_FALSE(inputs.ok()) << c.says;
    EXPECT_EQ(inputs.error().code, c.code) << inputs.error().message;
    EXPECT_TRUE(inputs.error().message.starts_with("inputs")) << inputs.error().message;
    EXPECT_NE(inputs.error().message.find(c.says), std::string::npos) << inputs.error().message;
  }
  JobPatterns siblings = Compiled(Job({"{a}", "a/" + long_text + "{a}"}));
  EXPECT_EQ(siblings.Outputs(*siblings.Match(std::string(100, 'y'))).error().code, Errc::kTooLarge);
}

TEST(JobPatterns, CapturesOfAnOtherGenerationAreAnErrorNotACrash) {
  JobPatterns job = Compiled(Job({"{d:date}"}, {"i/{d|-P1D}"}, {"{d|%Y}"}));
  for (const Captures& foreign : {Captures{}, Captures{{"x", "2025-01-01"}},
                                  Captures{{"d", "2025-02-30"}}, Captures{{"d", ""}}}) {
    EXPECT_FALSE(job.Inputs(foreign).ok());
    EXPECT_FALSE(job.Command({foreign, {}, {}, ""}).ok());
  }
}

}  // namespace
}  // namespace databuild
