#include "controller/kube/status_writer.h"

#include <gtest/gtest.h>

#include <latch>
#include <nlohmann/json.hpp>

#include "tests/support/fault_proxy.h"

namespace databuild::kube {
namespace {

using namespace std::chrono_literals;
using Json = nlohmann::json;
using testing::LoopbackConnection;
using testing::LoopbackRequest;
using testing::LoopbackServer;
using testing::SendAnswer;

// Stores the status of each Want by name, and how often it was written.
class StatusWriterTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ClusterAccess access;
    access.server = server_.url();
    access.origin = "test";
    auto client = ApiClient::Create(access, {});
    ASSERT_TRUE(client.ok());
    client_ = std::move(*client);
    sink_ = view_.NewSink(kWants, "", true);
    StatusWriterOptions options;
    options.counter_interval = 300ms;
    options.writes_per_second = 500;
    options.backoff = {10ms, 50ms, 120s};
    pool_ = std::make_unique<KeyedPool>(4, 1000);
    writer_ = std::make_unique<StatusWriter>(StatusWriter::Around{*client_, view_, *pool_, clock_},
                                             options);
  }
  void TearDown() override {
    writer_->Stop();
    pool_->Stop();
  }

  bool Answer(const LoopbackRequest& request, LoopbackConnection& connection) {
    EXPECT_EQ(request.method, "PATCH");
    std::lock_guard lock(mutex_);
    if (fail_ > 0) {
      --fail_;
      return SendAnswer(connection, 500, "{}");
    }
    std::string name = request.path.substr(0, request.path.rfind('/'));
    name = name.substr(name.rfind('/') + 1);
    Json patch = Json::parse(request.body);
    if (patch[0]["value"] != "uid-" + name)
      return SendAnswer(connection, 422, testing::StatusJson(422, "Invalid", "no"));
    ++writes_[name];
    Json object{
        {"metadata",
         {{"name", name}, {"uid", "uid-" + name}, {"resourceVersion", std::to_string(++version_)}}},
        {"status", patch[1]["value"]}};
    progress_[name] = object["status"]["progress"];
    return SendAnswer(connection, 200, object.dump());
  }

  void Show(const std::string& name) {
    JsonParser parser;
    auto object =
        parser.Parse(R"({"metadata":{"namespace":"ns","name":")" + name + R"(","uid":"uid-)" +
                     name + R"(","resourceVersion":"1"},"status":{"observedGeneration":-1}})");
    sink_->Upsert({"ns", name, "uid-" + name}, *object);
  }
  void Put(const std::string& name, const std::string& reason, const std::string& progress) {
    WantStatus status;
    status.conditions = {{"Ready", "False", reason, ""}};
    status.progress = progress;
    writer_->Put("ns", {ObjectKind::kWant, name, "uid-" + name, status});
  }
  bool Settles() {
    auto deadline = std::chrono::steady_clock::now() + 20s;
    while (std::chrono::steady_clock::now() < deadline) {
      if (writer_->pending() == 0) return true;
      std::this_thread::sleep_for(2ms);
    }
    return false;
  }
  int writes(const std::string& name) {
    std::lock_guard lock(mutex_);
    return writes_[name];
  }
  std::string progress(const std::string& name) {
    std::lock_guard lock(mutex_);
    return progress_[name];
  }

  std::mutex mutex_;  // guards what follows
  std::map<std::string, int> writes_;
  std::map<std::string, std::string> progress_;
  int version_ = 100;
  int fail_ = 0;

  LoopbackServer server_{[this](const LoopbackRequest& request, LoopbackConnection& connection) {
    return Answer(request, connection);
  }};
  SystemClock clock_;
  ClusterView view_{{""}, clock_};
  std::unique_ptr<ObjectSink> sink_;
  std::unique_ptr<ApiClient> client_;
  std::unique_ptr<KeyedPool> pool_;
  std::unique_ptr<StatusWriter> writer_;
};

// More objects than a full pool takes are due all the time; the writes that make room must get
// through to say so.
TEST_F(StatusWriterTest, WhatWaitsForAFullPoolDoesNotKeepItFull) {
  TearDown();
  StatusWriterOptions options;
  options.writes_per_second = 100'000;
  pool_ = std::make_unique<KeyedPool>(2, 4);
  writer_ = std::make_unique<StatusWriter>(StatusWriter::Around{*client_, view_, *pool_, clock_},
                                           options);
  constexpr int kObjects = 600;
  for (int i = 0; i < kObjects; ++i) Show("w" + std::to_string(i));
  for (int i = 0; i < kObjects; ++i) Put("w" + std::to_string(i), "Building", "0/1");
  EXPECT_TRUE(Settles());
  for (int i = 0; i < kObjects; ++i) EXPECT_EQ(writes("w" + std::to_string(i)), 1);
}

TEST_F(StatusWriterTest, WhatIsWrittenAlreadyIsNotWrittenAgain) {
  Show("a");
  for (int i = 0; i < 5; ++i) {
    Put("a", "Building", "0/1");
    ASSERT_TRUE(Settles());
  }
  EXPECT_EQ(writes("a"), 1);
}

TEST_F(StatusWriterTest, CountersWaitAndTheNewestOfThemIsWritten) {
  Show("a");
  Put("a", "Building", "0/9");
  ASSERT_TRUE(Settles());
  auto start = std::chrono::steady_clock::now();
  for (int i = 1; i <= 9; ++i) Put("a", "Building", std::to_string(i) + "/9");
  ASSERT_TRUE(Settles());
  EXPECT_EQ(writes("a"), 2);
  EXPECT_EQ(progress("a"), "9/9");
  EXPECT_GT(std::chrono::steady_clock::now() - start, 200ms);
}

TEST_F(StatusWriterTest, AConditionIsWrittenAtOnceAndTakesTheCountersAlong) {
  Show("a");
  Put("a", "Building", "0/9");
  ASSERT_TRUE(Settles());
  auto start = std::chrono::steady_clock::now();
  Put("a", "Building", "5/9");
  Put("a", "Available", "9/9");
  ASSERT_TRUE(Settles());
  EXPECT_LT(std::chrono::steady_clock::now() - start, 250ms);
  EXPECT_EQ(writes("a"), 2);
  EXPECT_EQ(progress("a"), "9/9");
}

TEST_F(StatusWriterTest, AFailedWriteIsTriedUntilItSucceeds) {
  Show("a");
  {
    std::lock_guard lock(mutex_);
    fail_ = 4;
  }
  Put("a", "Building", "0/1");
  ASSERT_TRUE(Settles());
  EXPECT_EQ(writes("a"), 1);
}

TEST_F(StatusWriterTest, AnObjectThatWasReplacedIsGivenUp) {
  WantStatus status;
  status.progress = "0/1";
  writer_->Put("ns", {ObjectKind::kWant, "a", "uid-of-the-former", status});
  ASSERT_TRUE(Settles());
  EXPECT_EQ(writes("a"), 0);
}

TEST_F(StatusWriterTest, ManyObjectsAreWrittenOnceEach) {
  for (int i = 0; i < 200; ++i) Show("w" + std::to_string(i));
  for (int round = 0; round < 5; ++round) {
    for (int i = 0; i < 200; ++i) Put("w" + std::to_string(i), "Building", "0/1");
  }
  ASSERT_TRUE(Settles());
  for (int i = 0; i < 200; ++i) EXPECT_EQ(writes("w" + std::to_string(i)), 1) << i;
}

TEST(KeyedPool, NeverRunsTwoTasksOfOneKeyAndDropsTheSecond) {
  KeyedPool pool(4, 100);
  std::latch go(1), ended(2);
  std::atomic<int> ran{0};
  auto wait = [&](std::stop_token) {
    go.wait();
    ++ran;
    ended.count_down();
  };
  EXPECT_TRUE(pool.Submit("a", wait));
  EXPECT_FALSE(pool.Submit("a", wait));
  EXPECT_TRUE(pool.Submit("b", wait));
  go.count_down();
  ended.wait();
  EXPECT_EQ(ran, 2);
}

TEST(KeyedPool, AKeyIsFreeAgainAfterItsTask) {
  KeyedPool pool(1, 100);
  for (int i = 0; i < 100; ++i) {
    std::latch ended(1);
    ASSERT_TRUE(pool.Submit("a", [&](std::stop_token) { ended.count_down(); }));
    ended.wait();
    // The only thread takes the next task after it has let go of the key of the one before.
    std::latch behind(1);
    ASSERT_TRUE(
        pool.Submit("b" + std::to_string(i), [&](std::stop_token) { behind.count_down(); }));
    behind.wait();
  }
}

TEST(KeyedPool, WhatWaitsIsBoundedAndStopDropsIt) {
  auto pool = std::make_unique<KeyedPool>(1, 2);
  std::latch started(1);
  std::atomic<int> ran{0};
  ASSERT_TRUE(pool->Submit("block", [&](std::stop_token stop) {
    started.count_down();
    std::latch stopped(1);
    std::stop_callback on_stop(stop, [&] { stopped.count_down(); });
    stopped.wait();
  }));
  started.wait();
  EXPECT_TRUE(pool->Submit("1", [&](std::stop_token) { ++ran; }));
  EXPECT_TRUE(pool->Submit("2", [&](std::stop_token) { ++ran; }));
  EXPECT_FALSE(pool->Submit("3", [&](std::stop_token) { ++ran; }));
  pool.reset();
  EXPECT_EQ(ran, 0);
}

}  // namespace
}  // namespace databuild::kube
