// Plan: what would be done if a new Want asked for these refs now, and why. A pure function of the
// state: nothing is recorded, and the answer is that of the planner itself, for it is the same
// analysis. Readers hold the lock of the EventLog that owns the state.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "bel/build_state.h"
#include "controller/planner/catalogue.h"
#include "controller/planner/plan_walk.h"
#include "controller/planner/reason.h"

namespace databuild {

// One unit that would be made; several may share a run, as the DataJob's batching says.
struct PlanTask {
  std::string job_label;
  int64_t generation = 0;
  std::vector<std::string> outputs;
  std::vector<std::pair<std::string, bool>> inputs;  // ref, materialize
};

struct PlanRef {
  std::string ref;
  std::string build_request_id;  // who makes or made it; empty: unknown
  std::string instance_id;       // empty: there is none
};

struct PlanAnswer {
  // Inputs may come after what needs them. Without inputs also: what the job's image has yet to
  // say how it is made.
  std::vector<PlanTask> tasks;
  std::vector<PlanRef> available;             // there already, asked for or read
  std::vector<PlanRef> delegated;             // left to the build that makes it now
  std::vector<PartitionReason> unproducible;  // NoProducer or AmbiguousProducer or InvalidJob
  // Why nothing would be done: Cycle, PlanTooLarge, RunTooLarge, InvalidJob, InvalidWant. Its
  // reason is empty if the plan can be.
  PartitionReason refused;
};

// `catalogue` follows `state`. Costs what planning costs, in one go: some microseconds a ref. A
// plan that looks at more than `most` refs is refused as PlanTooLarge.
PlanAnswer Plan(const BuildState& state, const Catalogue& catalogue,
                const std::vector<std::string>& refs, size_t most = kMaxRefsPerPlan);
// Compiles the patterns of the DataJobs in force first.
PlanAnswer Plan(const BuildState& state, const std::vector<std::string>& refs);

}  // namespace databuild
