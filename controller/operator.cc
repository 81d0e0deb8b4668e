#include "controller/operator.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <nlohmann/json.hpp>

#include "bel/base/log.h"
#include "bel/base/uuid.h"
#include "bel/followed_logs.h"
#include "bel/log_keeper.h"
#include "bel/log_writer.h"
#include "bel/open_storage.h"
#include "controller/api/api_server.h"
#include "controller/api_options.h"
#include "controller/config/command_line.h"
#include "controller/kube/kube_cluster.h"
#include "controller/kube/lease.h"
#include "controller/kube/object_writer.h"
#include "controller/kube/review_client.h"
#include "controller/log_collection.h"
#include "controller/metrics/graph_metrics.h"
#include "controller/metrics/metrics.h"
#include "controller/metrics/process_metrics.h"
#include "controller/reconciler/graph_workers.h"
#include "controller/served_graphs.h"

namespace databuild {
namespace {

using std::chrono::milliseconds;

constexpr DurationNs kStuckTick = 2 * kMinute;
constexpr DurationNs kStandbyLag = 10 * kSecond;  // a standby that has read nothing for so long

milliseconds Millis(DurationNs duration) { return milliseconds(duration / kMillisecond); }

Result<kube::ClusterAccess> Access(const Config& config) {
  if (!config.kubeconfig.empty())
    return kube::LoadKubeconfig(config.kubeconfig, config.kube_context);
  return kube::LoadInCluster(kube::InClusterFromEnvironment());
}

Result<std::string> UidOf(kube::ApiClient& client, const std::string& ns) {
  const kube::ApiReply reply = client.Get(kube::ObjectPath{kube::kNamespaces, "", ns, ""},
                                          kube::CallOptions::Within(milliseconds(30'000)));
  if (!reply.ok()) return reply.error().ToError();
  const nlohmann::json object = nlohmann::json::parse(*reply, nullptr, false);
  if (!object.is_object() || !object.contains("metadata")) {
    return Error{Errc::kInternal, "namespace " + ns + ": the API server's answer is not an object"};
  }
  return object["metadata"].value("uid", "");
}

// What leaders and standbys know of a log.
void CollectLog(const std::string& graph, const EventLog& log, Metrics& metrics) {
  metrics.Set(Metric::kLogHeadIndex, {graph}, static_cast<double>(log.head()));
  metrics.Set(Metric::kLogFloorIndex, {graph}, static_cast<double>(log.floor()));
  metrics.Set(Metric::kLogStale, {graph}, static_cast<double>(log.health().stale_for) / kSecond);
}

}  // namespace

struct Operator::Parts {
  SystemClock clock;
  Metrics metrics;
  std::unique_ptr<kube::ApiClient> client;
  std::unique_ptr<kube::ApiClient> lease_client;
  // For the API, also while not leading: not fenced with the lease.
  std::unique_ptr<kube::ApiClient> review_client;  // asks about callers
  std::unique_ptr<kube::ApiClient> put_client;     // creates what they put
  std::string cluster_uid;
  std::string holder;
  std::unique_ptr<Storage> storage;
  std::unique_ptr<HttpServer> health;
  std::unique_ptr<kube::LeaseElector> lease;
  std::unique_ptr<kube::KubeCluster> cluster;
  std::unique_ptr<LogCollection> logs;  // asks the workers
  std::unique_ptr<LogWriter> writer;
  std::unique_ptr<GraphWorkers> workers;
  std::unique_ptr<LogKeeper> keeper;       // asks the workers
  std::unique_ptr<FollowedLogs> followed;  // in Postgres, where another replica may lead
  std::unique_ptr<ServedGraphs> graphs;
  std::unique_ptr<kube::KubeReviewClient> reviews;
  std::unique_ptr<kube::ObjectWriter> objects;
  std::unique_ptr<Authenticator> auth;
  std::unique_ptr<ApiServer> api;
};

Operator::Operator(Config config) : config_(std::move(config)), parts_(std::make_unique<Parts>()) {}
Operator::~Operator() = default;

void Operator::RequestStop(const std::string& why, int exit_code) {
  const std::lock_guard lock(mutex_);
  if (!stop_) {
    LogInfo("stopping", {{"why", why}});
    exit_code_ = exit_code;
  }
  stop_ = true;
  changed_.notify_all();
}

bool Operator::Stopping() const {
  const std::lock_guard lock(mutex_);
  return stop_;
}

Status Operator::SetUp() {
  ASSIGN_OR_RETURN(const kube::ClusterAccess access, Access(config_));
  kube::ApiClientOptions options;
  options.user_agent =
      std::string("databuild-controller/") + DatabuildVersion() + " (linux/amd64) kubernetes";
  options.qps = static_cast<double>(config_.kube_qps);
  options.burst = static_cast<int>(config_.kube_burst);
  options.observe = [this](const kube::RequestObservation& seen) {
    parts_->metrics.Add(Metric::kRestClientRequests, {seen.code, seen.method});
    parts_->metrics.Observe(Metric::kRestClientDuration, {seen.method},
                            static_cast<double>(seen.duration) / kSecond);
  };
  // A process that was paused past its lease must not write what it had decided before.
  options.may_write = [this] { return !parts_->lease || parts_->lease->MayWrite(); };
  ASSIGN_OR_RETURN(parts_->client, kube::ApiClient::Create(access, options));
  options.may_write = nullptr;
  ASSIGN_OR_RETURN(parts_->review_client, kube::ApiClient::Create(access, options));
  ASSIGN_OR_RETURN(parts_->put_client, kube::ApiClient::Create(access, options));
  options.qps = 0;
  ASSIGN_OR_RETURN(parts_->lease_client, kube::ApiClient::Create(access, options));
  parts_->holder = config_.pod_name.empty() ? "databuild-" + RandomUuid() : config_.pod_name;
  parts_->metrics.Set(Metric::kBuildInfo, {DatabuildVersion(), "unknown"}, 1);
  return {};
}

// Storage and the cluster's identity; tried again until they answer or the process is told to stop.
Status Operator::OpenStorage() {
  ASSIGN_OR_RETURN(const std::string uri, BelUri(config_));
  ASSIGN_OR_RETURN(parts_->storage, databuild::OpenStorage(uri));
  while (!Stopping()) {
    Status ready = parts_->storage->Initialize();
    if (ready.ok() && parts_->cluster_uid.empty()) {
      parts_->cluster_uid = config_.cluster_id;
      if (parts_->cluster_uid.empty()) {
        Result<std::string> uid = UidOf(*parts_->client, "kube-system");
        if (!uid.ok() && uid.error().code == Errc::kPermissionDenied &&
            !config_.pod_namespace.empty()) {
          uid = UidOf(*parts_->client, config_.pod_namespace);
        }
        if (!uid.ok()) ready = uid.error();
        if (uid.ok()) parts_->cluster_uid = *uid;
      }
    }
    if (ready.ok()) return {};
    if (ready.error().code != Errc::kUnavailable && ready.error().code != Errc::kDeadlineExceeded)
      return ready;
    LogWarn("not ready to start; trying again", {{"error", ready.error().message}});
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, milliseconds(2'000), [&] { return stop_; });
  }
  return Error{Errc::kCancelled, "told to stop before the log could be opened"};
}

Status Operator::StartHealth() {
  ASSIGN_OR_RETURN(const ListenAddress address, ParseListenAddress(config_.metrics_listen));
  HttpServerOptions http;
  http.address = address.host;
  http.port = address.port;
  HealthOptions health;
  health.metrics = &parts_->metrics;
  health.live.push_back({"loop", [this]() -> Status {
                           const std::lock_guard lock(mutex_);
                           if (!leading_) return {};
                           return parts_->workers->Progress(kStuckTick);
                         }});
  health.live.push_back(
      {"lease", [this]() -> Status {
         const std::lock_guard lock(mutex_);
         if (leading_ && parts_->lease && parts_->lease->Wedged()) {
           return Error{Errc::kDeadlineExceeded, "the lease is held but not renewed"};
         }
         return {};
       }});
  // A standby is ready when it can answer; a leader when it also works.
  const auto when_leading = [this](const std::function<Status()>& check) -> Status {
    const std::lock_guard lock(mutex_);
    if (stop_) return Error{Errc::kUnavailable, "stopping"};
    if (!leading_ && followed_) return parts_->followed->CaughtUp(kStandbyLag);
    if (!leading_)
      return Error{Errc::kUnavailable, "standby: another replica is active, or none yet"};
    return check();
  };
  health.ready.push_back({"informers", [this, when_leading] {
                            return when_leading([this]() -> Status {
                              if (parts_->cluster->AllSynced()) return {};
                              return Error{Errc::kUnavailable, "first lists are not complete"};
                            });
                          }});
  health.ready.push_back({"log", [this, when_leading] {
                            return when_leading([this] { return parts_->workers->Ready(); });
                          }});
  health.ready.push_back({"api", [this]() -> Status {
                            const std::lock_guard lock(mutex_);
                            if (serving_) return {};
                            return Error{Errc::kUnavailable, "the API does not listen yet"};
                          }});
  parts_->metrics.OnScrape([this](Metrics& metrics) {
    CollectProcess(metrics);
    CollectMetrics();
  });
  ASSIGN_OR_RETURN(parts_->health, StartHealthServer(http, std::move(health)));
  return {};
}

// Reads along while it waits for the lease; another process can only share a Postgres.
void Operator::StartFollowing() {
  const bool may_wait = config_.lease_enabled && parts_->storage->name() == std::string("postgres");
  if (may_wait) {
    FollowedLogs::Options options;
    options.log.storage = parts_->storage.get();
    options.log.clock = &parts_->clock;
    options.log.cluster_uid = parts_->cluster_uid;
    options.log.snapshot_folder = config_.data_dir + "/snapshots";
    options.ours = [this](const GraphHead& head) { return Ours(head); };
    parts_->followed = std::make_unique<FollowedLogs>(std::move(options));
  }
  parts_->graphs = std::make_unique<ServedGraphs>(parts_->followed.get());
  const std::lock_guard lock(mutex_);
  followed_ = may_wait;
}

// What the workers take over.
std::function<std::shared_ptr<EventLog>(const std::string&)> Operator::StopFollowing() {
  parts_->followed->Stop();
  return [this](const std::string& graph) {
    const std::shared_ptr<EventLog> log = parts_->followed->Find(graph);
    return log && !log->writing() ? log : nullptr;
  };
}

// A graph of this operator, by its log.
bool Operator::Ours(const GraphHead& head) const {
  const auto& watched = config_.watch_namespaces;
  return head.cluster_uid == parts_->cluster_uid &&
         (watched.empty() ||
          std::find(watched.begin(), watched.end(), head.graph) != watched.end());
}

// True once this replica is the active one; false when told to stop first.
bool Operator::AwaitLease() {
  if (!config_.lease_enabled) return !Stopping();
  kube::LeaseOptions options;
  options.ns = config_.lease_namespace.empty() ? config_.pod_namespace : config_.lease_namespace;
  if (options.ns.empty()) options.ns = "default";
  options.name = config_.lease_name;
  options.identity = parts_->holder;
  options.duration = Millis(config_.lease_duration);
  options.renew_deadline = Millis(config_.lease_renew_deadline);
  options.retry_period = Millis(config_.lease_retry_period);
  auto acquired = std::make_shared<std::atomic<bool>>(false);
  parts_->lease = std::make_unique<kube::LeaseElector>(
      *parts_->lease_client, parts_->clock, options,
      kube::LeaseElector::Callbacks{[this, acquired] {
                                      *acquired = true;
                                      const std::lock_guard lock(mutex_);
                                      changed_.notify_all();
                                    },
                                    [](const std::string& why) {
                                      // Whatever this process would still write, another replica
                                      // may be writing already.
                                      LogError("lease lost; ending", {{"why", why}});
                                      std::_Exit(1);
                                    }});
  parts_->lease->Start();
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return stop_ || *acquired; });
  return !stop_;
}

void Operator::OpenCluster() {
  kube::KubeClusterOptions options;
  options.namespaces = config_.watch_namespaces;
  options.own_namespace = config_.pod_namespace;
  options.watch_nodes = config_.watch_nodes;
  options.effect_parallelism = static_cast<int>(config_.effect_parallelism);
  options.call_timeout = Millis(config_.kube_request_timeout);
  options.jobs.wrapper_image = config_.wrapper_image;
  options.jobs.service_accounts = config_.job_service_accounts;
  options.jobs.wrapper_pull_policy = config_.wrapper_image_pull_policy;
  options.status.counter_interval = Millis(config_.status_counter_interval);
  options.status.data_job_interval = Millis(config_.status_data_job_interval);
  options.status.writes_per_second = static_cast<double>(config_.status_patches_per_second);
  options.observe_effect = [this](const char* effect, bool ok) {
    parts_->metrics.Add(Metric::kEffects, {effect, ok ? "ok" : "error"});
  };
  if (config_.logs_enabled) {
    // There before the cluster starts.
    options.stored_log_tail = [this](const std::string& graph, const std::string& run_id) {
      return parts_->logs->StoredTail({graph, run_id});
    };
  }
  parts_->cluster = std::make_unique<kube::KubeCluster>(*parts_->client, parts_->clock, options);
}

Status Operator::StartGraphs() {
  OpenCluster();
  parts_->writer = std::make_unique<LogWriter>(parts_->storage.get());
  RETURN_IF_ERROR(OpenLogs());
  GraphWorkersOptions workers;
  workers.cluster = parts_->logs ? &parts_->logs->cluster() : parts_->cluster.get();
  workers.planner.log_deadline = parts_->logs ? config_.logs_deadline : 0;
  workers.max_runs = static_cast<uint32_t>(config_.max_runs);
  workers.planner.max_runs_per_graph = static_cast<uint32_t>(config_.max_runs_per_graph);
  workers.planner.keep_finished_jobs = config_.keep_finished_jobs;
  workers.planner.callers_known = config_.api_caller_policy;
  for (const PeerConfig& peer : config_.peers) {
    Peer& known = workers.planner.peers.emplace_back(Peer{peer.name, peer.graph, {}});
    for (const std::string& pattern : peer.patterns) {
      ASSIGN_OR_RETURN(Glob glob, Glob::Compile(pattern));
      known.patterns.push_back(std::move(glob));
    }
  }
  workers.log.storage = parts_->storage.get();
  workers.log.writer = parts_->writer.get();
  workers.log.clock = &parts_->clock;
  workers.log.cluster_uid = parts_->cluster_uid;
  workers.log.holder = parts_->holder + "/" + RandomUuid();
  workers.log.snapshot_folder = config_.data_dir + "/snapshots";
  workers.log.verify = config_.bel_verify;
  if (parts_->followed) workers.followed = StopFollowing();
  workers.log.on_terminal = [this](const Error& error) { RequestStop("log: " + error.message, 1); };
  workers.on_event = [this](const std::string& graph, const v1::BuildEvent& event,
                            const BuildState& state) {
    ObserveAppended(graph, event, state, parts_->metrics);
  };
  workers.on_append = [this](const std::string& graph, const AppendSample& sample) {
    parts_->metrics.Add(Metric::kEventsAppended, {graph}, static_cast<double>(sample.events));
    parts_->metrics.Observe(Metric::kAppendLatency, {}, static_cast<double>(sample.took) / kSecond);
    parts_->metrics.Observe(Metric::kAppendGroupSize, {}, static_cast<double>(sample.events));
  };
  workers.on_tick = [this](const std::string& graph, const TickReport& report) {
    parts_->metrics.Observe(Metric::kTickDuration, {graph},
                            static_cast<double>(report.took) / kSecond);
    parts_->metrics.Add(Metric::kDecidedEvents, {graph}, static_cast<double>(report.events));
  };
  parts_->workers = std::make_unique<GraphWorkers>(std::move(workers));
  parts_->graphs->Lead(parts_->workers.get(), parts_->logs ? &parts_->logs->source() : nullptr);
  StartKeeper();
  Cluster& cluster = parts_->logs ? parts_->logs->cluster() : *parts_->cluster;
  cluster.OnChange([this](const std::string& graph) { parts_->workers->Wake(graph); });
  if (parts_->logs) parts_->logs->Start(*parts_->workers);
  {
    const std::lock_guard lock(mutex_);
    leading_ = true;
  }
  parts_->cluster->Start();
  // Graphs of the log whose objects are all gone: somebody has to notice that.
  ASSIGN_OR_RETURN(const std::vector<GraphHead> known, parts_->storage->Graphs());
  for (const GraphHead& head : known) {
    if (Ours(head)) parts_->workers->Wake(head.graph);
  }
  return {};
}

Status Operator::OpenLogs() {
  if (!config_.logs_enabled) return {};
  ASSIGN_OR_RETURN(const std::string uri, BelUri(config_));
  ASSIGN_OR_RETURN(parts_->logs,
                   LogCollection::Open({uri, config_, *parts_->client, *parts_->cluster,
                                        parts_->clock, parts_->metrics}));
  return {};
}

void Operator::StartKeeper() {
  if (config_.bel_hot_events == 0) return;
  KeeperSetup setup;
  setup.storage = parts_->storage.get();
  setup.clock = &parts_->clock;
  setup.options.hot_events = config_.bel_hot_events;
  setup.options.max_age = config_.bel_max_age;
  setup.options.max_events = config_.bel_max_events;
  setup.logs = [this] {
    std::vector<KeptLog> logs;
    for (const std::string& graph : parts_->workers->Graphs()) {
      const std::shared_ptr<const GraphHandle> handle = parts_->workers->Find(graph);
      if (!handle) continue;
      logs.push_back({graph, handle->log->epoch(), [handle] { handle->log->WantBase(); },
                      [handle](int64_t floor) { handle->log->NoteFloor(floor); }});
    }
    return logs;
  };
  parts_->keeper = std::make_unique<LogKeeper>(std::move(setup));
}

Status Operator::StartApi() {
  ASSIGN_OR_RETURN(AuthOptions auth, AuthOptionsOf(config_));
  parts_->reviews = std::make_unique<kube::KubeReviewClient>(*parts_->review_client);
  auth.reviews = parts_->reviews.get();
  auth.clock = &parts_->clock;
  auth.metrics = &parts_->metrics;
  ASSIGN_OR_RETURN(parts_->auth, MakeAuthenticator(auth));
  ASSIGN_OR_RETURN(ApiServerOptions options, ApiServerOptionsOf(config_));
  parts_->objects = std::make_unique<kube::ObjectWriter>(*parts_->put_client);
  options.service.graphs = parts_->graphs.get();
  options.service.auth = parts_->auth.get();
  options.service.objects = parts_->objects.get();
  options.service.metrics = &parts_->metrics;
  ASSIGN_OR_RETURN(parts_->api, ApiServer::Start(options));
  {
    const std::lock_guard lock(mutex_);
    serving_ = true;
  }
  LogInfo(
      "api listening",
      {{"address", config_.api_listen}, {"port", parts_->api->port()}, {"auth", config_.api_auth}});
  return {};
}

void Operator::CollectFollowed() {
  for (const std::string& graph : parts_->followed->Graphs()) {
    const std::shared_ptr<const EventLog> log = parts_->followed->Find(graph);
    if (log) CollectLog(graph, *log, parts_->metrics);
  }
}

void Operator::CollectMetrics() {
  {
    const std::lock_guard lock(mutex_);
    parts_->metrics.Set(Metric::kLeader, {}, leading_ ? 1 : 0);
    if (!leading_ && followed_) CollectFollowed();
    if (!leading_) return;
  }
  for (const std::string& graph : parts_->workers->Graphs()) {
    const std::shared_ptr<const GraphHandle> handle = parts_->workers->Find(graph);
    if (!handle) continue;
    handle->log->WithState([&](const BuildState& state) {
      CollectGraph(graph, state, parts_->clock.Now(), parts_->metrics);
    });
    CollectLog(graph, *handle->log, parts_->metrics);
    const Verification verified = handle->log->verification();
    parts_->metrics.Set(Metric::kLogVerifiedIndex, {graph}, static_cast<double>(verified.idx));
    parts_->metrics.RaiseTo(Metric::kLogMismatches, {graph},
                            static_cast<double>(verified.mismatches));
    parts_->metrics.Set(Metric::kLogSnapshotIndex, {graph},
                        static_cast<double>(verified.snapshot_idx));
  }
  for (const kube::NamedHealth& informer : parts_->cluster->Health()) {
    parts_->metrics.Set(Metric::kInformerSynced, {informer.resource},
                        informer.health.synced ? 1 : 0);
    parts_->metrics.RaiseTo(Metric::kInformerRelists, {informer.resource},
                            static_cast<double>(informer.health.lists));
    parts_->metrics.RaiseTo(Metric::kInformerWatchRestarts, {informer.resource},
                            static_cast<double>(informer.health.watches));
  }
}

Result<int> Operator::Run() {
  RETURN_IF_ERROR(SetUp());
  RETURN_IF_ERROR(StartHealth());
  Status started = OpenStorage();
  if (started.ok()) StartFollowing();
  if (started.ok() && parts_->followed) started = StartApi();
  if (started.ok() && AwaitLease()) {
    started = StartGraphs();
    if (started.ok() && !parts_->api) started = StartApi();
    if (started.ok()) {
      std::unique_lock lock(mutex_);
      changed_.wait(lock, [&] { return stop_; });
    }
  }
  ShutDown();
  if (!started.ok() && started.error().code != Errc::kCancelled) return started.error();
  const std::lock_guard lock(mutex_);
  return exit_code_;
}

// Readers first, then what writes, then the lease.
void Operator::ShutDown() {
  const milliseconds drain = Millis(config_.shutdown_timeout) / 2;
  if (parts_->api) parts_->api->Stop(drain);
  if (parts_->logs) parts_->logs->Stop();
  if (parts_->workers) parts_->workers->Stop();
  if (parts_->cluster) parts_->cluster->Stop();
  if (parts_->lease) parts_->lease->Stop();
  if (parts_->health) parts_->health->Stop(milliseconds(1'000));
}

}  // namespace databuild
