#include "controller/metrics/metrics.h"

#include <gtest/gtest.h>

#include <fstream>
#include <iterator>
#include <set>
#include <thread>

#include "controller/metrics/process_metrics.h"

namespace databuild {
namespace {

bool HasLine(const std::string& text, const std::string& line) {
  return ("\n" + text).find("\n" + line + "\n") != std::string::npos;
}

TEST(MetricTable, EveryMetricStandsAtItsPlaceWithANameOfTheRightShape) {
  std::set<std::string> names;
  const auto well_shaped = [](const std::string& name) {
    const bool known = name.starts_with("databuild_") || name.starts_with("process_") ||
                       name.starts_with("rest_client_");
    return known && name.back() != '_' &&
           name.find_first_not_of("abcdefghijklmnopqrstuvwxyz_") == std::string::npos;
  };
  for (size_t i = 0; i < AllMetrics().size(); ++i) {
    const MetricSpec& spec = AllMetrics()[i];
    EXPECT_EQ(static_cast<size_t>(spec.id), i) << spec.name;
    const std::string name = spec.name;
    EXPECT_TRUE(well_shaped(name)) << name;
    EXPECT_TRUE(names.insert(name).second) << name << " twice";
    EXPECT_EQ(name.ends_with("_total"), spec.kind == MetricKind::kCounter) << name;
    EXPECT_EQ(spec.bounds.empty(), spec.kind != MetricKind::kHistogram) << name;
    const std::string help = spec.help;
    EXPECT_TRUE(help.ends_with(".")) << name;
    EXPECT_EQ(help.find_first_of("\n\\|"), std::string::npos) << name;
    for (const char* unbounded : {"partition", "run", "want", "pod"}) {
      EXPECT_EQ(("," + std::string(spec.labels) + ",").find("," + std::string(unbounded) + ","),
                std::string::npos)
          << name;
    }
  }
}

TEST(MetricTable, TheDocumentIsWhatTheTableSays) {
  std::ifstream file("docs/metrics.md");
  const std::string text((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  EXPECT_EQ(text, MetricsDocument()) << "write it again: databuild-metrics-doc > docs/metrics.md";
}

TEST(Metrics, TouchedSeriesAppearInTheScrape) {
  Metrics metrics;
  metrics.Add(Metric::kEventsAppended, {"sales"}, 3);
  metrics.Add(Metric::kEventsAppended, {"sales"});
  metrics.Set(Metric::kWants, {"sales", "satisfied"}, 7);
  metrics.Observe(Metric::kAppendLatency, {}, 0.0007);
  const std::string text = metrics.Scrape();
  EXPECT_TRUE(HasLine(text, "# TYPE databuild_events_appended_total counter")) << text;
  EXPECT_TRUE(HasLine(text, "databuild_events_appended_total{graph=\"sales\"} 4")) << text;
  EXPECT_TRUE(HasLine(text, "databuild_wants{graph=\"sales\",state=\"satisfied\"} 7")) << text;
  EXPECT_TRUE(HasLine(text, "databuild_append_duration_seconds_bucket{le=\"0.001\"} 1")) << text;
  EXPECT_TRUE(HasLine(text, "databuild_append_duration_seconds_count 1")) << text;
  EXPECT_EQ(text.find("databuild_taints"), std::string::npos) << "no series, no family";
}

TEST(Metrics, LabelValuesAreEscaped) {
  Metrics metrics;
  metrics.Add(Metric::kJobResults, {"sales", "//a:\"b\"\\c\nd", "completed"});
  EXPECT_NE(metrics.Scrape().find("job=\"//a:\\\"b\\\"\\\\c\\nd\""), std::string::npos);
}

TEST(Metrics, RaiseToNeverLowersACounter) {
  Metrics metrics;
  metrics.RaiseTo(Metric::kDelegations, {"sales"}, 5);
  metrics.RaiseTo(Metric::kDelegations, {"sales"}, 3);
  EXPECT_EQ(metrics.Value(Metric::kDelegations, {"sales"}), 5);
  metrics.RaiseTo(Metric::kDelegations, {"sales"}, 9);
  EXPECT_EQ(metrics.Value(Metric::kDelegations, {"sales"}), 9);
}

TEST(Metrics, SeriesOfADeletedGraphGoAndTheOthersStay) {
  Metrics metrics;
  for (const char* graph : {"sales", "ops"}) {
    metrics.Set(Metric::kWants, {graph, "created"}, 1);
    metrics.Add(Metric::kEventsAppended, {graph});
    metrics.Observe(Metric::kTickDuration, {graph}, 0.1);
  }
  metrics.Forget("graph", "sales");
  const std::string text = metrics.Scrape();
  EXPECT_EQ(text.find("sales"), std::string::npos) << text;
  EXPECT_TRUE(HasLine(text, "databuild_wants{graph=\"ops\",state=\"created\"} 1"));
  metrics.Add(Metric::kEventsAppended, {"sales"});
  EXPECT_EQ(metrics.Value(Metric::kEventsAppended, {"sales"}), 1);
}

TEST(Metrics, TouchingDroppingAndScrapingAtOnceIsSafe) {
  Metrics metrics;
  metrics.OnScrape([](Metrics& m) { m.Set(Metric::kLeader, {}, 1); });
  std::vector<std::jthread> threads;
  for (int t = 0; t < 3; ++t) {
    threads.emplace_back([&metrics, t] {
      for (int i = 0; i < 2'000; ++i) {
        metrics.Add(Metric::kEventsAppended, {t == 0 ? "a" : "b"});
        metrics.Observe(Metric::kTickDuration, {"a"}, 0.001);
      }
    });
  }
  threads.emplace_back([&metrics] {
    for (int i = 0; i < 100; ++i) {
      metrics.Forget("graph", "a");
      EXPECT_NE(metrics.Scrape().find("databuild_leader 1"), std::string::npos);
    }
  });
  threads.clear();
  EXPECT_EQ(metrics.Value(Metric::kEventsAppended, {"b"}), 4'000);
}

TEST(ProcessMetrics, AreReadFromTheRunningProcess) {
  Metrics metrics;
  metrics.OnScrape([](Metrics& m) { CollectProcess(m); });
  const std::string text = metrics.Scrape();
  for (const char* name : {"process_cpu_seconds_total", "process_resident_memory_bytes",
                           "process_virtual_memory_bytes", "process_open_fds", "process_max_fds",
                           "process_start_time_seconds", "process_threads"}) {
    EXPECT_NE(text.find(std::string("\n") + name + " "), std::string::npos) << name;
  }
  EXPECT_GT(metrics.Value(Metric::kProcessResident, {}), 1e6);
  EXPECT_GT(metrics.Value(Metric::kProcessStart, {}), 1.6e9);
  EXPECT_GE(metrics.Value(Metric::kProcessThreads, {}), 1);
}

}  // namespace
}  // namespace databuild
