#include <algorithm>
#include <optional>
#include <set>

#include "bel/query.h"
#include "bel/query_page.h"
#include "bel/query_render.h"
#include "bel/query_walk.h"

namespace databuild {
namespace {

// A list of the request as positions in the fold; nullopt: the list is empty and asks for nothing.
template <typename Names, typename Find>
std::optional<std::set<Index>> Positions(const Names& names, Find find) {
  if (names.empty()) return std::nullopt;
  std::set<Index> found;
  for (const std::string& name : names) {
    if (const Index index = find(name); index != kNone) found.insert(index);
  }
  return found;
}

struct RunFilter {
  TimeNs started_until = 0;
  bool include_configure = false;
  std::optional<std::set<Index>> runs, jobs, builds, partitions;
  std::set<int> statuses, outcomes;

  bool Matches(const Run& run) const {
    if (run.scheduled_idx == 0) return false;  // named by another event, its own is not in the log
    if (run.kind == v1::JOB_KIND_CONFIGURE && !include_configure) return false;
    if (started_until != 0 && run.scheduled_at > started_until) return false;
    if (jobs && !jobs->contains(run.job)) return false;
    if (builds && !builds->contains(run.build)) return false;
    if (!statuses.empty() && !statuses.contains(run.status)) return false;
    if (!outcomes.empty() && !outcomes.contains(run.outcome)) return false;
    return !partitions ||
           std::any_of(run.partitions.begin(), run.partitions.end(),
                       [this](Index partition) { return partitions->contains(partition); });
  }
};

Result<RunFilter> FilterOf(const BuildState& state, const v1::ListJobRunsRequest& request) {
  RunFilter filter;
  ASSIGN_OR_RETURN(filter.started_until, TimeField("started_until", request.started_until()));
  filter.include_configure = request.include_configure();
  filter.runs = Positions(request.job_run_ids(), [&](const auto& id) { return state.FindRun(id); });
  filter.jobs =
      Positions(request.job_labels(), [&](const auto& label) { return state.FindJob(label); });
  // Two spellings of one list: ORed together.
  auto build_ids = request.build_request_ids();
  build_ids.MergeFrom(request.build_reqeust_ids());
  filter.builds = Positions(build_ids, [&](const auto& id) { return state.FindBuild(id); });
  filter.partitions = Positions(request.built_partition_refs(),
                                [&](const auto& ref) { return state.FindPartition(ref); });
  for (int status : request.status()) {
    if (!v1::JobStatus_IsValid(status))
      return FieldError("status", "there is no status " + std::to_string(status));
    filter.statuses.insert(status);
  }
  for (int outcome : request.outcome()) {
    if (!v1::JobOutcome_IsValid(outcome)) {
      return FieldError("outcome", "there is no outcome " + std::to_string(outcome));
    }
    filter.outcomes.insert(outcome);
  }
  return filter;
}

// Exact with CONFIGURE runs, which the counters hold too.
void CountRuns(const BuildState& state, const RunFilter& filter,
               v1::ListJobRunsResponse& response) {
  const bool narrowed = filter.started_until != 0 || filter.runs || filter.jobs || filter.builds ||
                        filter.partitions || !filter.outcomes.empty();
  if (narrowed || !filter.include_configure) return;
  uint64_t total = 0;
  for (const auto& [status, count] : state.runs_by_status()) {
    if (status != v1::JOB_UNKNOWN && (filter.statuses.empty() || filter.statuses.contains(status)))
      total += count;
  }
  response.set_total_count(total);
  response.set_total_count_known(true);
}

}  // namespace

Result<v1::ListJobRunsResponse> ListJobRuns(const QueryView& view,
                                            const v1::ListJobRunsRequest& request) {
  const BuildState& state = view.state;
  const std::string scope = "ListJobRuns/" + view.graph;
  ASSIGN_OR_RETURN(const RunFilter filter, FilterOf(state, request));
  ASSIGN_OR_RETURN(const PageStart start, StartPage(request, scope));
  ASSIGN_OR_RETURN(const uint64_t before, WalkBefore(start, state.runs().size()));
  v1::ListJobRunsResponse response;
  response.set_event_index(state.idx());
  CountRuns(state, filter, response);
  const WalkEnd end = WalkNewestFirst(
      {before, start.size, 0, filter.runs ? &*filter.runs : nullptr},
      [&](Index run) { return filter.Matches(state.run(run)); },
      [&](Index run) {
        *response.add_job_runs() = JobRunRow(view, run);
        const uint64_t scheduled = static_cast<uint64_t>(state.run(run).scheduled_at);
        if (response.min_start_at() == 0 || scheduled < response.min_start_at())
          response.set_min_start_at(scheduled);
      });
  response.set_has_more(end.has_more);
  if (end.has_more) response.set_next_page_token(PageToken(request, scope, PositionKey(end.last)));
  return response;
}

Result<v1::JobRunSummaryResponse> GetJobRunSummary(const QueryView& view,
                                                   const v1::JobRunSummaryRequest& request) {
  if (request.job_run_id().empty()) return FieldError("job_run_id", "name the run");
  RETURN_IF_ERROR(CheckInclude(request.include(), {"events", "logs"}));
  const Index index = view.state.FindRun(request.job_run_id());
  if (index == kNone) {
    return Error{Errc::kNotFound, "job run " + request.job_run_id() + " in graph " + view.graph +
                                      ": the log knows no run with this id"};
  }
  v1::JobRunSummaryResponse response;
  response.set_event_index(view.state.idx());
  *response.mutable_job_run() = JobRunRow(view, index);
  return response;
}

}  // namespace databuild
