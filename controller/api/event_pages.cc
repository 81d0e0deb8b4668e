#include "controller/api/event_pages.h"

#include <algorithm>
#include <iterator>
#include <vector>

#include "bel/event_log.h"
#include "bel/query_events.h"

namespace databuild {
namespace {

// Positions of the first step back. Each further step is twice as long: few matches are far apart.
constexpr int64_t kFirstStep = 2'000;

// The matching events of (low, high], in order.
Result<std::vector<v1::BuildEvent>> ReadRange(const EventLog& log, const NewestQuery& query,
                                              int64_t low, int64_t high) {
  std::vector<v1::BuildEvent> events;
  for (int64_t since = low; since < high;) {
    ListRequest request;
    request.since_idx = since;
    request.limit = std::min(kMaxPageEvents, high - since);
    request.matcher = query.matcher;
    ASSIGN_OR_RETURN(const RawPage raw, log.ListEvents(request));
    ASSIGN_OR_RETURN(v1::EventPage page, DecodePage(raw));
    for (v1::BuildEvent& event : *page.mutable_events()) {
      if (event.idx() > high) return events;
      events.push_back(std::move(event));
    }
    since = std::max(raw.next_idx, since + 1);
  }
  return events;
}

}  // namespace

Result<v1::EventPage> DecodePage(const RawPage& raw) {
  v1::EventPage page;
  if (!page.ParseFromString(raw.Encode())) {
    return Error{Errc::kCorrupt,
                 "decode events up to " + std::to_string(raw.next_idx) + " of log " + raw.log_id};
  }
  for (v1::BuildEvent& event : *page.mutable_events()) FillNames(event);
  return page;
}

Result<NewestEvents> ReadNewest(const EventLog& log, const NewestQuery& query) {
  NewestEvents newest;
  const int64_t last = std::min(query.last_idx, log.head());
  const int64_t first = std::max(query.since_idx, log.floor());
  int64_t high = last;
  size_t read = 0;
  for (int64_t step = kFirstStep; high > first; step *= 2) {
    if (newest.events.size() >= query.limit || last - high >= query.most_looked_at ||
        read >= query.most_read) {
      break;
    }
    const int64_t low = std::max(first, high - step);
    ASSIGN_OR_RETURN(std::vector<v1::BuildEvent> events, ReadRange(log, query, low, high));
    read += events.size();
    if (query.keep) std::erase_if(events, [&](const auto& event) { return !query.keep(event); });
    newest.events.insert(newest.events.begin(), std::make_move_iterator(events.begin()),
                         std::make_move_iterator(events.end()));
    high = low;
  }
  while (newest.events.size() > query.limit) {
    high = newest.events.front().idx();
    newest.events.pop_front();
  }
  newest.from = high;
  newest.cut = high > first;
  return newest;
}

}  // namespace databuild
