// JobMetrics: MetricPoints that jobs print, as one metric of the operator. Names and number of
// series are bounded by the configuration, because jobs are foreign.
#pragma once

#include <mutex>
#include <set>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

#include "controller/metrics/metrics.h"

namespace databuild {

struct JobMetricValue {
  std::string_view graph;
  std::string_view job;  // label
  std::string_view name;
  double value = 0;
};

// Thread-safe. `metrics` outlives it.
class JobMetrics {
 public:
  // Points of other names than `names` are no metrics; at most `max_series` series in all.
  JobMetrics(Metrics& metrics, const std::vector<std::string>& names, size_t max_series)
      : metrics_(metrics), names_(names.begin(), names.end()), max_series_(max_series) {}

  void Observe(const JobMetricValue& point);

 private:
  Metrics& metrics_;
  const std::set<std::string, std::less<>> names_;
  const size_t max_series_;
  std::mutex mutex_;  // guards series_
  std::set<std::tuple<std::string, std::string, std::string>> series_;
};

}  // namespace databuild
