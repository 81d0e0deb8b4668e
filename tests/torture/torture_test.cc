// The torture of the event log: writers and pollers work while servers, backends, writers, disks
// and connections fail under them, and the checker holds what they saw against what the log holds.
//
// Short form: 200 faults. Long form: CYCLES=1000 in the environment (`make torture`). SEED chooses
// the order of faults; it is printed.
#include <signal.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <random>

#include "bel/open_storage.h"
#include "bel/postgres_connection.h"
#include "gtest/gtest.h"
#include "tests/support/throwaway_postgres.h"
#include "tests/torture/arena.h"
#include "tests/torture/socket_proxy.h"
#include "tests/torture/workload.h"

namespace databuild::torture {
namespace {

using std::chrono::seconds;
using Proxied = SocketProxy::Fault;

constexpr int64_t kAcksAfterFault = 12;  // life goes on before the next one
constexpr auto kLease = std::chrono::milliseconds(1'000);

int64_t FromEnvironment(const char* name, int64_t otherwise) {
  const char* value = std::getenv(name);
  return value == nullptr ? otherwise : std::atoll(value);
}

std::unique_ptr<ThrowawayPostgres> StartServer(int64_t disk_bytes = 0) {
  auto server = ThrowawayPostgres::StartOn(disk_bytes);
  if (server.ok()) return std::move(*server);
  ADD_FAILURE() << server.error().message;
  return nullptr;
}

std::vector<LoggedEvent> WholeLog(const std::string& uri) {
  const auto storage = std::move(OpenStorage(uri).value());
  EXPECT_TRUE(storage->Initialize().ok());
  auto log = ReadLog(*storage);
  EXPECT_TRUE(log.ok()) << log.error().message;
  return log.ok() ? std::move(*log) : std::vector<LoggedEvent>();
}

// Ends the last writer, resolves what is open, and lets the checker judge.
void EndAndCheck(Writers& writers, std::unique_ptr<WriterProcess> writer, const std::string& uri) {
  writer->Signal(SIGTERM);
  EXPECT_EQ(writer->Wait(seconds(60)), 0) << writers.Complaints();
  writer = writers.Start();  // appends again what nobody knows the outcome of
  EXPECT_TRUE(writers.AwaitAcknowledged(
      static_cast<int64_t>(writers.history().Unresolved().size()) + kAcksAfterFault))
      << writers.Complaints();
  writer->Signal(SIGTERM);
  EXPECT_EQ(writer->Wait(seconds(60)), 0) << writers.Complaints();
  for (const AppendSeen& open : writers.history().Unresolved()) {
    ADD_FAILURE() << "the outcome of batch " << open.tag << " stays unknown";
  }
  const std::vector<LoggedEvent> log = WholeLog(uri);
  const History& history = writers.history().whole();
  for (const std::string& breach : Check(history, log)) ADD_FAILURE() << breach;
  EXPECT_GT(history.polls().size(), 20u);
  std::cout << "checked " << log.size() << " events, " << history.appends().size() << " batches, "
            << history.polls().size() << " pages" << std::endl;
}

// Postgres behind a proxy, one writer at a time, and what may happen to them.
class Nemesis {
 public:
  Nemesis()
      : server_(StartServer()),
        uri_(server_->CreateDatabase("torture").value()),
        proxy_(proxy_folder_.File(".s.PGSQL.5432"), server_->folder() + "/.s.PGSQL.5432"),
        writers_("postgres://databuild@/torture?host=" + proxy_folder_.path()),
        writer_(writers_.Start()),
        random_(static_cast<unsigned>(FromEnvironment("SEED", 1))) {}

  using Strike = void (Nemesis::*)();
  struct Kind {
    const char* name;
    int of_200;
    Strike strike;
  };
  static const std::vector<Kind>& Kinds();

  void Run(int64_t cycles) {
    std::vector<const Kind*> plan;
    for (const Kind& kind : Kinds()) {
      const int64_t count = (kind.of_200 * cycles + 199) / 200;
      plan.insert(plan.end(), static_cast<size_t>(count), &kind);
    }
    std::shuffle(plan.begin(), plan.end(), random_);
    ASSERT_TRUE(writers_.AwaitAcknowledged(kAcksAfterFault)) << writers_.Complaints();
    const auto begin = std::chrono::steady_clock::now();
    for (size_t i = 0; i < plan.size(); ++i) {
      (this->*plan[i]->strike)();
      ASSERT_TRUE(writers_.AwaitAcknowledged(kAcksAfterFault))
          << "nothing was appended any more after " << plan[i]->name << " (fault " << i << ")\n"
          << writers_.Complaints();
      if (i % 50 == 49) {
        const auto took = std::chrono::steady_clock::now() - begin;
        std::cout << i + 1 << " of " << plan.size() << " faults after "
                  << std::chrono::duration_cast<seconds>(took).count() << " s, "
                  << writers_.history().acknowledged() << " batches acknowledged" << std::endl;
      }
    }
    EndAndCheck(writers_, std::move(writer_), uri_);
  }

 private:
  void KillServer() {
    server_->KillHard();
    const Status back = server_->Restart();
    EXPECT_TRUE(back.ok()) << back.error().message;
  }
  void KillBackend() { server_->KillOneBackend(random_()); }
  void EndBackends() {
    auto admin = PostgresConnection::Open(uri_, 10 * kSecond, 10 * kSecond);
    if (!admin.ok()) return;  // it recovers from the fault before
    const Status ended = (*admin)->Run(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
        "WHERE datname = current_database() AND pid <> pg_backend_pid()");
    static_cast<void>(ended);  // perhaps it is gone already
  }
  void Proxy(Proxied fault, int delay_ms = 0) {
    const int before = proxy_.struck();
    proxy_.Arm(fault, delay_ms);
    EXPECT_TRUE(AwaitThat([&] { return proxy_.struck() > before; }, seconds(30)));
  }
  void DropReply() { Proxy(Proxied::kDropReply); }
  void DelayReply() { Proxy(Proxied::kDelayReply, 50 + static_cast<int>(random_() % 400)); }
  void DelayBeyondDeadline() { Proxy(Proxied::kDelayReply, 3'500); }
  void HalfClose() { Proxy(Proxied::kHalfClose); }
  void CutRequest() { Proxy(Proxied::kCutRequest); }
  void KillWriter() {
    writer_->Signal(SIGKILL);
    EXPECT_EQ(writer_->Wait(seconds(10)), 1'000 + SIGKILL);
    writer_ = writers_.Start();
  }
  // It sleeps through its lease; when it wakes up another one writes, and it must do no harm.
  void StopWriterPastItsLease() {
    writer_->Signal(SIGSTOP);
    const auto lease_over = std::chrono::steady_clock::now() + kLease;
    AwaitThat([&] { return std::chrono::steady_clock::now() > lease_over; }, seconds(5));
    auto next = writers_.Start();
    EXPECT_TRUE(writers_.AwaitAcknowledged(kAcksAfterFault)) << writers_.Complaints();
    writer_->Signal(SIGCONT);
    EXPECT_EQ(writer_->Wait(seconds(60)), 10) << "it was not fenced\n" << writers_.Complaints();
    writer_ = std::move(next);
  }

  std::unique_ptr<ThrowawayPostgres> server_;
  const std::string uri_;
  TempFolder proxy_folder_;
  SocketProxy proxy_;
  Writers writers_;
  std::unique_ptr<WriterProcess> writer_;
  std::mt19937 random_;
};

// Of 200 faults 30 kill the server and 170 kill backends or cut connections; those of the writer
// come on top.
const std::vector<Nemesis::Kind>& Nemesis::Kinds() {
  static const std::vector<Kind> kKinds = {
      {"kill -9 of the server", 30, &Nemesis::KillServer},
      {"kill -9 of one backend", 25, &Nemesis::KillBackend},
      {"the end of all backends", 40, &Nemesis::EndBackends},
      {"a lost reply", 45, &Nemesis::DropReply},
      {"a late reply", 15, &Nemesis::DelayReply},
      {"a reply that is too late", 3, &Nemesis::DelayBeyondDeadline},
      {"a half-closed connection", 22, &Nemesis::HalfClose},
      {"half a request", 20, &Nemesis::CutRequest},
      {"kill -9 of the writer", 8, &Nemesis::KillWriter},
      {"a writer that slept past its lease", 4, &Nemesis::StopWriterPastItsLease},
  };
  return kKinds;
}

TEST(Torture, NothingIsLostDoubledOrReorderedWhateverDies) {
  const int64_t cycles = FromEnvironment("CYCLES", 200);
  std::cout << "CYCLES=" << cycles << " SEED=" << FromEnvironment("SEED", 1) << std::endl;
  Nemesis nemesis;
  nemesis.Run(cycles);
}

TEST(Torture, SqliteKeepsEveryAcknowledgedEventWhenItsWriterIsKilled) {
  const TempFolder folder;
  const std::string uri = "sqlite://" + folder.File("bel.db");
  Writers writers(uri);
  auto writer = writers.Start();
  for (int kill = 0; kill < 6; ++kill) {
    ASSERT_TRUE(writers.AwaitAcknowledged(100)) << writers.Complaints();
    writer->Signal(SIGKILL);
    EXPECT_EQ(writer->Wait(seconds(10)), 1'000 + SIGKILL);
    writer = writers.Start();
  }
  ASSERT_TRUE(writers.AwaitAcknowledged(100)) << writers.Complaints();
  EndAndCheck(writers, std::move(writer), uri);
}

TEST(Torture, AFullDiskStopsAppendsAndLosesNothing) {
  const auto server = StartServer(256 << 20);
  ASSERT_NE(server, nullptr);  // without root there is no disk to fill: that is a failure
  const std::string uri = server->CreateDatabase("torture").value();
  Writers writers(uri);
  auto writer = writers.Start();
  for (int round = 0; round < 2; ++round) {
    ASSERT_TRUE(writers.AwaitAcknowledged(100)) << writers.Complaints();
    const std::string ballast = server->folder() + "/ballast";
    {
      std::ofstream file(ballast, std::ios::binary);
      const std::string block(1 << 16, 'x');
      while (file.write(block.data(), static_cast<std::streamsize>(block.size())).flush()) {
      }
    }
    // Nothing is acknowledged for as long as two tries take.
    int64_t seen = -1;
    auto since = std::chrono::steady_clock::now();
    EXPECT_TRUE(AwaitThat(
        [&] {
          const auto now = std::chrono::steady_clock::now();
          if (writers.history().acknowledged() != seen) since = now;
          seen = writers.history().acknowledged();
          return now - since > std::chrono::milliseconds(1'500);
        },
        seconds(60)))
        << "appends go on although the disk is full";
    std::filesystem::remove(ballast);
    if (!server->running()) {  // Postgres gives up when it cannot write ahead
      server->KillHard();
      ASSERT_TRUE(server->Restart().ok());
    }
  }
  ASSERT_TRUE(writers.AwaitAcknowledged(100)) << writers.Complaints();
  EndAndCheck(writers, std::move(writer), uri);
}

TEST(Torture, ABackupThatIsRestoredUnderAWriterIsNoticed) {
  const auto server = StartServer();
  ASSERT_NE(server, nullptr);
  const std::string uri = server->CreateDatabase("torture").value();
  Writers writers(uri);
  const auto writer = writers.Start();
  ASSERT_TRUE(writers.AwaitAcknowledged(50)) << writers.Complaints();
  server->KillHard();
  ASSERT_TRUE(server->SaveFiles().ok());
  ASSERT_TRUE(server->Restart().ok());
  ASSERT_TRUE(writers.AwaitAcknowledged(50)) << writers.Complaints();
  server->KillHard();
  const int64_t acknowledged = writers.history().acknowledged();
  const Status restored = server->RestoreFiles();
  ASSERT_TRUE(restored.ok()) << restored.error().message;
  ASSERT_TRUE(server->Restart().ok());
  // The log is shorter than what was acknowledged: the writer must stop, not go on over the hole.
  EXPECT_EQ(writer->Wait(seconds(60)), 11) << writers.Complaints();
  EXPECT_EQ(writers.history().acknowledged(), acknowledged);
  EXPECT_FALSE(Check(writers.history().whole(), WholeLog(uri)).empty());
}

}  // namespace
}  // namespace databuild::torture
