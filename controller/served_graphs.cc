#include "controller/served_graphs.h"

#include <set>

#include "bel/followed_logs.h"
#include "controller/planner/plan_answers.h"
#include "controller/reconciler/graph_workers.h"

namespace databuild {

std::vector<std::string> ServedGraphs::Graphs() const {
  std::set<std::string> graphs;
  const GraphWorkers* const workers = workers_;
  if (workers != nullptr) {
    for (std::string& graph : workers->Graphs()) graphs.insert(std::move(graph));
  }
  if (followed_ != nullptr) {
    for (std::string& graph : followed_->Graphs()) graphs.insert(std::move(graph));
  }
  return {graphs.begin(), graphs.end()};
}

std::shared_ptr<const GraphHandle> ServedGraphs::Handle(const std::string& graph) const {
  const GraphWorkers* const workers = workers_;
  return workers == nullptr ? nullptr : workers->Find(graph);
}

std::shared_ptr<const EventLog> ServedGraphs::Log(const std::string& graph) const {
  const std::shared_ptr<const GraphHandle> handle = Handle(graph);
  if (handle) return {handle, handle->log.get()};
  return followed_ == nullptr ? nullptr : followed_->Find(graph);
}

bool ServedGraphs::Read(const std::string& graph, bool reasons,
                        const std::function<void(const QueryView&)>& read) const {
  const std::shared_ptr<const EventLog> log = Log(graph);
  if (!log) return false;
  const LogHealth health = log->health();
  const std::string trouble = health.writable ? "" : health.error.message;
  const std::shared_ptr<const GraphHandle> handle = Handle(graph);
  if (!handle || !reasons) {
    log->WithState([&](const BuildState& state) { read(QueryView{state, graph, {}, trouble}); });
    return true;
  }
  handle->reconciler->Read([&](const BuildState& state, const GraphReconciler::Explainer& explain) {
    ExplainFunction ask;
    if (explain) {
      ask = [&](Index want, Index partition) { return ToProto(explain(want, partition)); };
    }
    read(QueryView{state, graph, ask, trouble});
  });
  return true;
}

// With the planner's catalogue, or, where nobody plans, with one that is compiled for the question.
Status ServedGraphs::AskCatalogue(
    const std::string& graph,
    const std::function<void(const BuildState&, const Catalogue&)>& ask) const {
  const std::shared_ptr<const EventLog> log = Log(graph);
  if (!log) return NoSuchGraph(graph);
  const auto compile = [&](const BuildState& state) {
    Catalogue catalogue(state);
    for (Index job = 0; job < state.jobs().size(); ++job) catalogue.Update(job);
    ask(state, catalogue);
  };
  if (const auto handle = Handle(graph)) {
    handle->reconciler->Ask([&](const BuildState& state, const Planner* planner) {
      planner == nullptr ? compile(state) : ask(state, planner->catalogue());
    });
  } else {
    log->WithState(compile);
  }
  return {};
}

Result<v1::GraphLookupResponse> ServedGraphs::Lookup(const std::string& graph,
                                                     const Refs& refs) const {
  Result<v1::GraphLookupResponse> answer = Error{Errc::kInternal, "not asked"};
  RETURN_IF_ERROR(AskCatalogue(graph, [&](const BuildState& state, const Catalogue& catalogue) {
    answer = LookupJobs(state, catalogue, refs);
  }));
  return answer;
}

Result<v1::GraphAnalyzeResponse> ServedGraphs::Analyze(const std::string& graph,
                                                       const Refs& refs) const {
  Result<v1::GraphAnalyzeResponse> answer = Error{Errc::kInternal, "not asked"};
  RETURN_IF_ERROR(AskCatalogue(graph, [&](const BuildState& state, const Catalogue& catalogue) {
    answer = AnalyzePlan(state, catalogue, refs);
    if (answer.ok()) answer->mutable_graph()->mutable_label()->set_label(graph);
  }));
  return answer;
}

Result<v1::JobConfigureResponse> ServedGraphs::Configure(const std::string& graph,
                                                         const Refs& refs) const {
  Result<v1::JobConfigureResponse> answer =
      Error{Errc::kUnavailable, "this replica plans nothing now; ask the one that leads"};
  if (const auto handle = Handle(graph)) {
    handle->reconciler->Ask([&](const BuildState&, Planner* planner) {
      if (planner != nullptr) answer = planner->Configure(refs);
    });
  }
  return answer;
}

}  // namespace databuild
