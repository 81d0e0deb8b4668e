#include "tests/support/fake_cluster.h"

#include <algorithm>
#include <cstdio>

#include "bel/base/check.h"

namespace databuild {
namespace {

std::string JsonList(const std::vector<std::string>& items) {
  std::string text = "[";
  for (const std::string& item : items) text += (text.size() > 1 ? ",\"" : "\"") + item + "\"";
  return text + "]";
}

std::string ReceiptOf(const JobEnd& end) {
  std::string text = "{\"v\":1,\"class\":\"" + end.exit_class +
                     "\",\"exitCode\":" + std::to_string(end.exit_code) +
                     ",\"exitStatus\":" + std::to_string(end.exit_code);
  if (!end.missing.empty()) text += ",\"missing\":" + JsonList(end.missing);
  if (!end.receipt_members.empty()) text += "," + end.receipt_members;
  return text + "}";
}

}  // namespace

JobEnd AnswerTo(const CreateJob& job, const std::string& input) {
  std::string configs;
  for (const auto& [ref, id] : job.outputs) {
    const std::string n = ref.substr(ref.find('/') + 1);
    configs += configs.empty() ? "" : ",";
    configs += R"({"outputs":[{"str":")" + ref + R"("}],"args":["--n",")" + n +
               R"("],"env":{"N":")" + n +
               R"("},"inputs":[{"depTypeCode":"MATERIALIZE","partitionRef":{"str":")" + input +
               "/" + n + R"("}}]})";
  }
  JobEnd end;
  end.receipt_members = R"("configResponse":{"configs":[)" + configs + "]}";
  return end;
}

std::string FakeCluster::NewUid() {
  char text[40];
  std::snprintf(text, sizeof text, "00000000-0000-4000-8000-%012llx",
                static_cast<unsigned long long>(next_uid_++));
  return text;
}

std::unique_ptr<FakeView> FakeCluster::Connect() { return std::make_unique<FakeView>(*this); }

void FakeCluster::Changed(Kind kind, const std::string& id) {
  for (FakeView* view : views_) view->Show({kind, id});
}

void FakeCluster::StoreLog(const std::string& run_id) {
  for (FakeView* view : views_) view->results_.push_back(RunLogStored{run_id});
}

std::vector<FakeCluster::Key> FakeCluster::Everything() const {
  std::vector<Key> keys;
  for (const auto& [name, want] : wants_) keys.emplace_back(Kind::kWant, want->meta.uid);
  for (const auto& [name, taint] : taints_) keys.emplace_back(Kind::kTaint, taint->meta.uid);
  for (const auto& [name, job] : data_jobs_) keys.emplace_back(Kind::kDataJob, name);
  for (const auto& [run_id, job] : observed_) keys.emplace_back(Kind::kJob, run_id);
  for (const auto& [ref, external] : externals_) keys.emplace_back(Kind::kExternal, ref);
  return keys;
}

Delta FakeCluster::Newest(const Key& key) const {
  const auto& [kind, id] = key;
  const auto by_uid = [&](const auto& objects) -> decltype(objects.begin()->second) {
    for (const auto& [name, object] : objects) {
      if (object->meta.uid == id) return object;
    }
    return nullptr;
  };
  switch (kind) {
    case Kind::kWant: {
      const auto want = wants_.find(want_names_.at(id));
      const bool there = want != wants_.end() && want->second->meta.uid == id;
      return WantChanged{id, there ? want->second : nullptr};
    }
    case Kind::kTaint:
      return TaintChanged{id, by_uid(taints_)};
    case Kind::kDataJob: {
      const auto it = data_jobs_.find(id);
      return DataJobChanged{id, it == data_jobs_.end() ? nullptr : it->second};
    }
    case Kind::kExternal:
      return ExternalChanged{externals_.at(id)};
    case Kind::kJob:
      break;
  }
  const auto it = observed_.find(id);
  return JobChanged{id,
                    it == observed_.end() ? nullptr : std::make_shared<ObservedJob>(it->second)};
}

ObservedWant& FakeCluster::PutWant(const std::string& name, std::vector<std::string> partitions) {
  auto want = std::make_shared<ObservedWant>();
  want->meta.name = name;
  want->meta.uid = NewUid();
  want->meta.generation = 1;
  want->meta.created_at = clock_.now;
  want->partitions = std::move(partitions);
  wants_[name] = want;
  want_names_[want->meta.uid] = name;
  Changed(Kind::kWant, want->meta.uid);
  return *want;
}

void FakeCluster::Touch(const ObservedWant& want) {
  auto& held = wants_.at(want.meta.name);
  held = std::make_shared<ObservedWant>(want);
  ++held->meta.generation;
  Changed(Kind::kWant, held->meta.uid);
}

void FakeCluster::SetRetry(const std::string& name, const std::string& token) {
  auto& held = wants_.at(name);
  held = std::make_shared<ObservedWant>(*held);
  held->meta.retry_token = token;
  Changed(Kind::kWant, held->meta.uid);
}

void FakeCluster::DeleteWant(const std::string& name) {
  const std::string uid = wants_.at(name)->meta.uid;
  wants_.erase(name);
  Changed(Kind::kWant, uid);
}

ObservedTaint& FakeCluster::PutTaint(const std::string& name, std::vector<std::string> partitions,
                                     std::vector<std::string> globs, bool cascade) {
  auto taint = std::make_shared<ObservedTaint>();
  taint->meta.name = name;
  taint->meta.uid = NewUid();
  taint->meta.generation = 1;
  taint->meta.created_at = clock_.now;
  taint->partitions = std::move(partitions);
  taint->globs = std::move(globs);
  taint->cascade_downstream = cascade;
  taints_[name] = taint;
  Changed(Kind::kTaint, taint->meta.uid);
  return *taint;
}

void FakeCluster::DeleteTaint(const std::string& name) {
  const std::string uid = taints_.at(name)->meta.uid;
  taints_.erase(name);
  Changed(Kind::kTaint, uid);
}

ObservedDataJob& FakeCluster::PutDataJob(const std::string& name, std::vector<std::string> outputs,
                                         std::vector<std::string> inputs) {
  auto job = std::make_shared<ObservedDataJob>();
  job->meta.name = name;
  job->meta.uid = NewUid();
  job->meta.generation = 1;
  job->meta.created_at = clock_.now;
  job->label = name;
  job->outputs = std::move(outputs);
  for (std::string& input : inputs) {
    const bool query = input.starts_with("?");
    job->inputs.push_back({query ? input.substr(1) : input, !query});
  }
  job->args = {"{outputs}"};
  job->spec_digest = "digest-1";
  data_jobs_[name] = job;
  Changed(Kind::kDataJob, name);
  return *job;
}

void FakeCluster::Touch(const ObservedDataJob& job) {
  auto& held = data_jobs_.at(job.meta.name);
  held = std::make_shared<ObservedDataJob>(job);
  ++held->meta.generation;
  held->spec_digest = "digest-" + std::to_string(held->meta.generation);
  Changed(Kind::kDataJob, held->meta.name);
}

void FakeCluster::SetJobRetry(const std::string& name, const std::string& token) {
  auto& held = data_jobs_.at(name);
  held = std::make_shared<ObservedDataJob>(*held);
  held->meta.retry_token = token;
  Changed(Kind::kDataJob, name);
}

void FakeCluster::SayExternal(const ObservedExternal& external) {
  externals_[external.ref] = std::make_shared<ObservedExternal>(external);
  Changed(Kind::kExternal, external.ref);
}

void FakeCluster::DeleteDataJob(const std::string& name) {
  data_jobs_.erase(name);
  Changed(Kind::kDataJob, name);
}

void FakeCluster::Apply(const Effect& effect, std::vector<Delta>& results) {
  std::visit([&](const auto& one) { Do(one, results); }, effect);
}

void FakeCluster::Do(const CreateJob& effect, std::vector<Delta>& results) {
  ++effects["create_job"];
  if (refuse_jobs.contains(effect.job_label)) {
    results.push_back(JobRefused{effect.run_id, "exceeded quota", clock_.now, false});
    return;
  }
  if (too_large_jobs.contains(effect.job_label)) {
    results.push_back(JobRefused{effect.run_id, "request is too large", clock_.now, true});
    return;
  }
  if (const auto it = live.find(effect.run_id); it != live.end()) {
    if (it->second.log_id == effect.log_id) {
      results.push_back(JobCreated{effect.run_id, clock_.now});
    } else {
      results.push_back(JobRefused{effect.run_id, "belongs to another log", clock_.now, false});
    }
    return;
  }
  live.emplace(effect.run_id, effect);
  created.push_back(effect);
  succeeded.erase(effect.run_id);
  ObservedJob job;
  job.name = effect.definition->meta.name + "-" + effect.run_id.substr(0, 8);
  job.uid = NewUid();
  job.run_id = effect.run_id;
  job.log_id = effect.log_id;
  job.created_at = clock_.now;
  job.phase = JobPhase::kActive;
  observed_[effect.run_id] = job;
  Changed(Kind::kJob, effect.run_id);
  results.push_back(JobCreated{effect.run_id, clock_.now});
}

void FakeCluster::Do(const DeleteJob& effect, std::vector<Delta>& results) {
  ++effects["delete_job"];
  const auto it = observed_.find(effect.run_id);
  if (it == observed_.end() || (!effect.uid.empty() && effect.uid != it->second.uid)) return;
  it->second.deleting = true;
  Changed(Kind::kJob, effect.run_id);
}

void FakeCluster::LosePod(const std::string& run_id) {
  ObservedJob& job = observed_.at(run_id);
  job.pod.reset();
  job.phase = JobPhase::kFailed;
  job.finished_at = clock_.now;
  Changed(Kind::kJob, run_id);
}

void FakeCluster::DeleteJobByHand(const std::string& run_id) {
  const std::string id = run_id;  // the caller's may be a key of `live`
  live.erase(id);
  observed_.erase(id);
  ends_.erase(id);
  Changed(Kind::kJob, id);
}

void FakeCluster::FinishHanging() {
  for (auto& [run_id, end] : ends_) {
    if (end.exit_class == "Hang") end = rule(live.at(run_id));
  }
}

void FakeCluster::LoseNode(const std::string& run_id) {
  ObservedJob& job = observed_.at(run_id);
  job.pod->node = "node-1";
  job.pod->node_ready = false;
  job.pod->node_lost_since = clock_.now;
  Changed(Kind::kJob, run_id);
}

void FakeCluster::Do(const ConfirmRunAbsent& effect, std::vector<Delta>& results) {
  ++effects["confirm_run_absent"];
  if (!live.contains(effect.run_id)) results.push_back(RunAbsent{effect.run_id});
  const auto it = observed_.find(effect.run_id);
  if (it != observed_.end() && !it->second.pod && it->second.phase == JobPhase::kFailed)
    results.push_back(PodsAbsent{effect.run_id});
}

void FakeCluster::Do(const ReadRunOutput& effect, std::vector<Delta>& results) {
  ++effects["read_run_output"];
  const auto end = ends_.find(effect.run_id);
  results.push_back(RunLogTail{effect, end == ends_.end() ? "" : end->second.log});
}

void FakeCluster::Do(const ConfirmObjectAbsent& effect, std::vector<Delta>& results) {
  ++effects["confirm_object_absent"];
  const auto has = [&](const auto& map) {
    const auto it = map.find(effect.name);
    return it != map.end() && it->second->meta.uid == effect.uid;
  };
  const bool there = effect.kind == ObjectKind::kWant ? has(wants_) : has(taints_);
  if (!there) results.push_back(ObjectAbsent{effect.kind, effect.uid});
}

void FakeCluster::Do(const ProveTemplate& effect, std::vector<Delta>& results) {
  ++effects["prove_template"];
  const auto& meta = effect.definition->meta;
  const bool refused = refuse_templates.contains(meta.name);
  results.push_back(
      TemplateProof{meta.uid, meta.generation, !refused, refused ? "image is required" : ""});
}

void FakeCluster::Do(const databuild::DeleteWant& effect, std::vector<Delta>& results) {
  ++effects["delete_want"];
  if (wants_.contains(effect.name) && WantUid(effect.name) == effect.uid) DeleteWant(effect.name);
}

void FakeCluster::Do(const PatchStatus& effect, std::vector<Delta>& results) {
  ++effects["patch_status"];
  // Names are not unique over time: a status is for the object of its uid only.
  const auto has = [&](const auto& objects) {
    const auto it = objects.find(effect.name);
    return it != objects.end() && it->second->meta.uid == effect.uid;
  };
  if (const auto* want = std::get_if<WantStatus>(&effect.status); want && has(wants_))
    want_status[effect.name] = *want;
  if (const auto* taint = std::get_if<TaintStatus>(&effect.status); taint && has(taints_))
    taint_status[effect.name] = *taint;
  if (const auto* job = std::get_if<DataJobStatus>(&effect.status); job && has(data_jobs_))
    job_status[effect.name] = *job;
}

bool FakeCluster::StepJobs() {
  std::vector<std::string> gone;
  bool changed = false;
  for (auto& [run_id, job] : observed_) {
    if (job.deleting) {
      gone.push_back(run_id);  // its grace is over
    } else if (!job.pod && job.phase == JobPhase::kActive) {
      job.pod.emplace();
      ends_[run_id] = rule(live.at(run_id));
      StartPod(*job.pod, ends_.at(run_id));
    } else if (job.pod && job.pod->started_at && !job.pod->finished_at &&
               ends_.at(run_id).exit_class != "Hang") {
      EndPod(job, ends_.at(run_id));
      if (job.pod->exit_code == 0) succeeded.insert(run_id);
    } else {
      continue;
    }
    Changed(Kind::kJob, run_id);
    changed = true;
  }
  for (const std::string& run_id : gone) DeleteJobByHand(run_id);
  return changed;
}

std::map<std::string, std::vector<std::string>> FakeCluster::AtWork() const {
  std::map<std::string, std::vector<std::string>> runs;
  for (const auto& [run_id, job] : observed_) {
    if (job.pod && job.pod->finished_at) continue;
    if (live.at(run_id).configure) continue;  // makes nothing
    for (const auto& [ref, instance] : live.at(run_id).outputs) runs[ref].push_back(run_id);
  }
  return runs;
}

void FakeCluster::StartPod(ObservedPod& pod, const JobEnd& end) const {
  pod.created_at = pod.waiting_since = clock_.now;
  pod.waiting_reason = end.waiting_reason;
  if (!end.waiting_reason.empty()) return;
  pod.phase = PodPhase::kRunning;
  pod.started_at = clock_.now;
}

void FakeCluster::EndPod(ObservedJob& job, const JobEnd& end) const {
  job.pod->finished_at = clock_.now;
  job.pod->exit_code = end.exit_code;
  job.pod->terminated_reason = end.terminated_reason;
  job.pod->receipt = end.exit_class.empty() ? "" : ReceiptOf(end);
  job.pod->phase = end.exit_code == 0 ? PodPhase::kSucceeded : PodPhase::kFailed;
  job.phase = end.exit_code == 0 ? JobPhase::kComplete : JobPhase::kFailed;
  job.finished_at = clock_.now;
}

const Condition& FakeCluster::WantCondition(const std::string& name,
                                            const std::string& type) const {
  for (const Condition& condition : want_status.at(name).conditions) {
    if (condition.type == type) return condition;
  }
  CHECK(false);
}

// ---- One process's view

FakeView::FakeView(FakeCluster& cluster) : cluster_(cluster) {
  cluster_.views_.insert(this);
  Relist();
}

FakeView::~FakeView() {
  cluster_.views_.erase(this);
  LoseLease();
}

void FakeView::LoseLease() {
  leased_ = false;
  std::vector<Effect> under_way;
  under_way.swap(delayed_);
  for (const Effect& effect : under_way) {
    if (faults.Chance(50)) cluster_.Apply(effect, results_);
  }
}

void FakeView::Relist() {
  const std::vector<FakeCluster::Key> everything = cluster_.Everything();
  for (const FakeCluster::Key& key : everything) Show(key);
}

void FakeView::Show(const FakeCluster::Key& key) {
  if (shown_.insert(key).second) dirty_.push_back(key);
}

// The first list is complete; after that any change may be held back, so that kinds and objects
// arrive in any order and an object's versions in between are never seen.
std::vector<Delta> FakeView::TakeDeltas(const std::string&) {
  std::vector<Delta> taken;
  if (!delayed_.empty() && faults.Chance(50)) CarryOutDelayed();
  std::deque<FakeCluster::Key> held;
  for (const FakeCluster::Key& key : dirty_) {
    if (listed_ && faults.Chance(faults.hold_back)) {
      held.push_back(key);
    } else {
      taken.push_back(cluster_.Newest(key));
      if (listed_ && HidePod(taken.back())) {
        held.push_back(key);
      } else {
        shown_.erase(key);
      }
    }
  }
  listed_ = true;
  dirty_ = std::move(held);
  taken.insert(taken.end(), results_.begin(), results_.end());
  results_.clear();
  return taken;
}

// The watch of pods is behind: the Job is shown alone.
bool FakeView::HidePod(Delta& delta) const {
  auto* changed = std::get_if<JobChanged>(&delta);
  if (!changed || !changed->job || !changed->job->pod || !faults.Chance(faults.hide_pod))
    return false;
  auto alone = std::make_shared<ObservedJob>(*changed->job);
  alone->pod.reset();
  changed->job = std::move(alone);
  return true;
}

namespace {

// What two effects may not be under way for at once.
std::string ObjectOf(const Effect& effect) {
  struct Object {
    std::string operator()(const CreateJob& one) const { return one.run_id; }
    std::string operator()(const DeleteJob& one) const { return one.run_id; }
    std::string operator()(const ConfirmRunAbsent& one) const { return one.run_id; }
    std::string operator()(const ReadRunOutput& one) const { return one.run_id; }
    std::string operator()(const ConfirmObjectAbsent& one) const { return one.uid; }
    std::string operator()(const ProveTemplate& one) const { return one.definition->meta.uid; }
    std::string operator()(const DeleteWant& one) const { return one.uid; }
    std::string operator()(const PatchStatus& one) const { return "status " + one.uid; }
  };
  return std::visit(Object{}, effect);
}

}  // namespace

void FakeView::CarryOutDelayed() {
  std::vector<Effect> due;
  due.swap(delayed_);
  for (const Effect& effect : due) cluster_.Apply(effect, results_);
}

void FakeView::Submit(const std::string&, std::vector<Effect> effects) {
  for (const Effect& effect : effects) {
    if (crashed_ || !leased_) return;
    const bool busy = std::any_of(delayed_.begin(), delayed_.end(), [&](const Effect& other) {
      return ObjectOf(other) == ObjectOf(effect);
    });
    if (busy || faults.Chance(faults.lose)) continue;
    if (faults.Chance(faults.delay)) {
      delayed_.push_back(effect);
    } else {
      cluster_.Apply(effect, results_);
    }
    crashed_ = faults.Chance(faults.crash);
  }
}

}  // namespace databuild
