#include "controller/api/method_table.h"

#include "bel/event_log.h"
#include "bel/query.h"
#include "controller/api/event_methods.h"
#include "controller/api/graph_source.h"
#include "controller/api/http_message.h"
#include "controller/api/log_methods.h"
#include "controller/api/write_methods.h"
#include "databuild/v1/databuild.pb.h"

namespace databuild {
namespace {

constexpr char kService[] = "databuild.v1.DataBuildService";
constexpr char kGraphService[] = "databuild.v1.GraphService";
constexpr std::string_view kRestPrefix = "/api/v1/graphs/";

// A query over the fold as a handler. `reasons`: its answer explains, which depends on the time
// too, so it has no tag.
template <typename Request, typename Response>
MethodHandler Query(Result<Response> (*query)(const QueryView&, const Request&), bool reasons) {
  return [query, reasons](const Call& call) -> Result<Outcome> {
    Result<Response> response =
        Error{Errc::kNotFound, "graph " + call.graph + ": there is no such graph here"};
    call.source->Read(call.graph, reasons, [&](const QueryView& view) {
      response = query(view, static_cast<const Request&>(*call.request));
    });
    if (!response.ok()) return response.error();
    Answer answer;
    if (!reasons) answer.tag = call.log->log_id() + "-" + std::to_string(response->event_index());
    answer.message = std::make_shared<Response>(std::move(*response));
    return Outcome(std::move(answer));
  };
}

// The manifests of a finished run, from its last event; none where that has left the log.
void AddManifests(const EventLog& log, const PartitionMaker& maker,
                  v1::PartitionSummaryResponse& response) {
  ListRequest request;
  request.since_idx = maker.ended_idx - 1;
  request.limit = 1;
  const Result<RawPage> raw = log.ListEvents(request);
  v1::EventPage page;
  if (!raw.ok() || !page.ParseFromString(raw->Encode()) || page.events().empty()) return;
  const v1::JobEvent& event = page.events(0).job_event();
  if (event.job_run_id() == maker.run_id) *response.mutable_manifests() = event.manifests();
}

Result<Outcome> HandlePartitionSummary(const Call& call) {
  const auto& request = static_cast<const v1::PartitionSummaryRequest&>(*call.request);
  PartitionMaker maker;
  Result<v1::PartitionSummaryResponse> response =
      Error{Errc::kNotFound, "graph " + call.graph + ": there is no such graph here"};
  call.source->Read(call.graph, true, [&](const QueryView& view) {
    response = GetPartitionsSummary(view, request);
    maker = MakerOf(view.state, request.ref().str());
  });
  if (!response.ok()) return response.error();
  if (maker.ended_idx > 0) AddManifests(*call.log, maker, *response);
  return Outcome(Answer{std::make_shared<v1::PartitionSummaryResponse>(std::move(*response)), ""});
}

AccessQuestion Access(const char* verb, const char* resource, const char* subresource = "") {
  AccessQuestion question;
  question.verb = verb;
  question.resource = resource;
  question.subresource = subresource;
  return question;
}

std::vector<std::string_view> Segments(std::string_view path) {
  std::vector<std::string_view> segments;
  while (true) {
    const size_t slash = path.find('/');
    segments.push_back(path.substr(0, slash));
    if (slash == std::string_view::npos) return segments;
    path.remove_prefix(slash + 1);
  }
}

// The values of a template's variables; nullopt: the path is another one.
std::optional<std::vector<std::pair<std::string, std::string>>> MatchPath(
    std::string_view path_template, std::string_view path) {
  std::vector<std::pair<std::string, std::string>> values;
  const auto wanted = Segments(path_template);
  for (size_t i = 0; i < wanted.size(); ++i) {
    const bool rest = wanted[i].ends_with("*}");
    const size_t end = rest ? std::string_view::npos : path.find('/');
    const std::string_view segment = path.substr(0, end);
    if ((i + 1 == wanted.size()) != (end == std::string_view::npos)) return std::nullopt;
    path = end == std::string_view::npos ? std::string_view{} : path.substr(end + 1);
    if (!wanted[i].starts_with('{')) {
      if (segment != wanted[i]) return std::nullopt;
      continue;
    }
    auto value = PercentDecode(segment, false);
    if (!value || value->empty()) return std::nullopt;
    values.emplace_back(wanted[i].substr(1, wanted[i].size() - (rest ? 3 : 2)), std::move(*value));
  }
  return values;
}

}  // namespace

const Method* MethodTable::FindRpc(const std::string& path) const {
  for (const Method& method : methods_) {
    if (path == "/" + method.service + "/" + method.name) return &method;
  }
  return nullptr;
}

RestMatch MethodTable::FindRest(const std::string& verb, const std::string& path) const {
  RestMatch match;
  const std::string_view view(path);
  if (!view.starts_with(kRestPrefix)) return match;
  const std::string_view rest = view.substr(kRestPrefix.size());
  const size_t slash = rest.find('/');
  const auto graph = PercentDecode(rest.substr(0, slash), false);
  if (slash == std::string_view::npos || !graph || graph->empty()) return match;
  for (const Method& method : methods_) {
    if (method.rest_path.empty()) continue;
    auto values = MatchPath(method.rest_path, rest.substr(slash + 1));
    if (!values) continue;
    const std::string own = method.RestVerb();
    if ((verb == "HEAD" ? "GET" : verb) != own) {
      match.allow += (match.allow.empty() ? "" : ", ") + (own == "GET" ? "GET, HEAD" : own);
      continue;
    }
    match.allow.clear();
    match.method = &method;
    match.graph = *graph;
    match.values = std::move(*values);
    return match;
  }
  return match;
}

MethodTable MakeMethodTable() {
  using namespace v1;  // NOLINT: the requests of this table only
  return MethodTable({
      {kService, "Batched", "", "", AccessQuestion(), &BatchedRequest::default_instance(), nullptr},
      {kGraphService, "ListEvents", "events", "filter", Access("get", "datajobs", "events"),
       &ListEventsRequest::default_instance(), HandleListEvents},
      {kService, "GetBuildEvents", "", "", Access("get", "datajobs", "events"),
       &ListBuildEventsRequest::default_instance(), HandleGetBuildEvents},
      {kService, "ListPartitions", "partitions", "", Access("list", "datajobs"),
       &ListPartitionsRequest::default_instance(), Query(&ListPartitions, false)},
      {kService, "GetPartitionsSummary", "partitions/{ref*}", "", Access("get", "datajobs"),
       &PartitionSummaryRequest::default_instance(), HandlePartitionSummary},
      {kService, "ListWants", "wants", "", Access("list", "wants"),
       &ListWantsRequest::default_instance(), Query(&ListWants, false)},
      {kService, "GetWantSummary", "wants/{want_id}", "", Access("get", "wants"),
       &WantSummaryRequest::default_instance(), Query(&GetWantSummary, true)},
      {kService, "PutWants", "wants", "", Access("create", "wants"),
       &PutWantsRequest::default_instance(), HandlePutWants},
      {kService, "ListTaints", "taints", "", Access("list", "taints"),
       &ListTaintsRequest::default_instance(), Query(&ListTaints, false)},
      {kService, "GetTaintSummary", "taints/{taint_id}", "", Access("get", "taints"),
       &TaintSummaryRequest::default_instance(), Query(&GetTaintSummary, false)},
      {kService, "PutTaints", "taints", "", Access("create", "taints"),
       &PutTaintsRequest::default_instance(), HandlePutTaints},
      {kService, "ListBuildRequests", "builds", "", Access("list", "wants"),
       &ListBuildsRequest::default_instance(), Query(&ListBuildRequests, false)},
      {kService, "GetBuildSummary", "builds/{build_id}", "", Access("get", "wants"),
       &BuildSummaryRequest::default_instance(), Query(&GetBuildSummary, false)},
      {kService, "GetBuildMermaid", "builds/{build_id}/mermaid", "", Access("get", "wants"),
       &BuildSummaryRequest::default_instance(), Query(&GetBuildMermaid, false)},
      {kService, "ListJobs", "jobs", "", Access("list", "datajobs"),
       &ListJobsRequest::default_instance(), Query(&ListJobs, false)},
      {kService, "GetJobSummary", "jobs/{job_label*}", "", Access("get", "datajobs"),
       &JobSummaryRequest::default_instance(), Query(&GetJobSummary, false)},
      {kService, "GetJobRunSummary", "job_runs/{job_run_id}", "", Access("get", "datajobs"),
       &JobRunSummaryRequest::default_instance(), Query(&GetJobRunSummary, false)},
      {kGraphService, "JobLogs", "job_runs/{job_run_id}/logs", "", Access("get", "datajobs", "log"),
       &JobLogsRequest::default_instance(), HandleJobLogs},
      {kService, "ListJobRuns", "job_runs", "", Access("list", "datajobs"),
       &ListJobRunsRequest::default_instance(), Query(&ListJobRuns, false)},
  });
}

}  // namespace databuild
