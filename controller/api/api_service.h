// The service API over one method table: routing, authentication, decoding, rights, handling,
// answering, counting.
//
// Requests are routed on the server's thread and worked on by a small pool, since asking the API
// server about a caller may block. A call that waits for events is parked and holds no thread.
#pragma once

#include <chrono>
#include <memory>

#include "controller/api/auth.h"
#include "controller/api/http_message.h"

namespace databuild {

class GraphSource;
class Metrics;
class ObjectCreator;

struct ApiServiceOptions {
  const GraphSource* graphs = nullptr;  // all of them outlive the service
  Authenticator* auth = nullptr;
  ObjectCreator* objects = nullptr;  // may be null: then nothing can be written here
  Metrics* metrics = nullptr;        // may be null
  int workers = 8;
  size_t max_queue = 1'024;       // requests in line for a worker; over it: unavailable
  size_t max_long_polls = 1'024;  // over it a waiting call is answered at once
  // Requests of one caller under way or waiting; over it: resource exhausted. 0: no limit.
  size_t max_requests_per_caller = 256;
};

class ApiService {
 public:
  static std::unique_ptr<ApiService> Make(ApiServiceOptions options);
  virtual ~ApiService() = default;

  // For HttpServer. The server stops before the service goes.
  virtual HttpHandler Handler() = 0;
  // Answers every parked call; from now on waiting calls are answered at once.
  virtual void StopWaiting() = 0;
};

}  // namespace databuild
