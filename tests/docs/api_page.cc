#include "tests/docs/api_page.h"

#include <google/protobuf/descriptor.pb.h>

#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <sstream>
#include <vector>

#include "bel/base/check.h"
#include "bel/event_log.h"
#include "controller/api/api_server.h"
#include "controller/api/graph_source.h"
#include "controller/api/method_table.h"
#include "controller/api/plan_source.h"
#include "controller/api/test_client.h"
#include "controller/planner/plan_answers.h"
#include "proto/descriptor_set.h"
#include "tests/support/planner_world.h"

namespace databuild {
namespace {

using Json = nlohmann::json;

constexpr char kIntro[] = R"(# The API

Everything the operator knows, by plain HTTP: what is there, what is not and why, who made what from what. This page is made
from the method table and checked by a test; [who may call](api-access.md) is a page of its own.

Two doors lead to the same methods. **REST**: `GET /api/v1/graphs/GRAPH/...` with fields as query parameters, `POST` for
wants and taints. **RPC**: `POST /databuild.v1.SERVICE/METHOD` with a JSON or binary protobuf body: the Connect protocol, so
any Connect client works, and `curl`. `GET /api/v1/openapi.json` describes both; the messages and their fields are in
[databuild.proto](../proto/databuild/v1/databuild.proto). A graph is a Kubernetes namespace; in RPC it is the field `graph` or the
header `databuild-graph`, and may be left out while there is one.

## Rules of every list

- Pages of 50 rows, at most 500 (`page_size`); events 1,000 and 10,000 (`limit`). `has_more` and `next_page_token` lead on. A
  token is good for the same filters only. A walk over all pages yields each row that was there at its start exactly once, also
  while others come in.
- Filters are ANDed between fields and ORed inside one. A misspelt field, an unknown status, a bad pattern is an error that
  names the field; never a wider answer.
- `total_count` is exact where `total_count_known` says so. A request examines at most 50,000 rows; then its page is short, and
  `has_more`.
- Times are Unix nanoseconds; numbers of 64 bits are strings in JSON. Beside the important ones stands the same as RFC 3339.
- Errors are `{"code", "message", "details"}`; the message begins with the field it is about.
- `ETag` names the state an answer reflects: with `If-None-Match` the same state is answered 304, without a body. With
  `Accept-Encoding: gzip` long answers are compressed. `databuild-min-index: N` waits up to 2 s until the answer reflects event N.
  `databuild-stale-seconds` in an answer says that the log cannot be reached, and for how long.
- `include=events` and `include=logs` add to a summary what else is asked for by itself, for those who may ask for it.

)";

constexpr char kExamplesIntro[] = R"(## Examples

The graph `sales` has two DataJobs: `load` makes `raw/DATE`, `revenue` makes `revenue/DATE` from it. A Want
named `week` asks for two days; on the second one the load fails.
)";

// What an example does: a sentence, a request, an answer.
struct Example {
  const char* title;
  const char* text;
  const char* method;
  std::string path;
  std::string body;
  std::vector<const char*> only;  // fields of the answer to show; empty: all
};

// The world's one graph.
class WorldGraphs final : public GraphSource, public PlanSource {
 public:
  explicit WorldGraphs(const PlannerWorld& world) : world_(world) {}
  std::vector<std::string> Graphs() const override { return {"sales"}; }
  std::shared_ptr<const EventLog> Log(const std::string& graph) const override {
    if (graph != "sales") return nullptr;
    return {std::shared_ptr<void>(), &world_.event_log()};
  }
  bool Read(const std::string& graph, bool reasons,
            const std::function<void(const QueryView&)>& read) const override {
    if (graph != "sales") return false;
    world_.Ask([&](const BuildState& state, const Planner* planner) {
      QueryView view{state, graph, {}};
      if (reasons) {
        view.explain = [&](Index want, Index partition) {
          return ToProto(planner->Explain(want, partition, world_.clock.now));
        };
      }
      read(view);
    });
    return true;
  }
  const PlanSource* plans() const override { return this; }
  Result<v1::GraphLookupResponse> Lookup(const std::string&,
                                         const std::vector<std::string>& refs) const override {
    Result<v1::GraphLookupResponse> answer = Error{};
    world_.Ask([&](const BuildState& state, const Planner* planner) {
      answer = LookupJobs(state, planner->catalogue(), refs);
    });
    return answer;
  }
  Result<v1::GraphAnalyzeResponse> Analyze(const std::string&,
                                           const std::vector<std::string>& refs) const override {
    Result<v1::GraphAnalyzeResponse> answer = Error{};
    world_.Ask([&](const BuildState& state, const Planner* planner) {
      answer = AnalyzePlan(state, planner->catalogue(), refs);
    });
    return answer;
  }
  Result<v1::JobConfigureResponse> Configure(const std::string&,
                                             const std::vector<std::string>& refs) const override {
    Result<v1::JobConfigureResponse> answer = Error{};
    world_.Ask([&](const BuildState&, Planner* planner) { answer = planner->Configure(refs); });
    return answer;
  }

 private:
  const PlannerWorld& world_;
};

// One line each of databuild.proto's rpcs, by "Service.Method".
std::map<std::string, std::string> Comments() {
  google::protobuf::FileDescriptorSet set;
  CHECK(set.ParseFromString(std::string(DescriptorSet())));
  std::map<std::string, std::string> comments;
  for (const auto& file : set.file()) {
    for (const auto& location : file.source_code_info().location()) {
      // service (6) i, method (2) k
      if (location.path_size() != 4 || location.path(0) != 6 || location.path(2) != 2) continue;
      const auto& service = file.service(location.path(1));
      std::string text;
      for (const char c : location.leading_comments()) text += c == '\n' ? ' ' : c;
      while (!text.empty() && text.back() == ' ') text.pop_back();
      while (!text.empty() && text.front() == ' ') text.erase(0, 1);
      comments[file.package() + "." + service.name() + "." +
               service.method(location.path(3)).name()] = text;
    }
  }
  return comments;
}

void WriteMethods(std::ostream& out) {
  const std::map<std::string, std::string> comments = Comments();
  const MethodTable table = MakeMethodTable();
  out << "## Methods\n\n`{name*}` takes the rest of the path, with its slashes.\n";
  std::string service;
  for (const char* wanted :
       {"DataBuildService", "GraphService", "GraphLookup", "GraphAnalyze", "JobConfigure"}) {
    out << "\n### " << wanted << "\n\n| method | REST | right | |\n| --- | --- | --- | --- |\n";
    for (const Method& method : table.methods()) {
      if (method.service != std::string("databuild.v1.") + wanted) continue;
      const AccessQuestion& access = method.access;
      out << "| " << method.name << " | "
          << (method.rest_path.empty()
                  ? std::string("")
                  : (method.Writes() ? "POST `" : "`") + method.rest_path + "`")
          << " | "
          << (access.verb.empty()
                  ? "of each entry"
                  : access.verb + " " + access.resource +
                        (access.subresource.empty() ? "" : "/" + access.subresource))
          << " | " << comments.at(method.service + "." + method.name) << " |\n";
    }
  }
  out << "\n";
}

// What is shown of an answer: JSON, indented; else the text as it is.
std::string Shown(const std::string& body, const std::vector<const char*>& only) {
  const Json json = Json::parse(body, nullptr, false);
  if (json.is_discarded()) return body;
  if (only.empty()) return json.dump(2) + "\n";
  Json part = Json::object();
  for (const char* field : only) part[field] = json.at(field);
  return part.dump(2) + "\n";
}

void WriteExamples(std::ostream& out, PlannerWorld& world) {
  const WorldGraphs graphs(world);
  AuthOptions auth_options;
  auth_options.mode = AuthMode::kOff;
  auth_options.listen_address = "127.0.0.1";
  auto auth = MakeAuthenticator(auth_options);
  CHECK(auth.ok());
  ApiServerOptions options;
  options.service.graphs = &graphs;
  options.service.auth = auth->get();
  auto server = ApiServer::Start(options);
  CHECK(server.ok());
  TestClient client((*server)->port());
  const std::string want = world.WantOf("week").id.str();
  const std::string build = world.state().build(world.WantOf("week").builds.front()).id.str();
  const std::string graph = "/api/v1/graphs/sales/";
  const Example examples[] = {
      {"Why is my Want not ready?",
       "One reason for every partition that is not there, with the chain that leads to its root.",
       "GET",
       graph + "wants/" + want,
       "",
       {"event_index", "has_more"}},
      {"The same, the reasons alone",
       "A caller that wants less asks by RPC or picks fields.",
       "POST",
       "/databuild.v1.DataBuildService/GetWantSummary",
       "{\"wantId\": \"" + want + "\"}",
       {"want"}},
      {"Which partitions are not there?",
       "",
       "GET",
       graph + "partitions?partition_status=failed&page_size=1",
       "",
       {}},
      {"What is known of a partition?",
       "Its instances, what it was made from, what was made from it.",
       "GET",
       graph + "partitions/raw%2F2025-01-01",
       "",
       {"instances", "downstream", "upstream"}},
      {"What would be done if I asked for this?",
       "The planner's own answer, and nothing is changed.",
       "GET",
       graph + "plan?partition=revenue/2025-01-03&partition=raw/2025-01-01",
       "",
       {"graph", "delegations", "unproducible"}},
      {"Which runs failed, and how?",
       "",
       "GET",
       graph + "job_runs?status=failed&page_size=1",
       "",
       {}},
      {"What happened to a build?", "", "GET", graph + "details/builds/" + build, "", {"timeline"}},
      {"A build as a picture",
       "Mermaid, for any page that draws it.",
       "GET",
       graph + "builds/" + build + "/mermaid",
       "",
       {"mermaid"}},
      {"The log itself",
       "From an index on; `wait_ms` makes it a long poll.",
       "GET",
       graph + "events?since_idx=0&limit=1",
       "",
       {}},
      {"What goes wrong is said", "", "GET", graph + "partitions?page_sise=10", "", {}},
      {"What is going on?",
       "",
       "GET",
       graph + "activity",
       "",
       {"active_builds_count", "partition_counts", "system_status", "unsatisfied_wants_count"}},
  };
  for (const Example& example : examples) {
    const std::string type = example.body.empty() ? "" : "Content-Type: application/json\r\n";
    const TestResponse answer = client.Ask(
        std::string(example.method) + " " + example.path + " HTTP/1.1\r\nHost: h\r\n" + type +
        "Content-Length: " + std::to_string(example.body.size()) + "\r\n\r\n" + example.body);
    CHECK(answer.status != 0);
    out << "\n### " << example.title << "\n\n";
    if (*example.text != '\0') out << example.text << "\n\n";
    out << "```\n" << example.method << " " << example.path << "\n";
    if (!example.body.empty()) out << example.body << "\n";
    out << "```\n\n";
    if (answer.status != 200) out << "answers " << answer.status << "\n\n";
    if (!example.only.empty()) out << "answers, among others\n\n";
    out << "```json\n" << Shown(answer.body, example.only) << "```\n";
  }
}

}  // namespace

std::string RenderApiPage() {
  PlannerWorld world;
  world.cluster.PutDataJob("load", {"raw/{date}"});
  world.cluster.PutDataJob("revenue", {"revenue/{date}"}, {"raw/{date}"});
  world.cluster.rule = [](const CreateJob& job) {
    return job.outputs.front().first == "raw/2025-01-02" ? JobEnd{"Failed", 1, {}, "Error"}
                                                         : JobEnd{};
  };
  world.Settle();
  world.cluster.PutWant("week", {"revenue/2025-01-01", "revenue/2025-01-02"});
  world.Run();
  std::ostringstream out;
  out << kIntro;
  WriteMethods(out);
  out << kExamplesIntro;
  WriteExamples(out, world);
  return out.str();
}

}  // namespace databuild
