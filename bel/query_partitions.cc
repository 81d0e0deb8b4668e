#include <re2/re2.h>

#include <algorithm>
#include <memory>
#include <set>

#include "bel/query.h"
#include "bel/query_page.h"
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

  bool Matches(const BuildState& state, Index partition) const {
    if (!statuses_.empty() && !statuses_.contains(state.RefStatus(partition))) return false;
    if (tainted_ && *tainted_ != CurrentTainted(state, partition)) return false;
    if (pattern_ == nullptr) return true;
    const std::string_view ref = state.partition(partition).ref;
    return RE2::PartialMatch(re2::StringPiece(ref.data(), ref.size()), *pattern_);
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

// What was made from an instance, as far as the newest runs tell.
void AddDownstream(const BuildState& state, Index instance,
                   v1::PartitionSummaryResponse& response) {
  size_t examined = 0;
  for (size_t i = state.runs().size(); i > 0 && examined < kMaxCandidates; --i, ++examined) {
    const Run& run = state.runs()[i - 1];
    if (run.status != v1::JOB_COMPLETED) continue;
    if (std::find(run.inputs.begin(), run.inputs.end(), instance) == run.inputs.end()) continue;
    for (Index made : run.instances) {
      if (response.downstream_size() == kMaxInSummary) return;
      *response.add_downstream() = InstanceRef(state, made);
    }
  }
}

}  // namespace

Result<v1::ListPartitionsResponse> ListPartitions(const QueryView& view,
                                                  const v1::ListPartitionsRequest& request) {
  const BuildState& state = view.state;
  const std::string scope = "ListPartitions/" + view.graph;
  ASSIGN_OR_RETURN(const PartitionFilter filter, PartitionFilter::From(request));
  ASSIGN_OR_RETURN(const PageStart start, StartPage(request, scope));
  const std::string& prefix = request.ref_prefix();
  const std::string after = std::max(request.last_partition(), start.after.value_or(""));

  v1::ListPartitionsResponse response;
  response.set_event_index(state.idx());
  if (filter.only_by_status() && prefix.empty()) CountPartitions(state, filter, response);
  const auto& by_ref = state.by_ref();
  auto it =
      after.empty() || after < prefix ? by_ref.lower_bound(prefix) : by_ref.upper_bound(after);
  std::string_view last;
  for (size_t examined = 0;
       it != by_ref.end() && state.partition(*it).ref.view().starts_with(prefix);
       ++it, ++examined) {
    const bool full = response.refs_size() == static_cast<int>(start.size);
    if (examined == kMaxCandidates) {
      response.set_has_more(true);
      break;
    }
    if (!filter.Matches(state, *it)) {
      if (!full) last = state.partition(*it).ref;
      continue;
    }
    if (full) {
      response.set_has_more(true);
      break;
    }
    last = state.partition(*it).ref;
    *response.add_refs() = PartitionRow(view, *it);
  }
  if (response.has_more()) response.set_next_page_token(PageToken(request, scope, last));
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
  if (request.ref().str().empty()) return FieldError("ref", "name the partition");
  if (request.include_size() > 0)
    return FieldError("include", "nothing more is known here; links.events lists its events");
  const Index index = state.FindPartition(request.ref().str());
  if (index == kNone) {
    return Error{Errc::kNotFound, "partition " + request.ref().str() + " in graph " + view.graph +
                                      ": no want, job or taint ever mentioned it"};
  }
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
  if (partition.current == kNone) return response;
  const Instance& current = state.instance(partition.current);
  for (Index taint : current.extra->taints) response.add_taint_ids(state.taint(taint).id);
  if (current.run != kNone) {
    for (Index input : state.run(current.run).inputs)
      *response.add_upstream() = InstanceRef(state, input);
  }
  AddDownstream(state, partition.current, response);
  return response;
}

}  // namespace databuild
