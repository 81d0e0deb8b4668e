// The process's metrics: series are made when first touched and go when their graph or job goes.
//
// Any thread. One touch costs a shared lock and one hash look-up (about 100 ns); what changes very
// often is counted by its owner and set from OnScrape. Label values are given in the order of the
// table's label names; a wrong number of them is our own bug and CHECKed.
#pragma once

#include <functional>
#include <initializer_list>
#include <memory>
#include <mutex>
#include <shared_mutex>
#include <string>
#include <string_view>
#include <vector>

#include "controller/metrics/metric_table.h"

namespace databuild {

using LabelValues = std::initializer_list<std::string_view>;

class Metrics {
 public:
  Metrics();
  ~Metrics();
  Metrics(const Metrics&) = delete;
  Metrics& operator=(const Metrics&) = delete;

  // Counters and gauges.
  void Add(Metric metric, LabelValues labels, double by = 1);
  // Gauges.
  void Set(Metric metric, LabelValues labels, double value);
  // Counters whose owner knows the total: raises the series to it; a lower total is ignored.
  void RaiseTo(Metric metric, LabelValues labels, double total);
  // Histograms.
  void Observe(Metric metric, LabelValues labels, double value);

  // Removes one series, e.g. a gauge that has no meaning now.
  void Drop(Metric metric, LabelValues labels);
  // Removes every series whose label `label` is `value`: Forget("graph", name) when a graph is
  // deleted.
  void Forget(std::string_view label, std::string_view value);

  // The value of a counter or gauge; 0 when there is no such series. For tests and status pages.
  double Value(Metric metric, LabelValues labels) const;

  // `collect` runs at the start of every scrape, on its thread. Register before serving.
  void OnScrape(std::function<void(Metrics&)> collect);

  // The exposition, in Prometheus text format 0.0.4.
  std::string Scrape();
  static constexpr const char* kContentType = "text/plain; version=0.0.4; charset=utf-8";

 private:
  class Family;
  Family& FamilyOf(Metric metric) const;

  std::vector<std::unique_ptr<Family>> families_;  // by Metric; never changed after construction
  std::mutex scrape_mutex_;                        // guards collectors_ and serialises scrapes
  std::vector<std::function<void(Metrics&)>> collectors_;
};

}  // namespace databuild
