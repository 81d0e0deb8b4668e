// What the planner wants done to the cluster, and what comes back: plain values.
//
// Effects are decided from the state after the append. They may fail or be dropped: the next tick
// decides them again. Results are facts for the next tick, never a reason for a local retry.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "controller/planner/observed.h"

namespace databuild {

enum class ObjectKind { kWant, kTaint, kDataJob };

// Create the Kubernetes Job of a run recorded as SCHEDULED. AlreadyExists with our run and log id
// is success.
struct CreateJob {
  std::string run_id;
  std::string log_id;
  std::string job_label;
  uint32_t attempt = 1;
  bool configure = false;  // asks the image how the outputs are made
  std::vector<std::pair<std::string, std::string>> outputs;  // ref, instance id
  std::vector<std::pair<std::string, std::string>>
      inputs;                              // ref, instance id; absent QUERY inputs left out
  std::vector<std::string> args;           // expanded
  std::map<std::string, std::string> env;  // expanded
  std::shared_ptr<const ObservedDataJob> definition;  // template, timeout, name
};

// Delete a run's Job (Background propagation, UID precondition when the Job was seen).
struct DeleteJob {
  std::string run_id;
  std::string datajob_name;  // the Job's name is derived from it and the run id
  std::string uid;  // empty: never seen by the informer; delete by name if it carries our ids
};

// Ask the API server itself whether a run's Job and its pods are gone, or of an ended Job the pods.
struct ConfirmRunAbsent {
  std::string run_id;
  std::string datajob_name;
};

// Read from the run's log what its receipt had no room for.
inline constexpr int kRunLogTailLines = 1'000;  // more than any answer takes
struct ReadRunOutput {
  std::string run_id;
  std::string pod_name;
  // As the receipt says:
  uint64_t last_sequence = 0;
  uint64_t manifest_parts = 0;
};

// Ask the API server itself whether an object that the informer no longer shows is gone.
struct ConfirmObjectAbsent {
  ObjectKind kind = ObjectKind::kWant;
  std::string name;
  std::string uid;
};

// Dry-run create of the Job and of its pod for one generation of a DataJob.
struct ProveTemplate {
  std::shared_ptr<const ObservedDataJob> definition;
};

// Delete a Want whose spec.deleteAfter has passed (UID precondition).
struct DeleteWant {
  std::string name;
  std::string uid;
};

struct Condition {
  std::string type;
  std::string status;  // True | False | Unknown
  std::string reason;
  std::string message;
};

struct StatusDetail {
  std::string ref;
  std::string state;
  std::string reason;
  std::string message;  // at most 256 bytes
  std::string job_run_id;
};

// status of one object as it should read. The kube layer keeps lastTransitionTime of conditions
// whose status did not change, and writes only when something differs from the object in the
// cluster.
struct WantStatus {
  int64_t observed_generation = 0;
  std::vector<Condition> conditions;
  std::string want_id;
  uint64_t total = 0, available = 0, building = 0, waiting = 0, failed = 0, external = 0;
  std::string progress;               // "3/31"
  std::vector<StatusDetail> details;  // at most 20, the ones that need attention first
  std::string build_request_id;
  int64_t event_index = 0;
};

struct TaintStatus {
  int64_t observed_generation = 0;
  std::vector<Condition> conditions;
  std::string taint_id;
  uint64_t tainted = 0, repaired = 0, downstream = 0;
  std::vector<StatusDetail> details;
  int64_t event_index = 0;
};

struct DataJobStatus {
  int64_t observed_generation = 0;
  std::vector<Condition> conditions;
  uint64_t active = 0, succeeded = 0, failed = 0, cancelled = 0;  // status.runs
  int64_t event_index = 0;
};

struct PatchStatus {
  ObjectKind kind = ObjectKind::kWant;
  std::string name;
  std::string uid;
  std::variant<WantStatus, TaintStatus, DataJobStatus> status;
};

using Effect = std::variant<CreateJob, DeleteJob, ConfirmRunAbsent, ReadRunOutput,
                            ConfirmObjectAbsent, ProveTemplate, DeleteWant, PatchStatus>;

// ---- What comes back
// -------------------------------------------------------------------------------

// The informer's picture of one object changed; null: it is no longer shown (not proof of
// deletion).
struct WantChanged {
  std::string uid;
  std::shared_ptr<const ObservedWant> want;
};
struct TaintChanged {
  std::string uid;
  std::shared_ptr<const ObservedTaint> taint;
};
struct DataJobChanged {
  std::string name;
  std::shared_ptr<const ObservedDataJob> data_job;
};
struct JobChanged {
  std::string run_id;
  std::shared_ptr<const ObservedJob> job;
};

struct ExternalChanged {
  std::shared_ptr<const ObservedExternal> external;  // never null
};

// Results of effects.
struct JobCreated {
  std::string run_id;
  TimeNs at = 0;
};
struct JobRefused {  // 403, 422, quota, or a foreign Job under our name: tried again with backoff
  std::string run_id;
  std::string message;
  TimeNs at = 0;
  bool too_large = false;  // RunTooLarge: never tried again
};
struct RunAbsent {  // a live GET found neither the Job nor pods of the run
  std::string run_id;
};
struct PodsAbsent {  // a live GET found the run's Job ended, and no pod of it
  std::string run_id;
};
struct RunLogTail {  // the newest lines of a run's log; none if it is gone
  ReadRunOutput asked;
  std::string lines;
};
struct RunLogStored {  // the run's log is stored and marked: its Job may go
  std::string run_id;
};
struct ObjectAbsent {  // a live GET found no object with this uid
  ObjectKind kind = ObjectKind::kWant;
  std::string uid;
};

using Delta = std::variant<WantChanged, TaintChanged, DataJobChanged, JobChanged, ExternalChanged,
                           TemplateProof, JobCreated, JobRefused, RunAbsent, PodsAbsent, RunLogTail,
                           RunLogStored, ObjectAbsent>;

}  // namespace databuild
