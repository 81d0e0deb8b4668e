#include "controller/planner/plan_answers.h"

#include <map>
#include <unordered_map>

#include "bel/query_page.h"
#include "bel/ranges/partition_ref.h"

namespace databuild {
namespace {

// Positions in `tasks`, inputs before those that need them.
class TaskOrder {
 public:
  explicit TaskOrder(const std::vector<PlanTask>& tasks) : tasks_(tasks), seen_(tasks.size()) {
    for (size_t i = 0; i < tasks.size(); ++i) {
      for (const std::string& output : tasks[i].outputs) by_output_[output] = i;
    }
    for (size_t i = 0; i < tasks.size(); ++i) Visit(i);
  }
  const std::vector<size_t>& order() const { return order_; }

 private:
  // Depth first, without recursion; a plan has no cycles.
  void Visit(size_t first) {
    std::vector<std::pair<size_t, size_t>> path;  // task, its next input
    const auto enter = [&](size_t task) {
      if (seen_[task]) return;
      seen_[task] = true;
      path.emplace_back(task, 0);
    };
    enter(first);
    while (!path.empty()) {
      auto& [task, next] = path.back();
      if (next == tasks_[task].inputs.size()) {
        order_.push_back(task);
        path.pop_back();
        continue;
      }
      const auto maker = by_output_.find(tasks_[task].inputs[next++].first);
      if (maker != by_output_.end()) enter(maker->second);
    }
  }

  const std::vector<PlanTask>& tasks_;
  std::unordered_map<std::string_view, size_t> by_output_;
  std::vector<bool> seen_;
  std::vector<size_t> order_;
};

void AddNode(const PlanTask& task, v1::JobGraph& graph) {
  v1::Task& node = *graph.add_nodes();
  node.mutable_job()->set_label(task.job_label);
  node.set_generation(task.generation);
  for (const std::string& output : task.outputs)
    node.mutable_config()->add_outputs()->set_str(output);
  AddInputs(task.inputs, *node.mutable_config());
}

void AddDelegation(const PlanRef& ref, bool historical, v1::GraphAnalyzeResponse& response) {
  v1::PlannedDelegation* delegation = response.add_delegations();
  delegation->set_ref(ref.ref);
  delegation->set_build_request_id(ref.build_request_id);
  delegation->set_historical(historical);
}

}  // namespace

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

std::string OutputField(size_t i) { return "outputs[" + std::to_string(i) + "]"; }

void AddInputs(const std::vector<std::pair<std::string, bool>>& inputs, v1::JobConfig& config) {
  for (const auto& [ref, materialize] : inputs) {
    v1::DataDep* input = config.add_inputs();
    input->set_dep_type_code(materialize ? v1::MATERIALIZE : v1::QUERY);
    input->set_dep_type_name(materialize ? "materialize" : "query");
    input->mutable_partition_ref()->set_str(ref);
  }
}

Status CheckRefs(const std::vector<std::string>& refs) {
  if (refs.empty()) return FieldError("outputs", "name at least one ref");
  if (refs.size() > kMaxRefsAsked) {
    return FieldError("outputs", "at most " + std::to_string(kMaxRefsAsked) + ", got " +
                                     std::to_string(refs.size()));
  }
  for (size_t i = 0; i < refs.size(); ++i) {
    if (!IsPartitionRef(refs[i]))
      return FieldError(OutputField(i), "not a partition ref (printable ASCII, 1 to 1,024 bytes)");
  }
  return {};
}

Result<v1::GraphLookupResponse> LookupJobs(const BuildState& state, const Catalogue& catalogue,
                                           const std::vector<std::string>& refs) {
  RETURN_IF_ERROR(CheckRefs(refs));
  std::map<std::string, v1::TaskRef> by_label;
  for (size_t i = 0; i < refs.size(); ++i) {
    const Producer producer = catalogue.Find(refs[i]);
    if (producer.kind != Producer::Kind::kOne)
      return FieldError(OutputField(i), catalogue.WhyNobodyMakes(refs[i]).message);
    const std::string& label = state.job(producer.job).label;
    v1::TaskRef& task = by_label[label];
    task.mutable_job()->set_label(label);
    task.add_outputs()->set_str(refs[i]);
  }
  v1::GraphLookupResponse response;
  response.set_event_index(state.idx());
  for (auto& [label, task] : by_label) response.add_task_refs()->Swap(&task);
  return response;
}

Result<v1::GraphAnalyzeResponse> AnalyzePlan(const BuildState& state, const Catalogue& catalogue,
                                             const std::vector<std::string>& refs) {
  RETURN_IF_ERROR(CheckRefs(refs));
  const PlanAnswer plan = Plan(state, catalogue, refs, kMaxRefsAnswered);
  v1::GraphAnalyzeResponse response;
  response.set_event_index(state.idx());
  for (const std::string& ref : refs) response.mutable_graph()->add_outputs()->set_str(ref);
  if (!plan.refused.reason.empty()) {
    *response.mutable_refused() = ToProto(plan.refused);
    return response;
  }
  const TaskOrder order(plan.tasks);
  for (const size_t task : order.order()) AddNode(plan.tasks[task], *response.mutable_graph());
  for (const PlanRef& ref : plan.available) AddDelegation(ref, true, response);
  for (const PlanRef& ref : plan.delegated) AddDelegation(ref, false, response);
  for (const PartitionReason& why : plan.unproducible) {
    const Peer* peer = catalogue.FindPeer(why.ref);
    v1::UnproduciblePartition* missing = response.add_unproducible();
    missing->set_ref(why.ref);
    missing->set_kind(peer == nullptr ? "no_producer" : "external");
    if (peer == nullptr) continue;
    response.add_external()->set_graph(peer->graph);
  }
  return response;
}

}  // namespace databuild
