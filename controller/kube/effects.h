// EffectRunner: carries out one effect against the API server. Blocking; called from pool threads.
#pragma once

#include <chrono>
#include <functional>
#include <optional>
#include <stop_token>
#include <string>

#include "controller/kube/api_client.h"
#include "controller/kube/cluster_view.h"
#include "controller/kube/job_manifest.h"
#include "controller/planner/effect.h"

namespace databuild::kube {

// Which object an effect touches: two effects with one key must not run at the same time.
std::string EffectKey(const std::string& graph, const Effect& effect);
// Lower-case name for metrics and logs: "create_job".
const char* EffectName(const Effect& effect);

// The newest kRunLogTailLines lines of a run's log, if all of it is stored here; else nothing. May
// block.
using StoredLogTail =
    std::function<std::optional<std::string>(const std::string& graph, const std::string& run_id)>;

struct EffectSettings {
  JobSettings jobs;
  std::chrono::milliseconds call_timeout{30'000};  // of each request of an effect
  StoredLogTail stored_log_tail;                   // empty: logs are not stored
};

// Thread-safe. Results go to the view as facts; what stays undecided (no answer, a busy server)
// leaves none, and the planner decides the effect again. PatchStatus is not for here: see
// StatusWriter.
class EffectRunner {
 public:
  EffectRunner(ApiClient& client, ClusterView& view, const Clock& clock, EffectSettings settings);

  // The error, if the effect was not carried out.
  Status Run(const std::string& graph, const Effect& effect, std::stop_token stop);

 private:
  struct Task {
    std::string graph;
    std::stop_token stop;
  };

  CallOptions Call(const Task& task) const;
  Status Do(const Task& task, const CreateJob& run);
  Status Do(const Task& task, const DeleteJob& run);
  Status Do(const Task& task, const ConfirmRunAbsent& run);
  Status Do(const Task& task, const ReadRunOutput& run);
  Status Do(const Task& task, const ConfirmObjectAbsent& object);
  Status Do(const Task& task, const ProveTemplate& proof);
  Status Do(const Task& task, const DeleteWant& want);
  Status Do(const Task& task, const PatchStatus& status);
  Status AfterExists(const Task& task, const CreateJob& run, const ObjectPath& path);
  Status Refuse(const Task& task, const CreateJob& run, const Error& error);

  ApiClient& client_;
  ClusterView& view_;
  const Clock& clock_;
  const EffectSettings settings_;
};

}  // namespace databuild::kube
