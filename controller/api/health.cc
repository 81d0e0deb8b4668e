#include "controller/api/health.h"

#include <algorithm>

#include "controller/metrics/metrics.h"

namespace databuild {
namespace {

using QueryPairs = std::vector<std::pair<std::string, std::string>>;

HttpResponse Probe(const std::string& name, const std::vector<HealthCheck>& checks,
                   const QueryPairs& query) {
  bool verbose = false;
  std::vector<std::string> excluded;
  for (const auto& [key, value] : query) {
    if (key == "verbose") verbose = value != "false" && value != "0";
    if (key == "exclude") excluded.push_back(value);
  }
  std::string list;
  bool passed = true;
  for (const HealthCheck& check : checks) {
    if (std::find(excluded.begin(), excluded.end(), check.name) != excluded.end()) {
      list += "[+]" + check.name + " excluded: ok\n";
      continue;
    }
    const Status status = check.check();
    if (!status.ok()) passed = false;
    list += status.ok() ? "[+]" + check.name + " ok\n"
                        : "[-]" + check.name + " failed: " + status.error().message + "\n";
  }
  if (!passed) return {503, "text/plain; charset=utf-8", list + name + " check failed\n", {}};
  return {200, "text/plain; charset=utf-8", verbose ? list + name + " check passed\n" : "ok", {}};
}

HttpResponse Answer(const HealthOptions& options, const HttpRequest& request) {
  if (request.method != "GET" && request.method != "HEAD") {
    return {405, "text/plain; charset=utf-8", "only GET and HEAD\n", {{"Allow", "GET, HEAD"}}};
  }
  const auto query = ParseQuery(request.query);
  if (!query) return {400, "text/plain; charset=utf-8", "broken escape in the query\n", {}};
  if (request.path == "/livez") return Probe("livez", options.live, *query);
  if (request.path == "/readyz") return Probe("readyz", options.ready, *query);
  if (request.path == "/metrics" && options.metrics != nullptr) {
    return {200, Metrics::kContentType, options.metrics->Scrape(), {}};
  }
  return {404, "text/plain; charset=utf-8", "there are /livez, /readyz and /metrics\n", {}};
}

}  // namespace

HttpHandler HealthHandler(HealthOptions options) {
  return [options = std::move(options)](HttpRequest request, std::shared_ptr<HttpReply> reply) {
    reply->Send(Answer(options, request));
  };
}

}  // namespace databuild
