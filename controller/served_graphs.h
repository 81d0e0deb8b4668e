// ServedGraphs: the API's view of the graphs: the workers' once this replica leads; before that,
// and until a worker has opened its log, those that are followed.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "controller/api/graph_source.h"

namespace databuild {

class FollowedLogs;
class GraphWorkers;
struct GraphHandle;

// Thread-safe.
class ServedGraphs final : public GraphSource {
 public:
  // nullptr: nothing is followed. What is given outlives this.
  explicit ServedGraphs(const FollowedLogs* followed) : followed_(followed) {}
  // nullptr for `logs`: none are collected.
  void Lead(const GraphWorkers* workers, LogSource* logs) {
    logs_ = logs;
    workers_ = workers;
  }

  LogSource* logs() const override { return logs_; }
  std::vector<std::string> Graphs() const override;
  std::shared_ptr<const EventLog> Log(const std::string& graph) const override;
  bool Read(const std::string& graph, bool reasons,
            const std::function<void(const QueryView&)>& read) const override;

 private:
  std::shared_ptr<const GraphHandle> Handle(const std::string& graph) const;

  const FollowedLogs* const followed_;
  std::atomic<const GraphWorkers*> workers_ = nullptr;
  std::atomic<LogSource*> logs_ = nullptr;
};

}  // namespace databuild
