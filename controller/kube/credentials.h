// How to reach an API server and who we are there: from the pod's service account or from a
// kubeconfig.
//
// Loading reads files once and says exactly which file and key is wrong. Tokens from files are read
// again every minute through TokenSource; certificates from files at every new connection.
#pragma once

#include <chrono>
#include <mutex>
#include <string>

#include "bel/base/result.h"

namespace databuild::kube {

// PEM text, or the file it is in; inline text wins. Both empty: absent.
struct PemSource {
  std::string text;
  std::string file;

  bool present() const { return !text.empty() || !file.empty(); }
  // The PEM as it is now. Errors: kNotFound, naming the file.
  Result<std::string> Read() const;
};

struct ClusterAccess {
  std::string server;           // "https://host:port" and perhaps a path; no trailing slash
  std::string tls_server_name;  // empty: the server's host
  PemSource ca;                 // the only roots that are trusted
  PemSource client_certificate;
  PemSource client_key;
  std::string token;                      // used if token_file is empty
  std::string token_file;                 // wins over token, read again every minute
  bool insecure_skip_tls_verify = false;  // only ever from an explicit kubeconfig entry
  std::string default_namespace = "default";
  std::string origin;  // "in-cluster" or "kubeconfig FILE, context NAME": for messages

  bool is_https() const { return server.starts_with("https://"); }
};

struct InClusterSource {
  std::string directory = "/var/run/secrets/kubernetes.io/serviceaccount";
  std::string host;  // KUBERNETES_SERVICE_HOST
  std::string port;  // KUBERNETES_SERVICE_PORT
};
// host and port from the environment.
InClusterSource InClusterFromEnvironment();

// Errors: kNotFound (no service account here), kInvalidArgument.
Result<ClusterAccess> LoadInCluster(const InClusterSource& source);

// `files` is one path or a list separated by ':' (merged, the first file that has a name wins).
// Empty context: current-context. Relative paths inside are relative to their file.
// Errors: kNotFound, kInvalidArgument, kUnsupported (exec and auth-provider plugins, proxy-url).
Result<ClusterAccess> LoadKubeconfig(const std::string& files, const std::string& context);

// The bearer token as it should be sent now. Thread-safe.
class TokenSource {
 public:
  explicit TokenSource(const ClusterAccess& access);

  // Empty: no token. A file that cannot be read keeps the token read before.
  std::string Token();
  // After a 401: the next Token() reads the file again.
  void Invalidate();

 private:
  const std::string file_;
  std::mutex mutex_;  // guards what follows
  std::string token_;
  bool stale_ = true;
  std::chrono::steady_clock::time_point read_at_{};
};

}  // namespace databuild::kube
