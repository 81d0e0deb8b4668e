// Following a log that somebody else writes, on every backend.
#include <atomic>
#include <mutex>
#include <thread>

#include "bel/log_follower.h"
#include "bel/segment.h"
#include "bel/storage_contract.h"
#include "gtest/gtest.h"

namespace databuild {
namespace {

constexpr char kCluster[] = "cluster-1";

// What a client sees when the database behind its address is replaced, or does not answer.
class Redirect final : public Storage {
 public:
  explicit Redirect(Storage* to) : to_(to) {}
  void To(Storage* to) { to_ = to; }
  Status Initialize() override { return {}; }
  Result<Acquired> Acquire(const AcquireRequest&) override { return Away(); }
  std::vector<Result<int64_t>> AppendAll(std::span<const AppendBatch> batches) override {
    return std::vector<Result<int64_t>>(batches.size(), Away());
  }
  Result<int64_t> Import(const AppendBatch&) override { return Away(); }
  Result<StoredPage> List(const std::string& graph, const ListRange& range) override {
    if (to_ == nullptr) return Away();
    return to_->List(graph, range);
  }
  Result<GraphHead> Head(const std::string& graph) override {
    if (to_ == nullptr) return Away();
    return to_->Head(graph);
  }
  Result<std::vector<GraphHead>> Graphs() override { return Away(); }
  const char* name() const override { return "redirect"; }

 private:
  static Error Away() { return Error{Errc::kUnavailable, "the storage is away"}; }
  Storage* to_;
};

class FollowContract : public testing::TestWithParam<BackendUnderTest> {
 protected:
  void SetUp() override {
    site_ = GetParam().new_site();
    storage_ = site_->Open();
    reader_ = site_->OpenReadOnly();
    redirect_ = std::make_unique<Redirect>(reader_ == nullptr ? storage_.get() : reader_.get());
    log_ = storage_->Acquire({"a", "holder", kCluster}).value();
  }
  void Append(int64_t count) {
    const int64_t head = storage_->Head("a")->at.head;
    ASSERT_TRUE(storage_->Append("a", log_.epoch, head, TestEvents(head + 1, count, "x")).ok());
  }
  FollowOptions Options() {
    FollowOptions options;
    options.storage = redirect_.get();
    options.graph = "a";
    options.page.limit = 7;
    options.sink.reset = [this](const Acquired& at) {
      ++resets_;
      seen_.clear();
      next_ = at.floor + 1;
    };
    options.sink.events = [this](std::span<const StoredEvent> events, const Acquired&) -> Status {
      for (const StoredEvent& event : events) {
        EXPECT_EQ(event.idx, next_++);
        seen_.push_back(event.payload);
      }
      return {};
    };
    return options;
  }

  std::unique_ptr<StorageSite> site_;
  std::unique_ptr<Storage> storage_, reader_;
  std::unique_ptr<Redirect> redirect_;
  Acquired log_;
  int resets_ = 0;
  int64_t next_ = 0;
  std::vector<std::string> seen_;
};

TEST_P(FollowContract, EveryEventComesOnceInOrderAlsoOutOfSegments) {
  LogFollower follower(Options());
  Append(20);
  EXPECT_TRUE(follower.Poll().value());
  EXPECT_EQ(resets_, 1);
  EXPECT_EQ(seen_.size(), 20u);
  EXPECT_EQ(follower.idx(), 20);
  EXPECT_FALSE(follower.Poll().value());
  Append(5);
  const auto rows = storage_->List("a", {0, 22, 1 << 20})->events;
  ASSERT_TRUE(storage_->PutSegment("a", log_.epoch, EncodeSegment(rows)).ok());
  ASSERT_TRUE(storage_->DropSealedRows("a", log_.epoch).ok());
  EXPECT_TRUE(follower.Poll().value());
  EXPECT_EQ(seen_.size(), 25u);
  LogFollower late(Options());
  EXPECT_TRUE(late.Poll().value());
  EXPECT_EQ(resets_, 2);
  EXPECT_EQ(seen_.size(), 25u);
}

TEST_P(FollowContract, ALogThatIsNotThereYetIsWaitedFor) {
  FollowOptions options = Options();
  options.graph = "later";
  LogFollower follower(options);
  EXPECT_FALSE(follower.Poll().value());
  EXPECT_EQ(resets_, 0);
  const Acquired later = storage_->Acquire({"later", "holder", kCluster}).value();
  ASSERT_TRUE(storage_->Append("later", later.epoch, 0, TestEvents(1, 3, "x")).ok());
  EXPECT_TRUE(follower.Poll().value());
  EXPECT_EQ(seen_.size(), 3u);
}

TEST_P(FollowContract, ALogOfAnotherIdAndAHeadThatWentBackAreReadAnew) {
  LogFollower follower(Options());
  Append(20);
  ASSERT_TRUE(follower.Poll().value());
  const auto other_site = GetParam().new_site();
  const auto other = other_site->Open();
  const Acquired restored = other->Acquire({"a", "holder", kCluster}).value();
  ASSERT_TRUE(other->Append("a", restored.epoch, 0, TestEvents(1, 30, "other-")).ok());
  redirect_->To(other.get());
  EXPECT_TRUE(follower.Poll().value());
  EXPECT_EQ(resets_, 2);
  ASSERT_EQ(seen_.size(), 30u);
  EXPECT_TRUE(seen_[0].starts_with("other-"));
}

TEST_P(FollowContract, AFollowerThatTheFloorHasPassedStartsAtTheFloor) {
  LogFollower follower(Options());
  Append(5);
  ASSERT_TRUE(follower.Poll().value());
  Append(20);
  const auto rows = storage_->List("a", {0, 15, 1 << 20})->events;
  ASSERT_TRUE(storage_->PutSegment("a", log_.epoch, EncodeSegment(rows)).ok());
  ASSERT_TRUE(storage_->PutBaseChunk("a", log_.epoch, {15, 0, "base"}).ok());
  ASSERT_TRUE(storage_->FinishBase("a", log_.epoch, {15, 2, 1, 4, 0}).ok());
  ASSERT_TRUE(storage_->RaiseFloor("a", log_.epoch, 15).ok());
  EXPECT_TRUE(follower.Poll().value());
  EXPECT_EQ(resets_, 2);
  EXPECT_EQ(seen_.size(), 10u);
  EXPECT_EQ(follower.idx(), 25);
}

TEST_P(FollowContract, AStorageThatIsAwayIsToldAndNothingIsLostOrDoubled) {
  LogFollower follower(Options());
  Append(9);
  ASSERT_TRUE(follower.Poll().value());
  redirect_->To(nullptr);
  EXPECT_EQ(follower.Poll().error().code, Errc::kUnavailable);
  EXPECT_GT(follower.stale_for(), 0);
  EXPECT_EQ(follower.idx(), 9);
  redirect_->To(storage_.get());
  Append(2);
  EXPECT_TRUE(follower.Poll().value());
  EXPECT_EQ(follower.stale_for(), 0);
  EXPECT_EQ(resets_, 1);
  EXPECT_EQ(seen_.size(), 11u);
}

TEST_P(FollowContract, AnErrorOfTheSinkBringsTheSameEventsAgain) {
  FollowOptions options = Options();
  int calls = 0;
  const auto take = options.sink.events;
  options.sink.events = [&](std::span<const StoredEvent> events, const Acquired& at) -> Status {
    if (++calls == 2) return Error{Errc::kUnavailable, "busy"};
    return take(events, at);
  };
  LogFollower follower(options);
  Append(20);
  EXPECT_FALSE(follower.Poll().ok());
  EXPECT_EQ(follower.idx(), 7);
  EXPECT_TRUE(follower.Poll().value());
  EXPECT_EQ(seen_.size(), 20u);
}

TEST_P(FollowContract, AFollowerOfItsOwnThreadKeepsUpWithTheWriter) {
  FollowOptions options = Options();
  options.poll = kMillisecond;
  LogFollower follower(options);
  follower.Start();
  for (int i = 0; i < 40; ++i) Append(3);
  while (follower.idx() < 120) std::this_thread::yield();
  EXPECT_EQ(follower.head(), 120);
}

INSTANTIATE_TEST_SUITE_P(Backends, FollowContract, testing::ValuesIn(BackendsUnderTest()),
                         [](const auto& backend) { return backend.param.name; });

}  // namespace
}  // namespace databuild
