// What the cluster looks like, as plain values: the planner's only picture of Kubernetes.
//
// The kube layer decodes API objects into these structs and never changes one after publishing it
// (shared_ptr<const T>). Nothing here carries a condition or status that we wrote ourselves: the
// log is the memory, status is a projection nobody reads back.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "bel/base/clock.h"
#include "bel/ranges/ranges.h"

namespace databuild {

// Who asked, as claimed by spec.source, and whom the API says it made the object for.
struct SourceClaim {
  std::string type;  // CliManual | DashboardManual | Scheduled | ApiRequest, empty if not given
  std::string name;
  std::string caller;  // annotation databuild.dev/caller: believed only if PlannerOptions says so
};

struct ObjectMeta {
  std::string name;
  std::string uid;
  std::string resource_version;
  int64_t generation = 0;
  TimeNs created_at = 0;
  bool deleting = false;    // deletionTimestamp is set
  std::string retry_token;  // annotation databuild.dev/retry
};

struct ObservedWant {
  ObjectMeta meta;
  std::vector<std::string> partitions;
  std::vector<RangeSpec> ranges;
  std::optional<TimeNs> data_timestamp;
  std::optional<DurationNs> ttl;
  std::optional<DurationNs> sla;
  std::optional<DurationNs> delete_after;
  int32_t priority = 0;
  bool suspend = false;
  SourceClaim source;
  std::string comment;
  std::string correlation_id;
  std::string error;  // why the object cannot be used at all (reason InvalidWant); empty if it can
};

struct ObservedTaint {
  ObjectMeta meta;
  std::vector<std::string> partitions;
  std::vector<std::string> globs;
  bool cascade_downstream = false;
  SourceClaim source;
  std::string comment;
  std::string error;
};

struct InputSpec {
  std::string partition;
  bool materialize = true;  // false: Query
};

struct RetrySpec {
  uint32_t limit = 3;  // retries after failed runs
  DurationNs backoff = 10 * kSecond;
  DurationNs max_backoff = 10 * kMinute;
  uint32_t infrastructure_limit = 10;  // retries after lost runs
};

struct ObservedDataJob {
  ObjectMeta meta;
  std::string label;  // spec.label, or metadata.name
  std::vector<std::string> outputs;
  std::vector<InputSpec> inputs;
  std::vector<std::string> args;
  std::map<std::string, std::string> env;
  bool configure_container = false;
  uint32_t batch_max = 1;
  std::vector<std::string> batch_by;
  RetrySpec retry;
  DurationNs timeout = kHour;
  uint32_t max_concurrent_runs = 0;  // 0: no limit of its own
  bool suspend = false;
  bool on_node_lost_retry = false;
  std::string template_json;  // spec.template as the API server returned it
  std::string spec_digest;    // hex sha256 over the canonical JSON of spec
  std::string error;          // why the object cannot be used at all (reason InvalidJob)
};

// The dry-run proof of one DataJob generation: would the API server take its Job and its pod?
struct TemplateProof {
  std::string uid;  // of the DataJob
  int64_t generation = 0;
  bool accepted = false;
  std::string message;  // the API server's words when refused
};

// What another graph said last of a partition that it makes.
struct ObservedExternal {
  std::string ref;
  std::string graph;        // the peer's
  std::string instance_id;  // the peer's
  int64_t idx = 0;          // of the peer's event that says so
  bool withdrawn = false;   // it is not to be used any more; else it is available
  std::string reason;       // why it was withdrawn, in the peer's words
};

enum class JobPhase { kPending, kActive, kComplete, kFailed };
enum class PodPhase { kPending, kRunning, kSucceeded, kFailed, kUnknown };

// The pod of a run (the newest one, if there should ever be several), reduced to what outcomes are
// made of.
struct ObservedPod {
  std::string name;
  std::string uid;
  std::string node;
  PodPhase phase = PodPhase::kPending;
  bool deleting = false;
  bool node_ready = true;      // false: Ready condition says the node is gone or not reporting
  TimeNs node_lost_since = 0;  // 0: not lost
  TimeNs created_at = 0;
  // Container `job`.
  TimeNs started_at = 0;   // 0: has not started
  TimeNs finished_at = 0;  // 0: has not terminated
  std::optional<int32_t> exit_code;
  std::string terminated_reason;  // OOMKilled, Error, Completed, ...
  std::string receipt;            // termination message of databuild-exec, raw JSON
  std::string waiting_reason;     // ErrImagePull, CreateContainerConfigError, ... of any container
  std::string waiting_message;
  TimeNs waiting_since = 0;  // when the pod was created, if a container waits with a bad reason
  std::string disruption_reason;  // reason of the DisruptionTarget condition, if True
  std::string reason;             // status.reason (Evicted, NodeLost, ...)
  std::string message;
};

// A Job of ours in the cluster, with its pod.
struct ObservedJob {
  std::string name;
  std::string uid;
  std::string resource_version;
  std::string run_id;  // annotation
  std::string log_id;  // annotation; another log's Job is foreign and never adopted
  bool deleting = false;
  TimeNs created_at = 0;
  TimeNs started_at = 0;
  TimeNs finished_at = 0;
  JobPhase phase = JobPhase::kPending;
  std::string failed_reason;  // BackoffLimitExceeded, DeadlineExceeded, ...
  std::string failed_message;
  std::string create_failure;  // newest FailedCreate event's message, if pods cannot be created
  TimeNs create_failure_since = 0;
  std::optional<ObservedPod> pod;
  bool job_gone = false;  // only pods of the run are left; name and uid are those of the gone Job
};

}  // namespace databuild
