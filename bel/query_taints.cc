#include <algorithm>
#include <optional>
#include <set>

#include "bel/query.h"
#include "bel/query_page.h"
#include "bel/query_render.h"
#include "bel/query_walk.h"

namespace databuild {
namespace {

constexpr size_t kMaxInRow = 100;

struct TaintFilter {
  TimeNs until = 0;
  std::set<int> statuses;
  std::optional<std::set<Index>> partitions;

  bool Matches(const BuildState& state, const Taint& taint) const {
    if (taint.status == v1::TAINT_UNKNOWN) return false;
    if (until != 0 && taint.created_at > until) return false;
    if (!statuses.empty() && !statuses.contains(taint.status)) return false;
    if (!partitions) return true;
    const auto hit = [&](Index instance) {
      return partitions->contains(state.instance(instance).partition);
    };
    return std::any_of(taint.instances.begin(), taint.instances.end(), hit) ||
           std::any_of(taint.downstream.begin(), taint.downstream.end(), hit);
  }
};

Result<TaintFilter> FilterOf(const BuildState& state, const v1::ListTaintsRequest& request) {
  TaintFilter filter;
  ASSIGN_OR_RETURN(filter.until, TimeField("tainted_at_until", request.tainted_at_until()));
  for (const int status : request.status()) {
    if (!v1::TaintLifecycle_IsValid(status))
      return FieldError("status", "there is no status " + std::to_string(status));
    filter.statuses.insert(status);
  }
  if (request.partition_refs().empty()) return filter;
  filter.partitions.emplace();
  for (const std::string& ref : request.partition_refs()) {
    if (const Index found = state.FindPartition(ref); found != kNone)
      filter.partitions->insert(found);
  }
  return filter;
}

v1::PartitionTaintSummary TaintRow(const QueryView& view, Index index) {
  const BuildState& state = view.state;
  const Taint& taint = state.taint(index);
  v1::PartitionTaintSummary row;
  row.set_taint_id(taint.id);
  row.set_name(taint.name);
  row.set_status(taint.status);
  row.set_status_name(NameOf(taint.status));
  row.set_tainted_at(static_cast<uint64_t>(taint.created_at));
  row.set_tainted_time(TimeText(taint.created_at));
  row.mutable_source()->set_code(CodeOf(taint.source));
  row.mutable_source()->set_name(NameOf(CodeOf(taint.source)));
  row.set_source_name(taint.source_name);
  row.set_source_authenticated(IsAuthenticated(taint.source));
  row.set_comment(taint.comment);
  row.set_cascade(taint.cascade ? v1::CASCADE_DOWNSTREAM : v1::CASCADE_NONE);
  row.mutable_globs()->Add(taint.globs.begin(), taint.globs.end());
  for (size_t i = 0; i < std::min(kMaxInRow, taint.partitions.size()); ++i) {
    row.add_refs()->set_str(state.partition(taint.partitions[i]).ref);
  }
  for (size_t i = 0; i < std::min(kMaxInRow, taint.instances.size()); ++i) {
    *row.add_tainted_instances() = InstanceRef(state, taint.instances[i]);
  }
  row.set_tainted_count(taint.instances.size());
  row.set_downstream_count(taint.downstream.size());
  uint64_t repaired = 0;
  for (const auto* hit : {&taint.instances, &taint.downstream}) {
    for (const Index instance : *hit) repaired += state.Replaced(instance) ? 1 : 0;
  }
  row.set_repaired_count(repaired);
  const std::string id = UrlText(taint.id.str());
  (*row.mutable_links())["self"] = Link(view, {"taints/", id});
  (*row.mutable_links())["events"] = EventsLink(view, "taint_ids", id);
  return row;
}

}  // namespace

Result<v1::ListTaintsResponse> ListTaints(const QueryView& view,
                                          const v1::ListTaintsRequest& request) {
  const BuildState& state = view.state;
  const std::string scope = "ListTaints/" + view.graph;
  ASSIGN_OR_RETURN(const TaintFilter filter, FilterOf(state, request));
  ASSIGN_OR_RETURN(const PageStart start, StartPage(request, scope));
  ASSIGN_OR_RETURN(const uint64_t before, WalkBefore(start, state.taints().size()));
  v1::ListTaintsResponse response;
  response.set_event_index(state.idx());
  if (filter.until == 0 && !filter.partitions) {
    uint64_t total = 0;
    for (const auto& [status, count] : state.taints_by_status()) {
      if (status != v1::TAINT_UNKNOWN &&
          (filter.statuses.empty() || filter.statuses.contains(status)))
        total += count;
    }
    response.set_total_count(total);
    response.set_total_count_known(true);
  }
  const WalkEnd end = WalkNewestFirst(
      {before, start.size}, [&](Index taint) { return filter.Matches(state, state.taint(taint)); },
      [&](Index taint) {
        *response.add_taints() = TaintRow(view, taint);
        const uint64_t created = static_cast<uint64_t>(state.taint(taint).created_at);
        if (response.min_tainted_at() == 0 || created < response.min_tainted_at()) {
          response.set_min_tainted_at(created);
        }
      });
  response.set_has_more(end.has_more);
  if (end.has_more) response.set_next_page_token(PageToken(request, scope, PositionKey(end.last)));
  return response;
}

Result<v1::TaintSummaryResponse> GetTaintSummary(const QueryView& view,
                                                 const v1::TaintSummaryRequest& request) {
  if (request.taint_id().empty()) return FieldError("taint_id", "name the taint");
  const Index index = view.state.FindTaint(request.taint_id());
  if (index == kNone) {
    return Error{Errc::kNotFound, "taint " + request.taint_id() + " in graph " + view.graph +
                                      ": the log knows no taint with this id"};
  }
  v1::TaintSummaryResponse response;
  response.set_event_index(view.state.idx());
  *response.mutable_taint() = TaintRow(view, index);
  return response;
}

}  // namespace databuild
