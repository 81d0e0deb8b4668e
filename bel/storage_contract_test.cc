// The contract of Storage: one suite, every backend.
#include "bel/storage_contract.h"

#include <atomic>
#include <map>
#include <random>
#include <set>
#include <thread>

#include "gtest/gtest.h"

namespace databuild {
namespace {

constexpr char kCluster[] = "cluster-1";

class StorageContract : public testing::TestWithParam<BackendUnderTest> {
 protected:
  void SetUp() override {
    site_ = GetParam().new_site();
    storage_ = site_->Open();
  }

  Acquired Acquire(const std::string& graph, const std::string& holder = "a") {
    auto acquired = storage_->Acquire({graph, holder, kCluster});
    EXPECT_TRUE(acquired.ok()) << acquired.error().message;
    return acquired.ok() ? *acquired : Acquired{};
  }

  // The whole log, read in pages of `limit`.
  std::vector<StoredEvent> ReadAll(const std::string& graph, int64_t limit = 1'000) {
    std::vector<StoredEvent> events;
    while (true) {
      auto page = storage_->List(graph, {static_cast<int64_t>(events.size()), limit, 1 << 20});
      EXPECT_TRUE(page.ok()) << page.error().message;
      if (!page.ok() || page->events.empty()) return events;
      for (StoredEvent& event : page->events) events.push_back(std::move(event));
    }
  }

  std::unique_ptr<StorageSite> site_;
  std::unique_ptr<Storage> storage_;
};

std::vector<StoredEvent> WithEpoch(std::vector<StoredEvent> events, int64_t epoch) {
  for (StoredEvent& event : events) event.epoch = epoch;
  return events;
}

TEST_P(StorageContract, ANewLogStartsEmptyWithItsOwnId) {
  const Acquired a = Acquire("a"), b = Acquire("b");
  EXPECT_EQ(a.epoch, 1);
  EXPECT_EQ(a.head, 0);
  EXPECT_EQ(a.floor, 0);
  EXPECT_TRUE(ParseUuid(a.log_id).has_value());
  EXPECT_NE(a.log_id, b.log_id);
  EXPECT_TRUE(ReadAll("a").empty());
}

TEST_P(StorageContract, WhatIsAppendedIsReadBackByteForByte) {
  const Acquired log = Acquire("a");
  const auto events = TestEvents(1, 25, "x");
  ASSERT_EQ(storage_->Append("a", log.epoch, 0, events).value(), 25);
  EXPECT_EQ(ReadAll("a"), WithEpoch(events, log.epoch));
  EXPECT_EQ(ReadAll("a", 7), WithEpoch(events, log.epoch));
  const GraphHead head = storage_->Head("a").value();
  EXPECT_EQ(head.at.head, 25);
  EXPECT_EQ(head.at.last_ts, events.back().ts);
  EXPECT_EQ(head.holder, "a");
}

TEST_P(StorageContract, AcquiringAgainRaisesTheEpochAndKeepsTheLog) {
  const Acquired first = Acquire("a");
  ASSERT_TRUE(storage_->Append("a", first.epoch, 0, TestEvents(1, 3, "x")).ok());
  const Acquired second = Acquire("a", "b");
  EXPECT_EQ(second.epoch, first.epoch + 1);
  EXPECT_EQ(second.log_id, first.log_id);
  EXPECT_EQ(second.head, 3);
  EXPECT_EQ(second.last_ts, 3'000);
}

TEST_P(StorageContract, AFencedWriterChangesNothing) {
  const Acquired first = Acquire("a", "old");
  const Acquired second = Acquire("a", "new");
  const auto refused = storage_->Append("a", first.epoch, 0, TestEvents(1, 2, "x"));
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code, Errc::kFenced);
  EXPECT_NE(refused.error().message.find("new"), std::string::npos) << refused.error().message;
  EXPECT_TRUE(ReadAll("a").empty());
  EXPECT_TRUE(storage_->Append("a", second.epoch, 0, TestEvents(1, 2, "y")).ok());
}

TEST_P(StorageContract, AnAppendAtAnotherHeadConflictsAndChangesNothing) {
  const Acquired log = Acquire("a");
  ASSERT_TRUE(storage_->Append("a", log.epoch, 0, TestEvents(1, 2, "x")).ok());
  for (const int64_t head : {0, 1, 3, 10}) {
    const auto refused = storage_->Append("a", log.epoch, head, TestEvents(head + 1, 2, "y"));
    ASSERT_FALSE(refused.ok()) << head;
    EXPECT_EQ(refused.error().code, Errc::kConflict) << refused.error().message;
  }
  EXPECT_EQ(ReadAll("a").size(), 2u);
}

TEST_P(StorageContract, BatchesThatAreNotInOrderAreRefused) {
  const Acquired log = Acquire("a");
  auto gap = TestEvents(1, 3, "x");
  gap[2].idx = 4;
  auto not_a_uuid = TestEvents(1, 1, "x");
  not_a_uuid[0].event_id = "event-1";
  auto same_time = TestEvents(1, 2, "x");
  same_time[1].ts = same_time[0].ts;
  std::vector<StoredEvent> none;
  for (const auto* events : {&gap, &not_a_uuid, &same_time, &none}) {
    const auto refused = storage_->Append("a", log.epoch, 0, *events);
    ASSERT_FALSE(refused.ok());
    EXPECT_EQ(refused.error().code, Errc::kInvalidArgument) << refused.error().message;
  }
  const std::vector<StoredEvent> huge = {TestEvent(1, "x", kMaxEventBytes + 1)};
  EXPECT_EQ(storage_->Append("a", log.epoch, 0, huge).error().code, Errc::kTooLarge);
  EXPECT_EQ(storage_->Head("a")->at.head, 0);
}

TEST_P(StorageContract, PagesAreBoundedByCountAndBytesButNeverEmptyBeforeTheHead) {
  const Acquired log = Acquire("a");
  std::vector<StoredEvent> events;
  for (int64_t idx = 1; idx <= 10; ++idx) events.push_back(TestEvent(idx, "x", 1'000));
  events.push_back(TestEvent(11, "large", kMaxEventBytes));
  ASSERT_TRUE(storage_->Append("a", log.epoch, 0, events).ok());
  EXPECT_EQ(storage_->List("a", {0, 4, 1 << 20})->events.size(), 4u);
  EXPECT_EQ(storage_->List("a", {0, 100, 3'500})->events.size(), 3u);
  EXPECT_EQ(storage_->List("a", {0, 100, 1})->events.size(), 1u);
  const StoredPage last = storage_->List("a", {10, 100, 1'000}).value();
  ASSERT_EQ(last.events.size(), 1u);
  EXPECT_EQ(last.events[0].payload, events[10].payload);
  EXPECT_EQ(last.at.head, 11);
}

TEST_P(StorageContract, AtAndBeyondTheHeadThePageIsEmptyAndSaysWhereTheHeadIs) {
  const Acquired log = Acquire("a");
  ASSERT_TRUE(storage_->Append("a", log.epoch, 0, TestEvents(1, 2, "x")).ok());
  for (const int64_t since : {2, 3, 1'000'000}) {
    const StoredPage page = storage_->List("a", {since, 10, 1 << 20}).value();
    EXPECT_TRUE(page.events.empty());
    EXPECT_EQ(page.at.head, 2);
    EXPECT_EQ(page.at.log_id, log.log_id);
  }
}

TEST_P(StorageContract, AnUnknownGraphIsNotFound) {
  EXPECT_EQ(storage_->List("nobody", {}).error().code, Errc::kNotFound);
  EXPECT_EQ(storage_->Head("nobody").error().code, Errc::kNotFound);
  EXPECT_EQ(storage_->Append("nobody", 1, 0, TestEvents(1, 1, "x")).error().code, Errc::kNotFound);
}

TEST_P(StorageContract, GraphsAreListedByNameEachWithItsOwnIdx) {
  const Acquired b = Acquire("b"), a = Acquire("a");
  ASSERT_TRUE(storage_->Append("b", b.epoch, 0, TestEvents(1, 3, "b")).ok());
  ASSERT_TRUE(storage_->Append("a", a.epoch, 0, TestEvents(1, 1, "a")).ok());
  const std::vector<GraphHead> graphs = storage_->Graphs().value();
  ASSERT_EQ(graphs.size(), 2u);
  EXPECT_EQ(graphs[0].graph, "a");
  EXPECT_EQ(graphs[0].at.head, 1);
  EXPECT_EQ(graphs[1].graph, "b");
  EXPECT_EQ(graphs[1].at.head, 3);
  EXPECT_EQ(ReadAll("a").size(), 1u);
}

TEST_P(StorageContract, OneTransactionCarriesManyGraphsEachFencedByItsOwnHead) {
  const Acquired a = Acquire("a"), fenced = Acquire("b"), c = Acquire("c");
  Acquire("b", "another");
  const auto for_a = TestEvents(1, 3, "a"), for_b = TestEvents(1, 3, "b"),
             for_c = TestEvents(1, 2, "c"), stale = TestEvents(5, 1, "d");
  const std::span<const StoredEvent> all_a(for_a);
  const std::vector<AppendBatch> batches = {
      {"a", a.epoch, 0, {all_a.first(1), all_a.subspan(1)}},  // in two pieces
      {"b", fenced.epoch, 0, {for_b}},
      {"c", c.epoch, 0, {for_c}},
      {"a", a.epoch, 4, {stale}}};
  const auto results = storage_->AppendAll(batches);
  ASSERT_EQ(results.size(), 4u);
  EXPECT_EQ(results[0].value(), 3);
  EXPECT_EQ(results[1].error().code, Errc::kFenced);
  EXPECT_EQ(results[2].value(), 2);
  EXPECT_EQ(results[3].error().code, Errc::kConflict);
  EXPECT_EQ(ReadAll("a"), WithEpoch(for_a, a.epoch));
  EXPECT_TRUE(ReadAll("b").empty());
  EXPECT_EQ(ReadAll("c"), WithEpoch(for_c, c.epoch));
}

TEST_P(StorageContract, ASecondAppendMayBeBegunBeforeTheFirstIsAnswered) {
  const Acquired log = Acquire("a");
  const auto first = TestEvents(1, 3, "x"), second = TestEvents(4, 2, "y");
  const AppendBatch one{"a", log.epoch, 0, {first}}, two{"a", log.epoch, 3, {second}};
  const auto first_append = storage_->BeginAppend({&one, 1});
  const auto second_append = storage_->BeginAppend({&two, 1});
  EXPECT_EQ(first_append->Wait().front().value(), 3);
  EXPECT_EQ(second_append->Wait().front().value(), 5);
  EXPECT_EQ(ReadAll("a").size(), 5u);
}

TEST_P(StorageContract, WhereTheFirstAppendFailsTheSecondOneConflicts) {
  const Acquired log = Acquire("a"), b = Acquire("b");
  const auto first = TestEvents(2, 3, "x"), second = TestEvents(5, 2, "y"),
             of_b = TestEvents(1, 1, "z");
  const std::vector<AppendBatch> one = {{"a", log.epoch, 1, {first}}};  // the head is 0
  const std::vector<AppendBatch> two = {{"a", log.epoch, 4, {second}}, {"b", b.epoch, 0, {of_b}}};
  const auto first_append = storage_->BeginAppend(one);
  const auto second_append = storage_->BeginAppend(two);
  EXPECT_EQ(first_append->Wait().front().error().code, Errc::kConflict);
  const auto results = second_append->Wait();
  EXPECT_EQ(results[0].error().code, Errc::kConflict);
  EXPECT_EQ(results[1].value(), 1);
  EXPECT_TRUE(ReadAll("a").empty());
}

TEST_P(StorageContract, AnotherClusterMayNotTakeALog) {
  const Acquired log = Acquire("a");
  const auto refused = storage_->Acquire({"a", "b", "cluster-2"});
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code, Errc::kPermissionDenied);
  EXPECT_NE(refused.error().message.find("another cluster"), std::string::npos);
  EXPECT_TRUE(storage_->Append("a", log.epoch, 0, TestEvents(1, 1, "x")).ok());
}

TEST_P(StorageContract, AHolderMayRenewItsEpochOnlyWhileNobodyElseTookOver) {
  EXPECT_EQ(storage_->Acquire({"a", "mine", kCluster, true}).error().code, Errc::kFenced);
  const Acquired first = Acquire("a", "mine");
  const Acquired renewed = storage_->Acquire({"a", "mine", kCluster, true}).value();
  EXPECT_EQ(renewed.epoch, first.epoch + 1);
  EXPECT_EQ(renewed.log_id, first.log_id);
  EXPECT_EQ(storage_->Append("a", first.epoch, 0, TestEvents(1, 1, "x")).error().code,
            Errc::kFenced);
  Acquire("a", "other");
  EXPECT_EQ(storage_->Acquire({"a", "mine", kCluster, true}).error().code, Errc::kFenced);
}

TEST_P(StorageContract, LargeBatchesAreAtomic) {
  const Acquired log = Acquire("a");
  const auto events = TestEvents(1, 8'192, "bulk");
  ASSERT_EQ(storage_->Append("a", log.epoch, 0, events).value(), 8'192);
  EXPECT_EQ(ReadAll("a"), WithEpoch(events, log.epoch));
}

TEST_P(StorageContract, AnImportMayBeLargerThanAnAppendAndIsFencedAndAtomicLikeIt) {
  const Acquired old = Acquire("a"), log = Acquire("a");
  const auto events = TestEvents(1, kMaxAppendEvents + 10, "bulk");
  EXPECT_EQ(storage_->Append("a", log.epoch, 0, events).error().code, Errc::kTooLarge);
  EXPECT_EQ(storage_->Import({"a", old.epoch, 0, {events}}).error().code, Errc::kFenced);
  EXPECT_EQ(storage_->Import({"a", log.epoch, 1, {TestEvents(2, 5, "x")}}).error().code,
            Errc::kConflict);
  EXPECT_EQ(storage_->Import({"nobody", 1, 0, {events}}).error().code, Errc::kNotFound);
  EXPECT_EQ(storage_->Head("a")->at.head, 0);
  const std::span<const StoredEvent> all(events);
  ASSERT_EQ(storage_->Import({"a", log.epoch, 0, {all.first(7), all.subspan(7)}}).value(),
            kMaxAppendEvents + 10);
  EXPECT_EQ(ReadAll("a"), WithEpoch(events, log.epoch));
  const int64_t head = storage_->Head("a")->at.head;
  EXPECT_EQ(storage_->Append("a", log.epoch, head, TestEvents(head + 1, 1, "x")).value(), head + 1);
}

TEST_P(StorageContract, InitializeMayBeRepeated) {
  const Acquired log = Acquire("a");
  ASSERT_TRUE(storage_->Append("a", log.epoch, 0, TestEvents(1, 1, "x")).ok());
  EXPECT_TRUE(storage_->Initialize().ok());
  EXPECT_EQ(ReadAll("a").size(), 1u);
}

TEST_P(StorageContract, ADurableLogSurvivesItsProcess) {
  if (!site_->durable()) {
    EXPECT_TRUE(site_->Open()->Graphs()->empty());  // and the others say that they do not
    return;
  }
  const Acquired log = Acquire("a");
  const auto events = TestEvents(1, 12, "x");
  ASSERT_TRUE(storage_->Append("a", log.epoch, 0, events).ok());
  storage_.reset();
  storage_ = site_->Open();
  EXPECT_EQ(ReadAll("a"), WithEpoch(events, log.epoch));
  EXPECT_EQ(Acquire("a").log_id, log.log_id);
}

TEST_P(StorageContract, AReadOnlyStorageSeesWhatTheWriterDoesAndChangesNothing) {
  const auto reader = site_->OpenReadOnly();
  if (reader == nullptr) {
    EXPECT_FALSE(site_->durable());  // every durable backend has one
    return;
  }
  const Acquired log = Acquire("a");
  const auto events = TestEvents(1, 3, "x");
  ASSERT_TRUE(storage_->Append("a", log.epoch, 0, events).ok());
  EXPECT_EQ(reader->List("a", {}).value().events, WithEpoch(events, log.epoch));
  EXPECT_EQ(reader->Head("a")->at.head, 3);
  EXPECT_EQ(reader->Graphs()->size(), 1u);
  EXPECT_EQ(reader->Acquire({"a", "b", kCluster}).error().code, Errc::kPermissionDenied);
  const auto more = TestEvents(4, 1, "y");
  EXPECT_EQ(reader->Append("a", log.epoch, 3, more).error().code, Errc::kPermissionDenied);
  EXPECT_EQ(reader->Import({"a", log.epoch, 3, {more}}).error().code, Errc::kPermissionDenied);
  EXPECT_TRUE(storage_->Append("a", log.epoch, 3, more).ok());
  EXPECT_EQ(reader->Head("a")->at.head, 4);
}

// The smallest thing that could be a log.
struct Oracle {
  struct Log {
    int64_t epoch = 0;
    std::string holder;
    std::vector<StoredEvent> events;
  };
  std::map<std::string, Log> logs;

  Errc Append(const std::string& graph, int64_t epoch, int64_t head,
              std::vector<StoredEvent> events) {
    if (!logs.contains(graph)) return Errc::kNotFound;
    Log& log = logs[graph];
    if (epoch != log.epoch) return Errc::kFenced;
    if (head != static_cast<int64_t>(log.events.size())) return Errc::kConflict;
    for (StoredEvent& event : WithEpoch(std::move(events), epoch)) log.events.push_back(event);
    return Errc::kInternal;  // stands for success
  }
};

class RandomWalk {
 public:
  RandomWalk(Storage* storage, uint32_t seed) : storage_(storage), random_(seed) {}

  void Step() {
    const std::string graph = "g" + std::to_string(Below(3));
    switch (Below(8)) {
      case 0:
        return Acquire(graph);
      case 1:
      case 2:
        return List(graph);
      case 3:
        return Heads();
      default:
        return Append(graph);
    }
  }

 private:
  int64_t Below(int64_t bound) { return static_cast<int64_t>(random_() % bound); }

  void Acquire(const std::string& graph) {
    Oracle::Log& log = oracle_.logs[graph];
    const std::string holder = "h" + std::to_string(Below(2));
    const auto acquired = storage_->Acquire({graph, holder, kCluster}).value();
    log.holder = holder;
    ASSERT_EQ(acquired.epoch, ++log.epoch);
    ASSERT_EQ(acquired.head, static_cast<int64_t>(log.events.size()));
  }

  void Append(const std::string& graph) {
    const Oracle::Log& log = oracle_.logs.contains(graph) ? oracle_.logs[graph] : Oracle::Log{};
    const int64_t epoch = log.epoch - (Below(8) == 0 ? 1 : 0);
    const int64_t head = std::max<int64_t>(
        0, static_cast<int64_t>(log.events.size()) + (Below(8) == 0 ? Below(5) - 2 : 0));
    const auto events = TestEvents(head + 1, 1 + Below(20), "s" + std::to_string(++appends_) + "-");
    const auto result = storage_->Append(graph, epoch, head, events);
    const Errc expected = oracle_.Append(graph, epoch, head, events);
    ASSERT_EQ(result.ok(), expected == Errc::kInternal);
    if (result.ok()) return;
    ASSERT_EQ(result.error().code, expected) << result.error().message;
  }

  void List(const std::string& graph) {
    const ListRange range{Below(200), 1 + Below(50), 1 + Below(2'000)};
    const auto page = storage_->List(graph, range);
    if (!oracle_.logs.contains(graph)) {
      ASSERT_EQ(page.error().code, Errc::kNotFound);
      return;
    }
    const auto& events = oracle_.logs[graph].events;
    std::vector<StoredEvent> expected;
    int64_t bytes = 0;
    for (size_t i = range.since_idx; i < events.size(); ++i) {
      bytes += static_cast<int64_t>(events[i].payload.size());
      if (static_cast<int64_t>(expected.size()) == range.limit) break;
      if (!expected.empty() && bytes > range.byte_limit) break;
      expected.push_back(events[i]);
    }
    ASSERT_EQ(page.value().events, expected);
    ASSERT_EQ(page->at.head, static_cast<int64_t>(events.size()));
  }

  void Heads() {
    const auto graphs = storage_->Graphs().value();
    ASSERT_EQ(graphs.size(), oracle_.logs.size());
    for (const GraphHead& head : graphs) {
      ASSERT_EQ(head.at.epoch, oracle_.logs[head.graph].epoch);
      ASSERT_EQ(head.holder, oracle_.logs[head.graph].holder);
    }
  }

  Storage* storage_;
  std::mt19937 random_;
  Oracle oracle_;
  int appends_ = 0;
};

TEST_P(StorageContract, RandomOperationsAgreeWithTheOracle) {
  constexpr uint32_t kSeed = 20250105;
  SCOPED_TRACE("seed " + std::to_string(kSeed));
  RandomWalk walk(storage_.get(), kSeed);
  for (int step = 0; step < 600 && !HasFatalFailure(); ++step) walk.Step();
}

// Takes the log again and again, appends, and keeps what was acknowledged.
void StealAndAppend(Storage* storage, int writer, std::map<int64_t, std::string>* acknowledged) {
  for (int round = 0; round < 12; ++round) {
    auto log = storage->Acquire({"a", "w" + std::to_string(writer), kCluster});
    ASSERT_TRUE(log.ok()) << log.error().message;
    int64_t head = log->head;
    for (int batch = 0; batch < 6; ++batch) {
      auto events = TestEvents(head + 1, 3, "w" + std::to_string(writer) + "-");
      for (StoredEvent& event : events) event.ts = event.idx * 1'000;
      const auto result = storage->Append("a", log->epoch, head, events);
      if (!result.ok()) {
        ASSERT_EQ(result.error().code, Errc::kFenced) << result.error().message;
        break;
      }
      for (const StoredEvent& event : events) (*acknowledged)[event.idx] = event.payload;
      head = *result;
    }
  }
}

TEST_P(StorageContract, WritersThatStealTheLogFromEachOtherNeverLoseOrMixEvents) {
  std::map<int64_t, std::string> acknowledged[3];
  {
    std::vector<std::jthread> writers;
    for (int i = 0; i < 3; ++i) {
      writers.emplace_back(StealAndAppend, storage_.get(), i, &acknowledged[i]);
    }
  }
  const auto events = ReadAll("a");
  size_t total = 0;
  for (const auto& of_writer : acknowledged) {
    total += of_writer.size();
    for (const auto& [idx, payload] : of_writer) ASSERT_EQ(events[idx - 1].payload, payload);
  }
  EXPECT_EQ(events.size(), total);
  for (size_t i = 1; i < events.size(); ++i) ASSERT_GE(events[i].epoch, events[i - 1].epoch);
}

TEST_P(StorageContract, PollersBesideAWriterSeeEveryEventOnceInOrder) {
  const Acquired log = Acquire("a");
  constexpr int64_t kEvents = 600;
  std::atomic<int> good = 0;
  {
    std::vector<std::jthread> pollers;
    for (int i = 0; i < 3; ++i) {
      pollers.emplace_back([&, i] {
        int64_t since = 0;
        while (since < kEvents) {
          const auto page = storage_->List("a", {since, 1 + i * 40, 1 << 20});
          if (!page.ok()) return;
          for (const StoredEvent& event : page->events) {
            if (event.idx != ++since || !event.payload.starts_with("x" + std::to_string(since)))
              return;
          }
        }
        ++good;
      });
    }
    for (int64_t head = 0; head < kEvents; head += 5) {
      ASSERT_TRUE(storage_->Append("a", log.epoch, head, TestEvents(head + 1, 5, "x")).ok());
    }
  }
  EXPECT_EQ(good, 3);
}

INSTANTIATE_TEST_SUITE_P(Backends, StorageContract, testing::ValuesIn(BackendsUnderTest()),
                         [](const auto& backend) { return backend.param.name; });

}  // namespace
}  // namespace databuild
