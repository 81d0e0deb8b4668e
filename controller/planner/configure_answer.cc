// Planner::Configure: how units would be run, asked from outside.
#include <set>
#include <utility>
#include <vector>

#include "bel/query_page.h"
#include "controller/planner/plan_answers.h"
#include "controller/planner/planner.h"

namespace databuild {
namespace {

// The job that makes all the refs, and what it binds for each.
struct Asked {
  Index job = kNone;
  std::vector<Captures> captures;
};

Result<Asked> AskedOf(const BuildState& state, const Catalogue& catalogue,
                      const std::vector<std::string>& refs) {
  RETURN_IF_ERROR(CheckRefs(refs));
  Asked asked;
  for (size_t i = 0; i < refs.size(); ++i) {
    Producer producer = catalogue.Find(refs[i]);
    if (producer.kind != Producer::Kind::kOne)
      return FieldError(OutputField(i), catalogue.WhyNobodyMakes(refs[i]).message);
    if (asked.job != kNone && producer.job != asked.job) {
      return FieldError(OutputField(i), "made by " + state.job(producer.job).label +
                                            ", but the first one by " + state.job(asked.job).label +
                                            "; ask for one job at a time");
    }
    asked.job = producer.job;
    asked.captures.push_back(std::move(producer.captures));
  }
  return asked;
}

void FillConfig(const UnitPlan& plan, const CommandLine& command, v1::JobConfig& config) {
  for (const std::string& output : plan.outputs) config.add_outputs()->set_str(output);
  AddInputs(plan.inputs, config);
  for (const std::string& arg : command.args) config.add_args(arg);
  for (const auto& [name, value] : command.env) (*config.mutable_env())[name] = value;
}

}  // namespace

Result<v1::JobConfigureResponse> Planner::Configure(const std::vector<std::string>& refs) {
  ASSIGN_OR_RETURN(const Asked asked, AskedOf(state_, catalogue_, refs));
  const Index job = asked.job;
  const std::string& label = state_.job(job).label;
  v1::JobConfigureResponse response;
  std::set<std::string> units;  // by their first output
  for (size_t i = 0; i < refs.size(); ++i) {
    const std::string field = OutputField(i);
    const Captures& captures = asked.captures[i];
    const Result<UnitPlan> plan = catalogue_.Plan(job, captures);
    if (!plan.ok()) return FieldError(field, plan.error().message);
    if (!units.insert(plan->outputs.front()).second) continue;
    const Error unknown{Errc::kUnavailable,
                        "job " + label + " has not said yet how " + refs[i] +
                            " is made: its image is asked when a want needs it"};
    if (plan->unconfigured) return unknown;
    CommandContext context;
    context.captures = captures;
    context.outputs = plan->outputs;
    for (const auto& [ref, materialize] : plan->inputs) {
      const Index partition = state_.FindPartition(ref);
      if (partition != kNone && state_.Usable(partition)) context.inputs.push_back(ref);
    }
    const Result<std::optional<CommandLine>> command = CommandOf(job, context);
    if (!command.ok()) return FieldError(field, command.error().message);
    if (!*command) return unknown;
    FillConfig(*plan, **command, *response.add_configs());
  }
  return response;
}

}  // namespace databuild
