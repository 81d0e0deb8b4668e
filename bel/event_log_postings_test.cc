// Filtered pages: whatever way they are answered, they hold what a look at every event gives.
#include <random>

#include "bel/event_codec.h"
#include "bel/event_log_testing.h"
#include "bel/memory_storage.h"
#include "bel/random_event.h"
#include "gtest/gtest.h"

namespace databuild {
namespace {

constexpr int kEvents = 6'000;

std::string Name(const char* kind, uint64_t number) { return kind + std::to_string(number); }

// Random content, but refs and ids of few names, so that filters find something.
v1::BuildEvent Event(std::mt19937_64& random, int64_t idx) {
  v1::BuildEvent event;
  switch (random() % 12) {
    case 0:
      event = RandomEvent(random, static_cast<int>(random() % 12));
      break;
    case 1:
      event.mutable_want_event();
      break;
    case 2:
      event.mutable_taint_event();
      break;
    case 3:
    case 4:
      event.mutable_job_event();
      break;
    default:
      event.mutable_partition_event();
  }
  event.set_idx(idx);
  event.set_timestamp(1'000 + idx);
  event.set_event_id(EventId(std::to_string(idx)));
  event.set_build_request_id(Name("b", random() % 40));
  const auto ref = [&] {
    return "d" + std::to_string(random() % 9) + "/t/date=" + std::to_string(random() % 90);
  };
  if (event.has_partition_event()) {
    event.mutable_partition_event()->mutable_partition_ref()->set_str(ref());
    event.mutable_partition_event()->set_job_run_id(Name("r", random() % 500));
  }
  if (event.has_job_event()) {
    event.mutable_job_event()->set_job_run_id(Name("r", random() % 500));
    event.mutable_job_event()->mutable_job_label()->set_label(Name("//j", random() % 4));
    event.mutable_job_event()->add_target_partitions()->set_str(ref());
  }
  if (event.has_want_event()) {
    event.mutable_want_event()->set_want_id(Name("w", random() % 30));
    v1::PartitionRange& range = *event.mutable_want_event()->add_requested_ranges();
    range.set_ref("d1/t/date={d}");
    for (int i = 0; i < 3; ++i) {
      (*range.mutable_captures())["d"].add_values(std::to_string(random() % 90));
    }
  }
  if (event.has_taint_event()) {
    event.mutable_taint_event()->set_taint_id(Name("t", random() % 10));
    event.mutable_taint_event()->add_downstream_instances()->set_ref(ref());
  }
  return event;
}

v1::EventFilter Filter(std::mt19937_64& random) {
  static const char* const kGlobs[] = {"d1/t/date=1*", "d*/t/date=77", "**",    "d3/**",
                                       "**date=5?",    "nothing/*",    "?2/t/*"};
  v1::EventFilter filter;
  const auto ref = [&] {
    return "d" + std::to_string(random() % 9) + "/t/date=" + std::to_string(random() % 90);
  };
  if (random() % 3 == 0) filter.add_partition_refs(ref());
  if (random() % 5 == 0) filter.add_partition_refs(ref());
  if (random() % 3 == 0) filter.add_partition_patterns(kGlobs[random() % std::size(kGlobs)]);
  if (random() % 4 == 0) filter.add_job_labels(Name("//j", random() % 4));
  if (random() % 5 == 0) filter.add_job_run_ids(Name("r", random() % 500));
  if (random() % 4 == 0) filter.add_build_request_ids(Name("b", random() % 40));
  if (random() % 6 == 0) filter.add_want_ids(Name("w", random() % 30));
  if (random() % 6 == 0) filter.add_taint_ids(Name("t", random() % 10));
  return filter;
}

class FilteredPagesTest : public testing::Test {
 protected:
  // Written past the access layer: this history is not a legal one.
  FilteredPagesTest() {
    std::mt19937_64 random(11);
    const auto acquired = storage_.Acquire({"g", "test", "", false});
    CHECK(storage_.Initialize().ok() && acquired.ok());
    std::vector<StoredEvent> stored;
    for (int64_t idx = 1; idx <= kEvents; ++idx) {
      auto encoded = EncodeEvent(Event(random, idx));
      CHECK(encoded.ok());
      events_.push_back(encoded->payload);
      stored.push_back(std::move(encoded.value()));
    }
    CHECK(storage_.Append("g", acquired->epoch, 0, stored).ok());
    LogOptions options;
    options.storage = &storage_;
    options.graph = "g";
    options.clock = &clock_;
    options.tail_bytes = 1 << 19;  // the newer part: the rest is read from the storage
    log_ = OpenLog(options);
  }

  // idx of everything that pages from `since` on hold.
  std::vector<int64_t> Pages(const EventMatcher& matcher, int64_t since, int64_t limit) {
    std::vector<int64_t> found;
    ListRequest request;
    request.since_idx = since;
    request.limit = limit;
    request.matcher = std::make_shared<EventMatcher>(matcher);
    for (bool more = true; more;) {
      const auto raw = log_->ListEvents(request);
      CHECK(raw.ok());
      const v1::EventPage page = Decode(*raw);
      EXPECT_LE(page.events_size(), limit);
      EXPECT_GT(page.next_idx(), request.since_idx);
      for (const v1::BuildEvent& event : page.events()) {
        EXPECT_GT(event.idx(), request.since_idx);
        EXPECT_LE(event.idx(), page.next_idx());
        found.push_back(event.idx());
      }
      request.since_idx = page.next_idx();
      more = page.has_more();
    }
    EXPECT_EQ(request.since_idx, kEvents);
    return found;
  }

  MemoryStorage storage_;
  TickingClock clock_;
  std::vector<std::string> events_;  // encoded
  std::unique_ptr<EventLog> log_;
};

TEST_F(FilteredPagesTest, HoldWhatALookAtEveryEventGives) {
  std::mt19937_64 random(12);
  size_t found = 0;
  EventDecoder decoder;
  EventView view;
  for (int round = 0; round < 150; ++round) {
    const v1::EventFilter filter = Filter(random);
    const auto matcher = EventMatcher::Compile(filter);
    ASSERT_TRUE(matcher.ok());
    const auto since = static_cast<int64_t>(random() % 3 == 0 ? 0 : random() % kEvents);
    std::vector<int64_t> expected;
    for (const std::string& event : events_) {
      ASSERT_TRUE(decoder.Decode(event, view));
      if (view.idx > since && matcher->Matches(view)) expected.push_back(view.idx);
    }
    const int64_t limit = random() % 2 == 0 ? 7 : 1'000;
    ASSERT_EQ(Pages(*matcher, since, limit), expected)
        << filter.ShortDebugString() << " since " << since << " limit " << limit;
    found += expected.size();
  }
  EXPECT_GT(found, 3'000u);
  const FilteredPages pages = log_->filtered_pages();
  EXPECT_GT(pages.by_postings, 100u);  // both ways were taken
  EXPECT_GT(pages.by_scan, 100u);
}

TEST_F(FilteredPagesTest, AnExactNameIsAnsweredFromPostings) {
  v1::EventFilter filter;
  filter.add_job_run_ids("r17");
  const auto matcher = EventMatcher::Compile(filter);
  ASSERT_TRUE(matcher.ok());
  EXPECT_FALSE(Pages(*matcher, 0, 1'000).empty());
  EXPECT_EQ(log_->filtered_pages().by_postings, 1u);
  EXPECT_EQ(log_->filtered_pages().by_scan, 0u);
}

}  // namespace
}  // namespace databuild
