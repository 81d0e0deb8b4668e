// From API objects to the planner's plain structs. Pure and total: an object that cannot be used
// becomes one with `error` set, never an exception and never nothing.
#pragma once

#include <string>
#include <string_view>

#include "controller/kube/api_request.h"
#include "controller/kube/json_view.h"
#include "controller/planner/effect.h"
#include "controller/planner/observed.h"

namespace databuild::kube {

// Where a Job and its pods carry what they belong to.
inline constexpr char kGraphHashLabel[] =
    "databuild.dev/graph-label-hash";                     // of the namespace's name
inline constexpr char kJobLabel[] = "databuild.dev/job";  // the DataJob's name
inline constexpr char kRunLabel[] = "databuild.dev/run";  // the run's id
inline constexpr char kRunIdAnnotation[] = "databuild.dev/job-run-id";
inline constexpr char kLogIdAnnotation[] = "databuild.dev/log-id";
inline constexpr char kJobLabelAnnotation[] = "databuild.dev/job-label";
inline constexpr char kAttemptAnnotation[] = "databuild.dev/attempt";
inline constexpr char kRetryAnnotation[] = "databuild.dev/retry";
// On Wants and Taints that the service API made: for whom, and a digest of the request.
inline constexpr char kCallerAnnotation[] = "databuild.dev/caller";
inline constexpr char kRequestAnnotation[] = "databuild.dev/request";

// The container of a run's pod that decides the outcome.
inline constexpr char kJobContainer[] = "job";

// The resource whose objects are of that kind.
const ResourceType& TypeOf(ObjectKind kind);

ObservedWant DecodeWant(const JsonView& object);
ObservedTaint DecodeTaint(const JsonView& object);
ObservedDataJob DecodeDataJob(const JsonView& object);
// Without the pod.
ObservedJob DecodeJob(const JsonView& object);

// A pod of a run, with what ties it to the run's Job.
struct DecodedPod {
  ObservedPod pod;
  std::string run_id;
  std::string log_id;
  std::string job_name;
  std::string job_uid;
  bool ready_lost = false;  // Ready is False while all containers are: the node stopped reporting
  TimeNs ready_lost_since = 0;
};
DecodedPod DecodePod(const JsonView& object);

// Ready condition of a Node.
struct DecodedNode {
  bool ready = true;
  TimeNs since = 0;
};
DecodedNode DecodeNode(const JsonView& object);

// 0 if it is absent or not a time.
TimeNs TimeOf(const JsonView& text);

}  // namespace databuild::kube
