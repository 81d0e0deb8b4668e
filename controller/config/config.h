// Config: everything an operator's process can be told, with every default. Read once at start,
// then only read; any thread.
//
// Order of precedence: defaults, the YAML file (--config), environment, flags. The file is strict:
// unknown keys, keys written twice, wrong types, numbers without a unit where one is needed,
// aliases and anchors are errors that name the line. Secrets are never in it: they come as files it
// names.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "bel/base/clock.h"
#include "bel/base/result.h"

namespace databuild {

// Another operator's graph whose partitions this one's jobs may read. Refs that no DataJob makes
// and that exactly one peer's patterns match are waited for.
struct PeerConfig {
  std::string name;                   // name: unique, for messages
  std::string url;                    // url: of its API, http:// or https://
  std::string graph;                  // graph: there
  std::vector<std::string> patterns;  // patterns: globs of the refs that it makes
  std::string token_file;             // tokenFile: bearer token; empty: none
  std::string ca_file;                // caFile: CA of its certificate; empty: the system's
  bool operator==(const PeerConfig&) const = default;
};

// The key of each field in the file stands behind it. Durations are written like 15s or 1h30m.
struct Config {
  // The build event log: sqlite://PATH, postgres://..., or memory. At most one of the two; a URI
  // that holds a password belongs into a file.
  std::string bel_uri = "sqlite:///var/lib/databuild/bel.db";  // bel.uri, --bel
  std::string bel_uri_file;                                    // bel.uriFile
  // The newest events of a graph that stay rows; older ones are sealed into compressed segments.
  int64_t bel_hot_events = 1'000'000;  // bel.hotEvents; 0: never seal
  // Retention: an event goes once it is older than this, or once it has so many newer ones, and a
  // base stands for it. 0: not on that account.
  DurationNs bel_max_age = 0;  // bel.retention.maxAge
  int64_t bel_max_events = 0;  // bel.retention.maxEvents
  // Folds the log a second time and compares; snapshots come from that fold. As much memory again.
  bool bel_verify = true;  // bel.verify

  std::string data_dir = "/var/lib/databuild";  // dataDir: snapshots and other local caches
  // clusterId: what the log is acquired under; empty: the UID of namespace kube-system, or, where
  // that cannot be read, of the own namespace.
  std::string cluster_id;
  std::vector<std::string> watch_namespaces;  // watchNamespaces: graphs; empty: every namespace
  bool watch_nodes = true;                    // watchNodes: to notice lost nodes

  std::string kubeconfig;    // kubernetes.kubeconfig, --kubeconfig; empty: in-cluster
  std::string kube_context;  // kubernetes.context, --context; empty: the current one
  int64_t kube_qps = 100;    // kubernetes.qps: requests a second
  int64_t kube_burst = 200;  // kubernetes.burst: requests at once
  DurationNs kube_request_timeout = 30 * kSecond;  // kubernetes.requestTimeout
  int64_t effect_parallelism = 32;                 // kubernetes.effectParallelism: in flight

  bool lease_enabled = true;                       // lease.enabled: elect one active replica
  std::string lease_name = "databuild";            // lease.name
  std::string lease_namespace;                     // lease.namespace; empty: the own one
  DurationNs lease_duration = 15 * kSecond;        // lease.duration
  DurationNs lease_renew_deadline = 10 * kSecond;  // lease.renewDeadline, under duration
  DurationNs lease_retry_period = 2 * kSecond;     // lease.retryPeriod, under renewDeadline

  std::string api_listen = "127.0.0.1:8080";            // api.listen
  std::string api_auth = "kubernetes";                  // api.auth, --auth; none: only on loopback
  std::vector<std::string> api_audiences{"databuild"};  // api.audiences: of tokens reviewed
  // api.callerPolicy: whether admission lets nobody but this operator write the annotation
  // databuild.dev/caller, as the chart's policy does. Only then a source is more than a claim.
  bool api_caller_policy = false;
  std::string api_keys_folder;            // api.keys.folder: one file for each API key; empty: none
  int64_t api_key_requests = 100;         // api.keys.requestsPerSecond: of each key
  std::string api_tls_cert_file;          // api.tls.certFile; both or none
  std::string api_tls_key_file;           // api.tls.keyFile
  int64_t api_max_connections = 1'024;    // api.maxConnections
  int64_t api_max_header_bytes = 16'384;  // api.maxHeaderBytes
  int64_t api_max_body_bytes = 1'048'576;         // api.maxBodyBytes
  int64_t api_max_requests_per_caller = 256;      // api.maxRequestsPerCaller: at once
  DurationNs api_idle_timeout = 60 * kSecond;     // api.idleTimeout: between requests
  DurationNs api_request_timeout = 60 * kSecond;  // api.requestTimeout: of a body or answer

  std::string metrics_listen = "127.0.0.1:9090";  // metrics.listen: /livez, /readyz and /metrics

  // jobs.wrapperImage, --wrapper-image, DATABUILD_IMAGE: the image that holds /databuild-exec.
  std::string wrapper_image;
  std::string wrapper_image_pull_policy = "IfNotPresent";  // jobs.wrapperImagePullPolicy

  // jobs.serviceAccounts: whether DataJobs may name one. Only where the chart's admission policy
  // judges the Jobs that are made of them.
  bool job_service_accounts = false;

  // jobs.keepFinishedFor: how long the Job of an ended run stays, for kubectl logs
  DurationNs keep_finished_jobs = 5 * kMinute;

  std::vector<PeerConfig> peers;  // peers: other graphs; not listened to yet

  // logs.enabled: collect the lines of job runs; a Job stays until they are stored
  bool logs_enabled = true;
  int64_t logs_streams = 32;                // logs.streams: runs followed at a time
  DurationNs logs_deadline = 10 * kMinute;  // logs.deadline: of reading after a run's end
  DurationNs logs_retention = 30 * kDay;    // logs.retention: then they are removed
  // logs.metrics: names of MetricPoints that become databuild_job_metric; empty: none
  std::vector<std::string> logs_metrics;
  int64_t logs_metric_series = 1'000;  // logs.metricSeries: at most, in all

  int64_t max_runs = 500;            // limits.runs: live job runs in all; 0: no limit
  int64_t max_runs_per_graph = 100;  // limits.runsPerGraph; 0: no limit

  int64_t status_patches_per_second = 50;              // status.patchesPerSecond: in all
  DurationNs status_counter_interval = 2 * kSecond;    // status.counterInterval: per object
  DurationNs status_data_job_interval = 30 * kSecond;  // status.dataJobInterval: per DataJob

  std::string log_level = "info";              // log.level, --log-level: debug, info, warn, error
  DurationNs shutdown_timeout = 25 * kSecond;  // shutdown.timeout: under the pod's grace period

  // From the environment, not from the file.
  std::string pod_name;       // POD_NAME: the lease's holder
  std::string pod_namespace;  // POD_NAMESPACE: never a graph
};

// Fills `config` from YAML text. `source` names the text in errors.
Status ReadConfigYaml(const std::string& yaml, const std::string& source, Config* config);

// Sets one key from text, as `--set api.listen=0.0.0.0:8080` does; lists are separated by commas.
Status SetConfigKey(const std::string& key, const std::string& value, Config* config);

// POD_NAME, POD_NAMESPACE, DATABUILD_IMAGE. `lookup` is getenv in the process.
using EnvironmentLookup = std::function<std::optional<std::string>(const std::string&)>;
void ReadEnvironment(const EnvironmentLookup& lookup, Config* config);

// What only shows when everything is there: bounds, and fields that must fit each other.
Status CheckConfig(const Config& config);

// The configuration as YAML that ReadConfigYaml reads back, passwords in URIs replaced by "xxxxx".
std::string PrintConfig(const Config& config);

// bel_uri, or the first line of bel_uri_file.
Result<std::string> BelUri(const Config& config);
// `uri` with the password of its authority and of its query replaced, for logs.
std::string WithoutPassword(const std::string& uri);

struct ListenAddress {
  std::string host;  // without brackets
  uint16_t port = 0;
  bool is_loopback = false;
};
// "127.0.0.1:8080", "[::1]:8080", ":8080" (every address).
Result<ListenAddress> ParseListenAddress(const std::string& text);

}  // namespace databuild
