// Events and logs for the tests of EventLog.
#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include "bel/event_log.h"
#include "bel/ids.h"

namespace databuild {

// Moves by one microsecond each time it is read.
class TickingClock final : public Clock {
 public:
  TimeNs Now() const override { return now_.fetch_add(1'000); }
  void Set(TimeNs now) { now_ = now; }

 private:
  mutable std::atomic<TimeNs> now_ = 1'736'035'200 * kSecond;
};

inline std::string EventId(const std::string& name) {
  return UuidV5("6ba7b810-9dad-11d1-80b4-00c04fd430c8", {name});
}

// A want accepted: legal as the first event of its entity.
inline v1::BuildEvent WantCreated(const std::string& want, const std::string& ref = "a/b") {
  v1::BuildEvent event;
  event.set_event_id(EventId(want + "/created"));
  event.mutable_want_event()->set_want_id(want);
  event.mutable_want_event()->set_lifecycle(v1::WANT_CREATED);
  event.mutable_want_event()->add_requested_partitions()->set_str(ref);
  return event;
}

inline v1::BuildEvent WantMoved(const std::string& want, v1::WantLifecycle to, int n = 1) {
  v1::BuildEvent event;
  event.set_event_id(EventId(want + "/" + std::to_string(to) + "/" + std::to_string(n)));
  event.mutable_want_event()->set_want_id(want);
  event.mutable_want_event()->set_lifecycle(to);
  return event;
}

// A partition from its request to its data, by one run.
inline std::vector<v1::BuildEvent> PartitionMade(const std::string& ref) {
  std::vector<v1::BuildEvent> events;
  const auto add = [&]() -> v1::BuildEvent& {
    events.emplace_back().set_event_id(EventId(ref + "/" + std::to_string(events.size())));
    return events.back();
  };
  const auto instance = [&](v1::PartitionStatus to) {
    v1::PartitionEvent& event = *add().mutable_partition_event();
    event.mutable_partition_ref()->set_str(ref);
    event.set_instance_id(ref + "#1");
    event.set_ordinal(1);
    event.set_status_code(to);
    event.set_job_run_id(ref + "#run");
  };
  const auto run = [&](v1::JobStatus to) {
    v1::JobEvent& event = *add().mutable_job_event();
    event.set_job_run_id(ref + "#run");
    event.mutable_job_label()->set_label("maker");
    event.set_status_code(to);
    event.add_instance_ids(ref + "#1");
    event.add_target_partitions()->set_str(ref);
  };
  instance(v1::PARTITION_REQUESTED);
  instance(v1::PARTITION_ANALYZED);
  run(v1::JOB_SCHEDULED);
  instance(v1::PARTITION_BUILDING);
  run(v1::JOB_COMPLETED);
  instance(v1::PARTITION_AVAILABLE);
  return events;
}

inline std::unique_ptr<EventLog> OpenLog(LogOptions options) {
  auto log = EventLog::Open(std::move(options));
  CHECK(log.ok());
  return std::move(log.value());
}

inline v1::EventPage Decode(const RawPage& raw) {
  v1::EventPage page;
  CHECK(page.ParseFromString(raw.Encode()));
  return page;
}

// Every event of the log, in pages of `limit`.
inline std::vector<v1::BuildEvent> ReadWhole(const EventLog& log,
                                             int64_t limit = kDefaultPageEvents) {
  std::vector<v1::BuildEvent> events;
  ListRequest request;
  request.limit = limit;
  while (true) {
    const auto raw = log.ListEvents(request);
    CHECK(raw.ok());
    const v1::EventPage page = Decode(*raw);
    events.insert(events.end(), page.events().begin(), page.events().end());
    request.since_idx = page.next_idx();
    if (!page.has_more()) return events;
  }
}

}  // namespace databuild
