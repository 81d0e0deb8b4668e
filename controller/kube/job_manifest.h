// The Kubernetes Job of a job run, as a pure function of the run, its DataJob's template and
// settings.
#pragma once

#include <string>

#include "bel/base/clock.h"
#include "bel/base/result.h"
#include "controller/planner/effect.h"

namespace databuild::kube {

struct JobSettings {
  std::string wrapper_image;  // holds /databuild-exec
  std::string wrapper_pull_policy = "IfNotPresent";
  // Whether templates may name a service account: only where an admission policy judges the Jobs.
  bool service_accounts = false;
  DurationNs finished_ttl = 7 * kDay;         // backstop after an uninstall
  DurationNs start_allowance = 10 * kMinute;  // activeDeadlineSeconds beyond the run's timeout
};

// "<datajob name, cut>-<first 16 hex of sha256(run id)>", at most 52 characters.
std::string JobName(const std::string& datajob_name, const std::string& run_id);
// Value of the label databuild.dev/graph-label-hash.
std::string GraphLabelHash(const std::string& graph);

// JSON of the Job in namespace `graph`. Errors: kTooLarge (RunTooLarge: the run's lists do not fit
// into a pod), kInvalidArgument (the template cannot be used, says why).
Result<std::string> BuildJob(const std::string& graph, const CreateJob& run,
                             const JobSettings& settings);

// The pod that the Job would make: Pod Security judges pods only, so the proof tries it too.
Result<std::string> PodOfJob(const std::string& job_json);

// A run that stands for any run of a DataJob, for the proof of its template.
CreateJob ExampleRun(std::shared_ptr<const ObservedDataJob> definition);

}  // namespace databuild::kube
