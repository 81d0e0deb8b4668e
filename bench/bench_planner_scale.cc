// S1 and S2 of the planner: a change among a million live partitions, and the plan of a hundred
// thousand new ones. Storage in memory, a fake cluster; all else as in the operator.
//
//   bench_planner_scale [PARTITIONS_OF_S1 [PARTITIONS_OF_S2]]     default 1000000 100000
#include <sys/resource.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <string>
#include <vector>

#include "bel/base/check.h"
#include "bel/base/log.h"
#include "bel/memory_storage.h"
#include "controller/reconciler/reconciler.h"
#include "tests/support/fake_cluster.h"

namespace databuild {
namespace {

double Ms(std::chrono::steady_clock::duration took) {
  return std::chrono::duration<double, std::milli>(took).count();
}

double ResidentMiB() {
  long pages = 0, resident = 0;
  std::ifstream("/proc/self/statm") >> pages >> resident;
  return static_cast<double>(resident) * 4096 / (1 << 20);
}

double Percentile(std::vector<double> values, double percent) {
  std::sort(values.begin(), values.end());
  return values[static_cast<size_t>(static_cast<double>(values.size() - 1) * percent / 100)];
}

struct Graph {
  explicit Graph(uint32_t max_runs) : slots(max_runs) {
    LogOptions options;
    options.storage = &storage;
    options.graph = "bench";
    options.holder = "bench";
    options.cluster_uid = "22222222-2222-4222-8222-222222222222";
    options.clock = &clock;
    auto opened = EventLog::Open(options);
    CHECK(opened.ok());
    log = std::move(*opened);
    PlannerOptions planner;
    planner.graph = "bench";
    planner.keep_finished_jobs = 0;
    reconciler = std::make_unique<GraphReconciler>(
        planner, GraphReconciler::Parts{log.get(), view.get(), &clock, &slots, {}});
  }
  // Milliseconds of the turn.
  double Tick() {
    const auto start = std::chrono::steady_clock::now();
    const TickReport report = reconciler->Tick();
    CHECK(!report.append_error);
    return Ms(std::chrono::steady_clock::now() - start);
  }
  // Turns until nothing moves any more, Jobs included.
  void Finish() {
    for (int quiet = 0; quiet < 2;) {
      const TickReport report = reconciler->Tick();
      CHECK(!report.append_error);
      const bool moved = cluster.StepJobs();
      quiet = moved || report.events > 0 ? 0 : quiet + 1;
      clock.now += kSecond;
    }
  }

  FakeClock clock;
  FakeCluster cluster{clock};
  MemoryStorage storage;
  RunSlots slots;
  std::unique_ptr<FakeView> view = cluster.Connect();
  std::unique_ptr<EventLog> log;
  std::unique_ptr<GraphReconciler> reconciler;
};

RangeSpec Range(const std::string& ref, int64_t from, int64_t to) {
  RangeCapture capture;
  capture.name = "n";
  capture.from = std::to_string(from);
  capture.to = std::to_string(to);
  return {ref, {capture}};
}

// S1. The change is a taint of one partition that a live want holds: an event, a new build, a run.
void AChangeAmongMany(int64_t partitions) {
  const double before = ResidentMiB();
  Graph graph(0);
  graph.cluster.PutDataJob("raw", {"raw/{n:int}"}).batch_max = 100;
  graph.cluster.PutWant("all", {}).ranges = {Range("raw/{n}", 1, partitions)};
  graph.Finish();
  const double held = ResidentMiB() - before;
  std::vector<double> ticks;
  for (int i = 1; i <= 300; ++i) {
    graph.cluster.PutTaint("t" + std::to_string(i),
                           {"raw/" + std::to_string(1 + i * 7919LL % partitions)});
    ticks.push_back(graph.Tick());
    graph.Finish();
  }
  std::printf(
      "S1   %ld live partitions: a change decided in p50 %.2f ms, p99 %.2f ms (bar 1 ms); "
      "%.0f bytes a partition, log in memory included (bar 600 without)\n",
      static_cast<long>(partitions), Percentile(ticks, 50), Percentile(ticks, 99),
      held * (1 << 20) / static_cast<double>(partitions));
}

// S2. One run at a time, so that planning is what is measured.
void PlanOfMany(int64_t partitions) {
  Graph graph(1);
  graph.cluster.PutDataJob("raw", {"raw/{n:int}"});
  graph.cluster.PutDataJob("clean", {"clean/{n:int}"}, {"raw/{n}"});
  graph.cluster.PutDataJob("sum", {"sum/{n:int}"}, {"clean/{n}"});
  while (graph.Tick() > 0 && graph.view->HasNews()) {
  }
  graph.cluster.rule = [](const CreateJob&) { return JobEnd{"Hang", 0, {}, ""}; };
  graph.cluster.PutWant("all", {}).ranges = {Range("sum/{n}", 1, partitions / 3)};
  const auto start = std::chrono::steady_clock::now();
  const TickReport report = graph.reconciler->Tick();
  const double took = Ms(std::chrono::steady_clock::now() - start);
  const double round = took / static_cast<double>(report.rounds);
  std::printf(
      "S2   plan of %ld partitions, 3 levels deep: %.0f ms to the last of %zu events (bar "
      "1000 ms), %.1f ms a round on average (bar 50 ms at most)\n",
      static_cast<long>(partitions), took, report.events, round);
}

}  // namespace
}  // namespace databuild

int main(int argc, char** argv) {
  databuild::SetLogSink([](std::string_view) {});
  databuild::PlanOfMany(argc > 2 ? std::atoll(argv[2]) : 100'000);
  databuild::AChangeAmongMany(argc > 1 ? std::atoll(argv[1]) : 1'000'000);
  return 0;
}
