#include "controller/kube/kube_cluster.h"

#include "bel/base/log.h"

namespace databuild::kube {

KubeCluster::KubeCluster(ApiClient& client, const Clock& clock, KubeClusterOptions options)
    : client_(client),
      options_(std::move(options)),
      view_({options_.own_namespace}, clock),
      runner_(client, view_, clock,
              {options_.jobs, options_.call_timeout, options_.stored_log_tail}),
      create_failures_(client, view_, clock, options_.create_failures),
      pool_(options_.effect_parallelism, options_.effects_waiting_max),
      writer_({client, view_, pool_, clock}, options_.status) {
  std::vector<std::string> scopes = options_.namespaces;
  if (scopes.empty()) scopes.push_back("");
  for (const std::string& ns : scopes) {
    for (const ResourceType& type : {kWants, kTaints, kDataJobs, kJobs, kPods})
      AddInformer(type, ns, true);
  }
  if (options_.watch_nodes) AddInformer(kNodes, "", false);
}

KubeCluster::~KubeCluster() { Stop(); }

void KubeCluster::AddInformer(const ResourceType& type, const std::string& ns, bool required) {
  InformerOptions informer = options_.informer;
  informer.type = type;
  informer.ns = ns;
  if (type.kind == kJobs.kind || type.kind == kPods.kind) informer.label_selector = kRunLabel;
  sinks_.push_back(view_.NewSink(type, ns, required));
  informers_.push_back(
      {type, ns, required, std::make_unique<Informer>(client_, *sinks_.back(), informer)});
}

void KubeCluster::Start() {
  for (Watched& watched : informers_) watched.informer->Start();
  create_failures_.Start();
}

void KubeCluster::Stop() {
  if (stopped_.exchange(true)) return;
  create_failures_.Stop();
  writer_.Stop();
  pool_.Stop();
  for (Watched& watched : informers_) watched.informer->Stop();
}

bool KubeCluster::Synced(const std::string& graph) const { return view_.Synced(graph); }

std::vector<Delta> KubeCluster::TakeDeltas(const std::string& graph) {
  return view_.TakeDeltas(graph);
}

void KubeCluster::OnChange(std::function<void(const std::string& graph)> listener) {
  view_.OnChange(std::move(listener));
}

void KubeCluster::Submit(const std::string& graph, std::vector<Effect> effects) {
  if (stopped_) return;
  for (Effect& effect : effects) {
    if (auto* status = std::get_if<PatchStatus>(&effect)) {
      writer_.Put(graph, *status);
      continue;
    }
    std::string key = EffectKey(graph, effect);
    pool_.Submit(key, [this, graph, effect = std::move(effect)](std::stop_token stop) {
      Status done = runner_.Run(graph, effect, stop);
      if (options_.observe_effect) options_.observe_effect(EffectName(effect), done.ok());
      if (done.ok() || stop.stop_requested()) return;
      LogWarn("effect not carried out",
              {{"graph", graph}, {"effect", EffectName(effect)}, {"error", done.error().message}});
    });
  }
}

bool KubeCluster::AllSynced() const {
  for (const Watched& watched : informers_) {
    if (watched.required && !watched.informer->health().synced) return false;
  }
  return true;
}

std::vector<NamedHealth> KubeCluster::Health() const {
  std::vector<NamedHealth> all;
  for (const Watched& watched : informers_)
    all.push_back({std::string(watched.type.plural), watched.ns, watched.informer->health()});
  return all;
}

size_t KubeCluster::pending() const { return pool_.pending() + writer_.pending(); }

}  // namespace databuild::kube
