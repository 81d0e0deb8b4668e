// LogCollection: everything that collects, keeps and shows the lines of job runs, as one part of
// the operator.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "bel/log_chunks.h"
#include "controller/config/config.h"
#include "controller/logs/collecting_cluster.h"
#include "controller/logs/log_collector.h"
#include "controller/logs/log_reader.h"

namespace databuild {

class GraphWorkers;
class Metrics;
namespace kube {
class ApiClient;
}

struct LogCollectionSetup {
  std::string bel_uri;
  const Config& config;  // these outlive the collection
  kube::ApiClient& client;
  Cluster& cluster;
  const Clock& clock;
  Metrics& metrics;
};

class LogCollection {
 public:
  // The event log's storage is initialized.
  static Result<std::unique_ptr<LogCollection>> Open(const LogCollectionSetup& setup);
  virtual ~LogCollection() = default;

  // What the workers see in place of the cluster.
  virtual Cluster& cluster() = 0;
  virtual LogSource& source() = 0;
  // For effects that read what a run said last: its newest lines, if its log is complete.
  virtual std::optional<std::string> StoredTail(const RunKey& run) = 0;
  // `workers` lives until Stop has returned.
  virtual void Start(const GraphWorkers& workers) = 0;
  virtual void Stop() = 0;
};

}  // namespace databuild
