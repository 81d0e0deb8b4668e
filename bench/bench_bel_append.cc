// Appending: P1, P2 and P3 against Postgres, P5 against SQLite. Each figure goes through the
// production EventLog or Storage; each limit is what disk or database can do with the same bytes,
// measured in the same run.
#include <fcntl.h>
#include <sqlite3.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <deque>
#include <numeric>
#include <thread>

#include "bel/base/log.h"
#include "bel/base/uuid.h"
#include "bel/event_codec.h"
#include "bel/event_log.h"
#include "bel/ids.h"
#include "bel/postgres_storage.h"
#include "bel/sqlite_storage.h"
#include "bench/bench_report.h"
#include "bench/postgres_limits.h"
#include "tests/support/temp_folder.h"
#include "tests/support/throwaway_postgres.h"

namespace databuild {
namespace {

constexpr int kSingleAppends = 300;
constexpr int kCallers = 64;
constexpr int kAppendsPerCaller = 60;
constexpr int64_t kBulkEvents = 1'000;
constexpr int kBulkBatches = 64;

// The newest state of an instance, as most events of a real log are.
class EventSource {
 public:
  explicit EventSource(const std::string& name) : name_(name) {}

  v1::BuildEvent Next() {
    const int64_t n = next_++;
    v1::BuildEvent event;
    event.set_build_request_id(UuidV5(name_, {"build", std::to_string(n / 100)}));
    v1::PartitionEvent& partition = *event.mutable_partition_event();
    const std::string ref =
        "sales/orders/region=" + std::to_string(n % 10) + "/date=" + std::to_string(n);
    partition.mutable_partition_ref()->set_str(ref);
    partition.set_status_code(v1::PARTITION_REQUESTED);
    partition.set_instance_id(UuidV5(name_, {ref, "1"}));
    partition.set_ordinal(1);
    event.set_event_id(UuidV5(name_, {"event", ref}));
    return event;
  }

 private:
  const std::string name_;
  std::atomic<int64_t> next_ = 0;
};

std::vector<StoredEvent> Encoded(EventSource& source, int64_t first_idx, int64_t count) {
  std::vector<StoredEvent> events;
  for (int64_t i = 0; i < count; ++i) {
    v1::BuildEvent event = source.Next();
    event.set_idx(first_idx + i);
    event.set_timestamp(first_idx + i);
    events.push_back(Take(EncodeEvent(event), "encode"));
  }
  return events;
}

// Seconds of each of many writes of 8 KiB with fdatasync, into a file that has its size.
std::vector<double> FlushTimes(const std::string& folder) {
  const std::string path = folder + "/flush";
  const int fd = open(path.c_str(), O_RDWR | O_CREAT, 0600);
  Require(fd >= 0, "open " + path);
  const std::string block(8'192, 'x');
  for (int i = 0; i < 64; ++i) {
    Require(pwrite(fd, block.data(), block.size(), i * 8'192) == 8'192, "write");
  }
  Require(fsync(fd) == 0, "fsync");
  std::vector<double> times;
  for (int i = 0; i < kSingleAppends; ++i) {
    times.push_back(TimeOf([&] {
      Require(pwrite(fd, block.data(), block.size(), (i % 64) * 8'192) == 8'192, "write");
      Require(fdatasync(fd) == 0, "fdatasync");
    }));
  }
  close(fd);
  return times;
}

double FlushRate(const std::string& folder) {
  const std::vector<double> times = FlushTimes(folder);
  return static_cast<double>(times.size()) / std::accumulate(times.begin(), times.end(), 0.0);
}

struct OpenedLog {
  SystemClock clock;
  std::unique_ptr<LogWriter> writer;
  std::unique_ptr<EventLog> log;
  std::atomic<int64_t> groups = 0, events = 0;
};

std::unique_ptr<OpenedLog> OpenBenchLog(Storage* storage, const std::string& graph) {
  auto opened = std::make_unique<OpenedLog>();
  opened->writer = std::make_unique<LogWriter>(storage);
  LogOptions options;
  options.storage = storage;
  options.graph = graph;
  options.holder = "bench";
  options.cluster_uid = "bench";
  options.clock = &opened->clock;
  options.writer = opened->writer.get();
  options.on_append = [raw = opened.get()](const AppendSample& sample) {
    ++raw->groups;
    raw->events += sample.events;
  };
  opened->log = Take(EventLog::Open(options), "open the log");
  return opened;
}

double SingleAppendSeconds(EventLog& log, EventSource& source) {
  std::vector<double> times;
  for (int i = 0; i < kSingleAppends; ++i) {
    std::vector<v1::BuildEvent> one = {source.Next()};
    times.push_back(TimeOf([&] { Take(log.Append(std::move(one)), "append"); }));
  }
  return Median(times);
}

// Events a second of 64 callers, each with one event at a time.
double ConcurrentRate(OpenedLog& opened, EventSource& source) {
  opened.groups = opened.events = 0;
  const double took = TimeOf([&] {
    std::vector<std::jthread> callers;
    for (int i = 0; i < kCallers; ++i) {
      callers.emplace_back([&] {
        for (int n = 0; n < kAppendsPerCaller; ++n)
          Take(opened.log->Append({source.Next()}), "append");
      });
    }
  });
  return kCallers * kAppendsPerCaller / took;
}

class RawAppend {
 public:
  RawAppend(Storage& storage, AppendBatch batch)
      : batch_(std::make_unique<AppendBatch>(std::move(batch))),
        append_(storage.BeginAppend({batch_.get(), 1})) {}
  void Finish() { Take(append_->Wait().front(), "append"); }

 private:
  std::unique_ptr<AppendBatch> batch_;
  std::unique_ptr<AppendInFlight> append_;
};

struct Load {
  const char* graph;
  int64_t batch;
  int batches;
};

// Events a second of the storage alone, batch by batch of encoded events, as many in flight as it
// allows.
double RawAppendRate(Storage& storage, EventSource& source, const Load& load) {
  const auto& [graph, batch, batches] = load;
  const Acquired log = Take(storage.Acquire({graph, "bench", "bench"}), "acquire");
  std::vector<std::vector<StoredEvent>> all;
  for (int i = 0; i < batches; ++i) all.push_back(Encoded(source, log.head + 1 + i * batch, batch));
  for (auto& events : all) {
    for (StoredEvent& event : events) event.ts += log.last_ts;
  }
  const double took = TimeOf([&] {
    std::deque<RawAppend> in_flight;
    for (int i = 0; i < batches; ++i) {
      if (static_cast<int>(in_flight.size()) == storage.max_in_flight()) {
        in_flight.front().Finish();
        in_flight.pop_front();
      }
      in_flight.emplace_back(storage,
                             AppendBatch{graph, log.epoch, log.head + i * batch, {all[i]}});
    }
    for (RawAppend& append : in_flight) append.Finish();
  });
  return static_cast<double>(batch * batches) / took;
}

double SaturatedRate(EventLog& log, EventSource& source) {
  std::vector<std::vector<v1::BuildEvent>> all(kBulkBatches);
  for (auto& events : all) {
    for (int64_t i = 0; i < kBulkEvents; ++i) events.push_back(source.Next());
  }
  std::atomic<int> next = 0;
  const double took = TimeOf([&] {
    std::vector<std::jthread> callers;
    for (int i = 0; i < 3; ++i) {
      callers.emplace_back([&] {
        for (int n = next++; n < kBulkBatches; n = next++)
          Take(log.Append(std::move(all[n])), "append");
      });
    }
  });
  return static_cast<double>(kBulkBatches * kBulkEvents) / took;
}

// The same rows by COPY BINARY, one transaction per batch: what the database can take at most.
double CopyRate(CopyIn& copy, EventSource& source, int64_t* next_idx) {
  std::vector<std::string> batches;
  for (int batch = 0; batch < kBulkBatches; ++batch, *next_idx += kBulkEvents) {
    batches.push_back(CopyRows(Encoded(source, *next_idx, kBulkEvents)));
  }
  const double took = TimeOf([&] {
    for (const std::string& rows : batches) copy.Send(rows);
  });
  return static_cast<double>(kBulkBatches * kBulkEvents) / took;
}

void Postgres(BenchReport& report) {
  const auto server = Take(ThrowawayPostgres::Start(), "start Postgres");
  const std::string uri = Take(server->CreateDatabase("bench"), "create database");
  Settle(uri);
  PostgresStorage storage(PostgresOptions{uri, {}, false});
  Take(storage.Initialize(), "initialize");
  EventSource source("pg");
  const auto opened = OpenBenchLog(&storage, "bench");
  const TempFolder folder;
  report.Measure(
      {"P1", "one append to Postgres, p50", "fdatasync p50", "us", 1.5, true},
      [&] { return SingleAppendSeconds(*opened->log, source) * 1e6; },
      [&] { return Median(FlushTimes(folder.path())) * 1e6; });
  int64_t group = 16;
  report.Measure(
      {"P2", "64 callers with one event each", "raw append, same batch", "ev/s", 0.9, false},
      [&] {
        const double rate = ConcurrentRate(*opened, source);
        group = std::max<int64_t>(1, opened->events / opened->groups);
        return rate;
      },
      [&] {
        return RawAppendRate(storage, source, {"raw", group, static_cast<int>(4'000 / group)});
      });
  if (opened->groups > 0)
    std::printf("     (%lld events a group)\n", static_cast<long long>(group));
  int64_t copied = 1;
  CopyIn copy(uri);
  report.Measure(
      {"P3", "saturated, 1,000 events a transaction", "COPY BINARY", "ev/s", 0.85, false},
      [&] { return SaturatedRate(*opened->log, source); },
      [&] { return CopyRate(copy, source, &copied); });
  report.Measure(
      {"P3s", "the same through Storage alone", "COPY BINARY", "ev/s", 0.85, false},
      [&] {
        return RawAppendRate(storage, source, {"raw", kBulkEvents, kBulkBatches});
      },
      [&] { return CopyRate(copy, source, &copied); });
}

// The least SQLite can do for the same rows: one prepared INSERT and one UPDATE a transaction.
double RawSqliteRate(const std::string& path, EventSource& source, int64_t* next_idx) {
  sqlite3* database = nullptr;
  Require(sqlite3_open(path.c_str(), &database) == SQLITE_OK, "open " + path);
  sqlite3_exec(database,
               "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA wal_autocheckpoint=0;"
               "CREATE TABLE IF NOT EXISTS e(g INTEGER, i INTEGER, t INTEGER, p INTEGER, v "
               "INTEGER, k INTEGER,"
               " u BLOB, c INTEGER, b BLOB, PRIMARY KEY(g, i)) WITHOUT ROWID",
               nullptr, nullptr, nullptr);
  sqlite3_stmt* insert = nullptr;
  Require(sqlite3_prepare_v2(database, "INSERT INTO e VALUES(1, ?1, ?2, 1, 1, ?3, ?4, ?5, ?6)", -1,
                             &insert, nullptr) == SQLITE_OK,
          "prepare");
  std::vector<std::vector<StoredEvent>> all;
  for (int i = 0; i < kBulkBatches; ++i, *next_idx += kBulkEvents)
    all.push_back(Encoded(source, *next_idx, kBulkEvents));
  const double took = TimeOf([&] {
    for (const auto& events : all) {
      sqlite3_exec(database, "BEGIN IMMEDIATE", nullptr, nullptr, nullptr);
      for (const StoredEvent& event : events) {
        const UuidBytes id = *ParseUuid(event.event_id);
        sqlite3_bind_int64(insert, 1, event.idx);
        sqlite3_bind_int64(insert, 2, event.ts);
        sqlite3_bind_int64(insert, 3, event.type);
        sqlite3_bind_blob(insert, 4, id.data(), 16, SQLITE_STATIC);
        sqlite3_bind_int64(insert, 5, static_cast<int32_t>(event.crc32c));
        sqlite3_bind_blob(insert, 6, event.payload.data(), static_cast<int>(event.payload.size()),
                          SQLITE_STATIC);
        Require(sqlite3_step(insert) == SQLITE_DONE, "insert");
        sqlite3_reset(insert);
      }
      Require(sqlite3_exec(database, "COMMIT", nullptr, nullptr, nullptr) == SQLITE_OK, "commit");
    }
  });
  sqlite3_finalize(insert);
  sqlite3_close(database);
  return static_cast<double>(kBulkBatches * kBulkEvents) / took;
}

void Sqlite(BenchReport& report) {
  const TempFolder folder;
  SqliteStorage storage(folder.File("bel.db"), StorageTimeouts{});
  Take(storage.Initialize(), "initialize");
  EventSource source("sqlite");
  report.Measure(
      {"P5a", "SQLite, one event a transaction", "fdatasync rate", "ev/s", 0.7, false},
      [&] {
        return RawAppendRate(storage, source, {"one", 1, kSingleAppends});
      },
      [&] { return FlushRate(folder.path()); });
  int64_t raw = 1;
  report.Measure(
      {"P5b", "SQLite, 1,000 events a transaction", "raw SQLite loop", "ev/s", 0.85, false},
      [&] {
        return RawAppendRate(storage, source, {"bulk", kBulkEvents, kBulkBatches});
      },
      [&] { return RawSqliteRate(folder.File("raw.db"), source, &raw); });
}

}  // namespace
}  // namespace databuild

int main() {
  databuild::SetLogLevel(databuild::LogLevel::kWarn);
  databuild::BenchReport report;
  if (report.WantsOneOf({"P1", "P2", "P3", "P3s"})) databuild::Postgres(report);
  databuild::Sqlite(report);
  return 0;  // the verdicts are in the table
}
