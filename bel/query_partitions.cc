#include <re2/re2.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <set>

#include "bel/query.h"
#include "bel/query_builds.h"
#include "bel/query_page.h"
#include "bel/query_ref_walk.h"
#include "bel/query_render.h"

namespace databuild {
namespace {

constexpr size_t kMaxPatternLength = 1'000;
constexpr int kMaxInstancesInSummary = 20;
constexpr int kMaxInSummary = 100;

// Which partitions a request asks for.
class PartitionFilter {
 public:
  static Result<PartitionFilter> From(const v1::ListPartitionsRequest& request) {
    PartitionFilter filter;
    for (int status : request.partition_status()) {
      if (!v1::PartitionStatus_IsValid(status)) {
        return FieldError("partition_status", "there is no status " + std::to_string(status));
      }
      filter.statuses_.insert(static_cast<v1::PartitionStatus>(status));
    }
    if (request.has_tainted()) filter.tainted_ = request.tainted();
    if (request.ref_pattern().empty()) return filter;
    if (request.ref_pattern().size() > kMaxPatternLength) {
      return FieldError("ref_pattern",
                        "at most " + std::to_string(kMaxPatternLength) + " characters");
    }
    RE2::Options options;
    options.set_log_errors(false);
    options.set_max_mem(1 << 20);
    filter.pattern_ = std::make_shared<RE2>(request.ref_pattern(), options);
    if (!filter.pattern_->ok()) return FieldError("ref_pattern", filter.pattern_->error());
    return filter;
  }

  bool MatchesRef(const BuildState& state, Index partition) const {
    if (pattern_ == nullptr) return true;
    const std::string_view ref = state.partition(partition).ref;
    return RE2::PartialMatch(re2::StringPiece(ref.data(), ref.size()), *pattern_);
  }
  RefKindSet kinds() const {
    RefKindSet kinds = 0;
    const auto& codes = *v1::PartitionStatus_descriptor();
    for (int i = 0; i < codes.value_count(); ++i) {
      const auto status = static_cast<v1::PartitionStatus>(codes.value(i)->number());
      if (!statuses_.empty() && !statuses_.contains(status)) continue;
      if (tainted_.value_or(true)) kinds |= SetOf(RefKindOf(status, true));
      if (!tainted_.value_or(false)) kinds |= SetOf(RefKindOf(status, false));
    }
    return kinds;
  }

  bool only_by_status() const { return pattern_ == nullptr && !tainted_; }
  const std::set<v1::PartitionStatus>& statuses() const { return statuses_; }

 private:
  std::set<v1::PartitionStatus> statuses_;
  std::optional<bool> tainted_;
  std::shared_ptr<RE2> pattern_;
};

void CountPartitions(const BuildState& state, const PartitionFilter& filter,
                     v1::ListPartitionsResponse& response) {
  uint64_t total = 0;
  for (const auto& [status, count] : state.partitions_by_status()) {
    const auto code = static_cast<v1::PartitionStatus>(status);
    if (filter.statuses().empty() || filter.statuses().contains(code)) total += count;
  }
  response.set_total_count(total);
  response.set_total_count_known(true);
}

void AddLineage(const BuildState& state, Index instance, v1::PartitionSummaryResponse& response) {
  const Lineage lineage = LineageOf(state, instance);
  for (const Index input : lineage.inputs) *response.add_upstream() = InstanceRef(state, input);
  for (const Index made : lineage.outputs) {
    if (response.downstream_size() == kMaxInSummary) return;
    if (state.instance(made).status == v1::PARTITION_AVAILABLE)
      *response.add_downstream() = InstanceRef(state, made);
  }
}

}  // namespace

Result<v1::ListPartitionsResponse> ListPartitions(const QueryView& view,
                                                  const v1::ListPartitionsRequest& request) {
  const BuildState& state = view.state;
  const std::string scope = "ListPartitions/" + view.graph;
  ASSIGN_OR_RETURN(const PartitionFilter filter, PartitionFilter::From(request));
  ASSIGN_OR_RETURN(const PageStart start, StartPage(request, scope));
  v1::ListPartitionsResponse response;
  response.set_event_index(state.idx());
  if (filter.only_by_status() && request.ref_prefix().empty())
    CountPartitions(state, filter, response);
  const RefWalkEnd end = WalkByRef(
      state,
      {.prefix = request.ref_prefix(),
       .after = std::max(request.last_partition(), start.after.value_or("")),
       .size = start.size,
       .kinds = filter.kinds()},
      [&](Index partition) { return filter.MatchesRef(state, partition); },
      [&](Index partition) { *response.add_refs() = PartitionRow(view, partition); });
  response.set_has_more(end.has_more);
  if (end.has_more) response.set_next_page_token(PageToken(request, scope, end.last));
  return response;
}

PartitionMaker MakerOf(const BuildState& state, const std::string& ref) {
  const Index partition = state.FindPartition(ref);
  const Index current = partition == kNone ? kNone : state.partition(partition).current;
  const Index run = current == kNone ? kNone : state.instance(current).run;
  if (run == kNone || state.run(run).status != v1::JOB_COMPLETED) return {};
  return {state.run(run).id.str(), state.run(run).last_idx};
}

Result<v1::PartitionSummaryResponse> GetPartitionsSummary(
    const QueryView& view, const v1::PartitionSummaryRequest& request) {
  const BuildState& state = view.state;
  RETURN_IF_ERROR(CheckInclude(request.include(), {"events"}));
  ASSIGN_OR_RETURN(const Index index, PartitionOf(view, "ref", request.ref().str()));
  const Partition& partition = state.partition(index);
  v1::PartitionSummaryResponse response;
  response.set_event_index(state.idx());
  *response.mutable_partition() = PartitionRow(view, index);
  if (view.explain && !state.Usable(index)) *response.mutable_reason() = view.explain(kNone, index);
  for (Index i = partition.newest; i != kNone && response.instances_size() < kMaxInstancesInSummary;
       i = state.instance(i).previous) {
    *response.add_instances() = InstanceRow(view, i);
  }
  for (Index want : partition.wants) {
    if (response.want_ids_size() == kMaxInSummary) break;
    response.add_want_ids(state.want(want).id);
  }
  for (const Index build : ActiveBuilds(state, index)) {
    if (response.active_build_request_ids_size() == kMaxInSummary) break;
    response.add_active_build_request_ids(state.build(build).id);
  }
  if (partition.current == kNone) return response;
  const Instance& current = state.instance(partition.current);
  for (Index taint : current.extra->taints) response.add_taint_ids(state.taint(taint).id);
  AddLineage(state, partition.current, response);
  return response;
}

}  // namespace databuild
