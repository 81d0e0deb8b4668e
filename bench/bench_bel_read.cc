// Large logs in Postgres: P4 (import), P6 (pages), P8 (cold replay), and P14: appends while forty
// readers poll. Each limit is what Postgres itself does with the same rows, in the same run.
//
// BENCH_EVENTS in the environment: events of the log that is read; default 1,000,000.
#include <atomic>
#include <chrono>
#include <cstdlib>
#include <thread>

#include "bel/base/log.h"
#include "bel/event_log.h"
#include "bel/postgres_storage.h"
#include "bench/bench_report.h"
#include "bench/postgres_limits.h"
#include "tests/support/corpus.h"
#include "tests/support/throwaway_postgres.h"

namespace databuild {
namespace {

constexpr int64_t kImportBatch = 20'000;
constexpr int kImportBatches = 8;
constexpr int64_t kPagedEvents = 200'000;
constexpr int kPollers = 40, kFilteredPollers = 36;
constexpr auto kPollEvery = std::chrono::milliseconds(50);  // 20 Hz
constexpr int kAppendBatch = 100, kAppendBatches = 300;

std::vector<std::vector<StoredEvent>> Batches(uint64_t seed, int count) {
  Corpus corpus(seed);
  std::vector<std::vector<StoredEvent>> batches(static_cast<size_t>(count));
  for (auto& events : batches) {
    for (int64_t i = 0; i < kImportBatch; ++i) events.push_back(corpus.Next());
  }
  return batches;
}

// Events a second of Storage::Import into a graph of its own.
double ImportRate(Storage& storage, const std::string& graph,
                  const std::vector<std::vector<StoredEvent>>& batches) {
  const Acquired log = Take(storage.Acquire({graph, "bench", "bench"}), "acquire");
  int64_t head = 0;
  const double took = TimeOf([&] {
    for (const auto& events : batches) {
      head = Take(storage.Import({graph, log.epoch, head, {events}}), "import");
    }
  });
  return static_cast<double>(head) / took;
}

double CopyInRate(CopyIn& copy, const std::vector<std::vector<StoredEvent>>& batches) {
  std::vector<std::string> rows;
  for (const auto& events : batches) rows.push_back(CopyRows(events));
  copy.Empty();
  const double took = TimeOf([&] {
    for (const std::string& batch : rows) copy.Send(batch);
  });
  return static_cast<double>(kImportBatch * kImportBatches) / took;
}

void Import(BenchReport& report, const std::string& uri) {
  PostgresStorage storage(PostgresOptions{uri, {}, false});
  Take(storage.Initialize(), "initialize");
  CopyIn copy(uri);
  const auto batches = Batches(1, kImportBatches);
  int round = 0;
  report.Measure(
      {"P4", "import, 20,000 events a transaction", "COPY BINARY", "ev/s", 0.8, false},
      [&] { return ImportRate(storage, "import" + std::to_string(++round), batches); },
      [&] { return CopyInRate(copy, batches); });
}

void Load(Storage& storage, int64_t events) {
  const Acquired log = Take(storage.Acquire({"large", "bench", "bench"}), "acquire");
  Corpus corpus(2);
  std::vector<StoredEvent> batch;
  const double took = TimeOf([&] {
    for (int64_t head = 0; head < events;) {
      batch.clear();
      while (head + static_cast<int64_t>(batch.size()) < events && batch.size() < kImportBatch) {
        batch.push_back(corpus.Next());
      }
      head = Take(storage.Import({"large", log.epoch, head, {batch}}), "import");
    }
  });
  std::printf("     (%lld events made and loaded in %.1f s)\n", static_cast<long long>(events),
              took);
}

double PagesRate(Storage& storage, int64_t events) {
  int64_t idx = 0;
  const double took = TimeOf([&] {
    while (idx < events) {
      idx = Take(storage.List("large", {idx, 1'000, 1 << 20}), "list").events.back().idx;
    }
  });
  return static_cast<double>(idx) / took;
}

double ReplayRate(Storage& storage, const Clock& clock) {
  LogOptions options;
  options.storage = &storage;
  options.graph = "large";
  options.holder = "bench";
  options.cluster_uid = "bench";
  options.clock = &clock;
  std::unique_ptr<EventLog> log;
  const double took = TimeOf([&] { log = Take(EventLog::Open(options), "open"); });
  return static_cast<double>(log->head()) / took;
}

double CopyOutRate(const std::string& uri, int64_t events) {
  return static_cast<double>(events) / TimeOf([&] { CopyOut(uri, events); });
}

void Reading(BenchReport& report, const std::string& uri, int64_t events) {
  PostgresStorage storage(PostgresOptions{uri, {}, false});
  Take(storage.Initialize(), "initialize");
  Load(storage, events);
  const SystemClock clock;
  const int64_t paged = std::min(events, kPagedEvents);
  report.Measure(
      {"P6", "events from Postgres in pages of 1,000", "COPY OUT BINARY", "ev/s", 0.8, false},
      [&] { return PagesRate(storage, paged); }, [&] { return CopyOutRate(uri, paged); });
  report.Measure(
      {"P8", "cold replay from Postgres", "COPY OUT BINARY", "ev/s", 0.5, false},
      [&] { return ReplayRate(storage, clock); }, [&] { return CopyOutRate(uri, events); });
}

// Readers as the API has them: mostly of one ref, some of everything, each on its own timer.
class Pollers {
 public:
  explicit Pollers(const EventLog& log) {
    for (int i = 0; i < kPollers; ++i) {
      threads_.emplace_back([&log, i](std::stop_token stop) {
        ListRequest request;
        request.since_idx = log.head();
        if (i < kFilteredPollers) {
          v1::EventFilter filter;
          filter.add_partition_refs(Corpus::Ref(i, 0, 0));
          request.matcher =
              std::make_shared<const EventMatcher>(Take(EventMatcher::Compile(filter), "compile"));
        }
        auto next = std::chrono::steady_clock::now();
        while (!stop.stop_requested()) {
          request.since_idx = Take(log.ListEvents(request), "list").next_idx;
          std::this_thread::sleep_until(next += kPollEvery);
        }
      });
    }
  }

 private:
  std::vector<std::jthread> threads_;
};

double AppendRate(EventLog& log, Corpus& corpus) {
  std::vector<std::vector<v1::BuildEvent>> batches(kAppendBatches);
  for (auto& events : batches) {
    for (int i = 0; i < kAppendBatch; ++i) events.push_back(corpus.NextEvent());
  }
  const double took = TimeOf([&] {
    for (auto& events : batches) Take(log.Append(std::move(events)), "append");
  });
  return kAppendBatch * kAppendBatches / took;
}

void Polled(BenchReport& report, const std::string& uri) {
  PostgresStorage storage(PostgresOptions{uri, {}, false});
  Take(storage.Initialize(), "initialize");
  LogWriter writer(&storage);
  const SystemClock clock;
  LogOptions options;
  options.storage = &storage;
  options.graph = "polled";
  options.holder = "bench";
  options.cluster_uid = "bench";
  options.clock = &clock;
  options.writer = &writer;
  const auto log = Take(EventLog::Open(options), "open");
  Corpus corpus(3);
  report.Measure(
      {"P14", "append, 100 a batch, 40 pollers at 20 Hz", "without pollers", "ev/s", 0.9, false},
      [&] {
        const Pollers pollers(*log);
        return AppendRate(*log, corpus);
      },
      [&] { return AppendRate(*log, corpus); });
}

}  // namespace
}  // namespace databuild

int main() {
  using namespace databuild;  // NOLINT: main of one file
  const int64_t events = EventsWanted();
  SetLogLevel(LogLevel::kWarn);
  BenchReport report;
  const auto server = Take(ThrowawayPostgres::Start(), "start Postgres");
  const std::string import = Take(server->CreateDatabase("import"), "create database");
  Settle(import);
  Import(report, import);
  if (report.WantsOneOf({"P6", "P8"})) {
    Reading(report, Take(server->CreateDatabase("reading"), "create database"), events);
  }
  Polled(report, Take(server->CreateDatabase("polled"), "create database"));
  return 0;  // the verdicts are in the table
}
