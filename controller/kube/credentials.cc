#include "controller/kube/credentials.h"

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

namespace databuild::kube {

namespace {

constexpr auto kTokenReadInterval = std::chrono::seconds(60);
constexpr uintmax_t kSecretFileBytesMax = 1024 * 1024;

Result<std::string> ReadSmallFile(const std::string& path) {
  std::error_code code;
  if (!std::filesystem::is_regular_file(path, code))
    return Error{Errc::kNotFound, "cannot read " + path + ": there is no such file"};
  if (std::filesystem::file_size(path, code) > kSecretFileBytesMax)
    return Error{Errc::kTooLarge, "cannot read " + path + ": it is larger than 1 MiB"};
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  if (!file.good() && !file.eof())
    return Error{Errc::kUnavailable, "cannot read " + path + ": check its permissions"};
  return text.str();
}

std::string Trim(std::string text) {
  while (!text.empty() && std::isspace(static_cast<unsigned char>(text.back()))) text.pop_back();
  return text;
}

}  // namespace

Result<std::string> PemSource::Read() const {
  if (!text.empty()) return text;
  if (file.empty()) return Error{Errc::kNotFound, "no PEM text and no file is given"};
  return ReadSmallFile(file);
}

InClusterSource InClusterFromEnvironment() {
  InClusterSource source;
  if (const char* host = std::getenv("KUBERNETES_SERVICE_HOST")) source.host = host;
  if (const char* port = std::getenv("KUBERNETES_SERVICE_PORT")) source.port = port;
  return source;
}

Result<ClusterAccess> LoadInCluster(const InClusterSource& source) {
  if (source.host.empty() || source.port.empty()) {
    return Error{Errc::kNotFound,
                 "cannot use in-cluster credentials: KUBERNETES_SERVICE_HOST and "
                 "KUBERNETES_SERVICE_PORT are not set; outside of a pod give a kubeconfig"};
  }
  ClusterAccess access;
  access.origin = "in-cluster";
  // The HTTP client cannot take an IPv6 literal; the API server's certificate names this host too.
  bool ipv6 = source.host.find(':') != std::string::npos;
  access.server = "https://" + (ipv6 ? "kubernetes.default.svc" : source.host) + ":" + source.port;
  access.ca.file = source.directory + "/ca.crt";
  access.token_file = source.directory + "/token";
  for (const std::string& path : {access.ca.file, access.token_file}) {
    if (auto text = ReadSmallFile(path); !text.ok()) {
      return Error{Errc::kNotFound, "cannot use in-cluster credentials: " + text.error().message +
                                        "; does the pod mount its service account token?"};
    }
  }
  if (auto ns = ReadSmallFile(source.directory + "/namespace"); ns.ok())
    access.default_namespace = Trim(*ns);
  return access;
}

TokenSource::TokenSource(const ClusterAccess& access)
    : file_(access.token_file), token_(access.token) {}

std::string TokenSource::Token() {
  std::lock_guard lock(mutex_);
  auto now = std::chrono::steady_clock::now();
  if (!file_.empty() && (stale_ || now - read_at_ >= kTokenReadInterval)) {
    if (auto text = ReadSmallFile(file_); text.ok() && !Trim(*text).empty()) token_ = Trim(*text);
    stale_ = false;
    read_at_ = now;
  }
  return token_;
}

void TokenSource::Invalidate() {
  std::lock_guard lock(mutex_);
  stale_ = true;
}

}  // namespace databuild::kube
