// What only the Postgres backend promises, against a server of the test's own: append-only tables,
// unsafe servers refused, and nothing lost or doubled when backends, the server or the connection
// die.
#include "bel/postgres_storage.h"

#include <atomic>
#include <set>
#include <thread>

#include "bel/event_log_testing.h"
#include "bel/postgres_connection.h"
#include "bel/segment.h"
#include "bel/storage_contract.h"
#include "gtest/gtest.h"
#include "tests/support/postgres_fixture.h"

namespace databuild {
namespace {

class PostgresTest : public PostgresFixture {
 protected:
  void SetUp() override {
    PostgresFixture::SetUp();
    admin_ = Connect();
  }

  std::unique_ptr<PostgresStorage> NewStorage(StorageTimeouts timeouts = {}) {
    return std::make_unique<PostgresStorage>(PostgresOptions{uri_, timeouts, false});
  }
  std::unique_ptr<PostgresStorage> Open(StorageTimeouts timeouts = {}) {
    auto storage = NewStorage(timeouts);
    const Status opened = storage->Initialize();
    EXPECT_TRUE(opened.ok()) << opened.error().message;
    return storage;
  }
  std::unique_ptr<PostgresConnection> Connect() {
    return std::move(PostgresConnection::Open(uri_, 10 * kSecond, 60 * kSecond).value());
  }
  // Ends every other session on the database, as an administrator or a failover would.
  void KillBackends() {
    ASSERT_TRUE(admin_
                    ->Run("SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                          "WHERE datname = current_database() AND pid <> pg_backend_pid()")
                    .ok());
  }
  LogOptions Options(Storage* storage, LogWriter* writer) {
    LogOptions options;
    options.storage = storage;
    options.graph = "sales";
    options.holder = "pod-1";
    options.cluster_uid = "cluster-1";
    options.clock = &clock_;
    options.writer = writer;
    return options;
  }

  std::unique_ptr<PostgresConnection> admin_;
  TickingClock clock_;
};

TEST_F(PostgresTest, EventsCanNeitherBeChangedNorRemovedNotEvenByTheOwner) {
  const auto storage = Open();
  const Acquired log = storage->Acquire({"sales", "a", "cluster-1"}).value();
  ASSERT_TRUE(storage->Append("sales", log.epoch, 0, TestEvents(1, 3, "x")).ok());
  for (const char* sql :
       {"UPDATE bel_events SET ts = 0", "UPDATE bel_events SET idx = idx + 1 WHERE idx = 3",
        "DELETE FROM bel_events", "DELETE FROM bel_events WHERE idx = 3", "TRUNCATE bel_events",
        "DELETE FROM bel_head", "TRUNCATE bel_head"}) {
    const Status changed = admin_->Run(sql);
    ASSERT_FALSE(changed.ok()) << sql;
    EXPECT_NE(changed.error().message.find("append-only"), std::string::npos)
        << changed.error().message;
  }
  EXPECT_EQ(storage->List("sales", {})->events.size(), 3u);
}

TEST_F(PostgresTest, OnlySealedRowsMayGoAndOnlySegmentsBelowTheFloorNotEvenByTheOwner) {
  const auto storage = Open();
  const Acquired log = storage->Acquire({"sales", "a", "cluster-1"}).value();
  ASSERT_TRUE(storage->Append("sales", log.epoch, 0, TestEvents(1, 9, "x")).ok());
  const auto rows = storage->List("sales", {0, 4, 1 << 20})->events;
  ASSERT_TRUE(storage->PutSegment("sales", log.epoch, EncodeSegment(rows)).ok());
  for (const char* sql : {"DELETE FROM bel_events", "DELETE FROM bel_events WHERE idx = 5",
                          "UPDATE bel_head SET sealed_idx = 6",
                          "UPDATE bel_head SET sealed_idx = 2", "DELETE FROM bel_segments",
                          "UPDATE bel_segments SET bytes = ''", "TRUNCATE bel_segments"}) {
    const Status changed = admin_->Run(sql);
    ASSERT_FALSE(changed.ok()) << sql;
    EXPECT_NE(changed.error().message.find("append-only"), std::string::npos)
        << changed.error().message;
  }
  ASSERT_TRUE(storage->PutBaseChunk("sales", log.epoch, {5, 0, "base"}).ok());
  ASSERT_TRUE(storage->FinishBase("sales", log.epoch, {5, 2, 1, 4, 0}).ok());
  for (const char* sql :
       {"DELETE FROM bel_base_chunks", "UPDATE bel_base_chunks SET bytes = ''",
        "UPDATE bel_bases SET idx = 6", "TRUNCATE bel_bases", "TRUNCATE bel_base_chunks"}) {
    const Status changed = admin_->Run(sql);
    ASSERT_FALSE(changed.ok()) << sql;
    EXPECT_NE(changed.error().message.find("append-only"), std::string::npos)
        << changed.error().message;
  }
  // A floor above what is sealed would lose events that no segment holds.
  EXPECT_FALSE(admin_->Run("UPDATE bel_head SET floor_idx = 5").ok());
  EXPECT_EQ(storage->List("sales", {})->events.size(), 9u);
}

TEST_F(PostgresTest, AWriterThatIsNotTheOwnerCanAppendAndSealButNeitherChangeNorRemove) {
  ASSERT_TRUE(Open()->Graphs().ok());  // the owner migrates
  ASSERT_TRUE(admin_
                  ->Run("DO $$ BEGIN CREATE ROLE bel_writer LOGIN; EXCEPTION WHEN "
                        "duplicate_object THEN NULL; END $$; SELECT bel_grant_writer('bel_writer')")
                  .ok());
  std::string uri = uri_;
  uri.replace(uri.find("databuild@"), 9, "bel_writer");
  PostgresStorage storage(PostgresOptions{uri, {}, false});
  const Status opened = storage.Initialize();
  ASSERT_TRUE(opened.ok()) << opened.error().message;
  const Acquired log = storage.Acquire({"sales", "a", "cluster-1"}).value();
  ASSERT_TRUE(storage.Append("sales", log.epoch, 0, TestEvents(1, 4, "x")).ok());
  ASSERT_TRUE(storage.Import({"sales", log.epoch, 4, {TestEvents(5, 5, "x")}}).ok());
  const auto writer = std::move(PostgresConnection::Open(uri, 10 * kSecond, 60 * kSecond).value());
  for (const char* sql :
       {"UPDATE bel_events SET ts = 0", "DELETE FROM bel_events", "TRUNCATE bel_events",
        "DELETE FROM bel_head", "TRUNCATE bel_head", "UPDATE bel_head SET floor_idx = 2",
        "UPDATE bel_head SET cluster_uid = 'mine'",
        "UPDATE bel_head SET log_id = gen_random_uuid()", "DELETE FROM bel_segments",
        "UPDATE bel_segments SET bytes = ''", "TRUNCATE bel_segments",
        "UPDATE bel_bases SET idx = 1", "TRUNCATE bel_bases",
        "UPDATE bel_base_chunks SET bytes = ''", "TRUNCATE bel_base_chunks",
        "ALTER TABLE bel_events DISABLE TRIGGER ALL", "DROP TABLE bel_events",
        "INSERT INTO bel_migrations VALUES (7)", "SELECT bel_grant_writer('bel_writer')"}) {
    const Status refused = writer->Run(sql);
    ASSERT_FALSE(refused.ok()) << sql;
    EXPECT_EQ(refused.error().code, Errc::kPermissionDenied) << refused.error().message;
  }
  // The way that is open: sealed, compared, removed by the owner's function.
  const auto rows = storage.List("sales", {0, 6, 1 << 20})->events;
  ASSERT_TRUE(storage.PutSegment("sales", log.epoch, EncodeSegment(rows)).ok());
  const Status early = writer->Run("DELETE FROM bel_events WHERE idx <= 6");
  EXPECT_EQ(early.error().code, Errc::kPermissionDenied);
  EXPECT_EQ(storage.DropSealedRows("sales", log.epoch).value(), 6);
  ASSERT_TRUE(storage.PutBaseChunk("sales", log.epoch, {7, 0, "base"}).ok());
  ASSERT_TRUE(storage.FinishBase("sales", log.epoch, {7, 2, 1, 4, 0}).ok());
  EXPECT_TRUE(storage.RaiseFloor("sales", log.epoch, 6).ok());
  EXPECT_FALSE(writer->Run("DELETE FROM bel_bases").ok());  // the floor rests on it
  ASSERT_TRUE(storage.PutBaseChunk("sales", log.epoch, {9, 0, "base"}).ok());
  ASSERT_TRUE(storage.FinishBase("sales", log.epoch, {9, 2, 1, 4, 0}).ok());
  EXPECT_TRUE(storage.DropBases("sales", log.epoch, 9).ok());
  EXPECT_EQ(storage.List("sales", {6, 100, 1 << 20})->events.size(), 3u);
}

TEST_F(PostgresTest, AWriterThatIsNotTheOwnerIsToldWhoMustMigrate) {
  ASSERT_TRUE(admin_
                  ->Run("DO $$ BEGIN CREATE ROLE bel_poor LOGIN; EXCEPTION WHEN "
                        "duplicate_object THEN NULL; END $$")
                  .ok());
  std::string uri = uri_;
  uri.replace(uri.find("databuild@"), 9, "bel_poor");
  const Status refused = PostgresStorage(PostgresOptions{uri, {}, false}).Initialize();
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code, Errc::kPermissionDenied);
  EXPECT_NE(refused.error().message.find("owner"), std::string::npos) << refused.error().message;
}

TEST_F(PostgresTest, RowsThatChangedUnderASegmentAreNotRemoved) {
  const auto storage = Open();
  const Acquired log = storage->Acquire({"sales", "a", "cluster-1"}).value();
  ASSERT_TRUE(storage->Append("sales", log.epoch, 0, TestEvents(1, 9, "x")).ok());
  const auto rows = storage->List("sales", {0, 4, 1 << 20})->events;
  ASSERT_TRUE(storage->PutSegment("sales", log.epoch, EncodeSegment(rows)).ok());
  // A superuser who switches triggers off, or a bad disk.
  ASSERT_TRUE(admin_->Run("SET session_replication_role = replica").ok());
  ASSERT_TRUE(admin_->Run("UPDATE bel_events SET payload = '\\x00' WHERE idx = 3").ok());
  EXPECT_EQ(storage->DropSealedRows("sales", log.epoch).error().code, Errc::kCorrupt);
  EXPECT_EQ(admin_->Execute({"SELECT count(*) FROM bel_events", {}})->Int(0, 0), 9);
  // And a segment with a flipped bit is found when it is read, never believed.
  ASSERT_TRUE(
      admin_->Run("UPDATE bel_segments SET bytes = set_bit(bytes, 99, 1 - get_bit(bytes, 99))")
          .ok());
  EXPECT_EQ(storage->List("sales", {}).error().code, Errc::kCorrupt);
  EXPECT_EQ(storage->List("sales", {4, 10, 1 << 20})->events.size(), 5u);
}

TEST_F(PostgresTest, OtherRolesMayNotTouchTheTables) {
  const auto storage = Open();
  ASSERT_TRUE(admin_->Run("DROP ROLE IF EXISTS stranger; CREATE ROLE stranger").ok());
  ASSERT_TRUE(admin_->Run("SET ROLE stranger").ok());
  for (const char* table :
       {"bel_head", "bel_events", "bel_segments", "bel_logs", "bel_migrations"}) {
    const Status read = admin_->Run(("SELECT 1 FROM " + std::string(table)).c_str());
    ASSERT_FALSE(read.ok()) << table;
    EXPECT_EQ(read.error().code, Errc::kPermissionDenied);
  }
}

TEST_F(PostgresTest, InitializeIsSafeWhenManyProcessesStartAtOnce) {
  std::atomic<int> good = 0;
  {
    std::vector<std::jthread> processes;
    for (int i = 0; i < 8; ++i) {
      processes.emplace_back([&] {
        const Status opened = NewStorage()->Initialize();
        EXPECT_TRUE(opened.ok()) << opened.error().message;
        if (opened.ok()) ++good;
      });
    }
  }
  EXPECT_EQ(good, 8);
  EXPECT_EQ(admin_->Execute({"SELECT count(*) FROM bel_migrations", {}})->Int(0, 0), 4);
}

TEST_F(PostgresTest, AServerThatAcknowledgesBeforeItIsDurableIsRefusedUnlessAllowed) {
  ASSERT_TRUE(admin_
                  ->Run("DO $$ BEGIN EXECUTE 'ALTER DATABASE ' || current_database() || "
                        "' SET synchronous_commit = off'; END $$")
                  .ok());
  const Status refused = NewStorage()->Initialize();
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code, Errc::kUnsupported);
  EXPECT_NE(refused.error().message.find("synchronous_commit=off"), std::string::npos);
  EXPECT_TRUE(PostgresStorage(PostgresOptions{uri_, {}, true}).Initialize().ok());
}

TEST_F(PostgresTest, ADatabaseOfANewerReleaseIsRefused) {
  Open();
  ASSERT_TRUE(admin_->Run("INSERT INTO bel_migrations (version) VALUES (99)").ok());
  EXPECT_EQ(NewStorage()->Initialize().error().code, Errc::kUnsupported);
}

TEST_F(PostgresTest, DamagedBytesAndMissingRowsAreFoundOnRead) {
  const auto storage = Open();
  const Acquired log = storage->Acquire({"sales", "a", "cluster-1"}).value();
  ASSERT_TRUE(storage->Append("sales", log.epoch, 0, TestEvents(1, 5, "x")).ok());
  // A superuser who switches triggers off, or a bad disk.
  ASSERT_TRUE(admin_->Run("SET session_replication_role = replica").ok());
  ASSERT_TRUE(admin_->Run("UPDATE bel_events SET payload = '\\x00' WHERE idx = 3").ok());
  const auto damaged = storage->List("sales", {});
  ASSERT_FALSE(damaged.ok());
  EXPECT_EQ(damaged.error().code, Errc::kCorrupt);
  EXPECT_NE(damaged.error().message.find("idx 3"), std::string::npos);
  ASSERT_TRUE(admin_->Run("DELETE FROM bel_events WHERE idx = 3").ok());
  EXPECT_EQ(storage->List("sales", {}).error().code, Errc::kCorrupt);
}

TEST_F(PostgresTest, ReadingBelowTheFloorNamesTheFloor) {
  const auto storage = Open();
  const Acquired log = storage->Acquire({"sales", "a", "cluster-1"}).value();
  ASSERT_TRUE(storage->Append("sales", log.epoch, 0, TestEvents(1, 5, "x")).ok());
  const auto sealed = storage->List("sales", {0, 3, 1 << 20})->events;
  ASSERT_TRUE(storage->PutSegment("sales", log.epoch, EncodeSegment(sealed)).ok());
  ASSERT_TRUE(storage->PutBaseChunk("sales", log.epoch, {3, 0, "base"}).ok());
  ASSERT_TRUE(storage->FinishBase("sales", log.epoch, {3, 2, 1, 4, 0}).ok());
  ASSERT_TRUE(storage->RaiseFloor("sales", log.epoch, 3).ok());
  const auto below = storage->List("sales", {2, 10, 1 << 20});
  ASSERT_FALSE(below.ok());
  EXPECT_EQ(below.error().code, Errc::kOutOfRange);
  EXPECT_NE(below.error().message.find("floor is 3"), std::string::npos);
  EXPECT_EQ(storage->List("sales", {3, 10, 1 << 20})->events.size(), 2u);
}

TEST_F(PostgresTest, AKilledBackendMakesAnAppendUnavailableAndTheNextOneWorks) {
  const auto storage = Open();
  const Acquired log = storage->Acquire({"sales", "a", "cluster-1"}).value();
  // The backend dies inside the append: it waits for a row lock we hold.
  ASSERT_TRUE(admin_->Run("BEGIN").ok());
  ASSERT_TRUE(admin_->Run("SELECT 1 FROM bel_head FOR UPDATE").ok());
  Result<int64_t> outcome = int64_t{0};
  std::jthread appender(
      [&] { outcome = storage->Append("sales", log.epoch, 0, TestEvents(1, 2, "x")); });
  const auto other = Connect();
  const PostgresStatement waiting{
      "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND "
      "wait_event_type = 'Lock'",
      {}};
  while (other->Execute(waiting)->Int(0, 0) == 0) std::this_thread::yield();
  ASSERT_TRUE(other
                  ->Run("SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                        "WHERE datname = current_database() AND wait_event_type = 'Lock'")
                  .ok());
  appender.join();
  ASSERT_FALSE(outcome.ok());
  EXPECT_EQ(outcome.error().code, Errc::kUnavailable) << outcome.error().message;
  ASSERT_TRUE(admin_->Run("ROLLBACK").ok());
  EXPECT_EQ(storage->Head("sales")->at.head, 0);
  EXPECT_EQ(storage->Append("sales", log.epoch, 0, TestEvents(1, 2, "x")).value(), 2);
}

TEST_F(PostgresTest, AServerThatFallsSilentIsGivenUpAtTheDeadline) {
  const auto storage = Open({2 * kSecond, 300 * kMillisecond});
  const Acquired log = storage->Acquire({"sales", "a", "cluster-1"}).value();
  ASSERT_TRUE(storage->Append("sales", log.epoch, 0, TestEvents(1, 1, "x")).ok());
  server_->Freeze();
  const auto outcome = storage->Append("sales", log.epoch, 1, TestEvents(2, 1, "x"));
  server_->Thaw();
  ASSERT_FALSE(outcome.ok());
  EXPECT_EQ(outcome.error().code, Errc::kUnavailable) << outcome.error().message;
  EXPECT_NE(outcome.error().message.find("no answer in 300ms"), std::string::npos)
      << outcome.error().message;
  // The frozen backend may still commit: a new epoch waits for it or fences it.
  Result<Acquired> renewed = Error{};
  for (int attempt = 0; attempt < 20 && !renewed.ok(); ++attempt) {
    renewed = storage->Acquire({"sales", "a", "cluster-1", true});
  }
  ASSERT_TRUE(renewed.ok()) << renewed.error().message;
  const int64_t head = renewed->head;
  EXPECT_TRUE(head == 1 || head == 2);
  EXPECT_TRUE(storage->Append("sales", renewed->epoch, head, TestEvents(head + 1, 1, "y")).ok());
  EXPECT_EQ(storage->List("sales", {})->events.size(), static_cast<size_t>(head) + 1);
}

// Callers append while backends die under them; in the end the log holds each acknowledged event
// once.
struct Workload {
  EventLog* log = nullptr;
  std::atomic<int> acknowledged = 0;
  std::atomic<bool> stop = false;

  void Run(int caller, int appends) {
    for (int i = 0; i < appends && !stop; ++i) {
      const std::string want = std::to_string(caller) + "-" + std::to_string(i);
      Result<std::vector<int64_t>> idx = Error{Errc::kUnavailable, "not tried"};
      for (int attempt = 0; attempt < 30 && !idx.ok(); ++attempt) {
        idx = log->Append({WantCreated(want), WantMoved(want, v1::WANT_SATISFIED)});
        EXPECT_TRUE(idx.ok() || idx.error().code == Errc::kUnavailable);
      }
      ASSERT_TRUE(idx.ok()) << idx.error().message;
      acknowledged += 2;
    }
  }

  void Verify() const {
    const auto events = ReadWhole(*log);
    ASSERT_EQ(events.size(), static_cast<size_t>(acknowledged));
    std::set<std::string> ids;
    for (size_t i = 0; i < events.size(); ++i) {
      ASSERT_EQ(events[i].idx(), static_cast<int64_t>(i) + 1);
      ids.insert(events[i].event_id());
    }
    EXPECT_EQ(ids.size(), events.size());
  }
};

TEST_F(PostgresTest, BackendsKilledUnderManyCallersLoseAndDoubleNothing) {
  const auto storage = Open();
  LogWriter writer(storage.get());
  const auto log = OpenLog(Options(storage.get(), &writer));
  Workload workload{log.get()};
  {
    std::vector<std::jthread> callers;
    for (int caller = 0; caller < 4; ++caller)
      callers.emplace_back([&, caller] { workload.Run(caller, 150); });
    for (int kill = 0; kill < 15; ++kill) {
      const int seen = workload.acknowledged;
      while (workload.acknowledged < std::min(seen + 40, 1'200)) std::this_thread::yield();
      KillBackends();
    }
  }
  EXPECT_EQ(workload.acknowledged, 1'200);
  workload.Verify();
  EXPECT_EQ(storage->Head("sales")->at.head, 1'200);
}

TEST_F(PostgresTest, AKilledServerLosesNothingAcknowledgedAndWorkGoesOnWhenItIsBack) {
  const auto storage = Open();
  LogWriter writer(storage.get());
  LogOptions options = Options(storage.get(), &writer);
  const auto log = OpenLog(options);
  Workload workload{log.get()};
  {
    std::vector<std::jthread> callers;
    for (int caller = 0; caller < 3; ++caller)
      callers.emplace_back([&, caller] { workload.Run(caller, 100); });
    for (int kill = 0; kill < 3; ++kill) {
      const int seen = workload.acknowledged;
      while (workload.acknowledged < std::min(seen + 60, 600)) std::this_thread::yield();
      server_->KillHard();
      EXPECT_GE(log->ListEvents({})->count, 1);  // reads go on from memory
      const Status back = server_->Restart();
      ASSERT_TRUE(back.ok()) << back.error().message;
    }
  }
  EXPECT_EQ(workload.acknowledged, 600);
  workload.Verify();
  EXPECT_TRUE(log->health().writable);
  const auto replayed = OpenLog([&] {
    LogOptions second = Options(storage.get(), nullptr);
    second.holder = "pod-2";
    return second;
  }());
  EXPECT_EQ(replayed->ListEvents({})->events, log->ListEvents({})->events);
}

}  // namespace
}  // namespace databuild
