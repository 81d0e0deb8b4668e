#include "controller/metrics/job_metrics.h"

namespace databuild {

void JobMetrics::Observe(const JobMetricValue& point) {
  if (!names_.contains(point.name)) return;
  {
    const std::lock_guard lock(mutex_);
    const std::tuple series{std::string(point.graph), std::string(point.job),
                            std::string(point.name)};
    if (!series_.contains(series)) {
      if (series_.size() >= max_series_)
        return metrics_.Add(Metric::kJobMetricRefused, {point.graph});
      series_.insert(series);
    }
  }
  metrics_.Set(Metric::kJobMetric, {point.graph, point.job, point.name}, point.value);
}

}  // namespace databuild
