// Cluster: all the reconciler knows of Kubernetes. Implemented by controller/kube (the real one)
// and by the simulator's fake; both pass the same contract suite.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "controller/planner/effect.h"

namespace databuild {

// Thread-safe. No call blocks on the network.
class Cluster {
 public:
  virtual ~Cluster() = default;

  // True once the first list of every watched resource has been delivered through TakeDeltas.
  // Before that absence means nothing and the reconciler decides nothing.
  virtual bool Synced(const std::string& graph) const = 0;

  // Everything that happened in the graph since the last call: changed objects (newest version
  // only) and results of effects. Empty when nothing did.
  virtual std::vector<Delta> TakeDeltas(const std::string& graph) = 0;

  // Hands effects to the executor. An effect on an object that already has one in flight is dropped
  // (the next tick decides it again), except PatchStatus, of which the newest replaces a waiting
  // one.
  virtual void Submit(const std::string& graph, std::vector<Effect> effects) = 0;

  // `listener` is called, from any thread and without locks held, with the name of a graph that has
  // new deltas or has become synced; the first call for a name says that the graph exists. Set
  // before start.
  virtual void OnChange(std::function<void(const std::string& graph)> listener) = 0;
};

}  // namespace databuild
