// A log in Postgres while the database is away: lost replies, a server that stands still, a server
// that is gone. Appends wait and are settled, reads go on from memory and say since when.
#include <atomic>
#include <chrono>
#include <filesystem>
#include <thread>

#include "bel/event_log_testing.h"
#include "bel/postgres_storage.h"
#include "gtest/gtest.h"
#include "tests/support/postgres_fixture.h"
#include "tests/support/temp_folder.h"
#include "tests/torture/socket_proxy.h"

namespace databuild {
namespace {

using std::chrono::steady_clock;
using torture::SocketProxy;

class PostgresOutage : public PostgresFixture {
 protected:
  void SetUp() override {
    PostgresFixture::SetUp();
    const std::string folder = uri_.substr(uri_.find("host=") + 5);
    std::filesystem::permissions(proxy_folder_.path(), std::filesystem::perms::all);
    proxy_ = std::make_unique<SocketProxy>(proxy_folder_.File(".s.PGSQL.5432"),
                                           folder + "/.s.PGSQL.5432");
    proxied_uri_ = uri_.substr(0, uri_.find("host=") + 5) + proxy_folder_.path();
  }
  // Opens storage and log; the writer's connection is there after the first append.
  void OpenAt(const std::string& uri, DurationNs append_timeout) {
    const StorageTimeouts timeouts{2 * kSecond, 400 * kMillisecond};
    storage_ = std::make_unique<PostgresStorage>(PostgresOptions{uri, timeouts, false});
    const Status opened = storage_->Initialize();
    ASSERT_TRUE(opened.ok()) << opened.error().message;
    writer_ = std::make_unique<LogWriter>(storage_.get());
    LogOptions options;
    options.storage = storage_.get();
    options.graph = "sales";
    options.holder = "pod-1";
    options.cluster_uid = "cluster-1";
    options.clock = &clock_;
    options.writer = writer_.get();
    options.append_timeout = append_timeout;
    log_ = OpenLog(options);
    ASSERT_EQ(log_->Append({WantCreated("first")}).value(), (std::vector<int64_t>{1}));
  }
  // What the database itself holds, over a connection of its own.
  std::vector<std::string> Stored() {
    PostgresStorage direct(PostgresOptions{uri_, {}, false, true});
    std::vector<std::string> ids;
    const StoredPage page = direct.List("sales", {}).value();
    for (const StoredEvent& event : page.events) ids.push_back(event.event_id);
    return ids;
  }

  TempFolder proxy_folder_;
  std::string proxied_uri_;
  std::unique_ptr<SocketProxy> proxy_;
  TickingClock clock_;
  std::unique_ptr<PostgresStorage> storage_;
  std::unique_ptr<LogWriter> writer_;
  std::unique_ptr<EventLog> log_;
};

TEST_F(PostgresOutage, ALostReplyOfACommittedAppendIsSettledAndCountsOnce) {
  OpenAt(proxied_uri_, 30 * kSecond);
  proxy_->Arm(SocketProxy::Fault::kDropReply);
  EXPECT_EQ(log_->Append({WantCreated("w2")}).value(), (std::vector<int64_t>{2}));
  EXPECT_EQ(proxy_->struck(), 1);
  EXPECT_EQ(log_->epoch(), 2);
  EXPECT_EQ(Stored(), (std::vector<std::string>{EventId("first/created"), EventId("w2/created")}));
}

TEST_F(PostgresOutage, ARequestThatWasCutOffIsSentAgainAndCountsOnce) {
  OpenAt(proxied_uri_, 30 * kSecond);
  proxy_->Arm(SocketProxy::Fault::kCutRequest);
  EXPECT_EQ(log_->Append({WantCreated("w2")}).value(), (std::vector<int64_t>{2}));
  EXPECT_EQ(proxy_->struck(), 1);
  EXPECT_EQ(log_->epoch(), 2);
  EXPECT_EQ(Stored().size(), 2u);
}

TEST_F(PostgresOutage, AReplyThatComesTooLateIsSettledAndCountsOnce) {
  OpenAt(proxied_uri_, 30 * kSecond);
  proxy_->Arm(SocketProxy::Fault::kDelayReply, 2'500);  // the deadline is 1.4 s
  EXPECT_EQ(log_->Append({WantCreated("w2")}).value(), (std::vector<int64_t>{2}));
  EXPECT_EQ(log_->epoch(), 2);
  EXPECT_EQ(Stored().size(), 2u);
}

TEST_F(PostgresOutage, WhileTheServerStandsStillAppendsWaitAndReadsGoOn) {
  OpenAt(uri_, 60 * kSecond);
  std::atomic<int> appended = 0;
  {
    std::vector<std::jthread> callers;
    server_->Freeze();
    for (int i = 0; i < 6; ++i) {
      callers.emplace_back([&, i] {
        const auto idx = log_->Append({WantCreated("w" + std::to_string(i))});
        EXPECT_TRUE(idx.ok()) << idx.error().message;
        if (idx.ok()) ++appended;
      });
    }
    // Longer than any deadline of a call: the writer has given up its connection and tries again.
    while (log_->health().writable) std::this_thread::yield();
    const auto until = steady_clock::now() + std::chrono::seconds(3);
    while (steady_clock::now() < until) {
      ASSERT_EQ(log_->ListEvents({})->count, 1);
      ASSERT_EQ(log_->head(), 1);
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
    }
    const LogHealth health = log_->health();
    EXPECT_FALSE(health.writable);
    EXPECT_EQ(health.error.code, Errc::kUnavailable);
    EXPECT_GT(health.unwritable_since, 0);
    EXPECT_EQ(appended, 0);
    server_->Thaw();
  }
  EXPECT_EQ(appended, 6);
  EXPECT_TRUE(log_->health().writable);
  EXPECT_EQ(Stored().size(), 7u);
}

TEST_F(PostgresOutage, AfterAServerThatWasGoneWorkGoesOnAndWhatWasAcceptedCountsOnce) {
  OpenAt(uri_, 300 * kMillisecond);
  server_->KillHard();
  const auto unknown = log_->Append({WantCreated("w2")});
  ASSERT_FALSE(unknown.ok());
  EXPECT_EQ(unknown.error().code, Errc::kUnavailable);
  EXPECT_NE(unknown.error().message.find("may or may not"), std::string::npos)
      << unknown.error().message;
  const auto refused = log_->Append({WantCreated("w3")});  // not even accepted
  ASSERT_FALSE(refused.ok());
  EXPECT_NE(refused.error().message.find("nothing was recorded"), std::string::npos);
  EXPECT_EQ(log_->ListEvents({})->count, 1);
  const Status back = server_->Restart();
  ASSERT_TRUE(back.ok()) << back.error().message;
  const auto until = steady_clock::now() + std::chrono::seconds(30);
  Result<std::vector<int64_t>> again = Error{};
  while (!again.ok() && steady_clock::now() < until) again = log_->Append({WantCreated("w2")});
  EXPECT_EQ(again.value(), (std::vector<int64_t>{2}));
  EXPECT_EQ(log_->Append({WantCreated("w3")}).value(), (std::vector<int64_t>{3}));
  EXPECT_EQ(Stored().size(), 3u);
}

}  // namespace
}  // namespace databuild
