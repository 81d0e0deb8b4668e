// URIs, and what only the SQLite and stdout backends promise.
#include "bel/open_storage.h"

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "bel/base/log.h"
#include "bel/event_log_testing.h"
#include "bel/segment.h"
#include "bel/sqlite_connection.h"
#include "bel/sqlite_storage.h"
#include "bel/stdout_storage.h"
#include "bel/storage_contract.h"
#include "gtest/gtest.h"
#include "tests/support/temp_folder.h"

namespace databuild {
namespace {

TEST(OpenStorage, KnowsItsBackendsByUri) {
  EXPECT_STREQ(OpenStorage("memory").value()->name(), "memory");
  EXPECT_STREQ(OpenStorage("stdout").value()->name(), "stdout");
  EXPECT_STREQ(OpenStorage("sqlite:///var/lib/databuild/bel.db").value()->name(), "sqlite");
  EXPECT_STREQ(OpenStorage("postgres://bel@db/bel").value()->name(), "postgres");
  EXPECT_STREQ(OpenStorage("postgresql://bel@db/bel?sslmode=require").value()->name(), "postgres");
}

TEST(OpenStorage, RefusesBadUrisSaysWhyAndNeverRepeatsAPassword) {
  for (const char* bad :
       {"", "mysql://db/x", "sqlite://relative.db", "sqlite:///", "sqlite:///folder/",
        "sqlite:///a?mode=ro", "Memory", "memory:", "/var/lib/bel.db",
        "postgres://bob:s3cret@db:port/bel", "postgres://bob:s3cret@db/bel?sslmod=require",
        "postgres://bob:s3cret@[db/bel", "postgres://bob:s3cr%zzet@db/bel"}) {
    const auto opened = OpenStorage(bad);
    ASSERT_FALSE(opened.ok()) << bad;
    EXPECT_EQ(opened.error().code, Errc::kInvalidArgument) << bad;
    EXPECT_EQ(opened.error().message.find("s3cr"), std::string::npos) << opened.error().message;
    EXPECT_NE(opened.error().message.find("--bel"), std::string::npos);
  }
}

TEST(OpenStorage, AServerThatIsNotThereIsUnavailableWithoutThePassword) {
  StorageOptions options;
  options.timeouts.connect = 2 * kSecond;
  const auto storage = OpenStorage("postgres://bob:s3cret@127.0.0.1:1/bel", options);
  const Status initialized = storage.value()->Initialize();
  ASSERT_FALSE(initialized.ok());
  EXPECT_EQ(initialized.error().code, Errc::kUnavailable);
  EXPECT_EQ(initialized.error().message.find("s3cret"), std::string::npos);
  EXPECT_NE(initialized.error().message.find("127.0.0.1"), std::string::npos);
}

class SqliteFile : public testing::Test {
 protected:
  std::unique_ptr<SqliteStorage> Open() {
    auto storage = std::make_unique<SqliteStorage>(path_, StorageTimeouts{});
    const Status opened = storage->Initialize();
    EXPECT_TRUE(opened.ok()) << opened.error().message;
    return storage;
  }
  std::unique_ptr<SqliteConnection> Connect() {
    return std::move(
        SqliteConnection::Open(path_, SqliteConnection::Mode::kReadWrite, kSecond).value());
  }
  void AppendTo(SqliteStorage& storage, int64_t count) {
    const Acquired log = storage.Acquire({"sales", "a", "cluster-1"}).value();
    ASSERT_TRUE(
        storage.Append("sales", log.epoch, log.head, TestEvents(log.head + 1, count, "x")).ok());
  }

  TempFolder folder_;
  const std::string path_ = folder_.File("bel.db");
};

TEST_F(SqliteFile, ASecondProcessIsKeptOutAndToldWhy) {
  const auto first = Open();
  const pid_t child = fork();
  if (child == 0) {
    SqliteStorage second(path_, StorageTimeouts{});
    const Status opened = second.Initialize();
    const bool good =
        !opened.ok() && opened.error().code == Errc::kUnavailable &&
        opened.error().message.find("in use by another process (pid ") != std::string::npos &&
        opened.error().message.find("postgres://") != std::string::npos;
    _exit(good ? 0 : 1);
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
}

TEST_F(SqliteFile, EventsCanNeitherBeChangedNorRemoved) {
  const auto storage = Open();
  AppendTo(*storage, 3);
  const auto connection = Connect();
  for (const char* sql : {"UPDATE bel_events SET ts = 0", "DELETE FROM bel_events",
                          "DELETE FROM bel_events WHERE idx = 2", "DELETE FROM bel_head"}) {
    const Status changed = connection->Run(sql);
    ASSERT_FALSE(changed.ok()) << sql;
    EXPECT_NE(changed.error().message.find("append-only"), std::string::npos);
  }
  EXPECT_EQ(storage->List("sales", {})->events.size(), 3u);
}

TEST_F(SqliteFile, DamagedBytesAndMissingRowsAreFoundOnRead) {
  const auto storage = Open();
  AppendTo(*storage, 5);
  const auto connection = Connect();
  ASSERT_TRUE(connection
                  ->Run("DROP TRIGGER bel_events_no_update;"
                        "DROP TRIGGER bel_events_only_sealed_go;"
                        "UPDATE bel_events SET payload = x'00' WHERE idx = 3")
                  .ok());
  const auto damaged = storage->List("sales", {});
  ASSERT_FALSE(damaged.ok());
  EXPECT_EQ(damaged.error().code, Errc::kCorrupt);
  EXPECT_NE(damaged.error().message.find("idx 3"), std::string::npos);
  EXPECT_TRUE(storage->List("sales", {3, 10, 1 << 20}).ok());
  ASSERT_TRUE(connection->Run("DELETE FROM bel_events WHERE idx = 3").ok());
  EXPECT_EQ(storage->List("sales", {}).error().code, Errc::kCorrupt);
  ASSERT_TRUE(connection->Run("DELETE FROM bel_events").ok());
  EXPECT_EQ(storage->List("sales", {}).error().code, Errc::kCorrupt);
}

TEST_F(SqliteFile, OnlySealedRowsMayGoAndOnlySegmentsBelowTheFloor) {
  const auto storage = Open();
  AppendTo(*storage, 6);
  const int64_t epoch = storage->Head("sales")->at.epoch;
  const auto sealed = storage->List("sales", {0, 3, 1 << 20})->events;
  ASSERT_TRUE(storage->PutSegment("sales", epoch, EncodeSegment(sealed)).ok());
  for (const char* sql :
       {"DELETE FROM bel_events", "DELETE FROM bel_events WHERE idx = 4",
        "UPDATE bel_events SET ts = 0", "DELETE FROM bel_head", "DELETE FROM bel_segments",
        "UPDATE bel_segments SET bytes = x''", "UPDATE bel_head SET sealed_idx = 5",
        "UPDATE bel_head SET sealed_idx = 2", "UPDATE bel_head SET floor_idx = 4"}) {
    const Status refused = Connect()->Run(sql);
    ASSERT_FALSE(refused.ok()) << sql;
    EXPECT_NE(refused.error().message.find("append-only"), std::string::npos)
        << refused.error().message;
  }
  ASSERT_TRUE(storage->PutBaseChunk("sales", epoch, {3, 0, "base"}).ok());
  ASSERT_TRUE(storage->FinishBase("sales", epoch, {3, 2, 1, 4, 0}).ok());
  // What is sealed and in a base may go; the base may not, once it did.
  for (const char* sql :
       {"DELETE FROM bel_base_chunks", "UPDATE bel_base_chunks SET bytes = x'00'",
        "UPDATE bel_bases SET idx = 6", "UPDATE bel_head SET sealed_idx = 4, floor_idx = 4"}) {
    const Status refused = Connect()->Run(sql);
    ASSERT_FALSE(refused.ok()) << sql;
    EXPECT_NE(refused.error().message.find("append-only"), std::string::npos)
        << refused.error().message;
  }
  EXPECT_EQ(storage->List("sales", {})->events.size(), 6u);
  ASSERT_TRUE(Connect()->Run("DROP TRIGGER bel_segments_no_update").ok());
  ASSERT_TRUE(Connect()->Run("UPDATE bel_segments SET bytes = substr(bytes, 1, 40)").ok());
  EXPECT_EQ(storage->List("sales", {})->events.size(), 6u);  // decoded before the damage
  EXPECT_EQ(storage->DropSealedRows("sales", epoch).error().code, Errc::kCorrupt);
  SqliteStorage fresh(path_, StorageTimeouts{}, true);
  ASSERT_TRUE(fresh.Initialize().ok());
  EXPECT_EQ(fresh.List("sales", {}).error().code, Errc::kCorrupt);
}

TEST_F(SqliteFile, ReadingBelowTheFloorNamesTheFloor) {
  const auto storage = Open();
  AppendTo(*storage, 5);
  EXPECT_FALSE(Connect()->Run("UPDATE bel_head SET floor_idx = 3").ok());  // nothing is sealed
  const int64_t epoch = storage->Head("sales")->at.epoch;
  const auto sealed = storage->List("sales", {0, 3, 1 << 20})->events;
  ASSERT_TRUE(storage->PutSegment("sales", epoch, EncodeSegment(sealed)).ok());
  ASSERT_TRUE(storage->PutBaseChunk("sales", epoch, {3, 0, "base"}).ok());
  ASSERT_TRUE(storage->FinishBase("sales", epoch, {3, 2, 1, 4, 0}).ok());
  ASSERT_TRUE(storage->RaiseFloor("sales", epoch, 3).ok());
  const auto below = storage->List("sales", {2, 10, 1 << 20});
  ASSERT_FALSE(below.ok());
  EXPECT_EQ(below.error().code, Errc::kOutOfRange);
  EXPECT_NE(below.error().message.find("floor is 3"), std::string::npos) << below.error().message;
  EXPECT_EQ(storage->List("sales", {3, 10, 1 << 20})->events.size(), 2u);
  const Status last = Connect()->Run("DELETE FROM bel_bases");
  ASSERT_FALSE(last.ok());
  EXPECT_NE(last.error().message.find("no other base"), std::string::npos);
}

TEST_F(SqliteFile, AFileOfANewerReleaseIsRefused) {
  Open().reset();
  ASSERT_TRUE(Connect()->Run("PRAGMA user_version = 99").ok());
  SqliteStorage storage(path_, StorageTimeouts{});
  EXPECT_EQ(storage.Initialize().error().code, Errc::kUnsupported);
}

TEST_F(SqliteFile, WhatIsNoDatabaseIsNotTouched) {
  std::ofstream(path_) << std::string(8'192, 'x');
  SqliteStorage storage(path_, StorageTimeouts{});
  const Status opened = storage.Initialize();
  ASSERT_FALSE(opened.ok());
  EXPECT_EQ(opened.error().code, Errc::kCorrupt) << opened.error().message;
  EXPECT_EQ(std::filesystem::file_size(path_), 8'192u);
}

TEST_F(SqliteFile, AFolderThatIsNotThereIsNamed) {
  SqliteStorage storage(folder_.File("nowhere/bel.db"), StorageTimeouts{});
  const Status opened = storage.Initialize();
  ASSERT_FALSE(opened.ok());
  EXPECT_NE(opened.error().message.find("nowhere/bel.db"), std::string::npos);
}

TEST_F(SqliteFile, AcknowledgedEventsSurviveKillMinusNine) {
  int pipe_ends[2];
  ASSERT_EQ(pipe(pipe_ends), 0);
  const pid_t child = fork();
  if (child == 0) {
    SqliteStorage storage(path_, StorageTimeouts{});
    if (!storage.Initialize().ok()) _exit(1);
    const Acquired log = *storage.Acquire({"sales", "a", "cluster-1"});
    for (int64_t head = 0; head < 100'000; ++head) {
      if (!storage.Append("sales", log.epoch, head, TestEvents(head + 1, 1, "x")).ok()) _exit(1);
      if (write(pipe_ends[1], &head, sizeof(head)) != sizeof(head)) _exit(1);
    }
    _exit(1);
  }
  close(pipe_ends[1]);
  int64_t acknowledged = 0, value = 0;
  while (acknowledged < 200 && read(pipe_ends[0], &value, sizeof(value)) == sizeof(value)) {
    acknowledged = value + 1;
  }
  kill(child, SIGKILL);
  waitpid(child, nullptr, 0);
  while (read(pipe_ends[0], &value, sizeof(value)) == sizeof(value)) acknowledged = value + 1;
  close(pipe_ends[0]);
  const auto storage = Open();
  const int64_t head = storage->Head("sales")->at.head;
  EXPECT_GE(head, acknowledged);
  EXPECT_LE(head, acknowledged + 1);
  EXPECT_TRUE(storage->List("sales", {head - 100, 1'000, 1 << 20}).ok());
}

TEST(StdoutStorage, WritesOneJsonLinePerEventAndSaysThatNothingSurvives) {
  std::string said;
  SetLogSink([&](std::string_view line) { said += line; });
  char* text = nullptr;
  size_t size = 0;
  std::FILE* stream = open_memstream(&text, &size);
  {
    StdoutStorage storage(stream);
    ASSERT_TRUE(storage.Initialize().ok());
    TickingClock clock;
    LogOptions options;
    options.storage = &storage;
    options.graph = "sales";
    options.holder = "pod-1";
    options.cluster_uid = "cluster-1";
    options.clock = &clock;
    const auto log = OpenLog(options);
    ASSERT_TRUE(log->Append({WantCreated("w1", "a/\"1\""), WantCreated("w2")}).ok());
    EXPECT_EQ(ReadWhole(*log).size(), 2u);
  }
  SetLogSink(nullptr);
  std::fclose(stream);
  std::istringstream lines(std::string(text, size));
  free(text);
  int64_t idx = 0;
  for (std::string line; std::getline(lines, line);) {
    const auto json = nlohmann::json::parse(line);
    EXPECT_EQ(json["graph"], "sales");
    EXPECT_EQ(json["idx"], ++idx);
    EXPECT_EQ(json["event"]["wantEvent"]["wantId"], "w" + std::to_string(idx));
  }
  EXPECT_EQ(idx, 2);
  EXPECT_NE(said.find("nothing survives"), std::string::npos);
}

}  // namespace
}  // namespace databuild
