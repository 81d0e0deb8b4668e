#include "controller/api/log_methods.h"

#include <algorithm>

#include "bel/event_log.h"
#include "bel/query_page.h"
#include "controller/api/graph_source.h"
#include "controller/api/log_source.h"
#include "databuild/v1/databuild.pb.h"

namespace databuild {
namespace {

constexpr PageBounds kLines{1'000, 10'000};
constexpr std::chrono::milliseconds kFollowWait{1'000};

Status Check(const v1::JobLogsRequest& request) {
  if (request.job_run_id().empty()) return FieldError("job_run_id", "must name a run");
  if (request.since_timestamp() < 0)
    return FieldError("since_timestamp", "Unix nanoseconds, not negative");
  if (request.min_level() < v1::LogMessage::DEBUG || request.min_level() > v1::LogMessage::ERROR)
    return FieldError("min_level", "0 (DEBUG) to 3 (ERROR)");
  if (request.limit() > kLines.max_size)
    return FieldError("limit", "at most " + std::to_string(kLines.max_size));
  if (request.limit() != 0 && request.page_size() != 0)
    return FieldError("page_size", "give it or limit, not both");
  return {};
}

// The run as the graph's log knows it.
Result<LogPageRequest> FindRun(const Call& call, const std::string& run_id) {
  LogPageRequest page;
  page.graph = call.graph;
  page.run_id = run_id;
  bool found = false;
  call.source->Read(call.graph, false, [&](const QueryView& view) {
    const Index index = view.state.FindRun(run_id);
    if (index == kNone) return;
    const Run& run = view.state.run(index);
    found = true;
    page.run_live = view.state.RunLive(index);
    page.run_started = run.started_at != 0;
    page.run_ended_at = run.ended_at;
  });
  if (found) return page;
  return Error{Errc::kNotFound, "job run " + run_id + ": graph " + call.graph + " has no such run"};
}

// The part of a request that chooses lines; of which graph they are stands in the token's scope.
v1::JobLogsRequest WithoutPaging(const v1::JobLogsRequest& request) {
  v1::JobLogsRequest filter = request;
  filter.clear_limit();
  filter.clear_follow();
  filter.clear_graph();
  return filter;
}

// What is there now, with the token that goes on behind it.
Result<LogPage> ReadPage(const Call& call, const v1::JobLogsRequest& request) {
  RETURN_IF_ERROR(Check(request));
  LogSource* const logs = call.source->logs();
  if (logs == nullptr)
    return Error{Errc::kUnsupported, "this operator collects no logs: logs.enabled is false"};
  const std::string scope = "JobLogs/" + call.graph;
  const v1::JobLogsRequest filter = WithoutPaging(request);
  ASSIGN_OR_RETURN(const PageStart start, StartPage(filter, scope, kLines));
  ASSIGN_OR_RETURN(LogPageRequest wanted, FindRun(call, request.job_run_id()));
  if (start.after) {
    ASSIGN_OR_RETURN(const uint64_t position, PositionOf(start));
    wanted.after = static_cast<int64_t>(std::min<uint64_t>(position, INT64_MAX));
  }
  wanted.since = request.since_timestamp();
  wanted.min_level = request.min_level();
  wanted.limit = request.limit() != 0 ? request.limit() : start.size;
  ASSIGN_OR_RETURN(LogPage page, logs->ReadLog(wanted));
  if (!page.finished) {
    page.response.set_next_page_token(
        PageToken(filter, scope, PositionKey(static_cast<uint64_t>(page.next))));
  }
  return page;
}

// Woken by the run's end, or when the time is over.
Result<Outcome> WaitForLines(const Call& call, const std::string& run_id) {
  v1::EventFilter filter;
  filter.add_job_run_ids(run_id);
  ASSIGN_OR_RETURN(EventMatcher matcher, EventMatcher::Compile(filter));
  return Outcome(Wait{std::max(call.scanned_idx, call.log->head()),
                      std::make_shared<const EventMatcher>(std::move(matcher)), kFollowWait});
}

}  // namespace

Result<Outcome> HandleJobLogs(const Call& call) {
  const auto& request = static_cast<const v1::JobLogsRequest&>(*call.request);
  ASSIGN_OR_RETURN(LogPage page, ReadPage(call, request));
  const bool nothing = page.response.entries().empty() && !page.response.has_more();
  if (request.follow() && nothing && !page.finished && !call.last_try)
    return WaitForLines(call, request.job_run_id());
  return Outcome(Answer{std::make_shared<v1::JobLogsResponse>(std::move(page.response)), ""});
}

Result<v1::JobLogsResponse> FirstLogLines(const Call& call, const std::string& run_id) {
  v1::JobLogsRequest request;
  request.set_job_run_id(run_id);
  request.set_limit(kFirstLogLines);
  ASSIGN_OR_RETURN(LogPage page, ReadPage(call, request));
  return std::move(page.response);
}

}  // namespace databuild
