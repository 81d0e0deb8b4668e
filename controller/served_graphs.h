// ServedGraphs: the API's view of the graphs: the workers' once this replica leads; before that,
// and until a worker has opened its log, those that are followed.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "controller/api/graph_source.h"
#include "controller/api/plan_source.h"

namespace databuild {

class Catalogue;
class FollowedLogs;
class GraphWorkers;
struct GraphHandle;

// Thread-safe. What would be done is asked of the graph's planner while this replica leads; a
// standby plans from what it has folded, but cannot say how a job would be run: it has not seen the
// DataJob.
class ServedGraphs final : public GraphSource, private PlanSource {
 public:
  // nullptr: nothing is followed. What is given outlives this.
  explicit ServedGraphs(const FollowedLogs* followed) : followed_(followed) {}
  // nullptr for `logs`: none are collected.
  void Lead(const GraphWorkers* workers, LogSource* logs) {
    logs_ = logs;
    workers_ = workers;
  }

  LogSource* logs() const override { return logs_; }
  const PlanSource* plans() const override { return this; }
  std::vector<std::string> Graphs() const override;
  std::shared_ptr<const EventLog> Log(const std::string& graph) const override;
  bool Read(const std::string& graph, bool reasons,
            const std::function<void(const QueryView&)>& read) const override;

 private:
  using Refs = std::vector<std::string>;
  Result<v1::GraphLookupResponse> Lookup(const std::string& graph, const Refs& refs) const override;
  Result<v1::GraphAnalyzeResponse> Analyze(const std::string& graph,
                                           const Refs& refs) const override;
  Result<v1::JobConfigureResponse> Configure(const std::string& graph,
                                             const Refs& refs) const override;

  Status AskCatalogue(const std::string& graph,
                      const std::function<void(const BuildState&, const Catalogue&)>& ask) const;
  std::shared_ptr<const GraphHandle> Handle(const std::string& graph) const;

  const FollowedLogs* const followed_;
  std::atomic<const GraphWorkers*> workers_ = nullptr;
  std::atomic<LogSource*> logs_ = nullptr;
};

}  // namespace databuild
