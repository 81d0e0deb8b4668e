// The health port: /livez, /readyz and /metrics, answered without the API's threads, limits or
// authentication.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "bel/base/result.h"
#include "controller/api/http_message.h"

namespace databuild {

class Metrics;

// Called on a server thread for every probe: must be quick, thread-safe and wait for nothing.
struct HealthCheck {
  std::string name;  // "loop", "informers", "log"
  std::function<Status()> check;
};

struct HealthOptions {
  std::vector<HealthCheck> live;  // never depends on the API server or the database
  std::vector<HealthCheck> ready;
  Metrics* metrics = nullptr;  // null: no /metrics
};

// /livez and /readyz answer 200 "ok" or 503 with the failed checks; ?verbose lists every check;
// ?exclude=<name> leaves one out, as the API server's own do.
HttpHandler HealthHandler(HealthOptions options);

}  // namespace databuild
