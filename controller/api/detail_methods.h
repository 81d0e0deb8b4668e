// Summaries and details of one thing: what the fold says, with what only the log holds: manifests,
// timelines, events.
#pragma once

#include "controller/api/method_table.h"

namespace databuild {

Result<Outcome> HandlePartitionSummary(const Call& call);
Result<Outcome> HandleWantSummary(const Call& call);
Result<Outcome> HandleBuildSummary(const Call& call);
Result<Outcome> HandleJobRunSummary(const Call& call);

Result<Outcome> HandlePartitionDetail(const Call& call);
Result<Outcome> HandleJobRunDetail(const Call& call);
Result<Outcome> HandleBuildDetail(const Call& call);

}  // namespace databuild
