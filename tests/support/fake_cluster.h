// FakeCluster: Cluster in memory. Objects are applied by the test; Jobs live until the test, or the
// rule it gave, ends them. Behaves as the real one where the planner can tell: names and uids,
// results of effects, absence only by a live GET. Single threaded.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "controller/reconciler/cluster.h"

namespace databuild {

class FakeClock final : public Clock {
 public:
  TimeNs Now() const override { return now; }
  TimeNs now = 1'735'689'600 * kSecond;  // 2025-01-01T00:00:00Z
};

// What a Job of the fake does once its pod runs.
struct JobEnd {
  std::string exit_class = "Succeeded";  // as in a receipt; "Hang": runs until deleted
  int exit_code = 0;
  std::vector<std::string> missing;
  std::string terminated_reason = "Completed";
};

class FakeCluster final : public Cluster {
 public:
  explicit FakeCluster(FakeClock& clock) : clock_(clock) {}

  // --- Cluster
  bool Synced(const std::string&) const override { return synced; }
  std::vector<Delta> TakeDeltas(const std::string&) override;
  void Submit(const std::string& graph, std::vector<Effect> effects) override;
  void OnChange(std::function<void(const std::string&)>) override {}

  // --- What people do
  ObservedWant& PutWant(const std::string& name, std::vector<std::string> partitions);
  void Touch(const ObservedWant& want);  // after changing it: a new generation is seen
  // Sets the annotation databuild.dev/retry.
  void SetRetry(const std::string& name, const std::string& token);
  void DeleteWant(const std::string& name);
  ObservedTaint& PutTaint(const std::string& name, std::vector<std::string> partitions,
                          std::vector<std::string> globs = {}, bool cascade = false);
  void DeleteTaint(const std::string& name);
  ObservedDataJob& PutDataJob(const std::string& name, std::vector<std::string> outputs,
                              std::vector<std::string> inputs = {});
  void Touch(const ObservedDataJob& job);
  void DeleteDataJob(const std::string& name);
  std::string WantUid(const std::string& name) const { return wants_.at(name)->meta.uid; }

  // --- What Jobs do
  // Decides how the Job of a run ends; called when its pod starts.
  std::function<JobEnd(const CreateJob&)> rule = [](const CreateJob&) { return JobEnd{}; };
  // Jobs go one step further: pods start, started ones end. True if anything changed.
  bool StepJobs();
  void DeleteJobByHand(std::string run_id);
  // Delivers every object again, as a first list does.
  void Relist();

  // --- What a test looks at
  bool synced = true;
  std::map<std::string, CreateJob> live;          // run id -> Jobs that exist
  std::vector<CreateJob> created;                 // every Job ever created
  std::map<std::string, WantStatus> want_status;  // by name, newest
  std::map<std::string, TaintStatus> taint_status;
  std::map<std::string, DataJobStatus> job_status;
  std::map<std::string, size_t> effects;   // by kind
  std::set<std::string> refuse_templates;  // DataJob names the API server refuses
  std::set<std::string> refuse_jobs;       // labels whose Jobs are refused (quota)
  const Condition& WantCondition(const std::string& name, const std::string& type) const;

 private:
  void Apply(const CreateJob& effect);
  void Apply(const DeleteJob& effect);
  void Apply(const ConfirmRunAbsent& effect);
  void Apply(const ConfirmObjectAbsent& effect);
  void Apply(const ProveTemplate& effect);
  void Apply(const databuild::DeleteWant& effect);
  void Apply(const PatchStatus& effect);
  std::string NewUid();
  void Show(const std::string& run_id);

  FakeClock& clock_;
  uint64_t next_uid_ = 1;
  std::vector<Delta> deltas_;
  std::map<std::string, std::shared_ptr<ObservedWant>> wants_;
  std::map<std::string, std::shared_ptr<ObservedTaint>> taints_;
  std::map<std::string, std::shared_ptr<ObservedDataJob>> jobs_;
  std::map<std::string, ObservedJob> observed_;  // by run id
  std::map<std::string, JobEnd> ends_;
};

}  // namespace databuild
