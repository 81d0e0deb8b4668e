// A1 to A5 of the service API: lists and summaries over ten million partitions, events by filter,
// requests a second beside a server that answers a constant, memory under load.
//
//   bench_api [PARTITIONS [SECONDS_OF_LOAD]]     default 10000000 60
#include <algorithm>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <memory>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "bel/event_log.h"
#include "bel/memory_storage.h"
#include "bel/query.h"
#include "bench/bench_report.h"
#include "bench/constant_server.h"
#include "bench/resident.h"
#include "controller/api/api_server.h"
#include "controller/api/event_methods.h"
#include "controller/api/graph_source.h"
#include "controller/api/test_client.h"

namespace databuild {
namespace {

constexpr int kCalls = 2'000;  // of a percentile
constexpr int kClients = 64;
constexpr double kSecondsOfRate = 3;   // of one round of A4
constexpr uint64_t kRunEvery = 10;     // partitions to a run, and to an instance with a history
constexpr uint64_t kPerBuild = 1'000;  // partitions of a build and of a want
constexpr uint64_t kFailedEvery = 100'000;

double Percentile99(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() * 99 / 100];
}

std::string Uuid(char kind, uint64_t number) {
  char text[40];
  std::snprintf(text, sizeof text, "%c0000000-0000-4000-8000-%012llx", kind,
                static_cast<unsigned long long>(number));
  return text;
}

std::string Ref(uint64_t number) {
  char text[64];
  std::snprintf(text, sizeof text, "warehouse/table=%03llu/part=%09llu",
                static_cast<unsigned long long>(number % 1'000),
                static_cast<unsigned long long>(number / 1'000));
  return text;
}

// What a graph with `partitions` partitions has recorded, event by event.
class History {
 public:
  explicit History(std::function<void(v1::BuildEvent&)> take) : take_(std::move(take)) {}

  void Write(uint64_t partitions) {
    for (uint64_t at = 0; at < partitions; ++at) {
      if (at % kPerBuild == 0) BeginBuild(at, std::min(partitions, at + kPerBuild));
      Make(at);
    }
  }

 private:
  v1::BuildEvent& Next(uint64_t partition) {
    event_.Clear();
    event_.set_event_id(Uuid('e', ++idx_));
    event_.set_idx(static_cast<int64_t>(idx_));
    event_.set_timestamp(static_cast<int64_t>(idx_) * 1'000 + kSecond);
    event_.set_build_request_id(Uuid('b', partition / kPerBuild));
    return event_;
  }
  void Take() { take_(event_); }

  void BeginBuild(uint64_t from, uint64_t to) {
    v1::WantEvent& want = *Next(from).mutable_want_event();
    want.set_want_id(Uuid('a', from / kPerBuild));
    want.set_name("want-" + std::to_string(from / kPerBuild));
    want.set_lifecycle(v1::WANT_CREATED);
    want.set_created_at(event_.timestamp());
    for (uint64_t at = from; at < to; ++at) want.add_requested_partitions()->set_str(Ref(at));
    event_.clear_build_request_id();
    Take();
    v1::BuildRequestEvent& build = *Next(from).mutable_build_request_event();
    build.mutable_status()->set_code(v1::BUILD_REQUEST_RECEIVED);
    build.set_want_id(Uuid('a', from / kPerBuild));
    build.set_attempt(1);
    Take();
  }
  void Instance(uint64_t at, v1::PartitionStatus status) {
    v1::PartitionEvent& change = *Next(at).mutable_partition_event();
    change.mutable_partition_ref()->set_str(Ref(at));
    change.set_instance_id(Uuid('c', at));
    change.set_ordinal(1);
    change.set_status_code(status);
    if (at % kRunEvery == 0) change.set_job_run_id(Uuid('d', at));
    Take();
  }
  void Run(uint64_t at, v1::JobStatus status) {
    v1::JobEvent& run = *Next(at).mutable_job_event();
    run.set_job_run_id(Uuid('d', at));
    run.mutable_job_label()->set_label("//job:" + std::to_string(at / kRunEvery % 100));
    run.set_status_code(status);
    run.add_instance_ids(Uuid('c', at));
    run.add_target_partitions()->set_str(Ref(at));
    if (status == v1::JOB_COMPLETED) run.set_outcome(v1::JOB_OUTCOME_SUCCEEDED);
    Take();
  }
  void Make(uint64_t at) {
    Instance(at, v1::PARTITION_REQUESTED);
    if (at % kRunEvery == 0) {
      Instance(at, v1::PARTITION_ANALYZED);
      Run(at, v1::JOB_SCHEDULED);
      Instance(at, v1::PARTITION_BUILDING);
      Run(at, v1::JOB_COMPLETED);
    }
    Instance(at, at % kFailedEvery == 7 ? v1::PARTITION_FAILED : v1::PARTITION_AVAILABLE);
  }

  std::function<void(v1::BuildEvent&)> take_;
  v1::BuildEvent event_;
  uint64_t idx_ = 0;
};

// Milliseconds that 99 of 100 calls stay below.
double Milliseconds99(const std::function<void()>& call) {
  std::vector<double> took;
  for (int i = 0; i < kCalls; ++i) took.push_back(TimeOf(call) * 1'000);
  return Percentile99(took);
}

void Check(bool ok, const char* what) {
  if (ok) return;
  std::fprintf(stderr, "bench_api: %s\n", what);
  std::exit(1);
}

void MeasureLists(BenchReport& report, const QueryView& view, uint64_t partitions) {
  std::mt19937_64 random(1);
  const auto any = [&] { return random() % partitions; };
  const auto list = [&](const v1::ListPartitionsRequest& request, int rows) {
    const auto page = ListPartitions(view, request);
    Check(page.ok() && page->refs_size() >= rows, "a page is not full");
  };
  report.MeasureAbsolute({"A1", "page of 50 at any depth, p99", "1 ms", "ms", 5, true}, [&] {
    return Milliseconds99([&] {
      v1::ListPartitionsRequest request;
      request.set_last_partition(Ref(any()));
      list(request, 0);
    });
  });
  report.MeasureAbsolute({"A1s", "the same of one status in 100,000", "1 ms", "ms", 5, true}, [&] {
    return Milliseconds99([&] {
      v1::ListPartitionsRequest request;
      request.add_partition_status(v1::PARTITION_FAILED);
      request.set_last_partition(Ref(any() / 2));
      list(request, 0);
    });
  });
  report.MeasureAbsolute({"A1n", "the same of a status nobody has", "1 ms", "ms", 5, true}, [&] {
    return Milliseconds99([&] {
      v1::ListPartitionsRequest request;
      request.add_partition_status(v1::PARTITION_BUILDING);
      list(request, 0);
    });
  });
  report.MeasureAbsolute({"A1p", "the same by prefix and status", "1 ms", "ms", 5, true}, [&] {
    return Milliseconds99([&] {
      v1::ListPartitionsRequest request;
      request.set_ref_prefix(Ref(any()).substr(0, sizeof "warehouse/table=000" - 1));
      request.add_partition_status(v1::PARTITION_AVAILABLE);
      list(request, 50);
    });
  });
}

void MeasureSummaries(BenchReport& report, const QueryView& view, uint64_t partitions) {
  std::mt19937_64 random(2);
  const auto any = [&] { return random() % partitions; };
  report.MeasureAbsolute({"A2", "summary of a partition, p99", "1 ms", "ms", 2, true}, [&] {
    return Milliseconds99([&] {
      v1::PartitionSummaryRequest request;
      request.mutable_ref()->set_str(Ref(any() / kRunEvery * kRunEvery));
      Check(GetPartitionsSummary(view, request).ok(), "no such partition");
    });
  });
  report.MeasureAbsolute({"A2w", "summary of a want of 1,000, p99", "1 ms", "ms", 2, true}, [&] {
    return Milliseconds99([&] {
      v1::WantSummaryRequest request;
      request.set_want_id(Uuid('a', any() / kPerBuild));
      Check(GetWantSummary(view, request).ok(), "no such want");
    });
  });
  report.MeasureAbsolute({"A2b", "summary of a build of 1,000, p99", "1 ms", "ms", 2, true}, [&] {
    return Milliseconds99([&] {
      v1::BuildSummaryRequest request;
      request.set_build_id(Uuid('b', any() / kPerBuild));
      Check(GetBuildSummary(view, request).ok(), "no such build");
    });
  });
  report.MeasureAbsolute({"A2r", "summary of a run, p99", "1 ms", "ms", 2, true}, [&] {
    return Milliseconds99([&] {
      v1::JobRunSummaryRequest request;
      request.set_job_run_id(Uuid('d', any() / kRunEvery * kRunEvery));
      Check(GetJobRunSummary(view, request).ok(), "no such run");
    });
  });
  report.MeasureAbsolute({"A2j", "summary of a job, p99", "1 ms", "ms", 2, true}, [&] {
    return Milliseconds99([&] {
      v1::JobSummaryRequest request;
      request.set_job_label("//job:" + std::to_string(any() % 100));
      Check(GetJobSummary(view, request).ok(), "no such job");
    });
  });
}

// One graph whose log is in memory.
class OneGraph final : public GraphSource {
 public:
  OneGraph() {
    LogOptions options;
    options.storage = &storage_;
    options.graph = "bench";
    options.holder = "bench";
    options.cluster_uid = "22222222-2222-4222-8222-222222222222";
    options.clock = &clock_;
    auto opened = EventLog::Open(options);
    Check(opened.ok(), "the log cannot be opened");
    log_ = std::move(*opened);
  }
  void Fill(uint64_t partitions) {
    std::vector<v1::BuildEvent> batch;
    const auto flush = [&] {
      Check(log_->AppendAll(batch).ok(), "an event is refused");
      batch.clear();
    };
    History([&](v1::BuildEvent& event) {
      event.clear_idx();
      batch.push_back(event);
      if (batch.size() == 1'000) flush();
    }).Write(partitions);
    flush();
  }
  std::vector<std::string> Graphs() const override { return {"bench"}; }
  std::shared_ptr<const EventLog> Log(const std::string&) const override { return log_; }
  bool Read(const std::string&, bool,
            const std::function<void(const QueryView&)>& read) const override {
    log_->WithState([&](const BuildState& state) { read(QueryView{state, "bench", {}}); });
    return true;
  }

 private:
  SystemClock clock_;
  MemoryStorage storage_;
  std::shared_ptr<EventLog> log_;
};

void MeasureEvents(BenchReport& report, const OneGraph& graph, uint64_t partitions) {
  std::mt19937_64 random(3);
  report.MeasureAbsolute({"A3", "GetBuildEvents by filter, p99", "1 ms", "ms", 5, true}, [&] {
    return Milliseconds99([&] {
      auto request = std::make_shared<v1::ListBuildEventsRequest>();
      const uint64_t at = random() % partitions / kRunEvery * kRunEvery;
      switch (random() % 3) {
        case 0:
          request->mutable_filters()->add_partition_refs(Ref(at));
          break;
        case 1:
          request->mutable_filters()->add_job_run_ids(Uuid('d', at));
          break;
        default:
          request->mutable_filters()->add_build_request_ids(Uuid('b', at / kPerBuild));
          request->set_page_size(100);
      }
      Call call;
      call.request = request;
      call.source = &graph;
      call.graph = "bench";
      call.log = graph.Log("bench");
      Check(HandleGetBuildEvents(call).ok(), "events cannot be read");
    });
  });
}

// Answers a second that so many clients get, each one after the other.
double RequestsPerSecond(uint16_t port, const std::string& request, double seconds) {
  std::atomic<uint64_t> answers = 0;
  std::atomic<bool> failed = false;
  const auto until = std::chrono::steady_clock::now() + std::chrono::duration<double>(seconds);
  std::vector<std::jthread> clients;
  const auto started = std::chrono::steady_clock::now();
  for (int i = 0; i < kClients; ++i) {
    clients.emplace_back([&] {
      TestClient client(port);
      while (std::chrono::steady_clock::now() < until && !failed) {
        if (client.Ask(request).status != 200) failed = true;
        ++answers;
      }
    });
  }
  clients.clear();
  Check(!failed, "a request failed");
  return static_cast<double>(answers) / Seconds(std::chrono::steady_clock::now() - started);
}

double ResidentMiB() { return ResidentBytes() / (1 << 20); }

void MeasureServer(BenchReport& report, const OneGraph& graph, double seconds) {
  AuthOptions auth_options;
  auth_options.mode = AuthMode::kOff;
  auth_options.listen_address = "127.0.0.1";
  auto auth = MakeAuthenticator(auth_options);
  Check(auth.ok(), "no authenticator");
  ApiServerOptions options;
  options.service.graphs = &graph;
  options.service.auth = auth->get();
  auto server = ApiServer::Start(options);
  Check(server.ok(), "the server does not start");
  const uint16_t port = (*server)->port();
  const auto ask = [](const char* type, const std::string& body) {
    return std::string(
               "POST /databuild.v1.DataBuildService/ListPartitions HTTP/1.1\r\nHost: "
               "localhost\r\n") +
           "Content-Type: " + type + "\r\nContent-Length: " + std::to_string(body.size()) +
           "\r\n\r\n" + body;
  };
  v1::ListPartitionsRequest page;
  page.set_last_partition(Ref(50'000));
  const struct {
    Bar bar;
    std::string request;
  } doors[] = {{{"A4p", "64 clients, page of 50, binary", "constant answer", "/s", 0.5, false},
                ask("application/proto", page.SerializeAsString())},
               {{"A4j", "64 clients, page of 50, JSON", "constant answer", "/s", 0.3, false},
                ask("application/json", "{\"lastPartition\":\"" + page.last_partition() + "\"}")}};
  for (const auto& door : doors) {
    const TestResponse answer = TestClient(port).Ask(door.request);
    Check(answer.status == 200, "a page is refused");
    const ConstantServer constant(answer.body);
    report.Measure(
        door.bar, [&] { return RequestsPerSecond(port, door.request, kSecondsOfRate); },
        [&] { return RequestsPerSecond(constant.port(), door.request, kSecondsOfRate); });
  }
  if (!BenchReport::WantsOneOf({"A5"})) return;
  RequestsPerSecond(port, doors[1].request, seconds / 10);
  const double before = ResidentMiB();
  RequestsPerSecond(port, doors[1].request, seconds);
  report.AddAbsolute({"A5", "memory under load, end to begin", "1", "", 1.05, true},
                     ResidentMiB() / before);
}

int Main(int argc, char** argv) {
  const uint64_t partitions = argc > 1 ? std::strtoull(argv[1], nullptr, 10) : 10'000'000;
  const double seconds = argc > 2 ? std::strtod(argv[2], nullptr) : 60;
  BenchReport report;
  if (BenchReport::WantsOneOf({"A1", "A1s", "A1n", "A1p", "A2", "A2w", "A2b", "A2r", "A2j"})) {
    auto state = std::make_unique<BuildState>();
    state->BeginReplay();
    History([&](v1::BuildEvent& event) { state->Apply(event); }).Write(partitions);
    state->EndReplay();
    std::printf("     %zu partitions, %zu runs, %zu builds; %.0f MiB\n", state->partitions().size(),
                state->runs().size(), state->builds().size(), ResidentMiB());
    const QueryView view{*state, "bench", {}};
    MeasureLists(report, view, partitions);
    MeasureSummaries(report, view, partitions);
  }
  if (BenchReport::WantsOneOf({"A3", "A4p", "A4j", "A5"})) {
    const uint64_t few = std::min<uint64_t>(partitions, 500'000);
    OneGraph graph;
    graph.Fill(few);
    MeasureEvents(report, graph, few);
    MeasureServer(report, graph, seconds);
  }
  return 0;  // the verdicts are in the table
}

}  // namespace
}  // namespace databuild

int main(int argc, char** argv) { return databuild::Main(argc, argv); }
