#include "controller/api/api_server.h"

#include "controller/metrics/metrics.h"

namespace databuild {
namespace {

void CountInto(Metrics* metrics, const char* port, HttpServerOptions& http) {
  if (metrics == nullptr) return;
  http.on_refused = [metrics, port](const char* reason) {
    metrics->Add(Metric::kHttpRejected, {port, reason});
  };
  http.on_connections = [metrics, port](size_t connections) {
    metrics->Set(Metric::kHttpConnections, {port}, static_cast<double>(connections));
  };
}

}  // namespace

Result<std::unique_ptr<ApiServer>> ApiServer::Start(ApiServerOptions options) {
  std::unique_ptr<ApiServer> server(new ApiServer);
  CountInto(options.service.metrics, "api", options.http);
  server->service_ = ApiService::Make(options.service);
  ASSIGN_OR_RETURN(server->http_,
                   HttpServer::Start(std::move(options.http), server->service_->Handler()));
  return server;
}

ApiServer::~ApiServer() {
  if (http_ != nullptr) Stop(std::chrono::milliseconds(0));
}

void ApiServer::Stop(std::chrono::milliseconds drain) {
  service_->StopWaiting();
  http_->Stop(drain);
}

Result<std::unique_ptr<HttpServer>> StartHealthServer(HttpServerOptions http,
                                                      HealthOptions health) {
  http.threads = 1;
  http.max_body_bytes = 1'024;
  http.max_connections = 64;
  CountInto(health.metrics, "health", http);
  return HttpServer::Start(std::move(http), HealthHandler(std::move(health)));
}

}  // namespace databuild
