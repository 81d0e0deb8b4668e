#include "controller/api/detail_methods.h"

#include <algorithm>

#include "bel/query_timelines.h"
#include "bel/query_v1_lists.h"
#include "controller/api/answers.h"
#include "controller/api/event_pages.h"
#include "controller/api/log_methods.h"
#include "databuild/v1/databuild.pb.h"

namespace databuild {
namespace {

constexpr size_t kIncludedEvents = 100;
constexpr size_t kTimelineEvents = 1'000;

// What one thing's events are looked for by, and where in the log they begin and end.
struct EventsOf {
  v1::EventFilter filter;
  int64_t since_idx = 0;         // exclusive
  int64_t last_idx = INT64_MAX;  // inclusive
};

template <typename Request>
bool Includes(const Request& request, std::string_view word) {
  return std::find(request.include().begin(), request.include().end(), word) !=
         request.include().end();
}

Result<NewestQuery> QueryOf(const EventsOf& of, size_t limit) {
  ASSIGN_OR_RETURN(EventMatcher matcher, EventMatcher::Compile(of.filter));
  NewestQuery query;
  query.matcher = std::make_shared<const EventMatcher>(std::move(matcher));
  query.since_idx = of.since_idx;
  query.last_idx = of.last_idx;
  query.limit = limit;
  return query;
}

template <typename Response>
Status AddEvents(const EventLog& log, const EventsOf& of, Response& response) {
  ASSIGN_OR_RETURN(const NewestQuery query, QueryOf(of, kIncludedEvents));
  ASSIGN_OR_RETURN(NewestEvents newest, ReadNewest(log, query));
  for (v1::BuildEvent& event : newest.events) *response.add_events() = std::move(event);
  return {};
}

// `id`: of the thing, as ToTimeline takes it.
template <typename Response>
Status AddTimeline(const EventLog& log, const EventsOf& of, const std::string& id,
                   Response& response) {
  ASSIGN_OR_RETURN(NewestQuery query, QueryOf(of, kTimelineEvents));
  auto* timeline = response.mutable_timeline();
  using Entry = std::remove_reference_t<decltype(*timeline->Add())>;
  query.keep = [&](const v1::BuildEvent& event) {
    Entry entry;
    return ToTimeline(event, id, entry);
  };
  ASSIGN_OR_RETURN(const NewestEvents newest, ReadNewest(log, query));
  for (const v1::BuildEvent& event : newest.events) ToTimeline(event, id, *timeline->Add());
  response.set_timeline_cut(newest.cut);
  return {};
}

// The manifests of a finished run, from its last event; none where that has left the log.
template <typename Response>
void AddManifests(const EventLog& log, const PartitionMaker& maker, Response& response) {
  if (maker.ended_idx == 0) return;
  ListRequest request;
  request.since_idx = maker.ended_idx - 1;
  request.limit = 1;
  const Result<RawPage> raw = log.ListEvents(request);
  v1::EventPage page;
  if (!raw.ok() || !page.ParseFromString(raw->Encode()) || page.events().empty()) return;
  const v1::JobEvent& event = page.events(0).job_event();
  if (event.job_run_id() == maker.run_id) *response.mutable_manifests() = event.manifests();
}

EventsOf EventsOfRun(const BuildState& state, const std::string& id) {
  EventsOf of{JobRunTimelineFilter(id)};
  const Index run = state.FindRun(id);
  if (run == kNone || state.run(run).scheduled_idx == 0) return of;
  of.since_idx = state.run(run).scheduled_idx - 1;
  return of;
}

EventsOf EventsOfBuild(const BuildState& state, const std::string& id) {
  EventsOf of{BuildTimelineFilter(id)};
  const Index build = state.FindBuild(id);
  if (build == kNone || state.build(build).received_idx == 0) return of;
  of.since_idx = state.build(build).received_idx - 1;
  return of;
}

}  // namespace

Result<Outcome> HandlePartitionSummary(const Call& call) {
  const auto& request = static_cast<const v1::PartitionSummaryRequest&>(*call.request);
  const std::string& ref = request.ref().str();
  PartitionMaker maker;
  ASSIGN_OR_RETURN(auto response, AskFold(call, true, [&](const QueryView& view) {
                     maker = MakerOf(view.state, ref);
                     return GetPartitionsSummary(view, request);
                   }));
  AddManifests(*call.log, maker, response);
  if (Includes(request, "events"))
    RETURN_IF_ERROR(AddEvents(*call.log, {PartitionTimelineFilter(ref)}, response));
  return PlainAnswer(std::move(response));
}

Result<Outcome> HandleWantSummary(const Call& call) {
  const auto& request = static_cast<const v1::WantSummaryRequest&>(*call.request);
  EventsOf of;
  of.filter.add_want_ids(request.want_id());
  ASSIGN_OR_RETURN(auto response, AskFold(call, true, [&](const QueryView& view) {
                     const Index want = view.state.FindWant(request.want_id());
                     if (want != kNone)
                       of.since_idx = std::max<int64_t>(0, view.state.want(want).created_idx - 1);
                     return GetWantSummary(view, request);
                   }));
  if (Includes(request, "events")) RETURN_IF_ERROR(AddEvents(*call.log, of, response));
  return PlainAnswer(std::move(response));
}

Result<Outcome> HandleBuildSummary(const Call& call) {
  const auto& request = static_cast<const v1::BuildSummaryRequest&>(*call.request);
  EventsOf of;
  ASSIGN_OR_RETURN(auto response, AskFold(call, false, [&](const QueryView& view) {
                     of = EventsOfBuild(view.state, request.build_id());
                     return GetBuildSummary(view, request);
                   }));
  if (Includes(request, "events")) RETURN_IF_ERROR(AddEvents(*call.log, of, response));
  return TaggedAnswer(call, std::move(response));
}

Result<Outcome> HandleJobRunSummary(const Call& call) {
  const auto& request = static_cast<const v1::JobRunSummaryRequest&>(*call.request);
  EventsOf of;
  PartitionMaker maker;
  ASSIGN_OR_RETURN(auto response, AskFold(call, false, [&](const QueryView& view) {
                     of = EventsOfRun(view.state, request.job_run_id());
                     const Index run = view.state.FindRun(request.job_run_id());
                     if (run != kNone && view.state.run(run).status == v1::JOB_COMPLETED)
                       maker = {request.job_run_id(), view.state.run(run).last_idx};
                     return GetJobRunSummary(view, request);
                   }));
  AddManifests(*call.log, maker, response);
  if (Includes(request, "events")) RETURN_IF_ERROR(AddEvents(*call.log, of, response));
  if (!Includes(request, "logs")) return TaggedAnswer(call, std::move(response));
  ASSIGN_OR_RETURN(*response.mutable_logs(), FirstLogLines(call, request.job_run_id()));
  return PlainAnswer(std::move(response));
}

Result<Outcome> HandlePartitionDetail(const Call& call) {
  const auto& request = static_cast<const v1::PartitionDetailRequest&>(*call.request);
  const std::string& ref = request.partition_ref().str();
  ASSIGN_OR_RETURN(auto response, AskFold(call, false, [&](const QueryView& view) {
                     return PartitionDetail(view, request);
                   }));
  RETURN_IF_ERROR(AddTimeline(*call.log, {PartitionTimelineFilter(ref)}, ref, response));
  return TaggedAnswer(call, std::move(response));
}

Result<Outcome> HandleJobRunDetail(const Call& call) {
  const auto& request = static_cast<const v1::JobRunDetailRequest&>(*call.request);
  EventsOf of;
  ASSIGN_OR_RETURN(auto response, AskFold(call, false, [&](const QueryView& view) {
                     of = EventsOfRun(view.state, request.job_run_id());
                     return JobRunDetail(view, request);
                   }));
  RETURN_IF_ERROR(AddTimeline(*call.log, of, request.job_run_id(), response));
  for (const v1::JobRunTimelineEvent& entry : response.timeline()) {
    if (entry.has_cancel_reason()) response.set_cancel_reason(entry.cancel_reason());
  }
  return TaggedAnswer(call, std::move(response));
}

Result<Outcome> HandleBuildDetail(const Call& call) {
  const auto& request = static_cast<const v1::BuildDetailRequest&>(*call.request);
  EventsOf of;
  ASSIGN_OR_RETURN(auto response, AskFold(call, false, [&](const QueryView& view) {
                     of = EventsOfBuild(view.state, request.build_request_id());
                     return BuildDetail(view, request);
                   }));
  RETURN_IF_ERROR(AddTimeline(*call.log, of, request.build_request_id(), response));
  return TaggedAnswer(call, std::move(response));
}

}  // namespace databuild
