// databuild-bel between backends: what comes out of SQLite goes into Postgres and back, the same.
#include <atomic>
#include <thread>

#include "bel/postgres_connection.h"
#include "gtest/gtest.h"
#include "tests/support/postgres_fixture.h"
#include "tests/support/temp_folder.h"
#include "tools/bel/tool_testing.h"

namespace databuild {
namespace {

class BelToolPostgres : public PostgresFixture {
 protected:
  std::unique_ptr<PostgresConnection> Admin() {
    return std::move(PostgresConnection::Open(uri_, 10 * kSecond, 60 * kSecond).value());
  }
  std::string Sqlite() { return "sqlite://" + folder_.File("bel.db"); }

  TempFolder folder_;
};

TEST_F(BelToolPostgres, ADumpOfSqliteLoadsIntoPostgresWithTheSameDigestAndBack) {
  WriteCorpus(Sqlite(), "sales", 5'000);
  const ToolRun dumped = RunTool({"dump", "--bel", Sqlite()});
  ASSERT_EQ(dumped.code, 0) << dumped.err;
  const ToolRun loaded = RunTool({"load", "--bel", uri_, "-"}, dumped.out);
  ASSERT_EQ(loaded.code, 0) << loaded.err;
  const std::string digest = DigestIn(RunTool({"verify", "--bel", Sqlite()}).out);
  const ToolRun verified = RunTool({"verify", "--bel", uri_});
  EXPECT_EQ(verified.code, 0) << verified.out;
  EXPECT_EQ(DigestIn(verified.out), digest);
  EXPECT_EQ(digest.size(), 16u);
  const ToolRun again = RunTool({"dump", "--bel", uri_});
  const std::string back = "sqlite://" + folder_.File("back.db");
  const ToolRun returned = RunTool({"load", "--bel", back, "-"}, again.out);
  EXPECT_EQ(returned.code, 0) << returned.err;
  EXPECT_EQ(DigestIn(returned.out), digest);
}

TEST_F(BelToolPostgres, ADatabaseWithoutALogIsLeftAsItIs) {
  for (const char* command : {"verify", "dump", "tail", "stats"}) {
    const ToolRun run = RunTool({command, "--bel", uri_});
    EXPECT_EQ(run.code, 1) << command;
    EXPECT_NE(run.err.find("has schema 0"), std::string::npos) << run.err;
  }
  const auto rows =
      Admin()->Execute({"SELECT count(*) FROM pg_tables WHERE schemaname = 'public'", {}});
  EXPECT_EQ(rows->Int(0, 0), 0);
}

TEST_F(BelToolPostgres, ADamagedRowIsFoundAndNamed) {
  WriteCorpus(uri_, "sales", 100);
  const auto admin = Admin();
  ASSERT_TRUE(admin->Run("SET session_replication_role = replica").ok());
  ASSERT_TRUE(admin->Run("UPDATE bel_events SET payload = payload || '\\x00' WHERE idx = 42").ok());
  const ToolRun run = RunTool({"verify", "--bel", uri_});
  EXPECT_EQ(run.code, 1);
  EXPECT_NE(run.out.find("idx 42"), std::string::npos) << run.out;
  EXPECT_EQ(RunTool({"dump", "--bel", uri_}).code, 1);
  ASSERT_TRUE(admin->Run("DELETE FROM bel_events WHERE idx = 42").ok());
  const ToolRun gap = RunTool({"verify", "--bel", uri_});
  EXPECT_EQ(gap.code, 1);
  EXPECT_NE(gap.out.find("idx 42 is missing"), std::string::npos) << gap.out;
}

TEST_F(BelToolPostgres, AnEventOfAFencedWriterIsFound) {
  WriteCorpus(uri_, "sales", 100);
  const auto admin = Admin();
  ASSERT_TRUE(admin->Run("SET session_replication_role = replica").ok());
  ASSERT_TRUE(admin->Run("UPDATE bel_events SET epoch = 1 WHERE idx = 90").ok());
  const ToolRun run = RunTool({"verify", "--bel", uri_});
  EXPECT_EQ(run.code, 1);
  EXPECT_NE(run.out.find("idx 90: its epoch 1 comes after epoch 3"), std::string::npos) << run.out;
}

TEST_F(BelToolPostgres, AServerThatIsNotThereIsStorageTrouble) {
  const ToolRun run =
      RunTool({"verify", "--bel", "postgres://nobody:secret@127.0.0.1:1/none?connect_timeout=2"});
  EXPECT_EQ(run.code, 3) << run.err;
  EXPECT_EQ(run.err.find("secret"), std::string::npos) << run.err;
}

// A stream that a test reads while the tool writes it.
class SharedText : public std::stringbuf {
 public:
  int sync() override {
    std::lock_guard lock(mutex_);
    seen_ = str();
    return 0;
  }
  std::string seen() {
    std::lock_guard lock(mutex_);
    return seen_;
  }

 private:
  std::mutex mutex_;
  std::string seen_;
};

// `tail --follow` in a thread of its own.
class Follower {
 public:
  explicit Follower(const std::string& uri)
      : out_(&text_), thread_([this, uri] {
          const ToolIo io{in_, out_, err_, [](const std::string&) { return std::nullopt; }, &stop_};
          code_ = RunBelTool({"tail", "--bel", uri, "--follow", "-n", "1"}, io);
        }) {}

  bool WaitFor(const char* what) {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    while (text_.seen().find(what) == std::string::npos) {
      if (std::chrono::steady_clock::now() > deadline) return false;
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
    return true;
  }
  int Join() {
    thread_.join();
    return code_;
  }
  void Stop() { stop_ = 1; }
  std::string text() { return text_.seen(); }
  std::string err() const { return err_.str(); }

 private:
  SharedText text_;
  std::istringstream in_;
  std::ostream out_;
  std::ostringstream err_;
  std::atomic<int> stop_ = 0;
  int code_ = -1;
  std::jthread thread_;
};

TEST_F(BelToolPostgres, TailFollowsAndEndsInOrderWhenToldToStop) {
  WriteCorpus(uri_, "sales", 50);
  Follower follower(uri_);
  EXPECT_TRUE(follower.WaitFor("\"idx\":\"50\""));
  {
    const auto storage = OpenInitialized(uri_);
    const Acquired log = storage->Acquire({"sales", "w", "cluster-1"}).value();
    Corpus corpus(11);
    for (int i = 0; i < 50; ++i) corpus.NextEvent();
    const std::vector<StoredEvent> more = {corpus.Next(), corpus.Next()};
    EXPECT_TRUE(storage->Append("sales", log.epoch, 50, more).ok());
  }
  EXPECT_TRUE(follower.WaitFor("\"idx\":\"52\""));
  follower.Stop();
  EXPECT_EQ(follower.Join(), 0) << follower.err();
  EXPECT_EQ(follower.text().find("\"idx\":\"49\""), std::string::npos);
}

TEST_F(BelToolPostgres, FollowingALogThatIsReplacedEndsWithAnError) {
  WriteCorpus(uri_, "sales", 50);
  Follower follower(uri_);
  EXPECT_TRUE(follower.WaitFor("\"idx\":\"50\""));
  EXPECT_TRUE(Admin()->Run("UPDATE bel_head SET log_id = gen_random_uuid()").ok());
  EXPECT_EQ(follower.Join(), 1);
  EXPECT_NE(follower.err().find("replaced"), std::string::npos) << follower.err();
}

}  // namespace
}  // namespace databuild
