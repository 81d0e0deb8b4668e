// ClusterView: what the informers and the effects have told, kept per graph until the reconciler
// takes it.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "bel/base/clock.h"
#include "controller/kube/api_request.h"
#include "controller/kube/codec.h"
#include "controller/kube/informer.h"
#include "controller/kube/status_body.h"
#include "controller/planner/effect.h"

namespace databuild::kube {

// Thread-safe; the listener is called without the lock held.
class ClusterView {
 public:
  struct Options {
    std::string own_namespace;  // never a graph; empty: there is none
  };
  ClusterView(Options options, const Clock& clock);
  ~ClusterView();

  // A sink for one informer over `ns` (empty: all). A graph is synced once every required sink that
  // covers it has been listed. `type` is one of Wants, Taints, DataJobs, Jobs, Pods, Nodes.
  // Until nodes have been listed a lost node is judged from its pods' conditions.
  std::unique_ptr<ObjectSink> NewSink(const ResourceType& type, const std::string& ns,
                                      bool required);

  bool Synced(const std::string& graph) const;
  std::vector<Delta> TakeDeltas(const std::string& graph);
  void OnChange(std::function<void(const std::string&)> listener);

  // Graphs with a Job created before then that has neither a pod nor an end.
  std::vector<std::string> GraphsWithPodlessJobs(TimeNs created_before) const;
  // A FailedCreate event of a Job.
  void NoteCreateFailure(const std::string& graph, const JsonView& event);

  // The result of an effect.
  void AddFact(const std::string& graph, Delta fact);

  // What the object's status is in the cluster; nothing if the informer shows no such object.
  std::optional<StatusShadow> Shadow(const std::string& graph, const std::string& uid) const;
  // After a write of ours: `shadow` holds for this resourceVersion on.
  void SetShadow(const std::string& graph, const std::string& uid, StatusShadow shadow);

 private:
  class Sink;
  struct Run;
  struct Graph;
  struct NodeState {
    bool ready = true;
    TimeNs since = 0;
  };

  void Upsert(const ResourceType& type, const ObjectRef& ref, const JsonView& object);
  void Remove(const ResourceType& type, const ObjectRef& ref);
  void MarkListed(const std::string& scope);
  void MarkNodesListed();
  void UpsertRunObject(const ResourceType& type, const ObjectRef& ref, const JsonView& object);
  void RemoveRunObject(const ResourceType& type, const ObjectRef& ref);
  void UpsertNode(const ObjectRef& ref, const JsonView& object);
  void RemoveNode(const ObjectRef& ref);
  void RememberShadow(Graph& graph, const std::string& uid, const JsonView& object);
  // Graphs whose runs are on the node, marked as changed. Holds the lock.
  std::vector<std::string> TouchRunsOn(const std::string& node);
  std::shared_ptr<const ObservedJob> Compose(Graph& graph, const std::string& run_id);
  void ApplyNode(const DecodedPod& decoded, ObservedPod& pod);
  bool AllListed(const std::string& graph) const;
  void Notify(const std::vector<std::string>& graphs);

  const Options options_;
  const Clock& clock_;
  mutable std::mutex mutex_;  // guards what follows
  std::map<std::string, std::unique_ptr<Graph>> graphs_;
  std::map<std::string, int> unlisted_;     // scope -> required sinks not yet listed
  std::map<std::string, NodeState> nodes_;  // known, and unknown ones that pods name
  bool nodes_listed_ = false;
  std::function<void(const std::string&)> listener_;
};

}  // namespace databuild::kube
