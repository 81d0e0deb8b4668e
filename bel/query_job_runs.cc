#include <algorithm>
#include <optional>
#include <set>

#include "bel/query.h"
#include "bel/query_page.h"
#include "bel/query_render.h"

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

  bool Matches(const Run& run, Index index) const {
    if (run.scheduled_idx == 0) return false;  // named by another event, its own is not in the log
    if (run.kind == v1::JOB_KIND_CONFIGURE && !include_configure) return false;
    if (started_until != 0 && run.scheduled_at > started_until) return false;
    if (runs && !runs->contains(index)) return false;
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
  if (request.started_until() > static_cast<uint64_t>(INT64_MAX)) {
    return FieldError("started_until", "Unix nanoseconds before the year 2262");
  }
  filter.started_until = static_cast<TimeNs>(request.started_until());
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
  uint64_t before = state.runs().size();
  if (start.after) {
    ASSIGN_OR_RETURN(const uint64_t after, PositionOf(start));
    before = std::min(before, after);
  }
  // Runs asked for by id are looked at alone, however many others there are.
  if (filter.runs)
    before = filter.runs->empty() ? 0 : std::min<uint64_t>(before, *filter.runs->rbegin() + 1);
  const uint64_t oldest = filter.runs && !filter.runs->empty() ? *filter.runs->begin() : 0;

  v1::ListJobRunsResponse response;
  response.set_event_index(state.idx());
  CountRuns(state, filter, response);
  uint64_t last = before;
  for (size_t examined = 0; before > oldest; ++examined) {
    const Index index = static_cast<Index>(--before);
    const bool full = response.job_runs_size() == static_cast<int>(start.size);
    const bool matches = filter.Matches(state.run(index), index);
    if (examined == kMaxCandidates || (full && matches)) {
      response.set_has_more(true);
      break;
    }
    if (full) continue;
    last = index;
    if (!matches) continue;
    *response.add_job_runs() = JobRunRow(view, index);
    const uint64_t scheduled = static_cast<uint64_t>(state.run(index).scheduled_at);
    if (response.min_start_at() == 0 || scheduled < response.min_start_at())
      response.set_min_start_at(scheduled);
  }
  if (response.has_more())
    response.set_next_page_token(PageToken(request, scope, PositionKey(last)));
  return response;
}

}  // namespace databuild
