// One turn of a graph over the real log, with storage that fails on purpose; and the threads that
// turn many.
#include "controller/reconciler/reconciler.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <semaphore>
#include <thread>

#include "bel/base/check.h"
#include "bel/memory_storage.h"
#include "controller/reconciler/graph_workers.h"
#include "tests/support/fake_cluster.h"
#include "tests/support/faulty_storage.h"

namespace databuild {
namespace {

constexpr char kClusterUid[] = "22222222-2222-4222-8222-222222222222";

LogOptions LogOf(Storage& storage, const Clock& clock) {
  LogOptions options;
  options.storage = &storage;
  options.graph = "test";
  options.holder = "operator";
  options.cluster_uid = kClusterUid;
  options.clock = &clock;
  return options;
}

// A graph whose turns the test takes itself.
struct Graph {
  explicit Graph(uint32_t max_runs = 0) : slots(max_runs) { Restart(); }
  // A new process over the same log.
  void Restart() {
    reconciler.reset();
    log.reset();
    view = cluster.Connect();
    auto opened = EventLog::Open(LogOf(storage, clock));
    CHECK(opened.ok());
    log = std::move(*opened);
    PlannerOptions planner;
    planner.graph = "test";
    reconciler = std::make_unique<GraphReconciler>(
        planner, GraphReconciler::Parts{log.get(), view.get(), &clock, &slots, {}});
  }
  // Takes turns as a worker would, Jobs going on in between, until nothing moves.
  void Run() {
    for (int i = 0; i < 300; ++i) {
      const TickReport report = reconciler->Tick();
      most_live = std::max(most_live, LiveRuns());
      const bool moved = cluster.StepJobs();
      if (report.deltas + report.events + report.effects == 0 && !report.append_error && !moved)
        return;
      clock.now += kSecond;
    }
    FAIL() << "the graph does not come to rest";
  }
  size_t LiveRuns() const {
    return log->WithState([](const BuildState& state) {
      size_t live = 0;
      for (Index run = 0; run < state.runs().size(); ++run) live += state.RunLive(run);
      return live;
    });
  }
  std::string Ready(const std::string& want) const {
    return cluster.WantCondition(want, "Ready").status;
  }

  FakeClock clock;
  FakeCluster cluster{clock};
  MemoryStorage memory;
  FaultyStorage storage{memory};
  RunSlots slots;
  std::unique_ptr<FakeView> view;
  std::unique_ptr<EventLog> log;
  std::unique_ptr<GraphReconciler> reconciler;
  size_t most_live = 0;  // runs at once
};

TEST(GraphReconcilerTest, AWantBecomesReadyAndThenNothingMoves) {
  Graph graph;
  graph.cluster.PutDataJob("raw", {"raw/{n}"});
  graph.cluster.PutWant("w", {"raw/1", "raw/2"});
  graph.Run();
  EXPECT_EQ(graph.Ready("w"), "True");
  EXPECT_EQ(graph.cluster.created.size(), 2u);
  const int appends = graph.storage.appends;
  const TickReport idle = graph.reconciler->Tick();
  EXPECT_EQ(idle.events + idle.effects, 0u);
  EXPECT_EQ(graph.storage.appends, appends);
}

TEST(GraphReconcilerTest, NothingIsDecidedBeforeTheFirstCompleteList) {
  Graph graph;
  graph.cluster.synced = false;
  graph.cluster.PutDataJob("raw", {"raw/{n}"});
  graph.cluster.PutWant("w", {"raw/1"});
  const TickReport report = graph.reconciler->Tick();
  EXPECT_GT(report.deltas, 0u);
  EXPECT_EQ(report.events + report.effects, 0u);
  EXPECT_EQ(graph.log->head(), 0);
  graph.cluster.synced = true;
  graph.Run();
  EXPECT_EQ(graph.Ready("w"), "True");
}

TEST(GraphReconcilerTest, WhileTheLogIsAwayNothingIsDoneAndNothingIsForgotten) {
  Graph graph;
  graph.cluster.PutDataJob("raw", {"raw/{n}"});
  graph.cluster.PutWant("w", {"raw/1"});
  graph.storage.away = true;
  for (int i = 0; i < 20; ++i) {
    EXPECT_EQ(graph.reconciler->Tick().effects, 0u) << "an effect before its event is in the log";
    graph.clock.now += kSecond;
  }
  EXPECT_GT(graph.storage.appends, 0);
  EXPECT_TRUE(graph.cluster.created.empty());
  graph.storage.away = false;
  graph.clock.now += kMinute;
  graph.Run();
  EXPECT_EQ(graph.Ready("w"), "True");
  EXPECT_EQ(graph.cluster.created.size(), 1u);
}

TEST(GraphReconcilerTest, AfterARefusedAppendItWaitsBeforeItTriesAgain) {
  Graph graph;
  graph.cluster.PutWant("w", {"raw/1"});
  graph.storage.away = true;
  ASSERT_TRUE(graph.reconciler->Tick().append_error.has_value());
  const int appends = graph.storage.appends;
  EXPECT_EQ(graph.reconciler->NextWake(), graph.clock.now + kAppendRetry);
  (void)graph.reconciler->Tick();
  EXPECT_EQ(graph.storage.appends, appends);
}

// Whichever append it is: what it held is in the log once, and every partition is built once.
TEST(GraphReconcilerTest, ALostReplyDoublesNothing) {
  int lost = 1;
  for (; lost < 100; ++lost) {
    SCOPED_TRACE(lost);
    Graph graph;
    graph.storage.lose_reply_of = lost;
    graph.cluster.PutDataJob("raw", {"raw/{n}"});
    graph.cluster.PutDataJob("sum", {"sum/{n}"}, {"raw/{n}"});
    graph.cluster.PutWant("w", {"sum/1"});
    graph.Run();
    if (graph.storage.appends < lost) break;
    EXPECT_EQ(graph.Ready("w"), "True");
    EXPECT_EQ(graph.cluster.created.size(), 2u);
  }
  EXPECT_GT(lost, 5) << "the graph needs more appends than that";
}

TEST(GraphReconcilerTest, ARestartAfterEveryTurnChangesNothing) {
  Graph graph;
  graph.cluster.PutDataJob("raw", {"raw/{n}"});
  graph.cluster.PutDataJob("sum", {"sum/{n}"}, {"raw/{n}"});
  graph.cluster.PutWant("w", {"sum/1"});
  for (int i = 0; i < 30; ++i) {
    (void)graph.reconciler->Tick();
    graph.cluster.StepJobs();
    graph.clock.now += kSecond;
    graph.Restart();
  }
  graph.Run();
  EXPECT_EQ(graph.Ready("w"), "True");
  EXPECT_EQ(graph.cluster.created.size(), 2u);
}

TEST(GraphReconcilerTest, TheOperatorsLimitOfRunsHolds) {
  Graph graph(2);
  graph.cluster.PutDataJob("raw", {"raw/{n}"});
  graph.cluster.PutWant("w", {"raw/1", "raw/2", "raw/3", "raw/4", "raw/5"});
  graph.Run();
  EXPECT_EQ(graph.Ready("w"), "True");
  EXPECT_EQ(graph.cluster.created.size(), 5u);
  EXPECT_EQ(graph.most_live, 2u);
}

TEST(RunSlotsTest, GrantsNeverExceedTheLimitWhoeverAsks) {
  RunSlots slots(5);
  EXPECT_EQ(slots.Ask("a", 1), 4u);
  EXPECT_EQ(slots.Ask("b", 0), 0u) << "all that is free is granted to a until it settles";
  slots.Settle("a", 3, false);
  EXPECT_EQ(slots.Ask("b", 1), 1u);
  slots.Settle("b", 2, false);
  EXPECT_EQ(slots.Ask("a", 3), 0u);
  EXPECT_EQ(slots.Ask("a", 0), 3u) << "its runs have ended";
}

TEST(RunSlotsTest, AGraphWithMuchToDoLeavesOthersTheirPart) {
  RunSlots slots(10);
  slots.Settle("content", 1, false);
  EXPECT_EQ(slots.Ask("large", 0), 9u) << "nobody else waits";
  slots.Settle("large", 9, true);
  EXPECT_EQ(slots.Ask("small", 0), 0u);
  slots.Settle("small", 0, true);
  // Each run of the large one that ends makes room for the small one, until each has its half.
  for (uint32_t small = 0; small < 4; ++small) {
    const uint32_t large = 8 - small;
    EXPECT_EQ(slots.Ask("large", large), 0u) << large;
    slots.Settle("large", large, true);
    EXPECT_EQ(slots.Ask("small", small), 1u) << small;
    slots.Settle("small", small + 1, true);
  }
  EXPECT_EQ(slots.Ask("small", 4), 0u);
  slots.Settle("small", 4, true);
  EXPECT_EQ(slots.Ask("large", 4), 1u) << "nine are shared by two: one gets five";
  slots.Settle("large", 5, true);
  slots.Leave("small");
  EXPECT_EQ(slots.Ask("large", 3), 2u) << "four of the small one's are still running";
}

TEST(RunSlotsTest, ZeroIsNoLimit) {
  RunSlots slots(0);
  EXPECT_EQ(slots.Ask("a", 1'000'000), UINT32_MAX);
  EXPECT_EQ(slots.Ask("b", 0), UINT32_MAX);
}

// Two graphs of one operator with room for four runs: both want ten, the first asks first.
TEST(GraphReconcilerTest, TwoGraphsShareTheOperatorsLimit) {
  FakeClock clock;
  RunSlots slots(4);
  MemoryStorage storage;
  struct Tenant {
    std::unique_ptr<FakeCluster> cluster;
    std::unique_ptr<FakeView> view;
    std::unique_ptr<EventLog> log;
    std::unique_ptr<GraphReconciler> reconciler;
  };
  std::vector<Tenant> graphs(2);
  for (size_t i = 0; i < graphs.size(); ++i) {
    Tenant& graph = graphs[i];
    graph.cluster = std::make_unique<FakeCluster>(clock);
    graph.view = graph.cluster->Connect();
    LogOptions log = LogOf(storage, clock);
    log.graph = "graph-" + std::to_string(i);
    auto opened = EventLog::Open(log);
    ASSERT_TRUE(opened.ok());
    graph.log = std::move(*opened);
    PlannerOptions options;
    options.graph = log.graph;
    graph.reconciler = std::make_unique<GraphReconciler>(
        options, GraphReconciler::Parts{graph.log.get(), graph.view.get(), &clock, &slots, {}});
    graph.cluster->PutDataJob("raw", {"raw/{n}"});
    std::vector<std::string> refs;
    for (int n = 0; n < 10; ++n) refs.push_back("raw/" + std::to_string(n));
    graph.cluster->PutWant("w", refs);
  }
  // The first one gets all four; then it gives way as its runs end.
  const auto settle = [&](Tenant& graph) {
    for (int i = 0; i < 10; ++i) graph.reconciler->Tick();
  };
  settle(graphs[0]);
  settle(graphs[1]);
  EXPECT_EQ(graphs[0].cluster->created.size(), 4u);
  EXPECT_EQ(graphs[1].cluster->created.size(), 0u);
  for (int round = 0; round < 2; ++round) {
    for (int step = 0; step < 2; ++step) {
      for (Tenant& graph : graphs) graph.cluster->StepJobs();
      clock.now += kSecond;
    }
    for (Tenant& graph : graphs) settle(graph);
    for (Tenant& graph : graphs) settle(graph);
  }
  EXPECT_GE(graphs[1].cluster->created.size(), 4u) << "its half of each round";
}

// A cluster in which nothing exists and every graph is complete; counts who looked.
class EmptyCluster final : public Cluster {
 public:
  bool Synced(const std::string&) const override { return true; }
  std::vector<Delta> TakeDeltas(const std::string&) override {
    if (hold) hold();
    ++looks;
    return {};
  }
  void Submit(const std::string&, std::vector<Effect>) override {}
  void OnChange(std::function<void(const std::string&)>) override {}

  std::function<void()> hold;  // called inside a tick
  std::atomic<int> looks = 0;
};

class GraphWorkersTest : public ::testing::Test {
 protected:
  std::unique_ptr<GraphWorkers> Start() {
    GraphWorkersOptions options;
    options.log = LogOf(storage_, clock_);
    options.cluster = &cluster_;
    return std::make_unique<GraphWorkers>(options);
  }
  static bool Eventually(const std::function<bool()>& holds) {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    while (!holds() && std::chrono::steady_clock::now() < deadline)
      std::this_thread::sleep_for(std::chrono::milliseconds(2));
    return holds();
  }

  SystemClock clock_;
  MemoryStorage memory_;
  FaultyStorage storage_{memory_};
  EmptyCluster cluster_;
};

TEST_F(GraphWorkersTest, TheFirstWakeOpensAGraphAndEveryOtherTicksIt) {
  const auto workers = Start();
  EXPECT_TRUE(workers->Ready().ok()) << "no graph, nothing that could be wrong";
  EXPECT_EQ(workers->Find("a"), nullptr);
  workers->Wake("a");
  workers->Wake("b");
  ASSERT_TRUE(Eventually([&] { return workers->Graphs() == std::vector<std::string>{"a", "b"}; }));
  EXPECT_TRUE(workers->Ready().ok());
  EXPECT_EQ(workers->Find("a")->log->graph(), "a");
  ASSERT_TRUE(Eventually([&] { return cluster_.looks >= 2; }));
  const int looks = cluster_.looks;
  workers->Wake("a");
  EXPECT_TRUE(Eventually([&] { return cluster_.looks > looks; }));
  workers->Stop();
  EXPECT_TRUE(workers->Graphs().empty());
  workers->Wake("a");
  EXPECT_TRUE(workers->Graphs().empty()) << "stopped is stopped";
}

TEST_F(GraphWorkersTest, AGraphWhoseLogDoesNotOpenIsNotReadyAndIsTriedAgain) {
  storage_.away = true;
  const auto workers = Start();
  workers->Wake("a");
  ASSERT_TRUE(Eventually([&] {
    const Status ready = workers->Ready();
    return !ready.ok() && ready.error().message.find("the storage is away") != std::string::npos;
  }));
  EXPECT_NE(workers->Ready().error().message.find("graph a"), std::string::npos);
  storage_.away = false;
  EXPECT_TRUE(Eventually([&] { return workers->Ready().ok(); }));
}

TEST_F(GraphWorkersTest, AWorkerStuckInATickIsNoticed) {
  std::binary_semaphore go_on(0);
  cluster_.hold = [&] {
    go_on.acquire();
    go_on.release();
  };
  const auto workers = Start();
  workers->Wake("a");
  EXPECT_TRUE(Eventually([&] { return !workers->Progress(20 * kMillisecond).ok(); }));
  EXPECT_TRUE(workers->Progress(kHour).ok());
  go_on.release();
  EXPECT_TRUE(Eventually([&] { return workers->Progress(20 * kMillisecond).ok(); }));
}

TEST_F(GraphWorkersTest, AHandleOutlivesItsWorkers) {
  auto workers = Start();
  workers->Wake("a");
  ASSERT_TRUE(Eventually([&] { return workers->Find("a") != nullptr; }));
  const std::shared_ptr<const GraphHandle> handle = workers->Find("a");
  workers.reset();
  bool read = false;
  handle->reconciler->Read(
      [&](const BuildState& state, const GraphReconciler::Explainer&) { read = state.idx() == 0; });
  EXPECT_TRUE(read);
}

}  // namespace
}  // namespace databuild
