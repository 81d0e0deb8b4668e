#include "controller/planner/snapshot.h"

namespace databuild {
namespace {

template <typename Map, typename Value>
void Set(Map& map, const std::string& key, const Value& value) {
  if (value) {
    map[key] = value;
  } else {
    map.erase(key);
  }
}

template <typename Map>
auto* Get(const Map& map, const std::string& key) {
  const auto it = map.find(key);
  return it == map.end() ? nullptr : it->second.get();
}

struct Applier {
  Snapshot& snapshot;

  void operator()(const WantChanged& delta) {
    Set(snapshot.wants, delta.uid, delta.want);
    if (delta.want) snapshot.absent_objects.erase(delta.uid);
  }
  void operator()(const TaintChanged& delta) {
    Set(snapshot.taints, delta.uid, delta.taint);
    if (delta.taint) snapshot.absent_objects.erase(delta.uid);
  }
  void operator()(const DataJobChanged& delta) {
    Set(snapshot.data_jobs, delta.name, delta.data_job);
    if (delta.data_job) snapshot.absent_objects.erase(delta.data_job->meta.uid);
  }
  void operator()(const JobChanged& delta) {
    Set(snapshot.jobs, delta.run_id, delta.job);
    if (!delta.job) snapshot.outputs.erase(delta.run_id);
    if (delta.job) snapshot.absent_runs.erase(delta.run_id);
    if (delta.job) snapshot.refused.erase(delta.run_id);
    snapshot.created.erase(delta.run_id);
    if (!delta.job || delta.job->pod) snapshot.podless_runs.erase(delta.run_id);
    if (!delta.job) snapshot.logged_runs.erase(delta.run_id);
  }
  void operator()(const ExternalChanged& delta) {
    snapshot.externals[delta.external->ref] = delta.external;
  }
  void operator()(const TemplateProof& proof) { snapshot.proofs[proof.uid] = proof; }
  void operator()(const JobCreated& created) {
    snapshot.refused.erase(created.run_id);
    snapshot.absent_runs.erase(created.run_id);
    if (!snapshot.jobs.contains(created.run_id)) snapshot.created[created.run_id] = created.at;
  }
  void operator()(const JobRefused& refused) { snapshot.refused[refused.run_id] = refused; }
  void operator()(const RunAbsent& absent) {
    if (snapshot.jobs.contains(absent.run_id)) return;
    snapshot.absent_runs.insert(absent.run_id);
    snapshot.created.erase(absent.run_id);
  }
  void operator()(const PodsAbsent& absent) {
    const auto job = snapshot.jobs.find(absent.run_id);
    if (job != snapshot.jobs.end() && !job->second->pod)
      snapshot.podless_runs.insert(absent.run_id);
  }
  void operator()(const RunLogTail& tail) {
    const std::string& run_id = tail.asked.run_id;
    if (snapshot.jobs.contains(run_id)) snapshot.outputs[run_id] = ParseRunOutput(tail);
  }
  void operator()(const RunLogStored& stored) {
    if (snapshot.jobs.contains(stored.run_id)) snapshot.logged_runs.insert(stored.run_id);
  }
  void operator()(const ObjectAbsent& absent) {
    if (snapshot.wants.contains(absent.uid) || snapshot.taints.contains(absent.uid)) return;
    snapshot.absent_objects.insert(absent.uid);
  }
};

}  // namespace

void Snapshot::Apply(const Delta& delta) { std::visit(Applier{*this}, delta); }

const ObservedWant* Snapshot::FindWant(const std::string& uid) const { return Get(wants, uid); }
const ObservedTaint* Snapshot::FindTaint(const std::string& uid) const { return Get(taints, uid); }
const ObservedDataJob* Snapshot::FindDataJob(const std::string& name) const {
  return Get(data_jobs, name);
}
const ObservedJob* Snapshot::FindJob(const std::string& run_id) const { return Get(jobs, run_id); }
const ObservedExternal* Snapshot::FindExternal(const std::string& ref) const {
  return Get(externals, ref);
}

}  // namespace databuild
