#include "tests/docs/api_page.h"

#include <google/protobuf/descriptor.pb.h>

#include <fstream>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <sstream>
#include <utility>
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

constexpr char kTemplate[] = "tests/docs/api_page.txt";

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

// One request of the page: "METHOD PATH | FIELD FIELD", with ids for WANT and BUILD filled in.
struct Question {
  std::string method, path, body;
  std::vector<std::string> only;  // fields of the answer to show; empty: all
};

Question QuestionOf(const std::string& line, const std::string& body) {
  Question question;
  question.body = body;
  std::istringstream words(line);
  words >> question.method >> question.path;
  std::string word;
  words >> word;  // "|"
  while (words >> word) question.only.push_back(word);
  return question;
}

// What is shown of an answer: JSON, indented; else the text as it is.
std::string Shown(const std::string& body, const std::vector<std::string>& only) {
  const Json json = Json::parse(body, nullptr, false);
  if (json.is_discarded()) return body;
  if (only.empty()) return json.dump(2) + "\n";
  Json part = Json::object();
  for (const std::string& field : only) part[field] = json.at(field);
  return part.dump(2) + "\n";
}

// The service over the world, and what it answers.
class Service {
 public:
  explicit Service(const PlannerWorld& world) : graphs_(world) {
    AuthOptions auth;
    auth.mode = AuthMode::kOff;
    auth.listen_address = "127.0.0.1";
    auth_ = std::move(MakeAuthenticator(auth).value());
    ApiServerOptions options;
    options.service.graphs = &graphs_;
    options.service.auth = auth_.get();
    server_ = std::move(ApiServer::Start(options).value());
  }

  void Answer(const Question& question, std::ostream& out) {
    const std::string type = question.body.empty() ? "" : "Content-Type: application/json\r\n";
    const TestResponse answer =
        TestClient(server_->port())
            .Ask(question.method + " " + question.path + " HTTP/1.1\r\nHost: localhost\r\n" + type +
                 "Content-Length: " + std::to_string(question.body.size()) + "\r\n\r\n" +
                 question.body);
    CHECK(answer.status != 0);
    out << "```\n" << question.method << " " << question.path << "\n";
    if (!question.body.empty()) out << question.body << "\n";
    out << "```\n\n";
    if (answer.status != 200) out << "answers " << answer.status << "\n\n";
    if (!question.only.empty()) out << "answers, among others\n\n";
    out << "```json\n" << Shown(answer.body, question.only) << "```\n";
  }

 private:
  WorldGraphs graphs_;
  std::unique_ptr<Authenticator> auth_;
  std::unique_ptr<ApiServer> server_;
};

std::string Replaced(std::string text, const std::string& what, const std::string& with) {
  const size_t at = text.find(what);
  return at == std::string::npos ? text : text.replace(at, what.size(), with);
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
  Service service(world);
  const Want& week = world.WantOf("week");
  std::ifstream page(kTemplate);
  CHECK(page.is_open());
  std::ostringstream out;
  std::string body;
  for (std::string line; std::getline(page, line);) {
    line = Replaced(line, "WANT", week.id.str());
    line = Replaced(line, "BUILD", world.state().build(week.builds.front()).id.str());
    if (line == "@methods") {
      WriteMethods(out);
    } else if (line.starts_with("@body ")) {
      body = line.substr(6);
    } else if (line.starts_with("@ask ")) {
      service.Answer(QuestionOf(line.substr(5), std::exchange(body, "")), out);
    } else {
      out << line << "\n";
    }
  }
  return out.str();
}

}  // namespace databuild
