#include "controller/kube/informer.h"

#include <gtest/gtest.h>

#include <functional>

#include "tests/support/fake_collection.h"
#include "tests/support/fault_proxy.h"

namespace databuild::kube {
namespace {

using namespace std::chrono_literals;
using testing::FakeCollection;
using testing::Fault;
using testing::LoopbackServer;

constexpr ResourceType kThings{"", "v1", "things", "Thing"};

class Mirror final : public ObjectSink {
 public:
  void Upsert(const ObjectRef& ref, const JsonView& object) override {
    std::lock_guard lock(mutex_);
    std::string key = ref.ns + "/" + ref.name;
    // A second object under a name must be announced by the removal of the first.
    if (uids_.contains(key)) {
      EXPECT_EQ(uids_[key], ref.uid) << key;
    }
    uids_[key] = ref.uid;
    values_[key] = object["data"]["value"].Str();
    ++upserts_;
    changed_.notify_all();
  }
  void Remove(const ObjectRef& ref) override {
    std::lock_guard lock(mutex_);
    std::string key = ref.ns + "/" + ref.name;
    EXPECT_EQ(uids_[key], ref.uid);
    uids_.erase(key);
    values_.erase(key);
    changed_.notify_all();
  }
  void Listed() override {
    std::lock_guard lock(mutex_);
    ++listed_;
    changed_.notify_all();
  }

  // Waits for the truth of the server, at most 20 s.
  bool Shows(const std::map<std::string, std::string>& truth) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, 20s, [&] { return values_ == truth; });
  }
  bool WaitListed(int times) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, 20s, [&] { return listed_ >= times; });
  }
  int upserts() {
    std::lock_guard lock(mutex_);
    return upserts_;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::map<std::string, std::string> values_, uids_;
  int upserts_ = 0;
  int listed_ = 0;
};

InformerOptions QuickOptions() {
  InformerOptions options;
  options.type = kThings;
  options.page_size = 3;
  options.call_timeout = 5s;
  options.stream_timeout = 2s;
  options.backoff = {5ms, 40ms, 120s};
  options.seed = 7;
  return options;
}

// A fake collection, faults in front of it, and an informer that mirrors it.
class InformerTest : public ::testing::Test {
 protected:
  void Start(testing::FaultPlan plan = [](const testing::LoopbackRequest&) { return Fault{}; }) {
    server_ = std::make_unique<LoopbackServer>(testing::WithFaults(things_.handler(), plan));
    ClusterAccess access;
    access.server = server_->url();
    access.origin = "test";
    auto client = ApiClient::Create(access, {});
    ASSERT_TRUE(client.ok()) << client.error().message;
    client_ = std::move(*client);
    informer_ = std::make_unique<Informer>(*client_, mirror_, QuickOptions());
    informer_->Start();
  }
  void Fill(int count) {
    for (int i = 0; i < count; ++i) things_.Put("ns", "t" + std::to_string(i), std::to_string(i));
  }
  bool Eventually(const std::function<bool()>& holds) {
    auto deadline = std::chrono::steady_clock::now() + 20s;
    while (std::chrono::steady_clock::now() < deadline) {
      if (holds()) return true;
      std::this_thread::sleep_for(2ms);
    }
    return false;
  }
  void TearDown() override {
    if (informer_) informer_->Stop();
    server_.reset();
  }

  FakeCollection things_{"Thing"};
  Mirror mirror_;
  std::unique_ptr<LoopbackServer> server_;
  std::unique_ptr<ApiClient> client_;
  std::unique_ptr<Informer> informer_;
};

TEST_F(InformerTest, PagesAndThenWatchesWithOneList) {
  Fill(10);
  Start();
  EXPECT_TRUE(mirror_.Shows(things_.Truth()));
  things_.Put("ns", "t3", "changed");
  things_.Put("ns", "new", "n");
  things_.Delete("ns", "t4");
  EXPECT_TRUE(mirror_.Shows(things_.Truth()));
  EXPECT_EQ(things_.lists(), 1);
  EXPECT_EQ(things_.list_versions().front(), "");
}

TEST_F(InformerTest, AnExpiredContinueTokenMakesOneFullList) {
  Fill(10);
  std::atomic<int> pages{0};
  Start([&](const testing::LoopbackRequest& request) {
    Fault fault;
    if (request.query.contains("continue") && pages++ == 0) {
      fault.kind = Fault::Kind::kStatus;
      fault.status = 410;
    }
    return fault;
  });
  EXPECT_TRUE(mirror_.Shows(things_.Truth()));
  EXPECT_TRUE(mirror_.WaitListed(1));
  EXPECT_EQ(things_.lists(), 2);
  EXPECT_EQ(mirror_.upserts(), 10);
}

TEST_F(InformerTest, AnEndedWatchGoesOnFromTheLastVersion) {
  Fill(2);
  Start();
  ASSERT_TRUE(mirror_.Shows(things_.Truth()));
  ASSERT_TRUE(Eventually([&] { return things_.open_watches() == 1; }));
  things_.Put("ns", "t0", "x");
  ASSERT_TRUE(mirror_.Shows(things_.Truth()));
  things_.EndWatches();
  ASSERT_TRUE(Eventually([&] { return things_.watches() == 2 && things_.open_watches() == 1; }));
  things_.Put("ns", "t1", "y");
  EXPECT_TRUE(mirror_.Shows(things_.Truth()));
  EXPECT_EQ(things_.lists(), 1);
  EXPECT_EQ(things_.watch_versions(), (std::vector<std::string>{"102", "103"}));
}

TEST_F(InformerTest, BookmarksMoveTheVersion) {
  Fill(1);
  Start();
  ASSERT_TRUE(mirror_.Shows(things_.Truth()));
  ASSERT_TRUE(Eventually([&] { return things_.open_watches() == 1; }));
  for (int i = 0; i < 5; ++i) things_.Tick();
  things_.Bookmark();
  ASSERT_TRUE(Eventually([&] { return informer_->health().events == 1; }));
  things_.EndWatches();
  ASSERT_TRUE(Eventually([&] { return things_.watches() == 2; }));
  EXPECT_EQ(things_.watch_versions().back(), "106");
}

TEST_F(InformerTest, GoneListsAgainFromTheLastVersionAndFindsWhatWasDeleted) {
  for (bool in_stream : {false, true}) {
    FakeCollection& things = things_;
    things.set_gone_in_stream(in_stream);
    if (!informer_) {
      Fill(5);
      Start();
    }
    ASSERT_TRUE(mirror_.Shows(things.Truth()));
    ASSERT_TRUE(Eventually([&] { return things.open_watches() == 1; }));
    int lists = things.lists();
    server_->Close();
    things.Delete("ns", in_stream ? "t1" : "t2");
    things.Put("ns", "t3", in_stream ? "a" : "b");
    things.Compact();
    server_->Listen();
    EXPECT_TRUE(mirror_.Shows(things.Truth()));
    EXPECT_EQ(things.lists(), lists + 1);
    EXPECT_NE(things.list_versions().back(), "");
  }
}

TEST_F(InformerTest, AListRefusedForItsVersionIsReadFromTheQuorum) {
  Fill(3);
  std::atomic<int> refused{0};
  Start([&](const testing::LoopbackRequest& request) {
    Fault fault;
    auto version = request.query.find("resourceVersion");
    if (!request.query.contains("watch") && version != request.query.end() && refused++ == 0) {
      fault.kind = Fault::Kind::kStatus;
      fault.status = 410;
    }
    return fault;
  });
  ASSERT_TRUE(mirror_.Shows(things_.Truth()));
  ASSERT_TRUE(Eventually([&] { return things_.open_watches() == 1; }));
  things_.Delete("ns", "t0");
  things_.Compact();
  EXPECT_TRUE(mirror_.WaitListed(2));
  EXPECT_TRUE(mirror_.Shows(things_.Truth()));
  EXPECT_EQ(refused, 1);
  EXPECT_EQ(things_.list_versions().back(), "");
}

TEST_F(InformerTest, RefusedConnectionsAndThrottlingCauseNoList) {
  Fill(3);
  std::atomic<bool> throttle{false};
  Start([&](const testing::LoopbackRequest& request) {
    Fault fault;
    if (throttle) {
      fault.kind = Fault::Kind::kStatus;
      fault.status = 429;
    }
    return fault;
  });
  ASSERT_TRUE(mirror_.Shows(things_.Truth()));
  ASSERT_TRUE(Eventually([&] { return things_.open_watches() == 1; }));
  server_->Close();
  uint64_t failures = informer_->health().failures;
  ASSERT_TRUE(Eventually([&] { return informer_->health().failures > failures + 5; }));
  throttle = true;
  server_->Listen();
  failures = informer_->health().failures;
  ASSERT_TRUE(Eventually([&] { return informer_->health().failures > failures + 5; }));
  throttle = false;
  things_.Put("ns", "t0", "after");
  EXPECT_TRUE(mirror_.Shows(things_.Truth()));
  EXPECT_EQ(things_.lists(), 1);
}

TEST_F(InformerTest, WatchesThatEndAtOnceWithoutAnEventLeadToAList) {
  Fill(1);
  std::atomic<int> left{1000};
  Start([&](const testing::LoopbackRequest& request) {
    Fault fault;
    if (request.query.contains("watch") && left-- > 0) {
      fault.kind = Fault::Kind::kTruncate;
      fault.bytes = 0;
    }
    return fault;
  });
  EXPECT_TRUE(mirror_.WaitListed(2));
  left = 0;
  things_.Put("ns", "t0", "x");
  EXPECT_TRUE(mirror_.Shows(things_.Truth()));
}

TEST_F(InformerTest, AMalformedFrameClosesTheWatchAndListsAgain) {
  Fill(2);
  Start();
  ASSERT_TRUE(mirror_.Shows(things_.Truth()));
  ASSERT_TRUE(Eventually([&] { return things_.open_watches() == 1; }));
  things_.Inject("<html>proxy says no</html>");
  things_.Put("ns", "t0", "x");
  EXPECT_TRUE(mirror_.WaitListed(2));
  EXPECT_TRUE(mirror_.Shows(things_.Truth()));
}

TEST_F(InformerTest, FramesOfAnotherKindAreSkipped) {
  Fill(1);
  Start();
  ASSERT_TRUE(mirror_.Shows(things_.Truth()));
  ASSERT_TRUE(Eventually([&] { return things_.open_watches() == 1; }));
  things_.Inject(
      R"({"type":"ADDED","object":{"kind":"Table","metadata":{"resourceVersion":"999"}}})");
  things_.Inject(
      R"({"type":"STRANGE","object":{"kind":"Thing","metadata":{"resourceVersion":"1"}}})");
  things_.Put("ns", "t0", "x");
  EXPECT_TRUE(mirror_.Shows(things_.Truth()));
  EXPECT_EQ(informer_->health().skipped_frames, 2u);
  EXPECT_EQ(things_.lists(), 1);
}

TEST_F(InformerTest, ASilentWatchIsReopenedWithoutAList) {
  Fill(1);
  std::atomic<int> watches{0};
  Start([&](const testing::LoopbackRequest& request) {
    Fault fault;
    if (request.query.contains("watch") && watches++ == 0) {
      // Headers arrive, then nothing more: as with a connection that died half open.
      fault.kind = Fault::Kind::kStall;
      fault.bytes = 100;
      fault.time = 3600s;
    }
    return fault;
  });
  ASSERT_TRUE(mirror_.Shows(things_.Truth()));
  ASSERT_TRUE(Eventually([&] { return watches == 1; }));
  things_.Put("ns", "t0", "x");
  EXPECT_TRUE(mirror_.Shows(things_.Truth()));
  EXPECT_EQ(things_.lists(), 1);
}

TEST_F(InformerTest, ANewObjectUnderAnOldNameIsARemovalAndAnAddition) {
  Fill(1);
  Start();
  ASSERT_TRUE(mirror_.Shows(things_.Truth()));
  server_->Close();
  things_.Delete("ns", "t0");
  things_.Put("ns", "t0", "again");
  things_.Compact();
  server_->Listen();
  EXPECT_TRUE(mirror_.Shows(things_.Truth()));  // the mirror itself checks the UIDs
}

class InformerFaults : public InformerTest, public ::testing::WithParamInterface<int> {};

TEST_P(InformerFaults, AlwaysConvergesToTheTruthOfTheServer) {
  std::atomic<bool> calm{false};
  auto faults = testing::RandomFaults(static_cast<uint64_t>(GetParam()), 0.4);
  Fill(20);
  Start([&, faults](const testing::LoopbackRequest& request) {
    return calm ? Fault{} : faults(request);
  });
  std::mt19937_64 random(static_cast<uint64_t>(GetParam()));
  for (int i = 0; i < 300; ++i) {
    std::string name = "t" + std::to_string(random() % 30);
    switch (random() % 12) {
      case 0:
        things_.Delete("ns", name);
        break;
      case 1:
        things_.Bookmark();
        break;
      case 2:
        things_.EndWatches();
        break;
      case 3:
        if (random() % 4 == 0) things_.Compact();
        break;
      default:
        things_.Put("ns", name, std::to_string(i));
    }
    std::this_thread::sleep_for(1ms);  // spreads the changes over several watches
  }
  calm = true;
  things_.EndWatches();
  EXPECT_TRUE(mirror_.Shows(things_.Truth()));
}

INSTANTIATE_TEST_SUITE_P(Seeds, InformerFaults, ::testing::Range(1, 13));

TEST(Backoff, GrowsToTheCapWithJitterAndStartsOver) {
  Backoff backoff({}, 1);
  Backoff::Time now{};
  int64_t expected = 800;
  for (int i = 0; i < 12; ++i) {
    auto wait = backoff.Next(now);
    EXPECT_GE(wait.count(), expected);
    EXPECT_LE(wait.count(), expected * 2);
    now += wait;
    expected = std::min<int64_t>(expected * 2, 30'000);
  }
  now += 120s;
  EXPECT_LE(backoff.Next(now).count(), 1600);
}

}  // namespace
}  // namespace databuild::kube
