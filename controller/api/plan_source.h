// PlanSource: what the planner would do, as the API asks. Implemented beside main, over the
// planners.
#pragma once

#include <string>
#include <vector>

#include "bel/base/result.h"
#include "databuild/v1/databuild.pb.h"

namespace databuild {

// Pure: changes nothing. Thread-safe; refs are 1 to 1,000, and errors name outputs[i].
// kUnavailable: nobody plans here now.
class PlanSource {
 public:
  virtual ~PlanSource() = default;
  virtual Result<v1::GraphLookupResponse> Lookup(const std::string& graph,
                                                 const std::vector<std::string>& refs) const = 0;
  virtual Result<v1::GraphAnalyzeResponse> Analyze(const std::string& graph,
                                                   const std::vector<std::string>& refs) const = 0;
  virtual Result<v1::JobConfigureResponse> Configure(
      const std::string& graph, const std::vector<std::string>& refs) const = 0;
};

}  // namespace databuild
