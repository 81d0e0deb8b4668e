#include "tests/support/fake_cluster.h"

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
  return text + "}";
}

}  // namespace

std::string FakeCluster::NewUid() {
  char text[40];
  std::snprintf(text, sizeof text, "00000000-0000-4000-8000-%012llx",
                static_cast<unsigned long long>(next_uid_++));
  return text;
}

std::vector<Delta> FakeCluster::TakeDeltas(const std::string&) {
  std::vector<Delta> taken;
  taken.swap(deltas_);
  return taken;
}

void FakeCluster::Submit(const std::string&, std::vector<Effect> submitted) {
  for (const Effect& effect : submitted) {
    std::visit([&](const auto& one) { Apply(one); }, effect);
  }
}

ObservedWant& FakeCluster::PutWant(const std::string& name, std::vector<std::string> partitions) {
  auto want = std::make_shared<ObservedWant>();
  want->meta.name = name;
  want->meta.uid = NewUid();
  want->meta.generation = 1;
  want->meta.created_at = clock_.now;
  want->partitions = std::move(partitions);
  wants_[name] = want;
  deltas_.push_back(WantChanged{want->meta.uid, want});
  return *want;
}

void FakeCluster::Touch(const ObservedWant& want) {
  auto& held = wants_.at(want.meta.name);
  held = std::make_shared<ObservedWant>(want);
  ++held->meta.generation;
  deltas_.push_back(WantChanged{held->meta.uid, held});
}

void FakeCluster::SetRetry(const std::string& name, const std::string& token) {
  auto& held = wants_.at(name);
  held = std::make_shared<ObservedWant>(*held);
  held->meta.retry_token = token;
  deltas_.push_back(WantChanged{held->meta.uid, held});
}

void FakeCluster::DeleteWant(const std::string& name) {
  const std::string uid = wants_.at(name)->meta.uid;
  wants_.erase(name);
  deltas_.push_back(WantChanged{uid, nullptr});
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
  deltas_.push_back(TaintChanged{taint->meta.uid, taint});
  return *taint;
}

void FakeCluster::DeleteTaint(const std::string& name) {
  const std::string uid = taints_.at(name)->meta.uid;
  taints_.erase(name);
  deltas_.push_back(TaintChanged{uid, nullptr});
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
  jobs_[name] = job;
  deltas_.push_back(DataJobChanged{name, job});
  return *job;
}

void FakeCluster::Touch(const ObservedDataJob& job) {
  auto& held = jobs_.at(job.meta.name);
  held = std::make_shared<ObservedDataJob>(job);
  ++held->meta.generation;
  held->spec_digest = "digest-" + std::to_string(held->meta.generation);
  deltas_.push_back(DataJobChanged{job.meta.name, held});
}

void FakeCluster::DeleteDataJob(const std::string& name) {
  jobs_.erase(name);
  deltas_.push_back(DataJobChanged{name, nullptr});
}

void FakeCluster::Show(const std::string& run_id) {
  const auto it = observed_.find(run_id);
  deltas_.push_back(JobChanged{
      run_id, it == observed_.end() ? nullptr : std::make_shared<ObservedJob>(it->second)});
}

void FakeCluster::Apply(const CreateJob& effect) {
  ++effects["create_job"];
  if (refuse_jobs.contains(effect.job_label)) {
    deltas_.push_back(JobRefused{effect.run_id, "exceeded quota", clock_.now, false});
    return;
  }
  if (live.contains(effect.run_id)) return;
  live.emplace(effect.run_id, effect);
  created.push_back(effect);
  ObservedJob job;
  job.name = effect.definition->meta.name + "-" + effect.run_id.substr(0, 8);
  job.uid = NewUid();
  job.run_id = effect.run_id;
  job.log_id = effect.log_id;
  job.created_at = clock_.now;
  job.phase = JobPhase::kActive;
  observed_[effect.run_id] = job;
  Show(effect.run_id);
  deltas_.push_back(JobCreated{effect.run_id});
}

void FakeCluster::Apply(const DeleteJob& effect) {
  ++effects["delete_job"];
  DeleteJobByHand(effect.run_id);
}

void FakeCluster::DeleteJobByHand(std::string run_id) {
  live.erase(run_id);
  observed_.erase(run_id);
  ends_.erase(run_id);
  Show(run_id);
}

void FakeCluster::Apply(const ConfirmRunAbsent& effect) {
  ++effects["confirm_run_absent"];
  if (!live.contains(effect.run_id)) deltas_.push_back(RunAbsent{effect.run_id});
}

void FakeCluster::Apply(const ConfirmObjectAbsent& effect) {
  ++effects["confirm_object_absent"];
  const auto has = [&](const auto& map) {
    const auto it = map.find(effect.name);
    return it != map.end() && it->second->meta.uid == effect.uid;
  };
  const bool there = effect.kind == ObjectKind::kWant ? has(wants_) : has(taints_);
  if (!there) deltas_.push_back(ObjectAbsent{effect.kind, effect.uid});
}

void FakeCluster::Apply(const ProveTemplate& effect) {
  ++effects["prove_template"];
  const auto& meta = effect.definition->meta;
  const bool refused = refuse_templates.contains(meta.name);
  deltas_.push_back(
      TemplateProof{meta.uid, meta.generation, !refused, refused ? "image is required" : ""});
}

void FakeCluster::Apply(const databuild::DeleteWant& effect) {
  ++effects["delete_want"];
  if (wants_.contains(effect.name)) DeleteWant(effect.name);
}

void FakeCluster::Apply(const PatchStatus& effect) {
  ++effects["patch_status"];
  if (const auto* want = std::get_if<WantStatus>(&effect.status)) want_status[effect.name] = *want;
  if (const auto* taint = std::get_if<TaintStatus>(&effect.status))
    taint_status[effect.name] = *taint;
  if (const auto* job = std::get_if<DataJobStatus>(&effect.status)) job_status[effect.name] = *job;
}

void FakeCluster::Relist() {
  for (const auto& [name, want] : wants_) deltas_.push_back(WantChanged{want->meta.uid, want});
  for (const auto& [name, taint] : taints_) deltas_.push_back(TaintChanged{taint->meta.uid, taint});
  for (const auto& [name, job] : jobs_) deltas_.push_back(DataJobChanged{name, job});
  for (const auto& [run_id, job] : observed_) Show(run_id);
}

bool FakeCluster::StepJobs() {
  bool changed = false;
  for (auto& [run_id, job] : observed_) {
    if (!job.pod) {
      job.pod.emplace();
      job.pod->phase = PodPhase::kRunning;
      job.pod->started_at = clock_.now;
      ends_[run_id] = rule(live.at(run_id));
      changed = true;
    } else if (!job.pod->finished_at && ends_.at(run_id).exit_class != "Hang") {
      const JobEnd& end = ends_.at(run_id);
      job.pod->finished_at = clock_.now;
      job.pod->exit_code = end.exit_code;
      job.pod->terminated_reason = end.terminated_reason;
      job.pod->receipt = end.exit_class.empty() ? "" : ReceiptOf(end);
      job.pod->phase = end.exit_code == 0 ? PodPhase::kSucceeded : PodPhase::kFailed;
      job.phase = end.exit_code == 0 ? JobPhase::kComplete : JobPhase::kFailed;
      job.finished_at = clock_.now;
      changed = true;
    } else {
      continue;
    }
    Show(run_id);
  }
  return changed;
}

const Condition& FakeCluster::WantCondition(const std::string& name,
                                            const std::string& type) const {
  for (const Condition& condition : want_status.at(name).conditions) {
    if (condition.type == type) return condition;
  }
  CHECK(false);
}

}  // namespace databuild
