#include "bel/query_v1_lists.h"

#include <algorithm>
#include <optional>

#include "bel/query_page.h"
#include "bel/query_ref_walk.h"
#include "bel/query_render.h"
#include "bel/query_walk.h"

namespace databuild {
namespace {

constexpr uint32_t kMaxOffset = 10'000;

// Rows of the page. `limit` is what the first generation called page_size.
template <typename Request>
Result<uint32_t> SizeOf(const Request& request, uint32_t page_size) {
  if (!request.has_limit()) return page_size;
  if (request.page_size() != 0) return FieldError("limit", "give it or page_size, not both");
  if (request.limit() < 1 || request.limit() > kMaxPageSize) {
    return FieldError("limit", "1 to " + std::to_string(kMaxPageSize) + ", got " +
                                   std::to_string(request.limit()));
  }
  return request.limit();
}

Status CheckOffset(uint32_t offset) {
  if (offset <= kMaxOffset) return {};
  return FieldError("offset", "at most " + std::to_string(kMaxOffset) + "; use page_token");
}

// What all lists say of their page. total_count has 32 bits here.
template <typename From, typename To>
void CopyFrame(const From& from, To& to) {
  to.set_total_count(static_cast<uint32_t>(std::min<uint64_t>(from.total_count(), UINT32_MAX)));
  to.set_total_count_known(from.total_count_known());
  to.set_has_more(from.has_more());
  to.set_next_page_token(from.next_page_token());
  to.set_event_index(from.event_index());
}

// What is known of a run's times.
template <typename From, typename To>
void CopyTimes(const From& from, To& to) {
  if (from.has_started_at()) to.set_started_at(from.started_at());
  if (from.has_completed_at()) to.set_completed_at(from.completed_at());
  if (from.has_duration_ms()) to.set_duration_ms(from.duration_ms());
}

v1::JobRunDetail RunRow(const v1::JobRunSummary& run) {
  v1::JobRunDetail row;
  row.set_job_run_id(run.job_run_id());
  row.set_build_request_id(run.build_request_id());
  *row.mutable_target_partitions() = run.target_partitions();
  row.set_status_code(run.status_code());
  row.set_status_name(run.status_name());
  CopyTimes(run, row);
  row.set_message(run.message());
  return row;
}

}  // namespace

Result<v1::PartitionsListResponse> PartitionsList(const QueryView& view,
                                                  const v1::PartitionsListRequest& request) {
  const BuildState& state = view.state;
  const std::string scope = "PartitionsList/" + view.graph;
  std::optional<int> status;
  RefKindSet kinds = kAllRefKinds;
  if (request.has_status_filter()) {
    ASSIGN_OR_RETURN(status, PartitionStatusField("status_filter", request.status_filter()));
    const auto code = static_cast<v1::PartitionStatus>(*status);
    kinds = SetOf(RefKindOf(code, false)) | SetOf(RefKindOf(code, true));
  }
  ASSIGN_OR_RETURN(const PageStart start, StartPage(request, scope));
  ASSIGN_OR_RETURN(const uint32_t size, SizeOf(request, start.size));
  RETURN_IF_ERROR(CheckOffset(request.offset()));
  v1::PartitionsListResponse response;
  response.set_event_index(state.idx());
  const uint64_t total =
      status ? CountOf(state.partitions_by_status(), *status) : state.partitions().size();
  response.set_total_count(static_cast<uint32_t>(total));
  response.set_total_count_known(true);
  const RefWalkEnd end = WalkByRef(
      state,
      {.after = start.after.value_or(""),
       .size = size,
       .skip = start.after ? 0 : request.offset(),
       .kinds = kinds},
      [](Index) { return true; },
      [&](Index partition) { *response.add_partitions() = PartitionRowV1(view, partition); });
  response.set_has_more(end.has_more);
  if (end.has_more) response.set_next_page_token(PageToken(request, scope, end.last));
  return response;
}

Result<v1::JobsListResponse> JobsList(const QueryView& view, const v1::JobsListRequest& request) {
  v1::ListJobsRequest same;
  ASSIGN_OR_RETURN(const uint32_t size, SizeOf(request, request.page_size()));
  same.set_page_size(size);
  same.set_page_token(request.page_token());
  same.set_search(request.search());
  ASSIGN_OR_RETURN(v1::ListJobsResponse page, ListJobs(view, same));
  v1::JobsListResponse response;
  CopyFrame(page, response);
  response.mutable_jobs()->Swap(page.mutable_jobs());
  return response;
}

Result<v1::JobRunsListResponse> JobRunsList(const QueryView& view,
                                            const v1::JobRunsListRequest& request) {
  v1::ListJobRunsRequest same;
  ASSIGN_OR_RETURN(const uint32_t size, SizeOf(request, request.page_size()));
  same.set_page_size(size);
  same.set_page_token(request.page_token());
  ASSIGN_OR_RETURN(v1::ListJobRunsResponse page, ListJobRuns(view, same));
  v1::JobRunsListResponse response;
  CopyFrame(page, response);
  *response.mutable_tasks() = page.job_runs();
  response.mutable_job_runs()->Swap(page.mutable_job_runs());
  return response;
}

Result<v1::BuildsListResponse> BuildsList(const QueryView& view,
                                          const v1::BuildsListRequest& request) {
  const BuildState& state = view.state;
  const std::string scope = "BuildsList/" + view.graph;
  std::optional<int> status;
  if (request.has_status_filter()) {
    ASSIGN_OR_RETURN(status, BuildStatusField("status_filter", request.status_filter()));
  }
  ASSIGN_OR_RETURN(const PageStart start, StartPage(request, scope));
  ASSIGN_OR_RETURN(const uint32_t size, SizeOf(request, start.size));
  RETURN_IF_ERROR(CheckOffset(request.offset()));
  ASSIGN_OR_RETURN(const uint64_t before, WalkBefore(start, state.builds().size()));
  v1::BuildsListResponse response;
  response.set_event_index(state.idx());
  response.set_total_count(static_cast<uint32_t>(status ? CountOf(state.builds_by_status(), *status)
                                                        : state.builds().size()));
  response.set_total_count_known(true);
  const WalkEnd end = WalkNewestFirst(
      {before, size, start.after ? 0 : request.offset()},
      [&](Index build) { return !status || state.build(build).status == *status; },
      [&](Index build) { *response.add_builds() = BuildRow(view, build); });
  response.set_has_more(end.has_more);
  if (end.has_more) response.set_next_page_token(PageToken(request, scope, PositionKey(end.last)));
  return response;
}

Result<v1::PartitionDetailResponse> PartitionDetail(const QueryView& view,
                                                    const v1::PartitionDetailRequest& request) {
  ASSIGN_OR_RETURN(const Index partition,
                   PartitionOf(view, "partition_ref", request.partition_ref().str()));
  v1::PartitionSummary row = PartitionRowV1(view, partition);
  v1::PartitionDetailResponse response;
  response.set_event_index(view.state.idx());
  response.mutable_partition_ref()->Swap(row.mutable_partition_ref());
  response.set_status_code(row.status_code());
  response.set_status_name(row.status_name());
  response.set_last_updated(row.last_updated());
  response.set_builds_count(row.builds_count());
  response.set_invalidation_count(row.invalidation_count());
  if (row.has_last_successful_build())
    response.set_last_successful_build(row.last_successful_build());
  return response;
}

Result<v1::JobDetailResponse> JobDetail(const QueryView& view,
                                        const v1::JobDetailRequest& request) {
  v1::JobSummaryRequest same;
  same.set_job_label(request.job_label());
  ASSIGN_OR_RETURN(const v1::JobSummaryResponse summary, GetJobSummary(view, same));
  const v1::JobSummary& job = summary.job();
  v1::JobDetailResponse response;
  response.set_event_index(summary.event_index());
  response.set_job_label(job.job_label());
  response.set_total_runs(job.total_runs());
  response.set_successful_runs(job.successful_runs());
  response.set_failed_runs(job.failed_runs());
  response.set_cancelled_runs(job.cancelled_runs());
  response.set_average_partitions_per_run(job.average_partitions_per_run());
  response.set_last_run_timestamp(job.last_run_timestamp());
  response.set_last_run_status_code(job.last_run_status_code());
  response.set_last_run_status_name(job.last_run_status_name());
  *response.mutable_recent_builds() = job.recent_builds();
  for (const v1::JobRunSummary& run : summary.job_runs()) *response.add_runs() = RunRow(run);
  *response.mutable_summary() = job;
  return response;
}

Result<v1::JobRunDetailResponse> JobRunDetail(const QueryView& view,
                                              const v1::JobRunDetailRequest& request) {
  v1::JobRunSummaryRequest same;
  same.set_job_run_id(request.job_run_id());
  ASSIGN_OR_RETURN(const v1::JobRunSummaryResponse summary, GetJobRunSummary(view, same));
  const v1::JobRunSummary& run = summary.job_run();
  v1::JobRunDetailResponse response;
  response.set_event_index(summary.event_index());
  response.set_job_run_id(run.job_run_id());
  response.set_job_label(run.job_label());
  response.set_build_request_id(run.build_request_id());
  response.set_status_code(run.status_code());
  response.set_status_name(run.status_name());
  *response.mutable_target_partitions() = run.target_partitions();
  response.set_scheduled_at(run.scheduled_at());
  CopyTimes(run, response);
  response.set_cancelled(run.cancelled());
  response.set_message(run.message());
  *response.mutable_summary() = run;
  return response;
}

Result<v1::BuildDetailResponse> BuildDetail(const QueryView& view,
                                            const v1::BuildDetailRequest& request) {
  ASSIGN_OR_RETURN(const Index index,
                   BuildOf(view, "build_request_id", request.build_request_id()));
  const v1::BuildSummary build = BuildRow(view, index);
  v1::BuildDetailResponse response;
  response.set_event_index(view.state.idx());
  response.set_build_request_id(build.build_request_id());
  *response.mutable_status() = build.status();
  *response.mutable_requested_partitions() = build.requested_partitions();
  response.set_total_jobs(build.total_jobs());
  response.set_completed_jobs(build.completed_jobs());
  response.set_failed_jobs(build.failed_jobs());
  response.set_cancelled_jobs(build.cancelled_jobs());
  response.set_requested_at(build.requested_at());
  CopyTimes(build, response);
  response.set_cancelled(build.cancelled());
  const std::string_view reason = view.state.build(index).cancel_reason;
  if (!reason.empty()) response.set_cancel_reason(std::string(reason));
  *response.mutable_summary() = build;
  return response;
}

}  // namespace databuild
