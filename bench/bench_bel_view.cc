// Reading events and starting again: P13 (the view decoder against libprotobuf), P9 (the fold) and
// P10 (an open log from a snapshot).
//
// BENCH_EVENTS in the environment: size of the log; default 1,000,000.
#include <sys/stat.h>

#include <cstdlib>
#include <fstream>

#include "bel/base/log.h"
#include "bel/event_codec.h"
#include "bel/event_log.h"
#include "bel/sqlite_storage.h"
#include "bel/state_snapshot.h"
#include "bench/bench_report.h"
#include "bench/postgres_limits.h"
#include "tests/support/corpus.h"
#include "tests/support/temp_folder.h"

namespace databuild {
namespace {

constexpr int64_t kDecodedEvents = 8'192;  // a page of a replay, as it comes from the storage
constexpr int kDecodings = 40;
constexpr size_t kImportBatch = 20'000;

void Decoding(BenchReport& report) {
  Corpus corpus(4);
  std::vector<std::string> payloads;
  for (int64_t i = 0; i < kDecodedEvents; ++i) payloads.push_back(corpus.Next().payload);
  report.Measure(
      {"P13", "view decoder, in place", "libprotobuf, one message reused", "ev/s", 5, false},
      [&] {
        EventDecoder decoder;
        EventView view;
        size_t seen = 0;
        const double took = TimeOf([&] {
          for (int i = 0; i < kDecodings; ++i) {
            for (const std::string& payload : payloads) {
              Require(decoder.Decode(payload, view), "decode");
              seen += view.event_id.size();
            }
          }
        });
        Require(seen == payloads.size() * kDecodings * 36, "event ids");
        return static_cast<double>(kDecodedEvents * kDecodings) / took;
      },
      [&] {
        v1::BuildEvent event;
        size_t seen = 0;
        const double took = TimeOf([&] {
          for (int i = 0; i < kDecodings; ++i) {
            for (const std::string& payload : payloads) {
              Require(event.ParseFromString(payload), "parse");
              seen += event.event_id().size();
            }
          }
        });
        Require(seen == payloads.size() * kDecodings * 36, "event ids");
        return static_cast<double>(kDecodedEvents * kDecodings) / took;
      });
}

// ---- P9

// Look-ups that the fold of an event cannot do without: two cache lines (a hash slot, the entity)
// for everything it names.
int64_t TouchesOf(const v1::BuildEvent& event) {
  int64_t named = event.has_build_request_id() ? 1 : 0;
  if (event.has_partition_event()) named += 2 + !event.partition_event().job_run_id().empty();
  if (event.has_job_event()) named += 2 + 2 * event.job_event().target_partitions_size();
  if (event.has_want_event()) named += 1 + event.want_event().requested_partitions_size();
  if (event.has_job_graph_event()) {
    for (const auto& task : event.job_graph_event().job_graph().nodes()) {
      named += 1 + task.config().outputs_size();
    }
  }
  return 2 * named;
}

double TouchRate(int64_t events, int64_t touches) {
  std::vector<uint64_t> memory(static_cast<size_t>(events) * 100 / 8, 1);  // 100 B an event
  const size_t lines = memory.size() / 8;
  uint64_t at = 1, sum = 0;
  const double took = TimeOf([&] {
    for (int64_t i = 0; i < touches; ++i) {
      at = at * 6364136223846793005u + 1442695040888963407u;
      sum += ++memory[(at >> 20) % lines * 8];
    }
  });
  Require(sum != 0, "touches");
  return static_cast<double>(events) / took;
}

// Pages of events as a replay gets them: just written to memory by who read them.
double FoldRate(int64_t events) {
  Corpus corpus(2);
  std::vector<StoredEvent> page;
  BuildState state;
  EventDecoder decoder;
  EventView view;
  double took = 0;
  state.BeginReplay();
  for (int64_t folded = 0; folded < events; folded += static_cast<int64_t>(page.size())) {
    page.clear();
    while (page.size() < kDecodedEvents) page.push_back(corpus.Next());
    took += TimeOf([&] {
      for (const StoredEvent& stored : page) {
        Take(ViewEvent(stored, decoder, view), "decode");
        state.Apply(view);
      }
    });
  }
  took += TimeOf([&] { state.EndReplay(); });
  return static_cast<double>(state.idx()) / took;
}

void Fold(BenchReport& report, int64_t events) {
  Corpus corpus(2);
  int64_t touches = 0;
  for (int64_t i = 0; i < events; ++i) touches += TouchesOf(corpus.NextEvent());
  report.Measure(
      {"P9", "fold of encoded events", "as many random cache lines", "ev/s", 0.5, false},
      [&] { return FoldRate(events); }, [&] { return TouchRate(events, touches); });
  std::printf("     (%.1f cache lines an event)\n",
              static_cast<double>(touches) / static_cast<double>(events));
}

// ---- P10

struct Prepared {
  std::unique_ptr<SqliteStorage> storage;
  std::string snapshots;
};

// A log in SQLite, and a snapshot of all of it.
Prepared Prepare(const TempFolder& folder, int64_t events) {
  Prepared made{std::make_unique<SqliteStorage>(folder.File("bel.db"), StorageTimeouts{}),
                folder.File("snapshots")};
  Take(made.storage->Initialize(), "initialize");
  mkdir(made.snapshots.c_str(), 0700);
  const Acquired log = Take(made.storage->Acquire({"large", "bench", "bench"}), "acquire");
  Corpus corpus(2);
  BuildState state;
  Postings postings;
  EventDecoder decoder;
  EventView view;
  std::vector<StoredEvent> batch;
  for (int64_t head = 0; head < events;) {
    batch.clear();
    while (head + static_cast<int64_t>(batch.size()) < events && batch.size() < kImportBatch) {
      batch.push_back(corpus.Next());
      Take(ViewEvent(batch.back(), decoder, view), "decode");
      state.Apply(view);
      postings.Add(view, state);
    }
    head = Take(made.storage->Import({"large", log.epoch, head, {batch}}), "import");
  }
  Take(WriteSnapshot(made.snapshots, log.log_id, state, postings), "snapshot");
  return made;
}

double ReadSeconds(const std::string& path) {
  std::string block(1 << 20, '\0');
  return TimeOf([&] {
    std::ifstream file(path, std::ios::binary);
    while (file.read(block.data(), static_cast<std::streamsize>(block.size()))) {
    }
  });
}

void Restart(BenchReport& report, int64_t events) {
  const TempFolder folder;
  const Prepared made = Prepare(folder, events);
  const std::string path = ListSnapshots(made.snapshots).at(0);
  const SystemClock clock;
  LogOptions options;
  options.storage = made.storage.get();
  options.graph = "large";
  options.holder = "bench";
  options.cluster_uid = "bench";
  options.clock = &clock;
  options.snapshot_folder = made.snapshots;
  report.Measure(
      {"P10", "an open log from a snapshot", "1 s, or reading the file twice", "s", 1, true},
      [&] { return TimeOf([&] { Take(EventLog::Open(options), "open"); }); },
      [&] { return std::max(1.0, 2 * ReadSeconds(path)); });
  struct stat file {};
  Require(stat(path.c_str(), &file) == 0, "stat");
  std::printf("     (snapshot of %.0f MB)\n", static_cast<double>(file.st_size) / 1e6);
}

}  // namespace
}  // namespace databuild

int main() {
  using namespace databuild;  // NOLINT: main of one file
  SetLogLevel(LogLevel::kWarn);
  BenchReport report;
  Decoding(report);
  Fold(report, EventsWanted());
  Restart(report, 10 * EventsWanted());
  return 0;  // the verdicts are in the table
}
