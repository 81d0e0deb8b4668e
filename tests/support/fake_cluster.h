// A Kubernetes in memory. FakeCluster is what there is: objects that people apply, Jobs that live
// until the test, or the rule it gave, ends them. FakeView is what one operator process sees and
// does of it: news may be held back, effects delayed, refused, or cut off by the death of the
// process. Behaves as the real one where the planner can tell: names and uids, results of effects,
// absence only by a live GET, the newest version of an object only. Single threaded.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <random>
#include <set>
#include <string>
#include <variant>
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
  std::string waiting_reason = "";   // not empty: the pod never starts, for this reason
  std::string receipt_members = "";  // more of the receipt, as JSON: "\"manifestParts\":2"
  std::string log = "";              // its newest lines
};

// The end of a run that asks an image which makes every output X/N from `input`/N.
JobEnd AnswerTo(const CreateJob& job, const std::string& input);

// What goes wrong between an operator and the cluster, each in percent of the chances it has.
struct ClusterFaults {
  int hold_back = 0;  // a change is not delivered yet; later changes of others may be
  int hide_pod = 0;   // a Job is shown without its pod
  int delay = 0;      // an effect is carried out at some later submission
  int lose = 0;       // an effect is not carried out, and nobody is told
  int crash = 0;      // the process dies after an effect
  std::mt19937_64* random = nullptr;

  bool Chance(int percent) const {
    return percent > 0 && (*random)() % 100 < static_cast<uint64_t>(percent);
  }
};

class FakeView;

class FakeCluster {
 public:
  explicit FakeCluster(FakeClock& clock) : clock_(clock) {}

  // A new process's connection: it is shown everything once.
  std::unique_ptr<FakeView> Connect();

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
  // Sets the annotation databuild.dev/retry.
  void SetJobRetry(const std::string& name, const std::string& token);
  void DeleteDataJob(const std::string& name);
  // A peer says something of a partition.
  void SayExternal(const ObservedExternal& external);
  std::string WantUid(const std::string& name) const { return wants_.at(name)->meta.uid; }
  const auto& wants() const { return wants_; }          // by name
  const auto& data_jobs() const { return data_jobs_; }  // by name

  // --- What Jobs do
  // Decides how the Job of a run ends; called when its pod starts.
  std::function<JobEnd(const CreateJob&)> rule = [](const CreateJob&) { return JobEnd{}; };
  // Jobs go one step further: pods start, started ones end. True if anything changed.
  bool StepJobs();
  void DeleteJobByHand(const std::string& run_id);
  // What hangs ends as the rule says now.
  void FinishHanging();
  // The node of the run's pod stops to report.
  void LoseNode(const std::string& run_id);
  // The pod goes without having ended; its Job fails.
  void LosePod(const std::string& run_id);
  // The collector has stored the run's log.
  void StoreLog(const std::string& run_id);
  // Refs and, of each, the runs whose pods may be making it right now.
  std::map<std::string, std::vector<std::string>> AtWork() const;

  // --- What a test looks at
  bool synced = true;
  std::map<std::string, CreateJob> live;          // run id -> Jobs that exist
  std::vector<CreateJob> created;                 // every Job ever created
  std::set<std::string> succeeded;                // runs whose newest pod ended well, gone or not
  std::map<std::string, WantStatus> want_status;  // by name, newest
  std::map<std::string, TaintStatus> taint_status;
  std::map<std::string, DataJobStatus> job_status;
  std::map<std::string, size_t> effects;   // carried out, by kind
  std::set<std::string> refuse_templates;  // DataJob names the API server refuses
  std::set<std::string> refuse_jobs;       // labels whose Jobs are refused (quota)
  std::set<std::string> too_large_jobs;    // labels whose Jobs are larger than what etcd takes
  const Condition& WantCondition(const std::string& name, const std::string& type) const;

 private:
  friend class FakeView;
  enum class Kind { kDataJob, kWant, kTaint, kJob, kExternal };
  using Key = std::pair<Kind, std::string>;  // by name, uid, uid, run id, ref

  // Carries out an effect; what the caller is told goes to `results`.
  void Apply(const Effect& effect, std::vector<Delta>& results);
  void Do(const CreateJob& effect, std::vector<Delta>& results);
  void Do(const DeleteJob& effect, std::vector<Delta>& results);
  void Do(const ConfirmRunAbsent& effect, std::vector<Delta>& results);
  void Do(const ReadRunOutput& effect, std::vector<Delta>& results);
  void Do(const ConfirmObjectAbsent& effect, std::vector<Delta>& results);
  void Do(const ProveTemplate& effect, std::vector<Delta>& results);
  void Do(const databuild::DeleteWant& effect, std::vector<Delta>& results);
  void Do(const PatchStatus& effect, std::vector<Delta>& results);
  void StartPod(ObservedPod& pod, const JobEnd& end) const;
  void EndPod(ObservedJob& job, const JobEnd& end) const;
  std::string NewUid();
  void Changed(Kind kind, const std::string& id);
  std::vector<Key> Everything() const;
  Delta Newest(const Key& key) const;

  FakeClock& clock_;
  uint64_t next_uid_ = 1;
  std::map<std::string, std::shared_ptr<ObservedWant>> wants_;
  std::map<std::string, std::string> want_names_;  // by uid, also of those that are gone
  std::map<std::string, std::shared_ptr<ObservedTaint>> taints_;
  std::map<std::string, std::shared_ptr<ObservedDataJob>> data_jobs_;
  std::map<std::string, ObservedJob> observed_;                               // by run id
  std::map<std::string, std::shared_ptr<const ObservedExternal>> externals_;  // by ref
  std::map<std::string, JobEnd> ends_;
  std::set<FakeView*> views_;
};

class FakeView final : public Cluster {
 public:
  explicit FakeView(FakeCluster& cluster);
  // What was under way is carried out or not, as `faults` draws.
  ~FakeView() override;
  FakeView(const FakeView&) = delete;
  FakeView& operator=(const FakeView&) = delete;

  bool Synced(const std::string&) const override { return cluster_.synced; }
  std::vector<Delta> TakeDeltas(const std::string&) override;
  void Submit(const std::string& graph, std::vector<Effect> effects) override;
  void OnChange(std::function<void(const std::string&)>) override {}

  // Whether TakeDeltas has anything to give.
  bool HasNews() const { return !dirty_.empty() || !results_.empty(); }
  // Everything is delivered again, as a watch that starts anew does.
  void Relist();
  // Another process holds the lease now: what was under way ended one way or the other before it
  // ran out, and nothing more is carried out.
  void LoseLease();
  // The process has died in a submission: nothing of it is carried out any more.
  bool crashed() const { return crashed_; }

  ClusterFaults faults;

 private:
  friend class FakeCluster;
  void CarryOutDelayed();
  bool HidePod(Delta& delta) const;

  FakeCluster& cluster_;
  bool listed_ = false;
  bool crashed_ = false;
  bool leased_ = true;
  void Show(const FakeCluster::Key& key);

  std::deque<FakeCluster::Key> dirty_;
  std::set<FakeCluster::Key> shown_;  // those of dirty_
  std::vector<Delta> results_;
  std::vector<Effect> delayed_;
};

}  // namespace databuild
