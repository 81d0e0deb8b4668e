#include "controller/planner/plan.h"

#include "bel/ranges/partition_ref.h"

namespace databuild {
namespace {

PartitionReason Refusal(const CauseInfo& cause) {
  PartitionReason refused;
  refused.ref = cause.ref;
  refused.state = "wanted";
  refused.reason = cause.reason;
  refused.message = cause.message;
  refused.chain.push_back({cause.ref, cause.label, "", cause.reason});
  return refused;
}

PlanRef RefTo(const BuildState& state, Index partition, Index instance) {
  PlanRef to{state.partition(partition).ref, "", ""};
  if (instance == kNone) return to;
  to.instance_id = state.instance(instance).id;
  const Index build = state.instance(instance).build;
  if (build != kNone) to.build_request_id = state.build(build).id;
  return to;
}

}  // namespace

PlanAnswer Plan(const BuildState& state, const Catalogue& catalogue,
                const std::vector<std::string>& refs, size_t most) {
  PlanAnswer answer;
  for (const std::string& ref : refs) {
    if (IsPartitionRef(ref)) continue;
    answer.refused = Refusal({ref, "", "", reason::kInvalidWant,
                              "not a partition ref (printable ASCII, 1 to 1,024 bytes)"});
    return answer;
  }
  size_t next = 0;
  PlanWalk walk(state, catalogue, kNone,
                [&] { return next < refs.size() ? &refs[next++] : nullptr; });
  if (!walk.Advance(most)) {
    answer.refused = Refusal({refs.front(), "", "", reason::kPlanTooLarge,
                              "the plan looks at more than " + std::to_string(most) +
                                  " refs; ask for fewer at a time"});
    return answer;
  }
  const Analysis analysis = walk.Take();
  if (!analysis.refused.reason.empty()) {
    answer.refused = Refusal(analysis.refused);
    return answer;
  }
  for (const PlannedUnit& unit : analysis.units) {
    const Job& job = state.job(unit.job);
    answer.tasks.push_back(
        {job.label, job.definition.generation(), unit.plan.outputs, unit.plan.inputs});
  }
  for (Index partition : analysis.available) {
    answer.available.push_back(RefTo(state, partition, state.partition(partition).current));
  }
  for (const auto& [ref, owner] : analysis.delegations) {
    const Index partition = state.FindPartition(ref);
    answer.delegated.push_back(RefTo(state, partition, state.LiveInstance(partition)));
  }
  for (const auto& [ref, external] : analysis.unproducible) {
    answer.unproducible.push_back(catalogue.WhyNobodyMakes(ref));
    answer.unproducible.back().state = "wanted";
  }
  return answer;
}

PlanAnswer Plan(const BuildState& state, const std::vector<std::string>& refs) {
  Catalogue catalogue(state);
  for (Index job = 0; job < state.jobs().size(); ++job) catalogue.Update(job);
  return Plan(state, catalogue, refs);
}

}  // namespace databuild
