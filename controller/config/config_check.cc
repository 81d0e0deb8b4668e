// CheckConfig and what it needs: fields that must hold certain values or fit each other.
#include <algorithm>
#include <charconv>
#include <initializer_list>

#include "controller/config/config.h"

namespace databuild {
namespace {

constexpr int64_t kLeastMaxEvents = 10'000;

Error Invalid(const std::string& key, const std::string& problem) {
  return {Errc::kInvalidArgument, key + ": " + problem};
}

Status CheckOneOf(const std::string& key, const std::string& value,
                  std::initializer_list<const char*> allowed) {
  std::string names;
  for (const char* name : allowed) {
    if (value == name) return {};
    names += (names.empty() ? "" : ", ") + std::string(name);
  }
  return Invalid(key, "\"" + value + "\" is not one of " + names);
}

bool IsNamespaceName(const std::string& name) {
  if (name.empty() || name.size() > 63 || name.front() == '-' || name.back() == '-') return false;
  return std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-';
  });
}

// What retention gives up must be in a base first, which only the second fold writes.
Status CheckRetention(const Config& config) {
  if (config.bel_max_age == 0 && config.bel_max_events == 0) return {};
  if (!config.bel_verify) {
    return Invalid("bel.retention",
                   "it needs bel.verify: true; the base that stands for what goes is written by "
                   "the second fold");
  }
  if (config.bel_hot_events == 0) {
    return Invalid("bel.retention", "it needs bel.hotEvents above 0; only what is sealed can go");
  }
  if (config.bel_max_events != 0 && config.bel_max_events < kLeastMaxEvents) {
    return Invalid("bel.retention.maxEvents",
                   "it must be 0 or at least " + std::to_string(kLeastMaxEvents));
  }
  if (config.bel_max_age != 0 && config.bel_max_age < kHour) {
    return Invalid("bel.retention.maxAge", "it must be 0s or at least 1h");
  }
  return {};
}

Status CheckLog(const Config& config) {
  if (config.bel_uri.empty() == config.bel_uri_file.empty()) {
    return Invalid("bel", "write exactly one of uri and uriFile");
  }
  return CheckRetention(config);
}

Status CheckNamespaces(const Config& config) {
  for (size_t i = 0; i < config.watch_namespaces.size(); ++i) {
    const std::string& name = config.watch_namespaces[i];
    std::string key = "watchNamespaces[" + std::to_string(i) + "]";
    if (!IsNamespaceName(name)) return Invalid(key, "\"" + name + "\" is not a namespace's name");
    if (std::count(config.watch_namespaces.begin(), config.watch_namespaces.end(), name) > 1) {
      return Invalid(key, "\"" + name + "\" stands there twice");
    }
    if (name == config.pod_namespace) {
      return Invalid(key, "the operator's own namespace is never a graph; leave it out");
    }
  }
  return {};
}

Status CheckPeers(const Config& config) {
  for (size_t i = 0; i < config.peers.size(); ++i) {
    const PeerConfig& peer = config.peers[i];
    const std::string key = "peers[" + std::to_string(i) + "]";
    const auto same = [&](const PeerConfig& other) { return other.name == peer.name; };
    if (peer.name.empty()) return Invalid(key + ".name", "it is missing");
    if (std::count_if(config.peers.begin(), config.peers.end(), same) > 1)
      return Invalid(key + ".name", "\"" + peer.name + "\" stands there twice");
    if (!peer.url.starts_with("http://") && !peer.url.starts_with("https://"))
      return Invalid(key + ".url", "\"" + peer.url + "\" begins with neither http:// nor https://");
    if (peer.graph.empty()) return Invalid(key + ".graph", "it is missing");
    if (peer.patterns.empty()) return Invalid(key + ".patterns", "name at least one");
  }
  return {};
}

Status CheckLease(const Config& config) {
  if (!config.lease_enabled) return {};
  if (config.lease_name.empty()) return Invalid("lease.name", "it is missing");
  if (config.lease_namespace.empty() && config.pod_namespace.empty()) {
    return Invalid("lease.namespace",
                   "it is missing, and POD_NAMESPACE is not set; write it, or lease.enabled: false "
                   "for the only operator of a cluster");
  }
  if (config.lease_renew_deadline >= config.lease_duration) {
    return Invalid("lease.renewDeadline", "it must be shorter than lease.duration");
  }
  if (config.lease_retry_period >= config.lease_renew_deadline) {
    return Invalid("lease.retryPeriod", "it must be shorter than lease.renewDeadline");
  }
  return {};
}

Status CheckApi(const Config& config) {
  Result<ListenAddress> api = ParseListenAddress(config.api_listen);
  if (!api.ok()) return Invalid("api.listen", api.error().message);
  Result<ListenAddress> metrics = ParseListenAddress(config.metrics_listen);
  if (!metrics.ok()) return Invalid("metrics.listen", metrics.error().message);
  RETURN_IF_ERROR(CheckOneOf("api.auth", config.api_auth, {"kubernetes", "none"}));
  if (config.api_auth == "none" && !api->is_loopback) {
    return Invalid("api.auth", "none is allowed on loopback only, but api.listen is " +
                                   config.api_listen + "; listen on 127.0.0.1 or use kubernetes");
  }
  if (config.api_auth == "kubernetes" && config.api_audiences.empty()) {
    return Invalid("api.audiences", "it is empty; name the audience of the tokens to accept");
  }
  if (config.api_tls_cert_file.empty() != config.api_tls_key_file.empty()) {
    return Invalid("api.tls", "write both certFile and keyFile, or neither");
  }
  return {};
}

// Replaces what stands between `begin` and `end`.
void Hide(std::string* uri, size_t begin, size_t end) { uri->replace(begin, end - begin, "xxxxx"); }

}  // namespace

Status CheckConfig(const Config& config) {
  RETURN_IF_ERROR(CheckLog(config));
  RETURN_IF_ERROR(CheckNamespaces(config));
  RETURN_IF_ERROR(CheckPeers(config));
  RETURN_IF_ERROR(CheckLease(config));
  RETURN_IF_ERROR(CheckApi(config));
  RETURN_IF_ERROR(CheckOneOf("log.level", config.log_level, {"debug", "info", "warn", "error"}));
  RETURN_IF_ERROR(CheckOneOf("jobs.wrapperImagePullPolicy", config.wrapper_image_pull_policy,
                             {"Always", "IfNotPresent", "Never"}));
  if (config.wrapper_image.empty()) {
    return Invalid("jobs.wrapperImage",
                   "it is missing; name the image that holds /databuild-exec, or set "
                   "DATABUILD_IMAGE");
  }
  if (config.data_dir.empty()) return Invalid("dataDir", "it is missing");
  return {};
}

std::string WithoutPassword(const std::string& uri) {
  std::string shown = uri;
  for (const char* name : {"password=", "sslpassword="}) {
    for (size_t at = shown.find(name); at != std::string::npos; at = shown.find(name, at + 1)) {
      size_t begin = at + std::string(name).size();
      Hide(&shown, begin, std::min(shown.find_first_of("&# ", begin), shown.size()));
    }
  }
  size_t authority = shown.find("://");
  if (authority == std::string::npos) return shown;
  authority += 3;
  size_t end = std::min(shown.find_first_of("/?#", authority), shown.size());
  size_t at = shown.rfind('@', end);
  size_t colon = shown.find(':', authority);
  if (at != std::string::npos && at > authority && colon < at) Hide(&shown, colon + 1, at);
  return shown;
}

Result<ListenAddress> ParseListenAddress(const std::string& text) {
  size_t colon = text.rfind(':');
  std::string host = colon == std::string::npos ? "" : text.substr(0, colon);
  unsigned port = 0;
  const char* begin = text.data() + (colon == std::string::npos ? text.size() : colon + 1);
  auto [end, fault] = std::from_chars(begin, text.data() + text.size(), port);
  bool bracketed = host.size() >= 2 && host.front() == '[' && host.back() == ']';
  if (bracketed) host = host.substr(1, host.size() - 2);
  bool good = fault == std::errc() && end == text.data() + text.size() && port <= 65'535 &&
              (bracketed || host.find(':') == std::string::npos);
  if (!good) {
    return Error{Errc::kInvalidArgument, "\"" + text +
                                             "\" is not an address to listen on; write "
                                             "HOST:PORT, such as 127.0.0.1:8080 or [::1]:8080"};
  }
  bool loopback = host == "localhost" || host == "::1" || host.starts_with("127.");
  return ListenAddress{host, static_cast<uint16_t>(port), loopback};
}

}  // namespace databuild
