#include "controller/api/method_table.h"

#include "bel/query.h"
#include "bel/query_builds.h"
#include "bel/query_v1_lists.h"
#include "controller/api/answers.h"
#include "controller/api/detail_methods.h"
#include "controller/api/event_methods.h"
#include "controller/api/graph_source.h"
#include "controller/api/http_message.h"
#include "controller/api/log_methods.h"
#include "controller/api/plan_methods.h"
#include "controller/api/write_methods.h"
#include "databuild/v1/databuild.pb.h"

namespace databuild {
namespace {

constexpr char kService[] = "databuild.v1.DataBuildService";
constexpr char kGraphService[] = "databuild.v1.GraphService";
constexpr std::string_view kRestPrefix = "/api/v1/graphs/";

// A query over the fold as a handler, tagged with the position that its answer reflects.
template <typename Request, typename Response>
MethodHandler Query(Result<Response> (*query)(const QueryView&, const Request&)) {
  return [query](const Call& call) -> Result<Outcome> {
    ASSIGN_OR_RETURN(Response response, AskFold(call, false, [&](const QueryView& view) {
                       return query(view, static_cast<const Request&>(*call.request));
                     }));
    return TaggedAnswer(call, std::move(response));
  };
}

// Says how the log is too, which changes without events.
Result<Outcome> HandleActivity(const Call& call) {
  ASSIGN_OR_RETURN(auto response, AskFold(call, false, [](const QueryView& view) {
                     return Result<v1::ActivityResponse>(GetActivity(view));
                   }));
  return PlainAnswer(std::move(response));
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

Status Call::Read(bool reasons, const std::function<void(const QueryView&)>& read) const {
  if (source->Read(graph, reasons, read)) return {};
  return NoSuchGraph(graph);
}

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
       &ListPartitionsRequest::default_instance(), Query(&ListPartitions)},
      {kService, "GetPartitionsSummary", "partitions/{ref*}", "", Access("get", "datajobs"),
       &PartitionSummaryRequest::default_instance(), HandlePartitionSummary},
      {kService, "ListWants", "wants", "", Access("list", "wants"),
       &ListWantsRequest::default_instance(), Query(&ListWants)},
      {kService, "GetWantSummary", "wants/{want_id}", "", Access("get", "wants"),
       &WantSummaryRequest::default_instance(), HandleWantSummary},
      {kService, "PutWants", "wants", "", Access("create", "wants"),
       &PutWantsRequest::default_instance(), HandlePutWants},
      {kService, "ListTaints", "taints", "", Access("list", "taints"),
       &ListTaintsRequest::default_instance(), Query(&ListTaints)},
      {kService, "GetTaintSummary", "taints/{taint_id}", "", Access("get", "taints"),
       &TaintSummaryRequest::default_instance(), Query(&GetTaintSummary)},
      {kService, "PutTaints", "taints", "", Access("create", "taints"),
       &PutTaintsRequest::default_instance(), HandlePutTaints},
      {kService, "ListBuildRequests", "builds", "", Access("list", "wants"),
       &ListBuildsRequest::default_instance(), Query(&ListBuildRequests)},
      {kService, "GetBuildSummary", "builds/{build_id}", "", Access("get", "wants"),
       &BuildSummaryRequest::default_instance(), HandleBuildSummary},
      {kService, "GetBuildMermaid", "builds/{build_id}/mermaid", "", Access("get", "wants"),
       &BuildSummaryRequest::default_instance(), Query(&GetBuildMermaid)},
      {kService, "ListJobs", "jobs", "", Access("list", "datajobs"),
       &ListJobsRequest::default_instance(), Query(&ListJobs)},
      {kService, "GetJobSummary", "jobs/{job_label*}", "", Access("get", "datajobs"),
       &JobSummaryRequest::default_instance(), Query(&GetJobSummary)},
      {kService, "GetJobRunSummary", "job_runs/{job_run_id}", "", Access("get", "datajobs"),
       &JobRunSummaryRequest::default_instance(), HandleJobRunSummary},
      {kGraphService, "JobLogs", "job_runs/{job_run_id}/logs", "", Access("get", "datajobs", "log"),
       &JobLogsRequest::default_instance(), HandleJobLogs},
      {kService, "ListJobRuns", "job_runs", "", Access("list", "datajobs"),
       &ListJobRunsRequest::default_instance(), Query(&ListJobRuns)},
      {kGraphService, "GetActivity", "activity", "", Access("list", "wants"),
       &ActivityRequest::default_instance(), HandleActivity},
      {kGraphService, "PartitionsList", "lists/partitions", "", Access("list", "datajobs"),
       &PartitionsListRequest::default_instance(), Query(&PartitionsList)},
      {kGraphService, "JobsList", "lists/jobs", "", Access("list", "datajobs"),
       &JobsListRequest::default_instance(), Query(&JobsList)},
      {kGraphService, "JobRunsList", "lists/job_runs", "", Access("list", "datajobs"),
       &JobRunsListRequest::default_instance(), Query(&JobRunsList)},
      {kGraphService, "BuildsList", "lists/builds", "", Access("list", "wants"),
       &BuildsListRequest::default_instance(), Query(&BuildsList)},
      {kGraphService, "PartitionDetail", "details/partitions/{partition_ref*}", "",
       Access("get", "datajobs"), &PartitionDetailRequest::default_instance(),
       HandlePartitionDetail},
      {kGraphService, "JobDetail", "details/jobs/{job_label*}", "", Access("get", "datajobs"),
       &JobDetailRequest::default_instance(), Query(&JobDetail)},
      {kGraphService, "JobRunDetail", "details/job_runs/{job_run_id}", "",
       Access("get", "datajobs"), &JobRunDetailRequest::default_instance(), HandleJobRunDetail},
      {kGraphService, "BuildDetail", "details/builds/{build_request_id}", "",
       Access("get", "wants"), &BuildDetailRequest::default_instance(), HandleBuildDetail},
      {"databuild.v1.GraphLookup", "Lookup", "lookup", "", Access("list", "datajobs"),
       &GraphLookupRequest::default_instance(), HandleLookup},
      {"databuild.v1.GraphAnalyze", "Analyze", "plan", "", Access("list", "datajobs"),
       &GraphAnalyzeRequest::default_instance(), HandleAnalyze},
      {"databuild.v1.JobConfigure", "Configure", "configure", "", Access("get", "datajobs"),
       &JobConfigureRequest::default_instance(), HandleConfigure},
  });
}

}  // namespace databuild
