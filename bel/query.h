// The query engine: answers of the service API as pure functions of the fold.
//
// Nothing here locks, waits or reads a clock: the caller holds the read lock for as long as a call
// takes and hands the time in. Rules of every list (page size, tokens, order, limits) are in
// query_page.h. An INVALID_ARGUMENT's message begins with the request's field and ": ".
#pragma once

#include <functional>
#include <string>

#include "bel/base/clock.h"
#include "bel/base/result.h"
#include "bel/build_state.h"

namespace databuild {

// Why a partition is not there, as one want sees it (kNone: as nobody in particular). Handed in:
// the planner's.
using ExplainFunction = std::function<v1::PartitionReason(Index want, Index partition)>;

// What a query may see.
struct QueryView {
  const BuildState& state;
  std::string graph;         // for links
  ExplainFunction explain;   // empty: answers carry no reasons
  std::string trouble = "";  // why the log cannot be written or followed now; empty: it can
};

Result<v1::ListPartitionsResponse> ListPartitions(const QueryView& view,
                                                  const v1::ListPartitionsRequest& request);
// kNotFound: a ref nobody ever mentioned. Without manifests, which only the log holds.
Result<v1::PartitionSummaryResponse> GetPartitionsSummary(
    const QueryView& view, const v1::PartitionSummaryRequest& request);

// The run that made the ref's current instance, and the event that ended it: there are its
// manifests. 0: no run made it.
struct PartitionMaker {
  std::string run_id;
  int64_t ended_idx = 0;
};
PartitionMaker MakerOf(const BuildState& state, const std::string& ref);

Result<v1::ListWantsResponse> ListWants(const QueryView& view, const v1::ListWantsRequest& request);
// kNotFound: no want has this id.
Result<v1::WantSummaryResponse> GetWantSummary(const QueryView& view,
                                               const v1::WantSummaryRequest& request);

Result<v1::ListTaintsResponse> ListTaints(const QueryView& view,
                                          const v1::ListTaintsRequest& request);
// kNotFound: no taint has this id.
Result<v1::TaintSummaryResponse> GetTaintSummary(const QueryView& view,
                                                 const v1::TaintSummaryRequest& request);

// By label. Labels that only runs name are among them.
Result<v1::ListJobsResponse> ListJobs(const QueryView& view, const v1::ListJobsRequest& request);
// kNotFound: nothing has this label.
Result<v1::JobSummaryResponse> GetJobSummary(const QueryView& view,
                                             const v1::JobSummaryRequest& request);

Result<v1::ListBuildsResponse> ListBuildRequests(const QueryView& view,
                                                 const v1::ListBuildsRequest& request);
// kNotFound, of all that name a build: no build has this id.
Result<v1::BuildSummaryResponse> GetBuildSummary(const QueryView& view,
                                                 const v1::BuildSummaryRequest& request);
// A flow chart of what the build makes, leaves to others and finds there. Above 200 nodes the units
// of one job are one node with their number by state.
Result<v1::BuildMermaidResponse> GetBuildMermaid(const QueryView& view,
                                                 const v1::BuildSummaryRequest& request);

Result<v1::ListJobRunsResponse> ListJobRuns(const QueryView& view,
                                            const v1::ListJobRunsRequest& request);
// kNotFound: no run has this id.
Result<v1::JobRunSummaryResponse> GetJobRunSummary(const QueryView& view,
                                                   const v1::JobRunSummaryRequest& request);

}  // namespace databuild
