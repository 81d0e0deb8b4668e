#include "controller/api/plan_methods.h"

#include "controller/api/answers.h"
#include "controller/api/graph_source.h"
#include "controller/api/plan_source.h"
#include "databuild/v1/databuild.pb.h"

namespace databuild {
namespace {

using Refs = google::protobuf::RepeatedPtrField<v1::PartitionRef>;

std::vector<std::string> TextsOf(const Refs& refs) {
  std::vector<std::string> texts;
  for (const v1::PartitionRef& ref : refs) texts.push_back(ref.str());
  return texts;
}

// `ask` is one of PlanSource's questions.
template <typename Response>
Result<Outcome> AskPlanner(const Call& call, const std::vector<std::string>& refs,
                           Result<Response> (PlanSource::*ask)(const std::string&,
                                                               const std::vector<std::string>&)
                               const) {
  const PlanSource* const plans = call.source->plans();
  if (plans == nullptr) return Error{Errc::kUnsupported, "nothing is planned here"};
  ASSIGN_OR_RETURN(Response response, (plans->*ask)(call.graph, refs));
  return PlainAnswer(std::move(response));
}

}  // namespace

Result<Outcome> HandleLookup(const Call& call) {
  const auto& request = static_cast<const v1::GraphLookupRequest&>(*call.request);
  return AskPlanner(call, TextsOf(request.outputs()), &PlanSource::Lookup);
}

Result<Outcome> HandleAnalyze(const Call& call) {
  const auto& request = static_cast<const v1::GraphAnalyzeRequest&>(*call.request);
  std::vector<std::string> refs = TextsOf(request.outputs());
  for (std::string& ref : TextsOf(request.partition())) refs.push_back(std::move(ref));
  return AskPlanner(call, refs, &PlanSource::Analyze);
}

Result<Outcome> HandleConfigure(const Call& call) {
  const auto& request = static_cast<const v1::JobConfigureRequest&>(*call.request);
  return AskPlanner(call, TextsOf(request.outputs()), &PlanSource::Configure);
}

}  // namespace databuild
