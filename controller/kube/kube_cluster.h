// KubeCluster: the real Cluster: informers, effect executor and status writer over one API server.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "controller/kube/api_client.h"
#include "controller/kube/cluster_view.h"
#include "controller/kube/create_failures.h"
#include "controller/kube/effects.h"
#include "controller/kube/informer.h"
#include "controller/kube/job_manifest.h"
#include "controller/kube/keyed_pool.h"
#include "controller/kube/status_writer.h"
#include "controller/reconciler/cluster.h"

namespace databuild::kube {

struct KubeClusterOptions {
  std::vector<std::string> namespaces;  // empty: all
  std::string own_namespace;            // never a graph
  bool watch_nodes = true;
  CreateFailureOptions create_failures;
  int effect_parallelism = 32;
  size_t effects_waiting_max = 8'192;
  std::chrono::milliseconds call_timeout{30'000};
  JobSettings jobs;
  StatusWriterOptions status;
  InformerOptions informer;       // page size, timeouts and backoff; type and scope are set here
  StoredLogTail stored_log_tail;  // called on pool threads; empty: logs are not stored
  // Called on pool threads after each effect, with its name ("create_job") and whether it was
  // carried out.
  std::function<void(const char* effect, bool ok)> observe_effect;
};

struct NamedHealth {
  std::string resource;  // "wants"
  std::string scope;     // namespace, empty: all
  InformerHealth health;
};

// Thread-safe. OnChange, then Start, then the rest.
class KubeCluster final : public Cluster {
 public:
  KubeCluster(ApiClient& client, const Clock& clock, KubeClusterOptions options);
  ~KubeCluster() override;

  void Start();
  // Ends effects under way and watches. Submit does nothing afterwards.
  void Stop();

  bool Synced(const std::string& graph) const override;
  std::vector<Delta> TakeDeltas(const std::string& graph) override;
  void Submit(const std::string& graph, std::vector<Effect> effects) override;
  void OnChange(std::function<void(const std::string& graph)> listener) override;

  // For readiness: every required informer has listed once.
  bool AllSynced() const;
  std::vector<NamedHealth> Health() const;
  // Effects and status writes that wait or run.
  size_t pending() const;

 private:
  void AddInformer(const ResourceType& type, const std::string& ns, bool required);

  ApiClient& client_;
  const KubeClusterOptions options_;
  ClusterView view_;
  EffectRunner runner_;
  std::vector<std::unique_ptr<ObjectSink>> sinks_;
  struct Watched {
    ResourceType type;
    std::string ns;
    bool required;
    std::unique_ptr<Informer> informer;
  };
  std::vector<Watched> informers_;
  CreateFailureReader create_failures_;
  KeyedPool pool_;
  StatusWriter writer_;
  std::atomic<bool> stopped_{false};
};

}  // namespace databuild::kube
