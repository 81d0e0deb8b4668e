#include "controller/metrics/graph_metrics.h"

#include <algorithm>
#include <cctype>
#include <map>
#include <optional>

#include "bel/build_state.h"
#include "controller/metrics/metrics.h"

namespace databuild {
namespace {

std::string Lower(std::string_view name, std::string_view prefix) {
  if (name.starts_with(prefix)) name.remove_prefix(prefix.size());
  std::string text(name);
  for (char& c : text) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return text;
}

double CountOf(const std::map<int, uint64_t>& counts, int value) {
  const auto it = counts.find(value);
  return it == counts.end() ? 0 : static_cast<double>(it->second);
}

double Seconds(DurationNs duration) {
  return static_cast<double>(duration) / static_cast<double>(kSecond);
}

void CollectStates(const std::string& graph, const BuildState& state, Metrics& metrics) {
  for (int s : {v1::WANT_CREATED, v1::WANT_SATISFIED, v1::WANT_UNSATISFIED, v1::WANT_EXPIRED,
                v1::WANT_CANCELLED}) {
    const std::string name = Lower(v1::WantLifecycle_Name(s), "WANT_");
    metrics.Set(Metric::kWants, {graph, name}, CountOf(state.wants_by_status(), s));
  }
  // A partition that was only ever mentioned is unknown; DELEGATED is no partition's own state.
  for (int s : {v1::PARTITION_UNKNOWN, v1::PARTITION_REQUESTED, v1::PARTITION_ANALYZED,
                v1::PARTITION_BUILDING, v1::PARTITION_AVAILABLE, v1::PARTITION_FAILED,
                v1::PARTITION_CANCELLED}) {
    const std::string name = Lower(v1::PartitionStatus_Name(s), "PARTITION_");
    metrics.Set(Metric::kPartitions, {graph, name}, CountOf(state.partitions_by_status(), s));
  }
  for (int s = v1::BUILD_REQUEST_UNKNOWN + 1; s <= v1::BuildRequestStatusCode_MAX; ++s) {
    const std::string name = Lower(v1::BuildRequestStatusCode_Name(s), "BUILD_REQUEST_");
    metrics.Set(Metric::kBuilds, {graph, name}, CountOf(state.builds_by_status(), s));
  }
  for (int s : {v1::JOB_SCHEDULED, v1::JOB_RUNNING}) {
    const std::string name = Lower(v1::JobStatus_Name(s), "JOB_");
    metrics.Set(Metric::kJobRunsActive, {graph, name}, CountOf(state.runs_by_status(), s));
  }
  for (int s : {v1::TAINT_CREATED, v1::TAINT_REPAIRED, v1::TAINT_LIFTED}) {
    const std::string name = Lower(v1::TaintLifecycle_Name(s), "TAINT_");
    metrics.Set(Metric::kTaints, {graph, name}, CountOf(state.taints_by_status(), s));
  }
}

void CollectRuns(const std::string& graph, const BuildState& state, Metrics& metrics) {
  for (int o = v1::JOB_OUTCOME_UNKNOWN + 1; o <= v1::JobOutcome_MAX; ++o) {
    const std::string name = Lower(v1::JobOutcome_Name(o), "JOB_OUTCOME_");
    metrics.RaiseTo(Metric::kJobRuns, {graph, name}, CountOf(state.runs_by_outcome(), o));
  }
  double skipped = 0;
  for (const Job& job : state.jobs()) {
    const auto raise = [&](const char* result, uint64_t total) {
      metrics.RaiseTo(Metric::kJobResults, {graph, job.label, result}, static_cast<double>(total));
    };
    raise("completed", job.runs_completed);
    raise("failed", job.runs_failed);
    raise("cancelled", job.runs_cancelled);
    raise("skipped", job.runs_skipped);
    skipped += static_cast<double>(job.runs_skipped);
  }
  metrics.RaiseTo(Metric::kSkippedRuns, {graph}, skipped);
  metrics.RaiseTo(Metric::kDelegations, {graph}, static_cast<double>(state.delegations()));
}

void CollectWants(const std::string& graph, const BuildState& state, TimeNs now, Metrics& metrics) {
  uint64_t violated = 0;
  TimeNs oldest = now;
  std::optional<TimeNs> next_deadline;
  for (const Want& want : state.wants()) {
    violated += want.sla_violated ? 1 : 0;
    if (!want.Live() || want.status == v1::WANT_SATISFIED) continue;
    oldest = std::min(oldest, want.created_at);
    if (!want.sla || want.sla_violated) continue;
    const TimeNs deadline = want.data_timestamp + *want.sla;
    if (!next_deadline || deadline < *next_deadline) next_deadline = deadline;
  }
  metrics.RaiseTo(Metric::kWantSlaViolations, {graph}, static_cast<double>(violated));
  metrics.Set(Metric::kWantOldestUnsatisfied, {graph}, Seconds(now - oldest));
  if (next_deadline) {
    metrics.Set(Metric::kWantSlaMargin, {graph}, Seconds(*next_deadline - now));
  } else {
    metrics.Drop(Metric::kWantSlaMargin, {graph});
  }
}

}  // namespace

void CollectGraph(const std::string& graph, const BuildState& state, TimeNs now, Metrics& metrics) {
  CollectStates(graph, state, metrics);
  CollectRuns(graph, state, metrics);
  CollectWants(graph, state, now, metrics);
  metrics.Set(Metric::kLogHeadIndex, {graph}, static_cast<double>(state.idx()));
}

void ObserveAppended(const std::string& graph, const v1::BuildEvent& event, const BuildState& state,
                     Metrics& metrics) {
  if (event.has_taint_event() && event.taint_event().lifecycle() == v1::TAINT_REPAIRED) {
    const Index taint = state.FindTaint(event.taint_event().taint_id());
    if (taint == kNone) return;
    const DurationNs took =
        std::max<DurationNs>(0, event.timestamp() - state.taint(taint).created_at);
    metrics.Observe(Metric::kTaintRepairTime, {graph}, Seconds(took));
  }
  if (!event.has_job_event()) return;
  const Index index = state.FindRun(event.job_event().job_run_id());
  if (index == kNone) return;
  const Run& run = state.run(index);
  switch (event.job_event().status_code()) {
    case v1::JOB_RUNNING:
      // The two times come from two clocks; a small step back is no latency.
      metrics.Observe(Metric::kJobRunStartLatency, {graph},
                      Seconds(std::max<DurationNs>(0, run.started_at - run.scheduled_at)));
      return;
    case v1::JOB_COMPLETED:
    case v1::JOB_FAILED:
    case v1::JOB_CANCELLED:
      if (run.started_at == 0 || run.ended_at < run.started_at) return;
      metrics.Observe(Metric::kJobRunDuration,
                      {graph, Lower(v1::JobOutcome_Name(run.outcome), "JOB_OUTCOME_")},
                      Seconds(run.ended_at - run.started_at));
      return;
    default:
      return;
  }
}

}  // namespace databuild
