// S1 and S2 of the planner: a change among a million live partitions, and the plan of a hundred
// thousand new ones. Storage in memory, a fake cluster; all else as in the operator.
//
//   bench_planner_scale [PARTITIONS_OF_S1 [PARTITIONS_OF_S2]]     default 1000000 100000
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include "bel/base/log.h"
#include "bel/memory_storage.h"
#include "bench/bench_report.h"
#include "bench/resident.h"
#include "controller/reconciler/reconciler.h"
#include "tests/support/fake_cluster.h"

namespace databuild {
namespace {

constexpr int kChanges = 300;
constexpr size_t kTailBytes = 1 << 20;  // of raw events: no part of what a partition costs

double Percentile(std::vector<double> values, double percent) {
  std::sort(values.begin(), values.end());
  return values[static_cast<size_t>(static_cast<double>(values.size() - 1) * percent / 100)];
}

// One graph, and the operator process that holds it.
class Graph {
 public:
  explicit Graph(uint32_t max_runs) : slots_(max_runs) {
    OpenLog();
    Begin();
  }

  void Stop() {
    reconciler_.reset();
    view_.reset();
    log_.reset();
  }
  void OpenLog() {
    LogOptions options;
    options.storage = &storage_;
    options.graph = "bench";
    options.holder = "bench";
    options.cluster_uid = "22222222-2222-4222-8222-222222222222";
    options.clock = &clock;
    options.tail_bytes = kTailBytes;
    auto opened = EventLog::Open(options);
    if (!opened.ok()) Give(opened.error().message);
    log_ = std::move(*opened);
  }
  void Begin() {
    PlannerOptions planner;
    planner.graph = "bench";
    planner.keep_finished_jobs = 0;
    view_ = cluster.Connect();
    reconciler_ = std::make_unique<GraphReconciler>(
        planner, GraphReconciler::Parts{log_.get(), view_.get(), &clock, &slots_, {}});
  }

  // Seconds of the turn.
  double Tick() {
    return TimeOf([&] { last = Turn(); });
  }
  // Whether another turn would do something now.
  bool Busy() const {
    const std::optional<TimeNs> wake = reconciler_->NextWake();
    return view_->HasNews() || (wake && *wake <= clock.now);
  }
  // Turns until nothing moves any more, Jobs included.
  void Finish() {
    for (int quiet = 0; quiet < 2;) {
      last = Turn();
      cluster.created.clear();
      const bool moved = cluster.StepJobs();
      quiet = moved || last.events > 0 || Busy() ? 0 : quiet + 1;
      clock.now += kSecond;
    }
  }
  // Seconds of each turn until nothing is left to decide.
  std::vector<double> DecideAll() {
    std::vector<double> turns{Tick()};
    while (Busy()) turns.push_back(Tick());
    return turns;
  }
  int64_t events() const { return log_->head(); }

  FakeClock clock;
  FakeCluster cluster{clock};
  TickReport last;

 private:
  TickReport Turn() {
    const TickReport report = reconciler_->Tick();
    if (report.append_error) Give(report.append_error->message);
    return report;
  }
  [[noreturn]] static void Give(const std::string& error) {
    std::fprintf(stderr, "bench_planner_scale: %s\n", error.c_str());
    std::exit(1);
  }

  MemoryStorage storage_;
  RunSlots slots_;
  std::unique_ptr<FakeView> view_;
  std::unique_ptr<EventLog> log_;
  std::unique_ptr<GraphReconciler> reconciler_;
};

RangeSpec Range(const std::string& ref, int64_t from, int64_t to) {
  RangeCapture capture;
  capture.name = "n";
  capture.from = std::to_string(from);
  capture.to = std::to_string(to);
  return {ref, {capture}};
}

// S1. The change is a taint of one partition that a live want holds: it is recorded, the want is
// unsatisfied, builds again, its plan is recorded and a run scheduled.
void AChangeAmongMany(BenchReport& report, int64_t partitions) {
  Graph graph(0);
  graph.cluster.PutDataJob("raw", {"raw/{n:int}"}).batch_max = 100;
  graph.cluster.PutWant("all", {}).ranges = {Range("raw/{n}", 1, partitions)};
  graph.Finish();
  graph.Stop();
  const double nothing = ResidentBytes();
  graph.OpenLog();
  const double read_model = ResidentBytes();
  graph.Begin();
  graph.Finish();
  const auto each = [&](double bytes) { return bytes / static_cast<double>(partitions); };
  const double all = each(ResidentBytes() - nothing);
  std::vector<double> micros;
  for (int i = 1; i <= kChanges; ++i) {
    graph.cluster.PutTaint("t" + std::to_string(i),
                           {"raw/" + std::to_string(1 + i * 7919LL % partitions)});
    micros.push_back(graph.Tick() * 1e6);
    graph.Finish();
  }
  std::printf("     %ld live partitions; p50 of a change %.0f us; planner %.0f bytes a partition\n",
              static_cast<long>(partitions), Percentile(micros, 50),
              all - each(read_model - nothing));
  report.AddAbsolute({"S1", "a change among live partitions, p99", "1 us", "us", 1000, true},
                     Percentile(micros, 99));
  report.AddAbsolute({"S1m", "memory of a live partition, all in", "1 B", "B", 600, true}, all);
}

// S2. One run at a time, so that planning is what is measured.
void PlanOfMany(BenchReport& report, int64_t partitions) {
  std::vector<double> totals, worst;
  for (int round = 0; round < kRounds; ++round) {
    Graph graph(1);
    graph.cluster.PutDataJob("raw", {"raw/{n:int}"});
    graph.cluster.PutDataJob("clean", {"clean/{n:int}"}, {"raw/{n}"});
    graph.cluster.PutDataJob("sum", {"sum/{n:int}"}, {"clean/{n}"});
    graph.DecideAll();
    graph.cluster.rule = [](const CreateJob&) { return JobEnd{"Hang", 0, {}, ""}; };
    graph.cluster.PutWant("all", {}).ranges = {Range("sum/{n}", 1, partitions / 3)};
    const int64_t before = graph.events();
    const std::vector<double> turns = graph.DecideAll();
    double total = 0;
    for (const double turn : turns) total += turn * 1e3;
    totals.push_back(total);
    worst.push_back(*std::max_element(turns.begin(), turns.end()) * 1e3);
    if (round > 0) continue;
    std::printf("     plan of %ld partitions, 3 levels deep: %ld events in %zu ticks\n",
                static_cast<long>(partitions), static_cast<long>(graph.events() - before),
                turns.size());
  }
  report.AddAbsolute({"S2", "plan of new partitions", "1 ms", "ms", 1000, true}, Median(totals));
  report.AddAbsolute({"S2t", "its longest tick", "1 ms", "ms", 50, true}, Median(worst));
}

}  // namespace
}  // namespace databuild

int main(int argc, char** argv) {
  databuild::SetLogSink([](std::string_view) {});
  databuild::BenchReport report;
  databuild::PlanOfMany(report, argc > 2 ? std::atoll(argv[2]) : 100'000);
  databuild::AChangeAmongMany(report, argc > 1 ? std::atoll(argv[1]) : 1'000'000);
  return 0;
}
