#include "controller/kube/cluster_view.h"

#include <set>

namespace databuild::kube {

namespace {

bool Is(const ResourceType& a, const ResourceType& b) { return a.kind == b.kind; }

}  // namespace

// A run is its Job, its pods, or both.
struct ClusterView::Run {
  std::optional<ObservedJob> job;
  std::map<std::string, DecodedPod> pods;  // by uid

  bool empty() const { return !job && pods.empty(); }
};

struct ClusterView::Graph {
  std::map<std::string, StatusShadow> shadows;  // by uid
  std::map<std::string, Run> runs;              // by run id
  std::map<std::string, std::string> run_of;    // uid of a Job or pod -> run id
  struct Failure {
    std::string message;
    TimeNs since = 0;
  };
  std::map<std::string, Failure> create_failures;  // by the Job's uid

  // News since the last TakeDeltas.
  std::map<std::string, std::shared_ptr<const ObservedWant>> wants;
  std::map<std::string, std::shared_ptr<const ObservedTaint>> taints;
  std::map<std::string, std::shared_ptr<const ObservedDataJob>> data_jobs;  // by name
  std::set<std::string> changed_runs;
  std::vector<Delta> facts;
  bool announced = false;  // the graph exists: the reconciler may ask for it
  bool delivered = false;  // everything the first lists showed has been taken
};

class ClusterView::Sink final : public ObjectSink {
 public:
  Sink(ClusterView& view, const ResourceType& type, std::string scope, bool required)
      : view_(view), type_(type), scope_(std::move(scope)), required_(required) {}

  void Upsert(const ObjectRef& ref, const JsonView& object) override {
    view_.Upsert(type_, ref, object);
  }
  void Remove(const ObjectRef& ref) override { view_.Remove(type_, ref); }
  void Listed() override {
    if (Is(type_, kNodes)) view_.MarkNodesListed();
    if (required_ && !std::exchange(listed_, true)) view_.MarkListed(scope_);
  }

 private:
  ClusterView& view_;
  const ResourceType type_;
  const std::string scope_;
  const bool required_;
  bool listed_ = false;
};

ClusterView::ClusterView(Options options, const Clock& clock)
    : options_(std::move(options)), clock_(clock) {}
ClusterView::~ClusterView() = default;

std::unique_ptr<ObjectSink> ClusterView::NewSink(const ResourceType& type, const std::string& ns,
                                                 bool required) {
  std::lock_guard lock(mutex_);
  if (required) ++unlisted_[ns];
  return std::make_unique<Sink>(*this, type, ns, required);
}

void ClusterView::OnChange(std::function<void(const std::string&)> listener) {
  std::lock_guard lock(mutex_);
  listener_ = std::move(listener);
}

void ClusterView::Notify(const std::vector<std::string>& graphs) {
  std::function<void(const std::string&)> listener;
  std::vector<std::string> existing;
  {
    std::lock_guard lock(mutex_);
    listener = listener_;
    for (const std::string& name : graphs) {
      auto found = graphs_.find(name);
      if (found != graphs_.end() && found->second->announced) existing.push_back(name);
    }
  }
  if (!listener) return;
  for (const std::string& name : existing) listener(name);
}

void ClusterView::MarkListed(const std::string& scope) {
  std::vector<std::string> ready;
  {
    std::lock_guard lock(mutex_);
    if (--unlisted_[scope] > 0) return;
    for (const auto& [name, graph] : graphs_) {
      if (graph->announced && AllListed(name)) ready.push_back(name);
    }
  }
  Notify(ready);
}

void ClusterView::MarkNodesListed() {
  std::vector<std::string> touched;
  {
    std::lock_guard lock(mutex_);
    if (std::exchange(nodes_listed_, true)) return;
    for (auto& [name, graph] : graphs_) {
      for (auto& [run_id, run] : graph->runs) graph->changed_runs.insert(run_id);
      touched.push_back(name);
    }
  }
  Notify(touched);
}

bool ClusterView::AllListed(const std::string& graph) const {
  for (const std::string& scope : {std::string(), graph}) {
    auto found = unlisted_.find(scope);
    if (found != unlisted_.end() && found->second > 0) return false;
  }
  return true;
}

bool ClusterView::Synced(const std::string& graph) const {
  std::lock_guard lock(mutex_);
  auto found = graphs_.find(graph);
  return found != graphs_.end() ? found->second->delivered : AllListed(graph);
}

// ---- From the informers

void ClusterView::Upsert(const ResourceType& type, const ObjectRef& ref, const JsonView& object) {
  if (Is(type, kNodes)) return UpsertNode(ref, object);
  if (!options_.own_namespace.empty() && ref.ns == options_.own_namespace) return;
  if (Is(type, kJobs) || Is(type, kPods)) return UpsertRunObject(type, ref, object);
  // Decoding is the costly part; it needs no lock.
  std::shared_ptr<const ObservedWant> want;
  std::shared_ptr<const ObservedTaint> taint;
  std::shared_ptr<const ObservedDataJob> data_job;
  if (Is(type, kWants)) want = std::make_shared<const ObservedWant>(DecodeWant(object));
  if (Is(type, kTaints)) taint = std::make_shared<const ObservedTaint>(DecodeTaint(object));
  if (Is(type, kDataJobs))
    data_job = std::make_shared<const ObservedDataJob>(DecodeDataJob(object));
  {
    std::lock_guard lock(mutex_);
    auto& graph = graphs_[ref.ns];
    if (!graph) graph = std::make_unique<Graph>();
    graph->announced = true;
    if (want) graph->wants[ref.uid] = want;
    if (taint) graph->taints[ref.uid] = taint;
    if (data_job) graph->data_jobs[ref.name] = data_job;
    RememberShadow(*graph, ref.uid, object);
  }
  Notify({ref.ns});
}

void ClusterView::RememberShadow(Graph& graph, const std::string& uid, const JsonView& object) {
  StatusShadow& known = graph.shadows[uid];
  // An event from before our own write must not undo what we know of it.
  if (VersionIsOlder(object["metadata"]["resourceVersion"].Str(), known.resource_version)) return;
  known = ShadowOf(object);
}

void ClusterView::Remove(const ResourceType& type, const ObjectRef& ref) {
  if (Is(type, kNodes)) return RemoveNode(ref);
  if (Is(type, kJobs) || Is(type, kPods)) return RemoveRunObject(type, ref);
  {
    std::lock_guard lock(mutex_);
    auto found = graphs_.find(ref.ns);
    if (found == graphs_.end()) return;
    Graph& graph = *found->second;
    graph.shadows.erase(ref.uid);
    if (Is(type, kWants)) graph.wants[ref.uid] = nullptr;
    if (Is(type, kTaints)) graph.taints[ref.uid] = nullptr;
    if (Is(type, kDataJobs)) graph.data_jobs[ref.name] = nullptr;
  }
  Notify({ref.ns});
}

void ClusterView::UpsertRunObject(const ResourceType& type, const ObjectRef& ref,
                                  const JsonView& object) {
  std::string run_id;
  {
    std::lock_guard lock(mutex_);
    auto& graph = graphs_[ref.ns];
    if (!graph) graph = std::make_unique<Graph>();
    graph->announced = true;
    if (Is(type, kJobs)) {
      ObservedJob job = DecodeJob(object);
      run_id = job.run_id.empty() ? object["metadata"]["labels"][kRunLabel].Str() : job.run_id;
      job.run_id = run_id;
      graph->runs[run_id].job = std::move(job);
    } else {
      DecodedPod pod = DecodePod(object);
      run_id = pod.run_id.empty() ? object["metadata"]["labels"][kRunLabel].Str() : pod.run_id;
      pod.run_id = run_id;
      graph->runs[run_id].pods[ref.uid] = std::move(pod);
    }
    graph->run_of[ref.uid] = run_id;
    graph->changed_runs.insert(run_id);
  }
  Notify({ref.ns});
}

void ClusterView::RemoveRunObject(const ResourceType& type, const ObjectRef& ref) {
  {
    std::lock_guard lock(mutex_);
    auto found = graphs_.find(ref.ns);
    if (found == graphs_.end()) return;
    Graph& graph = *found->second;
    auto owner = graph.run_of.extract(ref.uid);
    if (!owner) return;
    Run& run = graph.runs[owner.mapped()];
    if (Is(type, kJobs)) {
      if (run.job && run.job->uid == ref.uid) run.job.reset();
      graph.create_failures.erase(ref.uid);
    } else {
      run.pods.erase(ref.uid);
    }
    if (run.empty()) graph.runs.erase(owner.mapped());
    graph.changed_runs.insert(owner.mapped());
  }
  Notify({ref.ns});
}

std::vector<std::string> ClusterView::GraphsWithPodlessJobs(TimeNs created_before) const {
  std::lock_guard lock(mutex_);
  std::vector<std::string> found;
  for (const auto& [name, graph] : graphs_) {
    for (const auto& [run_id, run] : graph->runs) {
      if (!run.job || !run.pods.empty() || run.job->created_at > created_before) continue;
      if (run.job->phase == JobPhase::kComplete || run.job->phase == JobPhase::kFailed) continue;
      found.push_back(name);
      break;
    }
  }
  return found;
}

void ClusterView::NoteCreateFailure(const std::string& graph_name, const JsonView& event) {
  JsonView about = event["involvedObject"];
  if (event["reason"].Text() != "FailedCreate" || about["kind"].Text() != "Job") return;
  Graph::Failure failure;
  failure.message = event["message"].Str();
  for (const char* field : {"firstTimestamp", "eventTime"}) {
    if (failure.since == 0) failure.since = TimeOf(event[field]);
  }
  if (failure.since == 0) failure.since = TimeOf(event["metadata"]["creationTimestamp"]);
  {
    std::lock_guard lock(mutex_);
    auto found = graphs_.find(graph_name);
    if (found == graphs_.end()) return;
    Graph& graph = *found->second;
    std::string uid = about["uid"].Str();
    auto run = graph.run_of.find(uid);
    if (run == graph.run_of.end()) return;
    auto [known, added] = graph.create_failures.try_emplace(uid, failure);
    if (!added) {
      if (known->second.message == failure.message && known->second.since <= failure.since) return;
      known->second.message = failure.message;
      known->second.since = std::min(known->second.since, failure.since);
    }
    graph.changed_runs.insert(run->second);
  }
  Notify({graph_name});
}

// ---- Nodes

void ClusterView::UpsertNode(const ObjectRef& ref, const JsonView& object) {
  DecodedNode node = DecodeNode(object);
  std::vector<std::string> touched;
  {
    std::lock_guard lock(mutex_);
    auto [known, added] = nodes_.try_emplace(ref.name);
    bool changed = added || known->second.ready != node.ready;
    known->second = {node.ready, node.since};
    if (changed) touched = TouchRunsOn(ref.name);
  }
  Notify(touched);
}

void ClusterView::RemoveNode(const ObjectRef& ref) {
  std::vector<std::string> touched;
  {
    std::lock_guard lock(mutex_);
    nodes_[ref.name] = {false, clock_.Now()};
    touched = TouchRunsOn(ref.name);
    if (touched.empty()) nodes_.erase(ref.name);
  }
  Notify(touched);
}

std::vector<std::string> ClusterView::TouchRunsOn(const std::string& node) {
  std::vector<std::string> touched;
  for (auto& [name, graph] : graphs_) {
    bool any = false;
    for (auto& [run_id, run] : graph->runs) {
      for (auto& [uid, pod] : run.pods) {
        if (pod.pod.node != node) continue;
        graph->changed_runs.insert(run_id);
        any = true;
      }
    }
    if (any) touched.push_back(name);
  }
  return touched;
}

void ClusterView::ApplyNode(const DecodedPod& decoded, ObservedPod& pod) {
  if (pod.node.empty()) return;
  if (!nodes_listed_) {
    pod.node_ready = !decoded.ready_lost;
    pod.node_lost_since = decoded.ready_lost_since;
    return;
  }
  // A node the informer does not show counts as lost from when we first missed it.
  auto [known, added] = nodes_.try_emplace(pod.node, NodeState{false, 0});
  if (added) known->second.since = clock_.Now();
  pod.node_ready = known->second.ready;
  pod.node_lost_since = known->second.ready ? 0 : known->second.since;
}

// ---- To the reconciler

std::shared_ptr<const ObservedJob> ClusterView::Compose(Graph& graph, const std::string& run_id) {
  auto found = graph.runs.find(run_id);
  if (found == graph.runs.end()) return nullptr;
  const Run& run = found->second;
  const DecodedPod* newest = nullptr;
  for (const auto& [uid, pod] : run.pods) {
    if (newest == nullptr || pod.pod.created_at > newest->pod.created_at) newest = &pod;
  }
  auto job = std::make_shared<ObservedJob>();
  if (run.job) {
    *job = *run.job;
  } else {
    job->name = newest->job_name;
    job->uid = newest->job_uid;
    job->run_id = run_id;
    job->log_id = newest->log_id;
    job->created_at = newest->pod.created_at;
    job->job_gone = true;
  }
  if (newest != nullptr) {
    job->pod = newest->pod;
    ApplyNode(*newest, *job->pod);
  } else if (auto failure = graph.create_failures.find(job->uid);
             failure != graph.create_failures.end()) {
    job->create_failure = failure->second.message;
    job->create_failure_since = failure->second.since;
  }
  return job;
}

std::vector<Delta> ClusterView::TakeDeltas(const std::string& name) {
  std::lock_guard lock(mutex_);
  std::vector<Delta> deltas;
  // Whoever asks knows the graph, from the log perhaps: it will want to hear when it is synced.
  auto& known = graphs_[name];
  if (!known) known = std::make_unique<Graph>();
  Graph& graph = *known;
  graph.announced = true;
  for (auto& [job, value] : graph.data_jobs)
    deltas.push_back(DataJobChanged{job, std::move(value)});
  for (auto& [uid, value] : graph.wants) deltas.push_back(WantChanged{uid, std::move(value)});
  for (auto& [uid, value] : graph.taints) deltas.push_back(TaintChanged{uid, std::move(value)});
  for (const std::string& run_id : graph.changed_runs)
    deltas.push_back(JobChanged{run_id, Compose(graph, run_id)});
  for (Delta& fact : graph.facts) deltas.push_back(std::move(fact));
  graph.data_jobs.clear();
  graph.wants.clear();
  graph.taints.clear();
  graph.changed_runs.clear();
  graph.facts.clear();
  if (AllListed(name)) graph.delivered = true;
  return deltas;
}

void ClusterView::AddFact(const std::string& graph, Delta fact) {
  {
    std::lock_guard lock(mutex_);
    auto& known = graphs_[graph];
    if (!known) known = std::make_unique<Graph>();
    known->facts.push_back(std::move(fact));
  }
  Notify({graph});
}

std::optional<StatusShadow> ClusterView::Shadow(const std::string& graph,
                                                const std::string& uid) const {
  std::lock_guard lock(mutex_);
  auto found = graphs_.find(graph);
  if (found == graphs_.end()) return std::nullopt;
  auto shadow = found->second->shadows.find(uid);
  if (shadow == found->second->shadows.end()) return std::nullopt;
  return shadow->second;
}

void ClusterView::SetShadow(const std::string& graph, const std::string& uid, StatusShadow shadow) {
  std::lock_guard lock(mutex_);
  auto found = graphs_.find(graph);
  if (found == graphs_.end()) return;
  auto known = found->second->shadows.find(uid);
  if (known == found->second->shadows.end()) return;
  if (!VersionIsOlder(shadow.resource_version, known->second.resource_version))
    known->second = std::move(shadow);
}

}  // namespace databuild::kube
