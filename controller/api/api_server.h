// The two ports of the operator, put together: the service API, and health with metrics.
#pragma once

#include <chrono>
#include <memory>

#include "bel/base/result.h"
#include "controller/api/api_service.h"
#include "controller/api/health.h"
#include "controller/api/http_server.h"

namespace databuild {

struct ApiServerOptions {
  HttpServerOptions http;  // its callbacks are set by Start
  ApiServiceOptions service;
};

// The service API on its own port (8080 by default in the chart).
class ApiServer {
 public:
  static Result<std::unique_ptr<ApiServer>> Start(ApiServerOptions options);
  ~ApiServer();

  uint16_t port() const { return http_->port(); }
  // Answers parked calls, accepts nothing new, lets the rest finish for up to `drain`. Idempotent.
  void Stop(std::chrono::milliseconds drain);

 private:
  ApiServer() = default;
  std::unique_ptr<ApiService> service_;
  std::unique_ptr<HttpServer> http_;  // goes before the service it calls
};

// /livez, /readyz and /metrics on their own port (9090): own loop, one thread, small limits.
Result<std::unique_ptr<HttpServer>> StartHealthServer(HttpServerOptions http, HealthOptions health);

}  // namespace databuild
