#include "controller/metrics/job_metrics.h"

#include <gtest/gtest.h>

namespace databuild {
namespace {

TEST(JobMetrics, OnlyNamesOfTheListBecomeSeriesAndOnlySoMany) {
  Metrics metrics;
  JobMetrics jobs(metrics, {"rows", "bytes"}, 2);
  jobs.Observe({"sales", "//a", "rows", 7});
  jobs.Observe({"sales", "//a", "rows", 9});
  jobs.Observe({"sales", "//a", "other", 1});
  jobs.Observe({"sales", "//a", "bytes", 3});
  jobs.Observe({"sales", "//b", "rows", 5});
  jobs.Observe({"sales", "//a", "bytes", 4});
  EXPECT_EQ(metrics.Value(Metric::kJobMetric, {"sales", "//a", "rows"}), 9);
  EXPECT_EQ(metrics.Value(Metric::kJobMetric, {"sales", "//a", "bytes"}), 4);
  const std::string text = metrics.Scrape();
  EXPECT_EQ(text.find("other"), std::string::npos);
  EXPECT_EQ(text.find("//b"), std::string::npos) << "a third series";
  EXPECT_EQ(metrics.Value(Metric::kJobMetricRefused, {"sales"}), 1);
}

}  // namespace
}  // namespace databuild
