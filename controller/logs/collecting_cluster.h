// CollectingCluster: a Cluster whose news the LogCollector sees too, and which tells the planner
// when the log of a run is stored.
#pragma once

#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "bel/log_chunks.h"
#include "controller/logs/log_collector.h"
#include "controller/reconciler/cluster.h"

namespace databuild {

// Thread-safe. `cluster` and `collector` outlive it.
class CollectingCluster final : public Cluster {
 public:
  CollectingCluster(Cluster& cluster, LogCollector& collector);

  bool Synced(const std::string& graph) const override;
  std::vector<Delta> TakeDeltas(const std::string& graph) override;
  void Submit(const std::string& graph, std::vector<Effect> effects) override;
  void OnChange(std::function<void(const std::string& graph)> listener) override;

  // For LogCollectorOptions.on_done.
  void NoteStored(const RunKey& run);

 private:
  void Tell(const std::string& graph, const Delta& delta);

  Cluster& cluster_;
  LogCollector& collector_;
  std::mutex mutex_;  // guards what follows
  std::map<std::string, std::vector<Delta>> stored_;
  std::function<void(const std::string&)> listener_;
};

}  // namespace databuild
