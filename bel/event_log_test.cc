#include "bel/event_log.h"

#include <atomic>
#include <latch>
#include <thread>

#include "bel/event_codec.h"
#include "bel/event_log_testing.h"
#include "bel/memory_storage.h"
#include "gtest/gtest.h"

namespace databuild {
namespace {

class EventLogTest : public testing::Test {
 protected:
  LogOptions Options() {
    LogOptions options;
    options.storage = &storage_;
    options.graph = "sales";
    options.holder = "pod-1";
    options.cluster_uid = "cluster-1";
    options.clock = &clock_;
    return options;
  }
  std::unique_ptr<EventLog> Open() { return OpenLog(Options()); }

  MemoryStorage storage_;
  TickingClock clock_;
};

std::shared_ptr<const EventMatcher> Matching(const std::string& glob) {
  v1::EventFilter filter;
  filter.add_partition_patterns(glob);
  return std::make_shared<EventMatcher>(EventMatcher::Compile(filter).value());
}

TEST_F(EventLogTest, AppendedEventsGetDenseIdxAndRisingTimes) {
  const auto log = Open();
  EXPECT_EQ(log->Append({WantCreated("w1"), WantCreated("w2")}).value(),
            (std::vector<int64_t>{1, 2}));
  clock_.Set(5);  // the clock steps back
  EXPECT_EQ(log->Append({WantMoved("w1", v1::WANT_SATISFIED)}).value(), (std::vector<int64_t>{3}));
  const auto events = ReadWhole(*log);
  ASSERT_EQ(events.size(), 3u);
  for (size_t i = 0; i < events.size(); ++i) {
    EXPECT_EQ(events[i].idx(), static_cast<int64_t>(i) + 1);
    EXPECT_GT(events[i].timestamp(), i == 0 ? 0 : events[i - 1].timestamp());
  }
  EXPECT_EQ(log->head(), 3);
  log->WithState([](const BuildState& state) { EXPECT_EQ(state.idx(), 3); });
}

TEST_F(EventLogTest, AnIllegalTransitionRefusesTheWholeBatchAndUsesNoIdx) {
  const auto log = Open();
  const auto refused = log->Append({WantCreated("w1"), WantMoved("w2", v1::WANT_SATISFIED)});
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code, Errc::kInvalidTransition);
  EXPECT_NE(refused.error().message.find("w2"), std::string::npos);
  EXPECT_EQ(log->head(), 0);
  EXPECT_EQ(log->rejected(), 1u);
  EXPECT_EQ(log->Append({WantCreated("w1")}).value(), (std::vector<int64_t>{1}));
}

TEST_F(EventLogTest, EventsOfOneBatchSeeEachOther) {
  const auto log = Open();
  EXPECT_TRUE(
      log->Append({WantCreated("w"), WantMoved("w", v1::WANT_SATISFIED),
                   WantMoved("w", v1::WANT_UNSATISFIED), WantMoved("w", v1::WANT_CANCELLED)})
          .ok());
  EXPECT_EQ(log->Append({WantMoved("w", v1::WANT_SATISFIED, 2)}).error().code,
            Errc::kInvalidTransition);
}

TEST_F(EventLogTest, AnEventAppendedAgainIsAnsweredWithItsFirstIdx) {
  const auto log = Open();
  ASSERT_TRUE(log->Append({WantCreated("w1"), WantCreated("w2")}).ok());
  EXPECT_EQ(
      log->Append({WantCreated("w2"), WantCreated("w3"), WantCreated("w3"), WantCreated("w1")})
          .value(),
      (std::vector<int64_t>{2, 3, 3, 1}));
  EXPECT_EQ(log->head(), 3);
  const auto reopened = Open();
  EXPECT_EQ(reopened->Append({WantCreated("w2")}).value(), (std::vector<int64_t>{2}));
}

TEST_F(EventLogTest, EventsWithoutAUuidOrPayloadAndTooLargeOnesAreRefused) {
  const auto log = Open();
  auto no_id = WantCreated("w");
  no_id.set_event_id("first");
  EXPECT_EQ(log->Append({no_id}).error().code, Errc::kInvalidArgument);
  v1::BuildEvent empty;
  empty.set_event_id(EventId("empty"));
  EXPECT_EQ(log->Append({empty}).error().code, Errc::kInvalidArgument);
  auto huge = WantCreated("w");
  huge.mutable_want_event()->set_comment(std::string(kMaxEventBytes, 'x'));
  EXPECT_EQ(log->Append({huge}).error().code, Errc::kTooLarge);
  EXPECT_EQ(log->head(), 0);
  EXPECT_TRUE(log->Append({}).value().empty());
}

TEST_F(EventLogTest, ReplayGivesTheSameStateAndTheSameBytes) {
  auto log = Open();
  for (int i = 0; i < 300; ++i) {
    const std::string want = "w" + std::to_string(i);
    ASSERT_TRUE(
        log->Append({WantCreated(want, "a/" + want), WantMoved(want, v1::WANT_CANCELLED)}).ok());
  }
  const auto before =
      log->WithState([](const BuildState& state) { return state.wants_by_status(); });
  const std::string bytes = log->ListEvents({}).value().events;
  log.reset();
  const auto again = Open();
  EXPECT_EQ(again->head(), 600);
  EXPECT_EQ(again->epoch(), 2);
  EXPECT_EQ(again->WithState([](const BuildState& state) { return state.wants_by_status(); }),
            before);
  EXPECT_EQ(again->ListEvents({}).value().events, bytes);
}

TEST_F(EventLogTest, ANewerOwnerFencesTheOlderOneForGood) {
  int told = 0;
  LogOptions options = Options();
  options.on_terminal = [&](const Error& error) {
    EXPECT_EQ(error.code, Errc::kFenced);
    ++told;
  };
  const auto old_owner = OpenLog(options);
  options.holder = "pod-2";
  options.on_terminal = nullptr;
  const auto new_owner = OpenLog(options);
  EXPECT_EQ(old_owner->Append({WantCreated("w1")}).error().code, Errc::kFenced);
  EXPECT_EQ(old_owner->Append({WantCreated("w2")}).error().code, Errc::kFenced);
  EXPECT_EQ(told, 1);
  EXPECT_FALSE(old_owner->health().writable);
  EXPECT_EQ(new_owner->Append({WantCreated("w1")}).value(), (std::vector<int64_t>{1}));
  EXPECT_EQ(old_owner->head(), 0);
}

TEST_F(EventLogTest, PagesAreBoundedAndSayWhereToGoOn) {
  const auto log = Open();
  std::vector<v1::BuildEvent> events;
  for (int i = 0; i < 30; ++i) events.push_back(WantCreated("w" + std::to_string(i)));
  ASSERT_TRUE(log->Append(events).ok());
  ListRequest request;
  request.limit = 7;
  request.since_idx = 10;
  const v1::EventPage page = Decode(log->ListEvents(request).value());
  ASSERT_EQ(page.events_size(), 7);
  EXPECT_EQ(page.events(0).idx(), 11);
  EXPECT_EQ(page.next_idx(), 17);
  EXPECT_TRUE(page.has_more());
  EXPECT_EQ(page.log_id(), log->log_id());
  EXPECT_EQ(page.head_idx(), 30);
  EXPECT_EQ(page.epoch(), 1);
  EXPECT_EQ(ReadWhole(*log, 7).size(), 30u);
  request.since_idx = 30;
  EXPECT_FALSE(log->ListEvents(request)->has_more);
}

TEST_F(EventLogTest, LargeEventsMakeShortPagesButNeverEmptyOnes) {
  const auto log = Open();
  for (int i = 0; i < 4; ++i) {
    auto event = WantCreated("w" + std::to_string(i));
    event.mutable_want_event()->set_comment(std::string(700'000, 'x'));
    ASSERT_TRUE(log->Append({event}).ok());
  }
  for (const auto& matcher : {std::shared_ptr<const EventMatcher>(), Matching("a/*")}) {
    ListRequest request;
    request.matcher = matcher;
    const RawPage page = log->ListEvents(request).value();
    EXPECT_EQ(page.count, 1);
    EXPECT_EQ(page.next_idx, 1);
    EXPECT_TRUE(page.has_more);
  }
  EXPECT_EQ(ReadWhole(*log).size(), 4u);
}

TEST_F(EventLogTest, AFilteredPageSaysHowFarItLookedAlsoWhenNothingMatched) {
  const auto log = Open();
  for (int i = 0; i < 50; ++i) {
    ASSERT_TRUE(
        log->Append({WantCreated("w" + std::to_string(i), i % 10 == 9 ? "x/1" : "a/1")}).ok());
  }
  ListRequest request;
  request.matcher = Matching("x/*");
  request.limit = 2;
  const RawPage first = log->ListEvents(request).value();
  EXPECT_EQ(first.count, 2);
  EXPECT_EQ(first.next_idx, 29);  // the third match, idx 30, did not fit
  EXPECT_TRUE(first.has_more);
  request.matcher = Matching("nothing/*");
  const RawPage none = log->ListEvents(request).value();
  EXPECT_EQ(none.count, 0);
  EXPECT_EQ(none.next_idx, 50);
  EXPECT_FALSE(none.has_more);
}

TEST_F(EventLogTest, BadRequestsAreRefused) {
  const auto log = Open();
  for (const auto& [since, limit, wait] :
       std::vector<std::tuple<int64_t, int64_t, DurationNs>>{{-1, 10, 0},
                                                             {0, 0, 0},
                                                             {0, kMaxPageEvents + 1, 0},
                                                             {0, 10, -1},
                                                             {0, 10, kMaxPageWait + 1}}) {
    ListRequest request;
    request.since_idx = since;
    request.limit = limit;
    request.wait = wait;
    EXPECT_EQ(log->ListEvents(request).error().code, Errc::kInvalidArgument);
  }
}

TEST_F(EventLogTest, ACursorBeyondTheHeadIsAnsweredAtOnceSoThatTheReaderCanResync) {
  const auto log = Open();
  ListRequest request;
  request.since_idx = 100;
  request.wait = kMaxPageWait;
  const RawPage page = log->ListEvents(request).value();
  EXPECT_EQ(page.head_idx, 0);
  EXPECT_EQ(page.count, 0);
}

TEST_F(EventLogTest, OldPagesComeFromTheStorageWhenTheTailIsShort) {
  LogOptions options = Options();
  options.tail_bytes = 1;  // one block
  const auto log = OpenLog(options);
  std::vector<v1::BuildEvent> events;
  for (int i = 0; i < 6'000; ++i)
    events.push_back(WantCreated("w" + std::to_string(i), "a/" + std::to_string(i % 100)));
  ASSERT_TRUE(log->Append(events).ok());
  const auto all = ReadWhole(*log, 333);
  ASSERT_EQ(all.size(), 6'000u);
  for (size_t i = 0; i < all.size(); ++i) ASSERT_EQ(all[i].idx(), static_cast<int64_t>(i) + 1);
  ListRequest request;
  request.matcher = Matching("a/42");
  request.limit = kMaxPageEvents;
  EXPECT_EQ(log->ListEvents(request)->count, 60);
}

TEST_F(EventLogTest, ALongPollReturnsAsSoonAsSomethingMatches) {
  const auto log = Open();
  std::latch started(1);
  RawPage page;
  {
    std::jthread reader([&] {
      ListRequest request;
      request.matcher = Matching("x/*");
      request.wait = kMaxPageWait;
      started.count_down();
      page = log->ListEvents(request).value();
    });
    started.wait();
    ASSERT_TRUE(log->Append({WantCreated("w1", "a/1")}).ok());
    ASSERT_TRUE(log->Append({WantCreated("w2", "x/1")}).ok());
  }
  EXPECT_EQ(page.count, 1);
  EXPECT_EQ(page.next_idx, 2);
}

TEST_F(EventLogTest, ALongPollEndsWithItsTimeOrItsStopToken) {
  const auto log = Open();
  ListRequest request;
  request.wait = 20 * kMillisecond;
  EXPECT_EQ(log->ListEvents(request)->count, 0);
  std::stop_source stop;
  request.wait = kMaxPageWait;
  request.stop = stop.get_token();
  std::jthread stopper([&] { stop.request_stop(); });
  EXPECT_EQ(log->ListEvents(request)->count, 0);
}

TEST_F(EventLogTest, AWatchFiresOnceForWhatItWantsAndNotAfterItIsGone) {
  const auto log = Open();
  std::atomic<int> fired = 0, gone = 0;
  const auto watch = log->WatchFor(0, Matching("x/*"), [&] { ++fired; });
  log->WatchFor(0, nullptr, [&] { ++gone; }).reset();
  ASSERT_TRUE(log->Append({WantCreated("w1", "a/1")}).ok());
  EXPECT_EQ(fired, 0);
  ASSERT_TRUE(log->Append({WantCreated("w2", "x/1")}).ok());
  ASSERT_TRUE(log->Append({WantCreated("w3", "x/1")}).ok());
  EXPECT_EQ(fired, 1);
  EXPECT_EQ(gone, 0);
  const auto late = log->WatchFor(1, Matching("x/*"), [&] { ++fired; });
  EXPECT_EQ(fired, 2);  // the head is beyond it: look again
}

TEST_F(EventLogTest, EventsOfANewerReleaseStopTheFoldAndAreNamed) {
  {
    const auto log = Open();
    ASSERT_TRUE(log->Append({WantCreated("w1")}).ok());
  }
  const Acquired acquired = storage_.Acquire({"sales", "newer", "cluster-1"}).value();
  v1::BuildEvent unknown;
  unknown.set_event_id(EventId("unknown"));
  unknown.set_idx(2);
  unknown.set_timestamp(acquired.last_ts + 1);
  StoredEvent stored = EncodeEvent(unknown).value();
  stored.type = 177;
  ASSERT_TRUE(storage_.Append("sales", acquired.epoch, 1, {&stored, 1}).ok());
  const auto log = EventLog::Open(Options());
  ASSERT_FALSE(log.ok());
  EXPECT_EQ(log.error().code, Errc::kUnsupported);
  for (const char* part : {"idx 2", "kind 177", "schema version 1"}) {
    EXPECT_NE(log.error().message.find(part), std::string::npos) << log.error().message;
  }
}

// Callers and pollers at once: what was acknowledged is there once, every poller saw the log in
// order.
TEST_F(EventLogTest, ManyCallersAndPollersAgreeOnOneOrder) {
  LogWriter writer(&storage_);
  LogOptions options = Options();
  options.writer = &writer;
  const auto log = OpenLog(options);
  constexpr int kCallers = 8, kAppends = 60;
  constexpr int64_t kEvents = kCallers * kAppends * 2;
  std::vector<std::vector<std::pair<int64_t, std::string>>> acknowledged(kCallers);
  std::atomic<int> pollers_done = 0;
  {
    std::vector<std::jthread> threads;
    for (int poller = 0; poller < 3; ++poller) {
      threads.emplace_back([&, poller] {
        ListRequest request;
        request.wait = kMaxPageWait;
        request.limit = 1 + poller * 50;
        while (request.since_idx < kEvents) {
          const v1::EventPage page = Decode(log->ListEvents(request).value());
          for (const auto& event : page.events()) ASSERT_EQ(event.idx(), ++request.since_idx);
        }
        ++pollers_done;
      });
    }
    for (int caller = 0; caller < kCallers; ++caller) {
      threads.emplace_back([&, caller] {
        for (int i = 0; i < kAppends; ++i) {
          const std::string want = std::to_string(caller) + "-" + std::to_string(i);
          const auto idx = log->Append({WantCreated(want), WantMoved(want, v1::WANT_SATISFIED)});
          ASSERT_TRUE(idx.ok()) << idx.error().message;
          ASSERT_EQ((*idx)[1], (*idx)[0] + 1);
          acknowledged[caller].emplace_back((*idx)[0], want);
        }
      });
    }
  }
  EXPECT_EQ(pollers_done, 3);
  const auto events = ReadWhole(*log);
  ASSERT_EQ(events.size(), static_cast<size_t>(kEvents));
  for (const auto& of_caller : acknowledged) {
    for (const auto& [idx, want] : of_caller)
      EXPECT_EQ(events[idx - 1].want_event().want_id(), want);
  }
}

TEST_F(EventLogTest, GraphsShareOneWriterAndKeepTheirOwnIdx) {
  LogWriter writer(&storage_);
  LogOptions options = Options();
  options.writer = &writer;
  std::vector<std::unique_ptr<EventLog>> logs;
  for (int i = 0; i < 4; ++i) {
    options.graph = "g" + std::to_string(i);
    logs.push_back(OpenLog(options));
  }
  {
    std::vector<std::jthread> threads;
    for (int i = 0; i < 8; ++i) {
      threads.emplace_back([&, i] {
        for (int n = 0; n < 50; ++n) {
          ASSERT_TRUE(
              logs[i % 4]->Append({WantCreated(std::to_string(i) + "-" + std::to_string(n))}).ok());
        }
      });
    }
  }
  for (const auto& log : logs) {
    EXPECT_EQ(log->head(), 100);
    EXPECT_EQ(ReadWhole(*log).size(), 100u);
  }
}

}  // namespace
}  // namespace databuild
