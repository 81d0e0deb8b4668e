#include "bel/query_builds.h"

#include <algorithm>
#include <optional>
#include <set>

#include "bel/query_page.h"
#include "bel/query_render.h"
#include "bel/transition.h"

namespace databuild {
namespace {

constexpr uint32_t kMaxOffset = 10'000;
constexpr size_t kShownRefs = 100;       // of a build's partitions
constexpr size_t kRecent = 10;           // rows of each kind in an activity
constexpr size_t kRecentExamined = 500;  // newest runs and instances looked at for them

std::string NameOfBuild(int status) { return StatusName(EntityKind::kBuild, status); }

Result<std::optional<int>> StatusFilter(const v1::BuildsListRequest& request) {
  if (!request.has_status_filter()) return std::optional<int>();
  const auto& codes = *v1::BuildRequestStatusCode_descriptor();
  for (int i = 0; i < codes.value_count(); ++i) {
    const int code = codes.value(i)->number();
    if (code != v1::BUILD_REQUEST_UNKNOWN && NameOfBuild(code) == request.status_filter()) {
      return std::optional<int>(code);
    }
  }
  return FieldError("status_filter", "there is no status " + request.status_filter());
}

Result<uint32_t> PageSize(const v1::BuildsListRequest& request, const PageStart& start) {
  if (!request.has_limit() || request.page_size() != 0) return start.size;
  if (request.limit() < 1 || request.limit() > kMaxPageSize) {
    return FieldError("limit", "1 to " + std::to_string(kMaxPageSize));
  }
  return request.limit();
}

void SetTimes(const Build& build, v1::BuildSummary& row) {
  row.set_requested_at(build.received_at);
  row.set_requested_time(TimeText(build.received_at));
  if (build.started_at) row.set_started_at(build.started_at);
  if (!build.ended_at) return;
  row.set_completed_at(build.ended_at);
  row.set_completed_time(TimeText(build.ended_at));
  row.set_duration_ms((build.ended_at - build.received_at) / kMillisecond);
}

void SetCounts(const Build& build, v1::BuildSummary& row) {
  row.set_total_jobs(build.runs_total);
  row.set_completed_jobs(build.runs_completed);
  row.set_failed_jobs(build.runs_failed);
  row.set_cancelled_jobs(build.runs_cancelled);
  row.set_skipped_jobs(build.runs_skipped);
  row.set_delegated_partitions(static_cast<uint32_t>(build.delegations.size()));
  const uint32_t ended = build.runs_completed + build.runs_failed;
  if (ended > 0) row.set_success_ratio(static_cast<double>(build.runs_completed) / ended);
  const double reused = build.runs_skipped + row.delegated_partitions();
  if (reused + build.runs_total > 0) row.set_reuse_ratio(reused / (reused + build.runs_total));
}

void SetCause(const CauseInfo& cause, v1::BuildSummary& row) {
  if (cause.reason.empty() && cause.ref.empty()) return;
  v1::Cause& out = *row.mutable_cause();
  out.set_partition_ref(cause.ref);
  out.set_job_run_id(cause.run_id);
  out.set_job_label(cause.label);
  out.set_reason(cause.reason);
  out.set_message(cause.message);
}

void SetWant(const QueryView& view, const Build& build, v1::BuildSummary& row) {
  if (build.want == kNone) return;
  const Want& want = view.state.want(build.want);
  row.set_want_id(want.id);
  if (!want.comment.empty()) row.set_comment(want.comment);
  row.set_total_partitions(want.partitions.size());
  for (size_t i = 0; i < std::min(kShownRefs, want.partitions.size()); ++i) {
    row.add_requested_partitions()->set_str(view.state.partition(want.partitions[i]).ref);
  }
  row.mutable_requested_ranges()->Add(want.ranges.begin(), want.ranges.end());
}

v1::BuildSummary BuildRow(const QueryView& view, Index index) {
  const Build& build = view.state.build(index);
  v1::BuildSummary row;
  row.set_build_request_id(build.id);
  row.mutable_status()->set_code(build.status);
  row.mutable_status()->set_name(NameOfBuild(build.status));
  row.set_attempt(build.ordinal);
  row.set_cancelled(build.cancel_requested || build.status == v1::BUILD_REQUEST_CANCELLED);
  row.set_reason(build.reason);
  row.set_message(build.message);
  SetTimes(build, row);
  SetCounts(build, row);
  SetCause(build.cause, row);
  SetWant(view, build, row);
  for (const Unproducible& missing : build.unproducible) {
    v1::UnproduciblePartition& out = *row.add_unproducible();
    out.set_ref(view.state.partition(missing.partition).ref);
    out.set_kind(missing.external ? "external" : "no_producer");
  }
  return row;
}

uint64_t CountOf(const std::map<int, uint64_t>& counts, int status) {
  const auto found = counts.find(status);
  return found == counts.end() ? 0 : found->second;
}

void CountPartitions(const BuildState& state, v1::PartitionCounts& counts) {
  const auto& by_status = state.partitions_by_status();
  counts.set_total(state.partitions().size());
  counts.set_available(CountOf(by_status, v1::PARTITION_AVAILABLE));
  counts.set_building(CountOf(by_status, v1::PARTITION_BUILDING));
  counts.set_waiting(CountOf(by_status, v1::PARTITION_REQUESTED) +
                     CountOf(by_status, v1::PARTITION_ANALYZED));
  counts.set_failed(CountOf(by_status, v1::PARTITION_FAILED));
}

std::vector<Index> RecentPartitions(const BuildState& state) {
  std::set<Index> found;
  for (size_t i = 0; i < std::min(kRecentExamined, state.instances().size()); ++i) {
    found.insert(state.instances()[state.instances().size() - 1 - i].partition);
  }
  for (size_t i = 0; i < std::min(kRecentExamined, state.runs().size()); ++i) {
    const Run& run = state.runs()[state.runs().size() - 1 - i];
    found.insert(run.partitions.begin(), run.partitions.end());
  }
  std::vector<Index> recent(found.begin(), found.end());
  std::stable_sort(recent.begin(), recent.end(), [&](Index a, Index b) {
    return state.partition(a).last_updated > state.partition(b).last_updated;
  });
  recent.resize(std::min(recent.size(), kRecent));
  return recent;
}

}  // namespace

Result<v1::BuildSummary> GetBuild(const QueryView& view, const std::string& build_request_id) {
  const Index build = view.state.FindBuild(build_request_id);
  if (build == kNone) return Error{Errc::kNotFound, "there is no build " + build_request_id};
  return BuildRow(view, build);
}

Result<v1::BuildsListResponse> ListBuilds(const QueryView& view,
                                          const v1::BuildsListRequest& request) {
  const BuildState& state = view.state;
  const std::string scope = "ListBuilds/" + view.graph;
  ASSIGN_OR_RETURN(const std::optional<int> status, StatusFilter(request));
  ASSIGN_OR_RETURN(const PageStart start, StartPage(request, scope));
  ASSIGN_OR_RETURN(const uint32_t size, PageSize(request, start));
  if (request.offset() > kMaxOffset) {
    return FieldError("offset", "at most " + std::to_string(kMaxOffset) + "; use page_token");
  }
  uint64_t before = state.builds().size();
  if (start.after) {
    ASSIGN_OR_RETURN(const uint64_t after, PositionOf(start));
    before = std::min(before, after);
  }
  v1::BuildsListResponse response;
  response.set_event_index(state.idx());
  response.set_total_count(static_cast<uint32_t>(status ? CountOf(state.builds_by_status(), *status)
                                                        : state.builds().size()));
  response.set_total_count_known(true);
  uint32_t skip = start.after ? 0 : request.offset();
  uint64_t last = before;
  for (size_t examined = 0; before > 0; ++examined) {
    const Index index = static_cast<Index>(--before);
    const bool full = response.builds_size() == static_cast<int>(size);
    const bool matches = !status || state.build(index).status == *status;
    if (examined == kMaxCandidates || (full && matches)) {
      response.set_has_more(true);
      break;
    }
    if (full) continue;
    last = index;
    if (!matches) continue;
    if (skip > 0) {
      --skip;
    } else {
      *response.add_builds() = BuildRow(view, index);
    }
  }
  if (response.has_more()) {
    response.set_next_page_token(PageToken(request, scope, PositionKey(last)));
  }
  return response;
}

v1::ActivityResponse GetActivity(const QueryView& view) {
  const BuildState& state = view.state;
  v1::ActivityResponse activity;
  activity.set_graph_name(view.graph);
  activity.set_event_index(state.idx());
  uint64_t open = 0;
  for (const auto& [status, count] : state.builds_by_status()) {
    if (status != v1::BUILD_REQUEST_UNKNOWN && !IsFinal(EntityKind::kBuild, status)) open += count;
  }
  activity.set_active_builds_count(static_cast<uint32_t>(open));
  const size_t builds = state.builds().size();
  for (size_t i = 0; i < std::min(kRecent, builds); ++i) {
    *activity.add_recent_builds() = BuildRow(view, static_cast<Index>(builds - 1 - i));
  }
  for (const Index partition : RecentPartitions(state)) {
    *activity.add_recent_partitions() = PartitionRowV1(view, partition);
  }
  activity.set_total_partitions_count(static_cast<uint32_t>(state.partitions().size()));
  CountPartitions(state, *activity.mutable_partition_counts());
  const auto& wants = state.wants_by_status();
  const uint64_t unsatisfied =
      CountOf(wants, v1::WANT_CREATED) + CountOf(wants, v1::WANT_UNSATISFIED);
  activity.set_unsatisfied_wants_count(static_cast<uint32_t>(unsatisfied));
  activity.set_live_wants_count(
      static_cast<uint32_t>(unsatisfied + CountOf(wants, v1::WANT_SATISFIED)));
  activity.set_system_status("ok");
  return activity;
}

std::vector<Index> ActiveBuilds(const BuildState& state, Index partition) {
  std::set<Index> builds;
  const Index live = state.LiveInstance(partition);
  if (live != kNone && state.instance(live).build != kNone) {
    builds.insert(state.instance(live).build);
  }
  for (const Index build : state.partition(partition).extra->delegators) builds.insert(build);
  std::erase_if(builds, [&](Index build) { return !state.BuildOpen(build); });
  return {builds.begin(), builds.end()};
}

Lineage LineageOf(const BuildState& state, Index index) {
  Lineage lineage;
  const Instance& instance = state.instance(index);
  if (instance.run != kNone) {
    const IndexList& inputs = state.run(instance.run).inputs;
    lineage.inputs.assign(inputs.begin(), inputs.end());
  }
  // Only runs scheduled after it became available can have read it.
  const auto& runs = state.runs();
  const auto first = std::partition_point(runs.begin(), runs.end(), [&](const Run& run) {
    return run.scheduled_idx <= instance.available_idx;
  });
  if (instance.available_idx == 0) return lineage;
  size_t examined = 0;
  for (auto run = first; run != runs.end(); ++run) {
    if (++examined > kMaxCandidates) {
      lineage.complete = false;
      break;
    }
    if (std::find(run->inputs.begin(), run->inputs.end(), index) == run->inputs.end()) continue;
    lineage.outputs.insert(lineage.outputs.end(), run->instances.begin(), run->instances.end());
  }
  return lineage;
}

}  // namespace databuild
