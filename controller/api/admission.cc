#include "controller/api/admission.h"

#include <google/protobuf/message.h>
#include <google/protobuf/reflection.h>

#include <vector>

#include "bel/event_log.h"
#include "bel/query_page.h"
#include "controller/api/audit.h"
#include "controller/api/dns_label.h"
#include "controller/api/graph_source.h"

namespace databuild {
namespace {

constexpr int kGraphField = 100;

// What `include` adds to an answer has rights of its own, as where it is asked for by itself.
std::vector<AccessQuestion> QuestionsOfInclude(const google::protobuf::Message& request) {
  std::vector<AccessQuestion> questions;
  const auto* field = request.GetDescriptor()->FindFieldByName("include");
  if (field == nullptr) return questions;
  for (const std::string& word :
       request.GetReflection()->GetRepeatedFieldRef<std::string>(request, field)) {
    if (word != "events" && word != "logs") continue;  // unknown ones are the query's to refuse
    AccessQuestion question;
    question.verb = "get";
    question.resource = "datajobs";
    question.subresource = word == "logs" ? "log" : word;
    questions.push_back(std::move(question));
  }
  return questions;
}

}  // namespace

std::string Admission::GraphField(const google::protobuf::Message& request) {
  const auto* field = request.GetDescriptor()->FindFieldByNumber(kGraphField);
  return request.GetReflection()->GetString(request, field);
}

Result<std::string> Admission::GraphOf(std::initializer_list<std::string> named) const {
  std::string graph;
  for (const std::string& name : named) {
    if (name.empty()) continue;
    if (!graph.empty() && name != graph) {
      return FieldError("graph", "both '" + graph + "' and '" + name + "' are named");
    }
    graph = name;
  }
  if (graph.empty()) {
    const std::vector<std::string> graphs = graphs_.Graphs();
    if (graphs.size() != 1) {
      return FieldError("graph",
                        "name one, in this field or the header databuild-graph; there are " +
                            std::to_string(graphs.size()));
    }
    graph = graphs.front();
  }
  if (!IsDnsLabel(graph)) return FieldError("graph", "the name of a Kubernetes namespace");
  return graph;
}

Status Admission::Admit(const Method& method, Call& call) const {
  std::vector<AccessQuestion> questions = {method.access};
  for (AccessQuestion& more : QuestionsOfInclude(*call.request))
    questions.push_back(std::move(more));
  for (AccessQuestion& question : questions) {
    question.graph = call.graph;
    if (const Status allowed = auth_.Authorize(call.caller, question); !allowed.ok()) {
      AuditRefusal(call, method, question, allowed.error());
      return allowed.error();
    }
  }
  call.source = &graphs_;
  call.objects = objects_;
  call.log = graphs_.Log(call.graph);
  if (call.log != nullptr) return {};
  return NoSuchGraph(call.graph);
}

}  // namespace databuild
