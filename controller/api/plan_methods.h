// GraphLookup, GraphAnalyze and JobConfigure: what would be done, asked of the planner.
#pragma once

#include "controller/api/method_table.h"

namespace databuild {

Result<Outcome> HandleLookup(const Call& call);
Result<Outcome> HandleAnalyze(const Call& call);
Result<Outcome> HandleConfigure(const Call& call);

}  // namespace databuild
