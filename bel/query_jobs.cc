#include <algorithm>
#include <map>
#include <vector>

#include "bel/query.h"
#include "bel/query_page.h"
#include "bel/query_render.h"

namespace databuild {
namespace {

constexpr size_t kRecentBuilds = 10;
constexpr size_t kRunsInSummary = 20;

// The newest runs of each job, as far as one request looks back; CONFIGURE runs left out.
using RecentRuns = std::map<Index, std::vector<Index>>;

void CollectRecent(const BuildState& state, RecentRuns& recent) {
  size_t open = recent.size();
  for (size_t i = 0; i < std::min(kMaxCandidates, state.runs().size()) && open > 0; ++i) {
    const Index index = static_cast<Index>(state.runs().size() - 1 - i);
    const Run& run = state.run(index);
    if (run.scheduled_idx == 0 || run.kind == v1::JOB_KIND_CONFIGURE) continue;
    const auto found = recent.find(run.job);
    if (found == recent.end() || found->second.size() == kRunsInSummary) continue;
    found->second.push_back(index);
    if (found->second.size() == kRunsInSummary) --open;
  }
}

void AddRecentBuilds(const BuildState& state, const std::vector<Index>& runs, v1::JobSummary& row) {
  std::vector<Index> builds;
  for (const Index run : runs) {
    const Index build = state.run(run).build;
    if (build == kNone || builds.size() == kRecentBuilds) continue;
    if (std::find(builds.begin(), builds.end(), build) != builds.end()) continue;
    builds.push_back(build);
    row.add_recent_builds(state.build(build).id);
  }
}

v1::JobSummary JobRow(const QueryView& view, Index index, const std::vector<Index>& recent) {
  const BuildState& state = view.state;
  const Job& job = state.job(index);
  v1::JobSummary row;
  row.set_job_label(job.label);
  row.set_name(job.definition.name());
  row.set_accepted(job.Accepted());
  row.set_reason(job.definition.deleted() ? "Deleted" : job.definition.reason());
  row.set_generation(job.definition.generation());
  *row.mutable_outputs() = job.definition.outputs();
  row.set_total_runs(static_cast<uint32_t>(job.runs_completed + job.runs_failed +
                                           job.runs_cancelled + job.active_runs));
  row.set_successful_runs(static_cast<uint32_t>(job.runs_completed));
  row.set_failed_runs(static_cast<uint32_t>(job.runs_failed));
  row.set_cancelled_runs(static_cast<uint32_t>(job.runs_cancelled));
  row.set_skipped_runs(static_cast<uint32_t>(job.runs_skipped));
  const uint64_t ended = job.runs_completed + job.runs_failed;
  if (ended > 0) row.set_success_ratio(static_cast<double>(job.runs_completed) / ended);
  if (job.runs_completed > 0) {
    row.set_average_partitions_per_run(static_cast<double>(job.partitions_made) /
                                       job.runs_completed);
  }
  if (job.last_run != kNone) {
    const Run& last = state.run(job.last_run);
    row.set_last_run_timestamp(last.scheduled_at);
    row.set_last_run_time(TimeText(last.scheduled_at));
    row.set_last_run_status_code(last.status);
    row.set_last_run_status_name(NameOf(last.status));
  }
  AddRecentBuilds(state, recent, row);
  const std::string label = UrlText(job.label);
  (*row.mutable_links())["self"] = Link(view, {"jobs/", label});
  (*row.mutable_links())["job_runs"] = Link(view, {"job_runs?job_labels=", label});
  (*row.mutable_links())["events"] = EventsLink(view, "job_labels", label);
  return row;
}

}  // namespace

Result<v1::ListJobsResponse> ListJobs(const QueryView& view, const v1::ListJobsRequest& request) {
  const BuildState& state = view.state;
  const std::string scope = "ListJobs/" + view.graph;
  ASSIGN_OR_RETURN(const PageStart start, StartPage(request, scope));
  std::vector<Index> rows;
  uint64_t total = 0;
  for (size_t i = 0; i < state.jobs().size(); ++i) {
    const std::string& label = state.jobs()[i].label;
    if (label.empty() || label.find(request.search()) == std::string::npos) continue;
    ++total;
    if (!start.after || label > *start.after) rows.push_back(static_cast<Index>(i));
  }
  const size_t shown = std::min<size_t>(rows.size(), start.size);
  std::partial_sort(rows.begin(), rows.begin() + static_cast<ptrdiff_t>(shown), rows.end(),
                    [&](Index a, Index b) { return state.job(a).label < state.job(b).label; });
  v1::ListJobsResponse response;
  response.set_event_index(state.idx());
  response.set_total_count(total);
  response.set_total_count_known(true);
  response.set_has_more(shown < rows.size());
  rows.resize(shown);
  RecentRuns recent;
  for (const Index job : rows) recent[job];
  CollectRecent(state, recent);
  for (const Index job : rows) *response.add_jobs() = JobRow(view, job, recent[job]);
  if (response.has_more()) {
    response.set_next_page_token(PageToken(request, scope, state.job(rows.back()).label));
  }
  return response;
}

Result<v1::JobSummaryResponse> GetJobSummary(const QueryView& view,
                                             const v1::JobSummaryRequest& request) {
  const BuildState& state = view.state;
  if (request.job_label().empty()) return FieldError("job_label", "name the job");
  const Index index = state.FindJob(request.job_label());
  if (index == kNone) {
    return Error{Errc::kNotFound, "job " + request.job_label() + " in graph " + view.graph +
                                      ": no DataJob has this label and no run names it"};
  }
  RecentRuns recent{{index, {}}};
  CollectRecent(state, recent);
  v1::JobSummaryResponse response;
  response.set_event_index(state.idx());
  *response.mutable_job() = JobRow(view, index, recent[index]);
  for (const Index run : recent[index]) *response.add_job_runs() = JobRunRow(view, run);
  return response;
}

}  // namespace databuild
