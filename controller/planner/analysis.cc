// Analysis: from wanted refs to the units that make them, and the events that record the plan.
#include <algorithm>

#include "bel/ids.h"
#include "controller/planner/planner.h"

namespace databuild {

// One walk over MATERIALIZE inputs, depth first without recursion. Stops at usable instances, at
// what other builds make, at units that are planned already and at refs nobody makes.
class Planner::Walk {
 public:
  Walk(const Planner& planner, Index build)
      : planner_(planner), state_(planner.state_), build_(build) {}

  Analysis Run() {
    const Build& build = state_.build(build_);
    for (Index partition : state_.want(build.want).partitions) {
      if (state_.Usable(partition)) {
        result_.usable_roots.push_back(partition);
      } else {
        Visit(state_.partition(partition).ref);
      }
      if (!result_.refused.reason.empty()) return std::move(result_);
    }
    for (Index unit : build.units) {
      if (!planner_.UnitOpen(unit)) continue;
      for (const UnitInput& input : state_.unit(unit).inputs) {
        if (input.materialize) Visit(state_.partition(input.partition).ref);
        if (!result_.refused.reason.empty()) return std::move(result_);
      }
    }
    return std::move(result_);
  }

 private:
  struct Frame {
    size_t unit;
    size_t next_input = 0;
  };

  // Looks at one ref; a unit that has to be planned is pushed on the stack.
  void Enter(const std::string& ref) {
    if (const auto seen = unit_of_.find(ref); seen != unit_of_.end()) {
      if (on_stack_[seen->second]) RefuseCycle(seen->second);
      return;
    }
    if (!looked_at_.insert(ref).second) return;
    const Index partition = state_.FindPartition(ref);
    if (partition != kNone && Settled(partition, ref)) return;
    const Producer producer = planner_.catalogue_.Find(ref);
    if (producer.kind != Producer::Kind::kOne) {
      result_.unproducible.emplace_back(ref, false);
      return;
    }
    AddUnit(ref, producer);
  }

  bool Settled(Index partition, const std::string& ref) {
    if (state_.Usable(partition)) return true;
    const Index live = state_.LiveInstance(partition);
    if (live == kNone) {
      // What failed since this build began fails it; it is not asked for again.
      const Index newest = state_.partition(partition).newest;
      return newest != kNone && state_.instance(newest).status == v1::PARTITION_FAILED &&
             state_.instance(newest).updated_at > state_.build(build_).received_at;
    }
    const Instance& instance = state_.instance(live);
    if (instance.build == build_) return instance.unit != kNone;
    if (instance.build == kNone) return true;
    const auto& known = state_.build(build_).delegations;
    const auto it = known.find(partition);
    if (it == known.end() || it->second.owner != instance.build) {
      result_.delegations.emplace_back(ref, instance.build);
    }
    return true;
  }

  void AddUnit(const std::string& ref, const Producer& producer) {
    Result<UnitPlan> plan = planner_.catalogue_.Plan(producer.job, producer.captures);
    if (!plan.ok()) {
      result_.refused = {
          ref, "", state_.job(producer.job).label,
          plan.error().code == Errc::kTooLarge ? reason::kRunTooLarge : reason::kInvalidJob,
          plan.error().message};
      return;
    }
    const size_t index = result_.units.size();
    PlannedUnit& unit = result_.units.emplace_back();
    unit.job = producer.job;
    unit.plan = std::move(plan).value();
    for (const std::string& output : unit.plan.outputs) {
      unit_of_[output] = index;
      const Index partition = state_.FindPartition(output);
      const Index live = partition == kNone ? kNone : state_.LiveInstance(partition);
      const uint32_t ordinal = live != kNone        ? state_.instance(live).ordinal
                               : partition == kNone ? 1
                                                    : state_.partition(partition).instances + 1;
      unit.ordinals.push_back(ordinal);
      unit.requested.push_back(live != kNone);
      unit.instance_ids.push_back(live != kNone
                                      ? state_.instance(live).id
                                      : InstanceId(planner_.options_.log_id, output, ordinal));
    }
    refs_ += unit.plan.outputs.size();
    on_stack_.push_back(true);
    stack_.push_back({index});
    if (refs_ > kMaxRefsPerPlan || stack_.size() > kMaxPlanDepth) {
      result_.refused = {ref, "", state_.job(unit.job).label, reason::kPlanTooLarge,
                         refs_ > kMaxRefsPerPlan ? "the plan has more than 1,000,000 refs"
                                                 : "the plan is more than 10,000 levels deep"};
    }
  }

  void Visit(const std::string& root) {
    Enter(root);
    while (!stack_.empty() && result_.refused.reason.empty()) {
      const size_t unit = stack_.back().unit;
      const auto& inputs = result_.units[unit].plan.inputs;
      if (stack_.back().next_input == inputs.size()) {
        on_stack_[unit] = false;
        stack_.pop_back();
        continue;
      }
      const size_t at = stack_.back().next_input++;
      if (!inputs[at].second) continue;
      const std::string ref = inputs[at].first;  // the vector of units may grow
      Enter(ref);
    }
  }

  void RefuseCycle(size_t closing) {
    std::string path;
    bool inside = false;
    for (const Frame& frame : stack_) {
      inside = inside || frame.unit == closing;
      if (inside) path += result_.units[frame.unit].plan.outputs.front() + " needs ";
    }
    const std::string& first = result_.units[closing].plan.outputs.front();
    result_.refused = {first, "", state_.job(result_.units[closing].job).label, reason::kCycle,
                       path + first};
  }

  const Planner& planner_;
  const BuildState& state_;
  Index build_;
  Analysis result_;
  std::unordered_map<std::string, size_t> unit_of_;
  std::unordered_set<std::string> looked_at_;
  std::vector<bool> on_stack_;
  std::vector<Frame> stack_;
  size_t refs_ = 0;
};

Planner::Analysis Planner::Analyze(Index build) const { return Walk(*this, build).Run(); }

v1::Task Planner::TaskOf(const PlannedUnit& unit) const {
  v1::Task task;
  task.mutable_job()->set_label(state_.job(unit.job).label);
  task.set_generation(state_.job(unit.job).definition.generation());
  for (const std::string& output : unit.plan.outputs)
    task.mutable_config()->add_outputs()->set_str(output);
  for (const auto& [ref, materialize] : unit.plan.inputs) {
    v1::DataDep* input = task.mutable_config()->add_inputs();
    input->set_dep_type_code(materialize ? v1::MATERIALIZE : v1::QUERY);
    input->mutable_partition_ref()->set_str(ref);
  }
  return task;
}

v1::Task Planner::TaskOf(const Unit& unit) const {
  v1::Task task;
  task.mutable_job()->set_label(state_.job(unit.job).label);
  task.set_generation(unit.generation);
  for (Index output : unit.partitions) {
    task.mutable_config()->add_outputs()->set_str(state_.partition(output).ref);
  }
  for (const UnitInput& from : unit.inputs) {
    v1::DataDep* input = task.mutable_config()->add_inputs();
    input->set_dep_type_code(from.materialize ? v1::MATERIALIZE : v1::QUERY);
    input->mutable_partition_ref()->set_str(state_.partition(from.partition).ref);
  }
  return task;
}

// REQUESTED for what is not in the log yet; false when the tick is full before all are.
bool Planner::EmitRequested(Index build, Analysis& analysis) {
  for (PlannedUnit& unit : analysis.units) {
    for (size_t i = 0; i < unit.plan.outputs.size(); ++i) {
      if (unit.requested[i]) continue;
      if (Full()) return false;
      v1::PartitionEvent* event = batch_->Partition(
          state_.build(build).id, {unit.instance_ids[i], unit.plan.outputs[i], unit.ordinals[i]},
          v1::PARTITION_REQUESTED);
      event->set_job_label(state_.job(unit.job).label);
      unit.requested[i] = true;
    }
  }
  return true;
}

void Planner::EmitGraph(Index index, const std::vector<v1::Task>& tasks) {
  const Build& build = state_.build(index);
  revised_.insert(index);
  const uint32_t plan = std::max(build.plan_number, build.open_plan) + 1;
  uint32_t part = 1;
  v1::JobGraphEvent* event = batch_->Graph(build.id, plan, part);
  size_t bytes = 0;
  for (const v1::Task& task : tasks) {
    const size_t size = task.ByteSizeLong() + 8;
    if (bytes > 0 && bytes + size > kMaxGraphPartBytes) {
      event = batch_->Graph(build.id, plan, ++part);
      bytes = 0;
    }
    if (bytes == 0) event->mutable_job_graph()->mutable_label()->set_label(options_.graph);
    *event->mutable_job_graph()->add_nodes() = task;
    bytes += size;
  }
  event->set_last(true);
}

void Planner::EmitDelegations(const std::string& build, const Analysis& analysis) {
  std::map<Index, std::vector<std::string>> by_owner;
  for (const auto& [ref, owner] : analysis.delegations) by_owner[owner].push_back(ref);
  for (const auto& [owner, refs] : by_owner) {
    for (size_t at = 0; at < refs.size(); at += kMaxRefsPerDelegation) {
      v1::DelegationEvent* event = batch_->Delegation(build, state_.build(owner).id, refs[at]);
      const size_t end = std::min(refs.size(), at + kMaxRefsPerDelegation);
      for (size_t i = at; i < end; ++i) {
        event->add_partition_refs()->set_str(refs[i]);
        const Index partition = state_.FindPartition(refs[i]);
        event->add_instance_ids(state_.instance(state_.LiveInstance(partition)).id);
      }
      event->set_message("made by another build");
    }
  }
}

// Historical delegation: a SKIPPED run per run that would have been made, and who made it.
void Planner::EmitHistorical(Index index, const std::vector<Index>& partitions) {
  const Build& build = state_.build(index);
  std::map<Index, std::vector<Index>> by_owner;
  std::set<Index> skipped;
  for (Index partition : partitions) {
    const Instance& current = state_.instance(state_.partition(partition).current);
    if (current.build == kNone || current.build == index) continue;
    if (build.delegations.contains(partition)) continue;
    by_owner[current.build].push_back(partition);
    if (current.unit == kNone || !skipped.insert(current.unit).second) continue;
    const Unit& unit = state_.unit(current.unit);
    std::vector<std::string> refs;
    for (Index output : unit.partitions) refs.push_back(state_.partition(output).ref);
    const std::string id = SkippedRunId(build.id.str(), state_.job(unit.job).label, refs);
    if (state_.FindRun(id) != kNone) continue;
    v1::JobEvent* event = batch_->Job(build.id, id, state_.job(unit.job).label, v1::JOB_SKIPPED);
    for (const std::string& ref : refs) event->add_target_partitions()->set_str(ref);
    event->set_generation(unit.generation);
    event->set_message("already available");
  }
  for (const auto& [owner, owned] : by_owner) {
    for (size_t at = 0; at < owned.size(); at += kMaxRefsPerDelegation) {
      v1::DelegationEvent* event =
          batch_->Delegation(build.id, state_.build(owner).id, state_.partition(owned[at]).ref);
      event->set_historical(true);
      const size_t end = std::min(owned.size(), at + kMaxRefsPerDelegation);
      for (size_t i = at; i < end; ++i) {
        const Partition& partition = state_.partition(owned[i]);
        event->add_partition_refs()->set_str(partition.ref);
        event->add_instance_ids(state_.instance(partition.current).id);
      }
    }
  }
}

void Planner::EmitAnalyzed(Index index, const Analysis& analysis) {
  const auto emit = [&](const InstanceName& name, Index job) {
    v1::PartitionEvent* event =
        batch_->Partition(state_.build(index).id, name, v1::PARTITION_ANALYZED);
    event->set_job_label(state_.job(job).label);
    event->set_generation(state_.job(job).definition.generation());
  };
  for (const PlannedUnit& unit : analysis.units) {
    for (size_t i = 0; i < unit.plan.outputs.size(); ++i) {
      const Index known = state_.FindInstance(unit.instance_ids[i]);
      if (known != kNone && state_.instance(known).build != index)
        continue;  // of an older definition's unit
      emit({unit.instance_ids[i], unit.plan.outputs[i], unit.ordinals[i]}, unit.job);
    }
  }
  for (Index planned : state_.build(index).units) {
    const Unit& unit = state_.unit(planned);
    for (Index instance : unit.instances) {
      const Instance& made = state_.instance(instance);
      if (made.status != v1::PARTITION_REQUESTED || Full()) continue;
      emit({made.id, state_.partition(made.partition).ref, made.ordinal}, unit.job);
    }
  }
}

void Planner::PlanBuild(Index index) {
  const bool first =
      batch_->empty();  // what was decided before it in this round is not in the state
  OpenPlan plan;
  if (first && open_plan_ && open_plan_->build == index && open_plan_->idx == state_.idx()) {
    plan = std::move(*open_plan_);
  } else {
    plan = {index, 0, Analyze(index), false};
  }
  open_plan_.reset();
  // A DataJob that came with the Want may be the one that is missing: its verdict marks this build
  // again.
  if (!plan.analysis.unproducible.empty() && !unproved_jobs_.empty()) return;
  if (!plan.analysis.refused.reason.empty())
    return EndBuild(index, v1::BUILD_REQUEST_FAILED, plan.analysis.refused);
  if (EmitPlan(plan)) return EmitPlanned(index, plan.analysis);
  if (!first) return;
  plan.idx = state_.idx() + static_cast<int64_t>(batch_->size());
  open_plan_ = std::move(plan);
}

// REQUESTED, the graph, ANALYZED. False when the round is full before all is out.
bool Planner::EmitPlan(OpenPlan& plan) {
  Analysis& analysis = plan.analysis;
  if (!EmitRequested(plan.build, analysis)) return false;
  if (!plan.graph_emitted &&
      (!analysis.units.empty() || state_.build(plan.build).plan_number == 0)) {
    std::vector<v1::Task> tasks;
    for (const PlannedUnit& unit : analysis.units) tasks.push_back(TaskOf(unit));
    EmitGraph(plan.build, tasks);
    plan.graph_emitted = true;
    size_t outputs = 0;
    for (const PlannedUnit& unit : analysis.units) outputs += unit.plan.outputs.size();
    if (batch_->size() + outputs > 2 * options_.max_events_per_round) {
      analysis.units.clear();  // the state's units from the next round on
      return false;
    }
  }
  EmitAnalyzed(plan.build, analysis);
  return !Full();
}

// What the plan leaves to others, and the build's next state.
void Planner::EmitPlanned(Index index, const Analysis& analysis) {
  const Build& build = state_.build(index);
  EmitDelegations(build.id, analysis);
  EmitHistorical(index, analysis.usable_roots);
  const bool something_runs = !analysis.units.empty() || build.open_instances > 0 ||
                              !analysis.delegations.empty() || !build.delegations.empty();
  const bool satisfied = state_.want(build.want).unavailable == 0;
  const auto add_unproducible = [&](v1::BuildRequestEvent* event) {
    for (const auto& [ref, external] : analysis.unproducible) {
      v1::UnproduciblePartition* missing = event->add_unproducible();
      missing->set_ref(ref);
      missing->set_kind(external ? "external" : "no_producer");
    }
  };
  if (!something_runs && !satisfied && !analysis.unproducible.empty()) {
    v1::BuildRequestEvent* event = batch_->Build(build.id, v1::BUILD_REQUEST_PRECONDITION_FAILED);
    event->set_reason(reason::kNoProducer);
    event->set_message("no DataJob makes " + analysis.unproducible.front().first);
    add_unproducible(event);
    return;
  }
  add_unproducible(batch_->Build(build.id, v1::BUILD_REQUEST_ANALYSIS_COMPLETED));
  batch_->Build(build.id, satisfied ? v1::BUILD_REQUEST_COMPLETED : v1::BUILD_REQUEST_EXECUTING);
}

// Graph revision n + 1: what an executing build turns out to need beyond its plan.
void Planner::ReviseBuild(Index index) {
  Analysis analysis = Analyze(index);
  if (!analysis.refused.reason.empty()) {
    may_be_doomed_.insert(index);
    return;
  }
  if (!analysis.unproducible.empty()) may_be_doomed_.insert(index);
  if (!EmitRequested(index, analysis)) {
    needs_revision_.insert(index);
    return;
  }
  if (!analysis.units.empty()) {
    std::vector<v1::Task> tasks;
    for (const PlannedUnit& unit : analysis.units) tasks.push_back(TaskOf(unit));
    EmitGraph(index, tasks);
  }
  EmitAnalyzed(index, analysis);
  EmitDelegations(state_.build(index).id, analysis);
}

}  // namespace databuild
