// Builds as the second generation of the API lists and sums them up.
#include <algorithm>
#include <optional>
#include <set>

#include "bel/query.h"
#include "bel/query_page.h"
#include "bel/query_render.h"
#include "bel/query_walk.h"

namespace databuild {
namespace {

constexpr size_t kShownRefs = 100;  // of a build's partitions

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

}  // namespace

v1::BuildSummary BuildRow(const QueryView& view, Index index) {
  const Build& build = view.state.build(index);
  v1::BuildSummary row;
  row.set_build_request_id(build.id);
  row.mutable_status()->set_code(build.status);
  row.mutable_status()->set_name(NameOf(build.status));
  row.set_attempt(build.ordinal);
  row.set_cancelled(build.cancel_requested || build.status == v1::BUILD_REQUEST_CANCELLED);
  row.set_reason(build.reason);
  row.set_message(build.message);
  SetTimes(build, row);
  SetCounts(build, row);
  if (!build.cause->reason.empty() || !build.cause->ref.empty()) {
    FillCause(*build.cause, *row.mutable_cause());
  }
  SetWant(view, build, row);
  for (const Unproducible& missing : build.unproducible) {
    v1::UnproduciblePartition& out = *row.add_unproducible();
    out.set_ref(view.state.partition(missing.partition).ref);
    out.set_kind(missing.external ? "external" : "no_producer");
  }
  const std::string id = UrlText(build.id.str());
  (*row.mutable_links())["self"] = Link(view, {"builds/", id});
  (*row.mutable_links())["mermaid"] = Link(view, {"builds/", id, "/mermaid"});
  (*row.mutable_links())["events"] = EventsLink(view, "build_request_ids", id);
  if (!row.want_id().empty()) {
    (*row.mutable_links())["want"] = Link(view, {"wants/", UrlText(row.want_id())});
  }
  return row;
}

namespace {

using Indexes = std::set<Index>;

template <typename Names, typename Find>
Indexes Found(const Names& names, Find find) {
  Indexes found;
  for (const auto& name : names) {
    if (const Index index = find(name); index != kNone) found.insert(index);
  }
  return found;
}

// A list that is empty asks for nothing.
struct BuildFilter {
  TimeNs started_until = 0;
  std::set<int> statuses;
  std::optional<Indexes> requested;  // partitions
  std::optional<Indexes> jobs;
  std::optional<Indexes> only;  // builds that the other lists leave
  std::string comment;

  bool counted() const {
    return started_until == 0 && !requested && !jobs && !only && comment.empty();
  }
};

// What is in `more` as well, if anything was there before.
void Narrow(std::optional<Indexes>& only, Indexes more) {
  if (only) std::erase_if(more, [&](Index index) { return !only->contains(index); });
  only = std::move(more);
}

// Builds whose run made the partition available.
Indexes BuildersOf(const BuildState& state, const Indexes& partitions) {
  Indexes builds;
  for (const Index partition : partitions) {
    for (Index i = state.partition(partition).newest; i != kNone; i = state.instance(i).previous) {
      const Instance& instance = state.instance(i);
      if (instance.status == v1::PARTITION_AVAILABLE && instance.build != kNone)
        builds.insert(instance.build);
    }
  }
  return builds;
}

Result<BuildFilter> FilterOf(const BuildState& state, const v1::ListBuildsRequest& request) {
  BuildFilter filter;
  ASSIGN_OR_RETURN(filter.started_until, TimeField("started_until", request.started_until()));
  for (const std::string& name : request.build_status()) {
    ASSIGN_OR_RETURN(const int status, BuildStatusField("build_status", name));
    filter.statuses.insert(status);
  }
  const auto partition = [&](const std::string& ref) { return state.FindPartition(ref); };
  if (!request.output_partition().empty())
    filter.requested = Found(request.output_partition(), partition);
  if (!request.run_jobs().empty()) {
    filter.jobs =
        Found(request.run_jobs(), [&](const std::string& label) { return state.FindJob(label); });
  }
  if (!request.built_partition().empty())
    Narrow(filter.only, BuildersOf(state, Found(request.built_partition(), partition)));
  if (!request.triggering_want_ids().empty()) {
    Indexes builds;
    for (const Index want : Found(request.triggering_want_ids(),
                                  [&](const std::string& id) { return state.FindWant(id); })) {
      builds.insert(state.want(want).builds.begin(), state.want(want).builds.end());
    }
    Narrow(filter.only, std::move(builds));
  }
  filter.comment = request.comment_contains();
  return filter;
}

bool RanJob(const BuildState& state, const Build& build, const Indexes& jobs) {
  return std::any_of(build.units.begin(), build.units.end(), [&](Index index) {
    const Unit& unit = state.unit(index);
    return jobs.contains(unit.job) && !unit.instances.empty() &&
           state.instance(unit.instances[0]).run != kNone;
  });
}

bool Matches(const BuildState& state, const BuildFilter& filter, const Build& build) {
  if (build.status == v1::BUILD_REQUEST_UNKNOWN) return false;
  if (filter.started_until != 0 && build.received_at > filter.started_until) return false;
  if (!filter.statuses.empty() && !filter.statuses.contains(build.status)) return false;
  const Want* want = build.want == kNone ? nullptr : &state.want(build.want);
  if (!filter.comment.empty() &&
      (want == nullptr || want->comment.view().find(filter.comment) == std::string_view::npos))
    return false;
  if (filter.requested &&
      (want == nullptr ||
       std::none_of(want->partitions.begin(), want->partitions.end(),
                    [&](Index partition) { return filter.requested->contains(partition); })))
    return false;
  return !filter.jobs || RanJob(state, build, *filter.jobs);
}

// Every partition that the build was asked for, makes, or leaves to another one; in the order in
// which the log first named them.
std::vector<Index> PartitionsOf(const BuildState& state, const Build& build) {
  std::vector<Index> all;
  for (const Index index : build.units) {
    const IndexList& outputs = state.unit(index).partitions;
    all.insert(all.end(), outputs.begin(), outputs.end());
  }
  for (const auto& [partition, delegation] : build.delegations) all.push_back(partition);
  if (build.want != kNone) {
    const IndexList& wanted = state.want(build.want).partitions;
    all.insert(all.end(), wanted.begin(), wanted.end());
  }
  std::sort(all.begin(), all.end());
  all.erase(std::unique(all.begin(), all.end()), all.end());
  return all;
}

v1::PartitionBuildStatus PartitionInBuild(const BuildState& state, Index build, Index partition) {
  v1::PartitionBuildStatus row;
  row.mutable_ref()->set_str(state.partition(partition).ref);
  row.set_status(state.RefStatus(partition));
  Index instance = state.partition(partition).newest;
  while (instance != kNone && state.instance(instance).build != build)
    instance = state.instance(instance).previous;
  const auto delegated = state.build(build).delegations.find(partition);
  if (instance != kNone) {
    row.set_status(state.instance(instance).status);
    row.set_instance_id(state.instance(instance).id);
  } else if (delegated != state.build(build).delegations.end()) {
    row.set_status(v1::PARTITION_DELEGATED);
    row.set_delegated_to_build_request_id(state.build(delegated->second.owner).id);
  }
  row.set_status_name(NameOf(row.status()));
  return row;
}

}  // namespace

Result<v1::ListBuildsResponse> ListBuildRequests(const QueryView& view,
                                                 const v1::ListBuildsRequest& request) {
  const BuildState& state = view.state;
  const std::string scope = "ListBuildRequests/" + view.graph;
  ASSIGN_OR_RETURN(const BuildFilter filter, FilterOf(state, request));
  ASSIGN_OR_RETURN(const PageStart start, StartPage(request, scope));
  ASSIGN_OR_RETURN(const uint64_t before, WalkBefore(start, state.builds().size()));
  v1::ListBuildsResponse response;
  response.set_event_index(state.idx());
  if (filter.counted()) {
    uint64_t total = 0;
    for (const auto& [status, count] : state.builds_by_status()) {
      if (status != v1::BUILD_REQUEST_UNKNOWN &&
          (filter.statuses.empty() || filter.statuses.contains(status)))
        total += count;
    }
    response.set_total_count(total);
    response.set_total_count_known(true);
  }
  const WalkEnd end = WalkNewestFirst(
      {before, start.size, 0, filter.only ? &*filter.only : nullptr},
      [&](Index build) { return Matches(state, filter, state.build(build)); },
      [&](Index build) {
        *response.add_builds() = BuildRow(view, build);
        const uint64_t received = static_cast<uint64_t>(state.build(build).received_at);
        if (response.min_started() == 0 || received < response.min_started())
          response.set_min_started(received);
      });
  response.set_has_more(end.has_more);
  if (end.has_more) response.set_next_page_token(PageToken(request, scope, PositionKey(end.last)));
  return response;
}

Result<v1::BuildSummaryResponse> GetBuildSummary(const QueryView& view,
                                                 const v1::BuildSummaryRequest& request) {
  const BuildState& state = view.state;
  ASSIGN_OR_RETURN(const Index index, BuildOf(view, "build_id", request.build_id()));
  RETURN_IF_ERROR(CheckInclude(request.include(), {"events"}));
  const std::string scope = "GetBuildSummary/" + view.graph;
  ASSIGN_OR_RETURN(const PageStart start, StartPage(request, scope));
  uint64_t first = 0;  // position of the page's first partition, by order of the log
  if (start.after) {
    ASSIGN_OR_RETURN(first, PositionOf(start));
  }
  v1::BuildSummaryResponse response;
  response.set_event_index(state.idx());
  response.set_build_id(state.build(index).id);
  response.set_status(state.build(index).status);
  *response.mutable_summary() = BuildRow(view, index);
  const std::vector<Index> all = PartitionsOf(state, state.build(index));
  auto next = std::lower_bound(all.begin(), all.end(), first);
  for (; next != all.end() && response.partitions_size() < static_cast<int>(start.size); ++next) {
    *response.add_partitions() = PartitionInBuild(state, index, *next);
  }
  if (next == all.end()) return response;
  response.set_has_more(true);
  response.set_next_page_token(PageToken(request, scope, PositionKey(*next)));
  return response;
}

}  // namespace databuild
