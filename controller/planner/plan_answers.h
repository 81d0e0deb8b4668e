// What would be done for some refs, as the messages of GraphLookup, GraphAnalyze and JobConfigure.
// Pure functions of the state, as plan.h; readers hold the lock of the EventLog that owns it.
#pragma once

#include <string>
#include <vector>

#include "bel/base/result.h"
#include "controller/planner/plan.h"

namespace databuild {

// Refs that one question may name, and refs that one plan may come to, so that readers and writers
// of the log never wait long for an answer.
inline constexpr size_t kMaxRefsAsked = 1'000;
inline constexpr size_t kMaxRefsAnswered = 20'000;

// One reason, as answers show it.
v1::PartitionReason ToProto(const PartitionReason& why);

// kInvalidArgument, naming the field `outputs[i]`: too many, or text that is no partition ref.
Status CheckRefs(const std::vector<std::string>& refs);

// "outputs[i]", as errors name it.
std::string OutputField(size_t i);

// Inputs as a config says them.
void AddInputs(const std::vector<std::pair<std::string, bool>>& inputs, v1::JobConfig& config);

// Which job makes which ref, by label. kInvalidArgument: a ref that no job makes, or several.
Result<v1::GraphLookupResponse> LookupJobs(const BuildState& state, const Catalogue& catalogue,
                                           const std::vector<std::string>& refs);

// The plan, inputs before those that need them. A plan that cannot be, or is larger than
// kMaxRefsAnswered, says so in `refused`.
Result<v1::GraphAnalyzeResponse> AnalyzePlan(const BuildState& state, const Catalogue& catalogue,
                                             const std::vector<std::string>& refs);

}  // namespace databuild
