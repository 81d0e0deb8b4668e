#include "controller/served_graphs.h"

#include <set>

#include "bel/followed_logs.h"
#include "controller/reconciler/graph_workers.h"

namespace databuild {
namespace {

v1::PartitionReason ToProto(const PartitionReason& why) {
  v1::PartitionReason out;
  out.set_ref(why.ref);
  out.set_state(why.state);
  out.set_reason(why.reason);
  out.set_message(why.message);
  out.set_job_run_id(why.job_run_id);
  out.set_next_change_ns(why.next_change);
  for (const ReasonLink& link : why.chain) {
    v1::ChainLink* added = out.add_chain();
    added->set_partition_ref(link.ref);
    added->set_job_label(link.job_label);
    added->set_job_run_id(link.job_run_id);
    added->set_reason(link.reason);
  }
  return out;
}

}  // namespace

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

}  // namespace databuild
