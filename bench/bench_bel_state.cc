// The read model of a large log: P7 (pages from memory), P11 (memory) and P12 (filtered polls). The
// log is in SQLite, so that nothing but this process is measured.
//
// BENCH_EVENTS in the environment: its size; default 1,000,000.
#include <sys/wait.h>
#include <unistd.h>

#include <cmath>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <random>

#include "bel/base/log.h"
#include "bel/event_log.h"
#include "bel/sqlite_storage.h"
#include "bench/bench_report.h"
#include "bench/postgres_limits.h"
#include "bench/resident.h"
#include "tests/support/corpus.h"
#include "tests/support/temp_folder.h"

namespace databuild {
namespace {

constexpr int64_t kImportBatch = 20'000;

std::unique_ptr<SqliteStorage> OpenStorageAt(const std::string& path) {
  auto storage = std::make_unique<SqliteStorage>(path, StorageTimeouts{});
  Take(storage->Initialize(), "initialize");
  return storage;
}

void Load(const std::string& path, int64_t events) {
  const auto storage = OpenStorageAt(path);
  const Acquired log = Take(storage->Acquire({"large", "bench", "bench"}), "acquire");
  Corpus corpus(2);
  std::vector<StoredEvent> batch;
  const double took = TimeOf([&] {
    for (int64_t head = 0; head < events;) {
      batch.clear();
      while (head + static_cast<int64_t>(batch.size()) < events && batch.size() < kImportBatch) {
        batch.push_back(corpus.Next());
      }
      head = Take(storage->Import({"large", log.epoch, head, {batch}}), "import");
    }
  });
  std::printf("     (%lld events made and loaded in %.1f s)\n", static_cast<long long>(events),
              took);
}

LogOptions Options(Storage* storage, const Clock* clock) {
  LogOptions options;
  options.storage = storage;
  options.graph = "large";
  options.holder = "bench";
  options.cluster_uid = "bench";
  options.clock = clock;
  return options;
}

// What a log of `events` events costs in memory, in a process that does nothing else. The ring of
// raw events has a fixed size and is kept small here.
struct Footprint {
  int64_t bytes = 0;
  double open_seconds = 0;
};

Footprint MeasureFootprint(const std::string& path) {
  int ends[2];
  Require(pipe(ends) == 0, "pipe");
  const pid_t child = fork();
  if (child == 0) {
    const auto storage = OpenStorageAt(path);
    const SystemClock clock;
    LogOptions options = Options(storage.get(), &clock);
    options.tail_bytes = 1 << 20;
    Footprint footprint;
    const double before = ResidentBytes();
    std::unique_ptr<EventLog> log;
    footprint.open_seconds = TimeOf([&] { log = Take(EventLog::Open(options), "open"); });
    footprint.bytes = static_cast<int64_t>(ResidentBytes() - before);
    const bool written = write(ends[1], &footprint, sizeof(footprint)) == sizeof(footprint);
    _exit(written ? 0 : 1);
  }
  Footprint footprint;
  Require(read(ends[0], &footprint, sizeof(footprint)) == sizeof(footprint), "no footprint");
  waitpid(child, nullptr, 0);
  close(ends[0]);
  close(ends[1]);
  return footprint;
}

void Memory(BenchReport& report, const std::string& path, int64_t events) {
  const Footprint footprint = MeasureFootprint(path);
  report.AddAbsolute(
      {"P11", "memory of the read model, all in", "bytes an event", "B/ev", 100, true},
      static_cast<double>(footprint.bytes) / static_cast<double>(events));
  std::printf("     (%.0f MB; opened from SQLite in %.1f s)\n",
              static_cast<double>(footprint.bytes) / 1e6, footprint.open_seconds);
}

// ---- P7, P12

double PageSeconds(const EventLog& log, std::mt19937& random) {
  std::vector<double> times;
  for (int i = 0; i < 200; ++i) {
    ListRequest request;
    request.since_idx = log.head() - 1'000 - static_cast<int64_t>(random() % 50'000);
    times.push_back(TimeOf([&] { Take(log.ListEvents(request), "list"); }));
  }
  return Median(times);
}

// A page of the same size copied from one place in memory to another one, new each time.
double CopySeconds(const std::string& page, std::mt19937& random) {
  std::string source(64 << 20, 'x');
  std::vector<double> times;
  for (int i = 0; i < 200; ++i) {
    const size_t from = random() % (source.size() - page.size());
    times.push_back(TimeOf([&] {
      const std::string copy(source, from, page.size());
      Require(copy[copy.size() / 2] == 'x', "copy");
    }));
  }
  return Median(times);
}

double Percentile99(std::vector<double> values) {
  const auto at = values.begin() + static_cast<std::ptrdiff_t>(values.size() * 99 / 100);
  std::nth_element(values.begin(), at, values.end());
  return *at;
}

std::shared_ptr<const EventMatcher> OneRef(const std::string& ref) {
  v1::EventFilter filter;
  filter.add_partition_refs(ref);
  return std::make_shared<const EventMatcher>(Take(EventMatcher::Compile(filter), "compile"));
}

double NearHeadP99(const EventLog& log, std::mt19937& random) {
  std::vector<double> times;
  for (int i = 0; i < 2'000; ++i) {
    ListRequest request;
    request.matcher = OneRef(Corpus::Ref(static_cast<int64_t>(random() % 1'000), 1, 0));
    request.since_idx = log.head() - static_cast<int64_t>(random() % 1'000);
    times.push_back(TimeOf([&] { Take(log.ListEvents(request), "list"); }));
  }
  return Percentile99(std::move(times)) * 1e3;
}

double FullHistoryP99(const EventLog& log, int64_t builds, std::mt19937& random) {
  std::vector<double> times;
  for (int i = 0; i < 200; ++i) {
    ListRequest request;
    int64_t build = static_cast<int64_t>(random() % static_cast<uint64_t>(builds - 100));
    if (build % 20 == 19) --build;  // those are made again and again
    request.matcher = OneRef(Corpus::Ref(build, 1, 0));
    int64_t found = 0;
    times.push_back(TimeOf([&] {
      for (bool more = true; more;) {
        const RawPage page = Take(log.ListEvents(request), "list");
        found += page.count;
        request.since_idx = page.next_idx;
        more = page.has_more;
      }
    }));
    Require(found >= 4, "a partition has at least four events");
  }
  return Percentile99(std::move(times)) * 1e3;
}

void Reading(BenchReport& report, const std::string& path, int64_t events) {
  const auto storage = OpenStorageAt(path);
  const SystemClock clock;
  const auto log = Take(EventLog::Open(Options(storage.get(), &clock)), "open");
  std::mt19937 random(1);
  ListRequest newest;
  newest.since_idx = log->head() - 1'000;
  const std::string page = Take(log->ListEvents(newest), "list").events;
  report.Measure(
      {"P7", "page of 1,000 events from memory", "memcpy of the page", "us", 2, true},
      [&] { return PageSeconds(*log, random) * 1e6; },
      [&] { return CopySeconds(page, random) * 1e6; });
  report.MeasureAbsolute({"P12a", "filtered poll near the head, p99", "1 ms", "ms", 1, true},
                         [&] { return NearHeadP99(*log, random); });
  report.MeasureAbsolute(
      {"P12b", "one ref over the full history, p99", "1 ms", "ms", 5, true},
      [&] { return FullHistoryP99(*log, events / Corpus::kEventsPerBuild, random); });
}

}  // namespace
}  // namespace databuild

int main() {
  using namespace databuild;                   // NOLINT: main of one file
  const int64_t events = 10 * EventsWanted();  // memory counts once the log is large
  SetLogLevel(LogLevel::kWarn);
  BenchReport report;
  const TempFolder folder;
  const std::string path = folder.File("bel.db");
  Load(path, events);
  Memory(report, path, events);
  Reading(report, path, events);
  return 0;  // the verdicts are in the table
}
