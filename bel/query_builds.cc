#include "bel/query_builds.h"

#include <algorithm>
#include <set>

#include "bel/query_page.h"
#include "bel/query_render.h"
#include "bel/transition.h"

namespace databuild {
namespace {

constexpr size_t kRecent = 10;           // rows of each kind in an activity
constexpr size_t kLineageRuns = 10'000;  // after an instance came, that are looked at
constexpr size_t kRecentExamined = 500;  // newest runs and instances looked at for them

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
  activity.set_system_status(view.trouble.empty() ? "ok" : "degraded: " + view.trouble);
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
    if (++examined > kLineageRuns) {
      lineage.complete = false;
      break;
    }
    if (std::find(run->inputs.begin(), run->inputs.end(), index) == run->inputs.end()) continue;
    lineage.outputs.insert(lineage.outputs.end(), run->instances.begin(), run->instances.end());
  }
  return lineage;
}

}  // namespace databuild
