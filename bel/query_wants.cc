#include <algorithm>
#include <set>

#include "bel/query.h"
#include "bel/query_page.h"
#include "bel/query_render.h"
#include "bel/query_walk.h"

namespace databuild {
namespace {

// Counting beyond it would cost more than an answer may: total and available are maintained, the
// rest is left out.
constexpr size_t kMaxCounted = 50'000;

struct WantFilter {
  TimeNs requested_until = 0, ttl_until = 0;
  std::set<int> statuses;
  std::set<std::string_view> names;

  bool Matches(const Want& want) const {
    if (requested_until != 0 && want.created_at > requested_until) return false;
    if (ttl_until != 0 && want.ttl && want.created_at + *want.ttl < ttl_until) return false;
    if (!names.empty() && !names.contains(want.name)) return false;
    if (statuses.empty() || statuses.contains(want.status)) return true;
    return want.sla_violated && statuses.contains(v1::WANT_SLA_VIOLATED);
  }
  // Whether the maintained counters answer how many there are.
  bool Counted() const {
    return requested_until == 0 && ttl_until == 0 && names.empty() &&
           !statuses.contains(v1::WANT_SLA_VIOLATED);
  }
};

Result<WantFilter> FilterOf(const v1::ListWantsRequest& request) {
  WantFilter filter;
  ASSIGN_OR_RETURN(filter.requested_until, TimeField("requested_until", request.requested_until()));
  ASSIGN_OR_RETURN(filter.ttl_until, TimeField("ttl_until", request.ttl_until()));
  for (int status : request.status()) {
    if (!v1::WantLifecycle_IsValid(status)) {
      return FieldError("status", "there is no status " + std::to_string(status));
    }
    filter.statuses.insert(status);
  }
  for (const std::string& name : request.names()) filter.names.insert(name);
  return filter;
}

std::set<Index> NamedWants(const BuildState& state, const v1::ListWantsRequest& request) {
  std::set<Index> found;
  for (const std::string& id : request.want_ids()) {
    if (const Index want = state.FindWant(id); want != kNone) found.insert(want);
  }
  return found;
}

void CountPartitions(const BuildState& state, const Want& want, v1::PartitionCounts& counts) {
  if (want.partitions.size() > kMaxCounted) return;
  std::set<Index> external;
  if (!want.builds.empty()) {
    for (const Unproducible& missing : state.build(want.builds.back()).unproducible) {
      if (missing.external) external.insert(missing.partition);
    }
  }
  for (Index partition : want.partitions) {
    if (state.Usable(partition)) continue;
    if (state.CurrentTainted(partition)) counts.set_tainted(counts.tainted() + 1);
    const v1::PartitionStatus status = state.RefStatus(partition);
    if (status == v1::PARTITION_BUILDING) {
      counts.set_building(counts.building() + 1);
    } else if (status == v1::PARTITION_FAILED) {
      counts.set_failed(counts.failed() + 1);
    } else if (external.contains(partition)) {
      counts.set_external(counts.external() + 1);
    } else {
      counts.set_waiting(counts.waiting() + 1);
    }
  }
}

void AddExternal(const BuildState& state, const Want& want, v1::PartitionWantSummary& row) {
  if (want.builds.empty()) return;
  for (const Unproducible& missing : state.build(want.builds.back()).unproducible) {
    if (!missing.external) continue;
    row.mutable_want()->add_external_dependencies(state.partition(missing.partition).ref);
    auto& labeled = *row.add_external_partitions();
    labeled.mutable_ref()->set_str(state.partition(missing.partition).ref);
    *labeled.mutable_status()->mutable_ref() = labeled.ref();
    labeled.mutable_status()->set_status(state.RefStatus(missing.partition));
    labeled.mutable_status()->set_status_name(NameOf(labeled.status().status()));
  }
}

}  // namespace

Result<v1::ListWantsResponse> ListWants(const QueryView& view,
                                        const v1::ListWantsRequest& request) {
  const BuildState& state = view.state;
  const std::string scope = "ListWants/" + view.graph;
  ASSIGN_OR_RETURN(const WantFilter filter, FilterOf(request));
  ASSIGN_OR_RETURN(const PageStart start, StartPage(request, scope));
  ASSIGN_OR_RETURN(const uint64_t before, WalkBefore(start, state.wants().size()));
  v1::ListWantsResponse response;
  response.set_event_index(state.idx());
  if (filter.Counted() && request.want_ids().empty()) {
    uint64_t total = 0;
    for (const auto& [status, count] : state.wants_by_status()) {
      if (status != v1::WANT_UNKNOWN &&
          (filter.statuses.empty() || filter.statuses.contains(status)))
        total += count;
    }
    response.set_total_count(total);
    response.set_total_count_known(true);
  }
  const std::set<Index> named = NamedWants(state, request);
  const WalkEnd end = WalkNewestFirst(
      {before, start.size, 0, request.want_ids().empty() ? nullptr : &named},
      [&](Index want) {
        return state.want(want).status != v1::WANT_UNKNOWN && filter.Matches(state.want(want));
      },
      [&](Index want) {
        *response.add_wants() = WantRow(view, want);
        const uint64_t created = static_cast<uint64_t>(state.want(want).created_at);
        if (response.min_requested_at() == 0 || created < response.min_requested_at()) {
          response.set_min_requested_at(created);
        }
      });
  response.set_has_more(end.has_more);
  if (end.has_more) response.set_next_page_token(PageToken(request, scope, PositionKey(end.last)));
  return response;
}

Result<v1::WantSummaryResponse> GetWantSummary(const QueryView& view,
                                               const v1::WantSummaryRequest& request) {
  const BuildState& state = view.state;
  if (request.want_id().empty()) return FieldError("want_id", "name the want");
  RETURN_IF_ERROR(CheckInclude(request.include(), {"events"}));
  const Index index = state.FindWant(request.want_id());
  if (index == kNone) {
    return Error{Errc::kNotFound,
                 "want " + request.want_id() + " in graph " + view.graph +
                     ": the log knows no want with this id; ListWants finds it by name"};
  }
  const std::string scope = "GetWantSummary/" + view.graph;
  ASSIGN_OR_RETURN(const PageStart start, StartPage(request, scope));
  uint64_t position = 0;
  if (start.after) {
    ASSIGN_OR_RETURN(position, PositionOf(start));
  }
  const Want& want = state.want(index);
  v1::WantSummaryResponse response;
  response.set_event_index(state.idx());
  v1::PartitionWantSummary& row = *response.mutable_want();
  row = WantRow(view, index);
  CountPartitions(state, want, *row.mutable_counts());
  AddExternal(state, want, row);
  const uint64_t end = std::min<uint64_t>(want.partitions.size(), position + start.size);
  for (; position < end; ++position) {
    const Index partition = want.partitions[position];
    v1::PartitionSummary& summary = *row.add_partitions();
    summary = PartitionRowV1(view, partition);
    if (!view.explain || state.Usable(partition)) continue;
    *summary.mutable_reason() = view.explain(index, partition);
    *row.add_reasons() = summary.reason();
  }
  if (end < want.partitions.size()) {
    response.set_has_more(true);
    response.set_next_page_token(PageToken(request, scope, PositionKey(end)));
  }
  return response;
}

}  // namespace databuild
