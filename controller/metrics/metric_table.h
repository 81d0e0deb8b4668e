// Every metric of the operator, in one place: name, kind, labels, help. docs/metrics.md is written
// from this table.
//
// Names are databuild_<noun>_<measure>_<unit> in base units; names of controller-runtime and
// client-go where the thing is the same. Labels come from bounded sets only: never a partition, a
// run or a want.
#pragma once

#include <span>
#include <string>

namespace databuild {

enum class MetricKind { kCounter, kGauge, kHistogram };

// Order is the order of the table in metric_table.cc.
enum class Metric {
  kBuildInfo,
  kLeader,
  kWants,
  kWantOldestUnsatisfied,
  kWantSlaMargin,
  kWantSlaViolations,
  kPartitions,
  kBuilds,
  kJobRuns,
  kJobRunsActive,
  kJobResults,
  kJobRunStartLatency,
  kJobRunDuration,
  kQueueDepth,
  kQueueWait,
  kDelegations,
  kSkippedRuns,
  kTaints,
  kTaintRepairTime,
  kEventsAppended,
  kAppendLatency,
  kAppendGroupSize,
  kLogHeadIndex,
  kLogVerifiedIndex,
  kLogFloorIndex,
  kLogStale,
  kLogMismatches,
  kLogSnapshotIndex,
  kAppendConflicts,
  kAppendFenced,
  kTransitionRejections,
  kReplayDuration,
  kReplayedEvents,
  kTickDuration,
  kTickDirtyKeys,
  kDecidedEvents,
  kEffects,
  kEffectDuration,
  kEffectsInFlight,
  kInformerObjects,
  kInformerStaleness,
  kInformerRelists,
  kInformerWatchRestarts,
  kInformerSynced,
  kRestClientRequests,
  kRestClientDuration,
  kApiRequests,
  kApiDuration,
  kApiInFlight,
  kApiLongPolls,
  kHttpConnections,
  kHttpRejected,
  kAuthReviews,
  kLogLines,
  kLogGaps,
  kLogLinesDropped,
  kLogUnframed,
  kJobMetric,
  kJobMetricRefused,
  kProcessCpu,
  kProcessResident,
  kProcessVirtual,
  kProcessOpenFds,
  kProcessMaxFds,
  kProcessStart,
  kProcessThreads,
  kCount,
};

struct MetricSpec {
  Metric id;
  const char* name;
  MetricKind kind;
  const char* labels;              // names, separated by commas; "" for none
  std::span<const double> bounds;  // upper bounds of a histogram's buckets
  const char* help;                // one sentence, no line breaks, no backslashes
};

// One spec per Metric, in the order of the enum.
std::span<const MetricSpec> AllMetrics();
const MetricSpec& SpecOf(Metric metric);

// The text of docs/metrics.md.
std::string MetricsDocument();

}  // namespace databuild
