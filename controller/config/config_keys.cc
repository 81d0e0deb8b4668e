#include "controller/config/config_keys.h"

namespace databuild {
namespace {

constexpr int64_t kMaxBytes = int64_t{1} << 30;

}  // namespace

std::vector<ConfigKey> PeerKeys(PeerConfig* peer) {
  return {{"name", &peer->name},
          {"url", &peer->url},
          {"graph", &peer->graph},
          {"patterns", &peer->patterns},
          {"tokenFile", &peer->token_file},
          {"caFile", &peer->ca_file}};
}

std::vector<ConfigKey> ConfigKeys(Config* config) {
  return {
      {"bel.uri", &config->bel_uri},
      {"bel.uriFile", &config->bel_uri_file},
      {"bel.hotEvents", ConfigNumber{&config->bel_hot_events, 0, int64_t{1} << 40}},
      {"bel.retention.maxAge", ConfigDuration{&config->bel_max_age, true}},
      {"bel.retention.maxEvents", ConfigNumber{&config->bel_max_events, 0, int64_t{1} << 40}},
      {"bel.verify", &config->bel_verify},
      {"dataDir", &config->data_dir},
      {"clusterId", &config->cluster_id},
      {"watchNamespaces", &config->watch_namespaces},
      {"watchNodes", &config->watch_nodes},
      {"kubernetes.kubeconfig", &config->kubeconfig},
      {"kubernetes.context", &config->kube_context},
      {"kubernetes.qps", ConfigNumber{&config->kube_qps, 1, 100'000}},
      {"kubernetes.burst", ConfigNumber{&config->kube_burst, 1, 100'000}},
      {"kubernetes.requestTimeout", ConfigDuration{&config->kube_request_timeout}},
      {"kubernetes.effectParallelism", ConfigNumber{&config->effect_parallelism, 1, 1'024}},
      {"lease.enabled", &config->lease_enabled},
      {"lease.name", &config->lease_name},
      {"lease.namespace", &config->lease_namespace},
      {"lease.duration", ConfigDuration{&config->lease_duration}},
      {"lease.renewDeadline", ConfigDuration{&config->lease_renew_deadline}},
      {"lease.retryPeriod", ConfigDuration{&config->lease_retry_period}},
      {"api.listen", &config->api_listen},
      {"api.auth", &config->api_auth},
      {"api.audiences", &config->api_audiences},
      {"api.callerPolicy", &config->api_caller_policy},
      {"api.keys.folder", &config->api_keys_folder},
      {"api.keys.requestsPerSecond", ConfigNumber{&config->api_key_requests, 1, 1'000'000}},
      {"api.tls.certFile", &config->api_tls_cert_file},
      {"api.tls.keyFile", &config->api_tls_key_file},
      {"api.maxConnections", ConfigNumber{&config->api_max_connections, 1, 1'000'000}},
      {"api.maxHeaderBytes", ConfigNumber{&config->api_max_header_bytes, 1'024, kMaxBytes}},
      {"api.maxRequestsPerCaller",
       ConfigNumber{&config->api_max_requests_per_caller, 1, 1'000'000}},
      {"api.maxBodyBytes", ConfigNumber{&config->api_max_body_bytes, 1'024, kMaxBytes}},
      {"api.idleTimeout", ConfigDuration{&config->api_idle_timeout}},
      {"api.requestTimeout", ConfigDuration{&config->api_request_timeout}},
      {"metrics.listen", &config->metrics_listen},
      {"jobs.wrapperImage", &config->wrapper_image},
      {"jobs.wrapperImagePullPolicy", &config->wrapper_image_pull_policy},
      {"jobs.serviceAccounts", &config->job_service_accounts},
      {"jobs.keepFinishedFor", ConfigDuration{&config->keep_finished_jobs}},
      {"peers", &config->peers},
      {"logs.enabled", &config->logs_enabled},
      {"logs.streams", ConfigNumber{&config->logs_streams, 1, 1'000}},
      {"logs.deadline", ConfigDuration{&config->logs_deadline}},
      {"logs.retention", ConfigDuration{&config->logs_retention}},
      {"logs.metrics", &config->logs_metrics},
      {"logs.metricSeries", ConfigNumber{&config->logs_metric_series, 0, 100'000}},
      {"limits.runs", ConfigNumber{&config->max_runs, 0, 1'000'000}},
      {"limits.runsPerGraph", ConfigNumber{&config->max_runs_per_graph, 0, 1'000'000}},
      {"status.patchesPerSecond", ConfigNumber{&config->status_patches_per_second, 1, 100'000}},
      {"status.counterInterval", ConfigDuration{&config->status_counter_interval}},
      {"status.dataJobInterval", ConfigDuration{&config->status_data_job_interval}},
      {"log.level", &config->log_level},
      {"shutdown.timeout", ConfigDuration{&config->shutdown_timeout}},
  };
}

}  // namespace databuild
