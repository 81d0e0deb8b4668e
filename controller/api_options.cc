#include "controller/api_options.h"

namespace databuild {
namespace {

std::chrono::milliseconds Millis(DurationNs duration) {
  return std::chrono::milliseconds(duration / kMillisecond);
}

}  // namespace

Result<AuthOptions> AuthOptionsOf(const Config& config) {
  AuthOptions auth;
  ASSIGN_OR_RETURN(const ListenAddress address, ParseListenAddress(config.api_listen));
  ASSIGN_OR_RETURN(auth.mode, ParseAuthMode(config.api_auth));
  auth.listen_address = address.host;
  auth.audiences = config.api_audiences;
  auth.keys_folder = config.api_keys_folder;
  auth.key_requests_per_second = config.api_key_requests;
  return auth;
}

Result<ApiServerOptions> ApiServerOptionsOf(const Config& config) {
  ApiServerOptions options;
  ASSIGN_OR_RETURN(const ListenAddress address, ParseListenAddress(config.api_listen));
  ASSIGN_OR_RETURN(const AuthMode mode, ParseAuthMode(config.api_auth));
  options.http.address = address.host;
  options.http.port = address.port;
  options.http.tls_cert_file = config.api_tls_cert_file;
  options.http.tls_key_file = config.api_tls_key_file;
  options.http.max_connections = static_cast<size_t>(config.api_max_connections);
  options.http.max_header_bytes = static_cast<size_t>(config.api_max_header_bytes);
  options.http.max_body_bytes = static_cast<size_t>(config.api_max_body_bytes);
  options.http.idle_timeout = Millis(config.api_idle_timeout);
  options.http.body_timeout = options.http.write_timeout = Millis(config.api_request_timeout);
  // Without authentication everybody is the same caller.
  options.service.max_requests_per_caller =
      mode == AuthMode::kOff ? 0 : static_cast<size_t>(config.api_max_requests_per_caller);
  return options;
}

}  // namespace databuild
