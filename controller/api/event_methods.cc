#include "controller/api/event_methods.h"

#include <algorithm>

#include "bel/event_log.h"
#include "bel/query_page.h"
#include "controller/api/event_pages.h"
#include "databuild/v1/databuild.pb.h"

namespace databuild {
namespace {

// Events one request examines backwards; then it answers with what it has and a token.
constexpr int64_t kMaxBackwards = 50'000;
constexpr char kBackwardsScope[] = "GetBuildEvents/backwards/";

// `field` is what the request calls its filter; the matcher's own errors begin with "filter".
Result<std::shared_ptr<const EventMatcher>> MatcherOf(const std::string& field,
                                                      const v1::EventFilter& filter) {
  auto compiled = EventMatcher::Compile(filter);
  if (!compiled.ok()) {
    static constexpr std::string_view kOwnName = "filter";
    const std::string& message = compiled.error().message;
    return Error{compiled.error().code, message.starts_with(kOwnName)
                                            ? field + message.substr(kOwnName.size())
                                            : field + ": " + message};
  }
  if (compiled->matches_all()) return std::shared_ptr<const EventMatcher>();
  return std::shared_ptr<const EventMatcher>(std::make_shared<EventMatcher>(std::move(*compiled)));
}

Result<int64_t> LimitOf(const char* field, int64_t limit) {
  if (limit == 0) return kDefaultPageEvents;
  if (limit < 0 || limit > kMaxPageEvents) {
    return FieldError(field,
                      "1 to " + std::to_string(kMaxPageEvents) + ", got " + std::to_string(limit));
  }
  return limit;
}

Status CheckWait(int64_t wait_ms) {
  constexpr int64_t kMost = kMaxPageWait / kMillisecond;
  if (wait_ms >= 0 && wait_ms <= kMost) return {};
  return FieldError("wait_ms",
                    "0 to " + std::to_string(kMost) + ", got " + std::to_string(wait_ms));
}

struct Forwards {
  int64_t since_idx = 0;
  int64_t limit = kDefaultPageEvents;
  int64_t wait_ms = 0;
  std::shared_ptr<const EventMatcher> matcher;
};

// One page, or a wait when there is nothing to say and time left.
Result<std::variant<v1::EventPage, Wait>> ReadForwards(const Call& call, const Forwards& query) {
  ListRequest request;
  request.since_idx = std::max(query.since_idx, call.scanned_idx);
  request.limit = query.limit;
  request.matcher = query.matcher;
  ASSIGN_OR_RETURN(const RawPage raw, call.log->ListEvents(request));
  // A reader beyond the head has seen another log: it is told at once.
  const bool lost = query.since_idx > raw.head_idx;
  if (raw.count == 0 && !raw.has_more && query.wait_ms > 0 && !call.last_try && !lost) {
    return std::variant<v1::EventPage, Wait>(
        Wait{raw.next_idx, query.matcher, std::chrono::milliseconds(query.wait_ms)});
  }
  ASSIGN_OR_RETURN(v1::EventPage page, DecodePage(raw));
  return std::variant<v1::EventPage, Wait>(std::move(page));
}

// The time of the first event after `idx`; nullopt: there is none.
Result<std::optional<int64_t>> TimeAfter(const EventLog& log, int64_t idx) {
  ListRequest request;
  request.since_idx = idx;
  request.limit = 1;
  ASSIGN_OR_RETURN(const RawPage raw, log.ListEvents(request));
  ASSIGN_OR_RETURN(const v1::EventPage page, DecodePage(raw));
  if (page.events().empty()) return std::optional<int64_t>();
  return std::optional<int64_t>(page.events(0).timestamp());
}

// The largest idx whose event is not after `time`; times increase with idx. floor when all are.
Result<int64_t> LastIdxUntil(const EventLog& log, int64_t time) {
  int64_t low = log.floor(), high = log.head();
  while (low < high) {
    const int64_t middle = low + (high - low) / 2;
    ASSIGN_OR_RETURN(const std::optional<int64_t> next, TimeAfter(log, middle));
    if (next && *next <= time) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return low;
}

// The part of a request that chooses events: a token of one page size is good for another.
v1::ListBuildEventsRequest WithoutPaging(const v1::ListBuildEventsRequest& request) {
  v1::ListBuildEventsRequest filter = request;
  filter.clear_page_size();
  filter.clear_limit();
  filter.clear_wait_ms();
  return filter;
}

Answer AnswerOf(v1::ListBuildEventsResponse response, const EventLog& log) {
  response.set_event_index(log.head());
  response.set_floor_idx(log.floor());
  response.set_log_id(log.log_id());
  return {std::make_shared<v1::ListBuildEventsResponse>(std::move(response)), ""};
}

Result<Outcome> LastPageBelow(const Call& call, const v1::ListBuildEventsRequest& request,
                              const Forwards& query) {
  const std::string scope = kBackwardsScope + call.graph;
  const v1::ListBuildEventsRequest filter = WithoutPaging(request);
  ASSIGN_OR_RETURN(const PageStart start, StartPage(filter, scope));
  int64_t last_idx = 0;
  if (start.after) {
    ASSIGN_OR_RETURN(const uint64_t position, PositionOf(start));
    last_idx =
        static_cast<int64_t>(std::min<uint64_t>(position, static_cast<uint64_t>(call.log->head())));
  } else {
    const uint64_t bound = std::min<uint64_t>(request.max_timestamp_ns(), INT64_MAX);
    ASSIGN_OR_RETURN(last_idx, LastIdxUntil(*call.log, static_cast<int64_t>(bound) - 1));
  }
  ASSIGN_OR_RETURN(NewestEvents newest,
                   ReadNewest(*call.log, {.matcher = query.matcher,
                                          .last_idx = last_idx,
                                          .limit = static_cast<size_t>(query.limit),
                                          .most_looked_at = kMaxBackwards}));
  v1::ListBuildEventsResponse response;
  for (v1::BuildEvent& event : newest.events) *response.add_events() = std::move(event);
  response.set_next_idx(last_idx);
  const bool full = response.events_size() == query.limit;
  const int64_t left = full ? response.events(0).idx() - 1 : newest.from;
  response.set_has_more(left > call.log->floor());
  if (response.has_more()) {
    response.set_next_page_token(
        PageToken(filter, scope, PositionKey(static_cast<uint64_t>(left))));
  }
  return Outcome(AnswerOf(std::move(response), *call.log));
}

}  // namespace

Result<Outcome> HandleListEvents(const Call& call) {
  const auto& request = static_cast<const v1::ListEventsRequest&>(*call.request);
  if (request.since_idx() < 0)
    return FieldError("since_idx", "0 or the next_idx of the page before");
  RETURN_IF_ERROR(CheckWait(request.wait_ms()));
  Forwards query;
  query.since_idx = request.since_idx();
  query.wait_ms = request.wait_ms();
  ASSIGN_OR_RETURN(query.limit, LimitOf("limit", request.limit()));
  ASSIGN_OR_RETURN(query.matcher, MatcherOf("filter", request.filter()));
  ASSIGN_OR_RETURN(auto read, ReadForwards(call, query));
  if (auto* wait = std::get_if<Wait>(&read)) return Outcome(std::move(*wait));
  return Outcome(
      Answer{std::make_shared<v1::EventPage>(std::move(std::get<v1::EventPage>(read))), ""});
}

Result<Outcome> HandleGetBuildEvents(const Call& call) {
  const auto& request = static_cast<const v1::ListBuildEventsRequest&>(*call.request);
  const bool backwards = request.max_timestamp_ns() != 0;
  if (backwards && request.min_timestamp_ns() != 0) {
    return FieldError("max_timestamp_ns", "give it or min_timestamp_ns, not both");
  }
  if (request.since_idx() < 0)
    return FieldError("since_idx", "0 or the next_idx of the page before");
  if (request.since_idx() != 0 && (backwards || request.min_timestamp_ns() != 0)) {
    return FieldError("since_idx", "give it or a time bound, not both");
  }
  if (request.limit() != 0 && request.page_size() != 0)
    return FieldError("page_size", "give it or limit, not both");
  RETURN_IF_ERROR(CheckWait(request.wait_ms()));
  Forwards query;
  query.wait_ms = request.wait_ms();
  ASSIGN_OR_RETURN(query.limit, request.page_size() != 0 ? LimitOf("page_size", request.page_size())
                                                         : LimitOf("limit", request.limit()));
  ASSIGN_OR_RETURN(query.matcher, MatcherOf("filters", request.filters()));
  if (backwards) {
    if (request.wait_ms() != 0) return FieldError("wait_ms", "only without max_timestamp_ns");
    return LastPageBelow(call, request, query);
  }
  const std::string scope = "GetBuildEvents/" + call.graph;
  const v1::ListBuildEventsRequest filter = WithoutPaging(request);
  ASSIGN_OR_RETURN(const PageStart start, StartPage(filter, scope));
  query.since_idx = request.since_idx();
  if (start.after) {
    ASSIGN_OR_RETURN(const uint64_t position, PositionOf(start));
    query.since_idx = static_cast<int64_t>(position);
  } else if (request.min_timestamp_ns() != 0) {
    const uint64_t bound = std::min<uint64_t>(request.min_timestamp_ns(), INT64_MAX);
    ASSIGN_OR_RETURN(query.since_idx, LastIdxUntil(*call.log, static_cast<int64_t>(bound)));
  }
  ASSIGN_OR_RETURN(auto read, ReadForwards(call, query));
  if (auto* wait = std::get_if<Wait>(&read)) return Outcome(std::move(*wait));
  v1::EventPage& page = std::get<v1::EventPage>(read);
  v1::ListBuildEventsResponse response;
  response.mutable_events()->Swap(page.mutable_events());
  response.set_has_more(page.has_more());
  response.set_next_idx(page.next_idx());
  if (page.has_more()) {
    response.set_next_page_token(
        PageToken(filter, scope, PositionKey(static_cast<uint64_t>(page.next_idx()))));
  }
  return Outcome(AnswerOf(std::move(response), *call.log));
}

}  // namespace databuild
