// Plans of builds: looked at in one go or over many rounds, and the events that record them.
#include <algorithm>

#include "bel/ids.h"
#include "controller/planner/planner.h"

namespace databuild {

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

namespace {

// What a plan begins at: the missing partitions of a want, then the inputs of units.
class BuildRoots {
 public:
  BuildRoots(const BuildState& state, const Missing* missing, IndexSet units)
      : state_(state), missing_(missing), units_(std::move(units)) {}

  const std::string* operator()() {
    if (missing_) {
      const Index partition = missing_->Next(next_partition_);
      next_partition_ = partition + 1;
      if (partition != kNone) return Ref(partition);
      missing_ = nullptr;
    }
    for (Index unit = units_.Next(next_unit_); unit != kNone; unit = units_.Next(next_unit_)) {
      const auto& inputs = state_.unit(unit).inputs;
      while (next_input_ < inputs.size()) {
        const UnitInput& input = inputs[next_input_++];
        if (input.materialize) return Ref(input.partition);
      }
      next_unit_ = unit + 1;
      next_input_ = 0;
    }
    return nullptr;
  }

 private:
  const std::string* Ref(Index partition) {
    ref_ = state_.partition(partition).ref;
    return &ref_;
  }

  const BuildState& state_;
  const Missing* missing_;  // nullptr: none of them, or no more
  IndexSet units_;
  Index next_partition_ = 0, next_unit_ = 0;
  size_t next_input_ = 0;
  std::string ref_;
};

}  // namespace

void Planner::Revise(Index build, Index unit) {
  Revision& revision = needs_revision_[build];
  if (unit == kNone) {
    revision.whole = true;
  } else {
    revision.units.Insert(unit);
  }
  MarkBuild(build);
}

// `revision`: what an executing build turns out to need beyond its plan.
void Planner::PlanBuild(Index build, std::optional<Revision> revision) {
  OpenPlan plan;
  plan.build = build;
  plan.revision = std::move(revision);
  // What was decided before it in this round is not in the state: only an analysis that is whole
  // in this very round stands then.
  plan.idx = batch_->empty() ? state_.idx() : -1;
  Begin(plan);
  GoOn(std::move(plan));
}

void Planner::Begin(OpenPlan& plan) const {
  const Build& build = state_.build(plan.build);
  const bool whole = !plan.revision || plan.revision->whole;
  BuildRoots roots(state_, whole ? &progress_.Of(build.want) : nullptr,
                   whole ? OpenUnits(plan.build) : plan.revision->units);
  plan.analysis = {};
  plan.recorded = false;
  plan.next_unit = 0;
  plan.next_made_by_others = 0;
  plan.walk = std::make_unique<PlanWalk>(state_, catalogue_, plan.build, std::move(roots));
}

bool Planner::StillWanted(const OpenPlan& plan) const {
  if (!state_.BuildOpen(plan.build)) return false;
  const Build& build = state_.build(plan.build);
  if (build.want == kNone || !state_.want(build.want).Live()) return false;
  return build.status == (plan.revision ? v1::BUILD_REQUEST_EXECUTING : v1::BUILD_REQUEST_PLANNING);
}

// The whole of a round.
void Planner::GoOnPlanning() {
  OpenPlan plan = std::move(*open_plan_);
  open_plan_.reset();
  if (plan.idx != state_.idx()) {
    if (!StillWanted(plan)) return MarkBuild(plan.build);
    plan.idx = state_.idx();
    Begin(plan);
  }
  const Index build = plan.build;
  GoOn(std::move(plan));
  if (!open_plan_) MarkBuild(build);
}

void Planner::GoOn(OpenPlan plan) {
  planned_ = true;
  const bool alone = plan.idx >= 0 && batch_->empty();
  const auto keep = [&] {
    plan.idx = alone ? state_.idx() + static_cast<int64_t>(batch_->size()) : -1;
    open_plan_ = std::move(plan);
  };
  if (plan.walk) {
    if (!plan.walk->Advance(kRefsPerRound)) return keep();
    plan.analysis = plan.walk->Take();
    plan.walk.reset();
  }
  const Analysis& analysis = plan.analysis;
  if (plan.revision && (!analysis.refused.reason.empty() || !analysis.unproducible.empty()))
    may_be_doomed_.insert(plan.build);
  if (!analysis.refused.reason.empty()) {
    if (!plan.revision) EndBuild(plan.build, v1::BUILD_REQUEST_FAILED, analysis.refused);
    return;
  }
  if (RecordExternals(analysis)) return MarkBuild(plan.build);
  // A DataJob that came with the Want may be the one that is missing: its verdict marks this build
  // again.
  if (!plan.revision && !analysis.unproducible.empty() && !unproved_jobs_.empty()) return;
  // A build without a plan waits for its answers; a revision goes on with what is known.
  if (!analysis.unconfigured.empty()) {
    AskConfigs(plan.build, analysis.unconfigured);
    if (!plan.revision) return;
  }
  if (!Record(plan)) return keep();
  // What makes nothing and waits for nobody stands beside any other plan.
  if (analysis.units.empty() && analysis.delegations.empty() && analysis.unproducible.empty() &&
      analysis.unconfigured.empty()) {
    planned_ = false;
  }
}

// Slices of units, then what is left to others, then the build's next state. False when the round
// is full before all is out.
bool Planner::Record(OpenPlan& plan) {
  if (!plan.recorded) {
    if (!EmitSlice(plan)) return false;
    const bool whole = !plan.revision || plan.revision->whole;
    if (whole && !EmitUnanalyzed(plan.build)) return false;
    EmitDelegations(plan.build, plan.analysis);
    plan.recorded = true;
  }
  if (plan.revision) return true;
  if (!EmitHistorical(plan)) return false;
  RecordEnd(plan);
  return true;
}

// REQUESTED, the graph, ANALYZED: as many whole units as fit into the round. True if those were the
// last.
bool Planner::EmitSlice(OpenPlan& plan) {
  const auto& units = plan.analysis.units;
  const Build& build = state_.build(plan.build);
  const bool empty = units.empty() && !plan.revision && build.plan_number == 0;
  if (plan.next_unit == units.size() && !empty) return true;
  if (Full()) return false;
  struct Made {
    InstanceName name;
    Index job;
  };
  std::vector<Made> made;
  std::vector<v1::Task> tasks;
  const std::string id = build.id;
  while (plan.next_unit < units.size()) {
    const PlannedUnit& unit = units[plan.next_unit];
    const size_t events = batch_->size() + made.size() + unit.plan.outputs.size();
    if (!made.empty() && events >= options_.max_events_per_round) break;
    for (const std::string& output : unit.plan.outputs) {
      const Index partition = state_.FindPartition(output);
      const Index live = partition == kNone ? kNone : state_.LiveInstance(partition);
      const Instance* known = live == kNone ? nullptr : &state_.instance(live);
      if (known && known->build != plan.build) continue;  // of an older definition's unit
      const uint32_t ordinal = known                ? known->ordinal
                               : partition == kNone ? 1
                                                    : state_.partition(partition).instances + 1;
      made.push_back({{InstanceId(options_.log_id, output, ordinal), output, ordinal}, unit.job});
      if (known) continue;
      batch_->Partition(id, made.back().name, v1::PARTITION_REQUESTED)
          ->set_job_label(state_.job(unit.job).label);
    }
    tasks.push_back(TaskOf(unit));
    ++plan.next_unit;
  }
  EmitGraph(plan.build, std::move(tasks));
  for (const Made& one : made) {
    v1::PartitionEvent* event = batch_->Partition(id, one.name, v1::PARTITION_ANALYZED);
    event->set_job_label(state_.job(one.job).label);
    event->set_generation(state_.job(one.job).definition.generation());
  }
  return plan.next_unit == units.size();
}

void Planner::EmitGraph(Index index, std::vector<v1::Task> tasks) {
  const Build& build = state_.build(index);
  revised_.insert(index);
  const uint32_t plan = std::max(build.plan_number, build.open_plan) + 1;
  uint32_t part = 1;
  v1::JobGraphEvent* event = batch_->Graph(build.id, plan, part);
  size_t bytes = 0;
  for (v1::Task& task : tasks) {
    const size_t size = task.ByteSizeLong() + 8;
    if (bytes > 0 && bytes + size > kMaxGraphPartBytes) {
      event = batch_->Graph(build.id, plan, ++part);
      bytes = 0;
    }
    if (bytes == 0) event->mutable_job_graph()->mutable_label()->set_label(options_.graph);
    event->mutable_job_graph()->add_nodes()->Swap(&task);
    bytes += size;
  }
  event->set_last(true);
}

// ANALYZED for units of the plan that a process recorded which died before it could say so.
bool Planner::EmitUnanalyzed(Index build) {
  const IndexSet& open = OpenUnits(build);
  for (Index index = open.First(); index != kNone; index = open.Next(index + 1)) {
    const Unit& unit = state_.unit(index);
    for (Index instance : unit.instances) {
      const Instance& made = state_.instance(instance);
      if (made.status != v1::PARTITION_REQUESTED || made.build != build) continue;
      if (Full()) return false;
      v1::PartitionEvent* event = batch_->Partition(instance, v1::PARTITION_ANALYZED);
      event->set_job_label(state_.job(unit.job).label);
      event->set_generation(unit.generation);
    }
  }
  return true;
}

void Planner::EmitDelegations(Index build, const Analysis& analysis) {
  std::map<Index, std::vector<std::string>> by_owner;
  for (const auto& [ref, owner] : analysis.delegations) by_owner[owner].push_back(ref);
  for (const auto& [owner, refs] : by_owner) {
    for (size_t at = 0; at < refs.size(); at += kMaxRefsPerEvent) {
      v1::DelegationEvent* event =
          batch_->Delegation(state_.build(build).id, state_.build(owner).id, refs[at]);
      const size_t end = std::min(refs.size(), at + kMaxRefsPerEvent);
      for (size_t i = at; i < end; ++i) {
        event->add_partition_refs()->set_str(refs[i]);
        const Index partition = state_.FindPartition(refs[i]);
        event->add_instance_ids(state_.instance(state_.LiveInstance(partition)).id);
      }
      event->set_message("made by another build");
    }
  }
}

// Historical delegation: a SKIPPED run per run that would have been made, and who made it; of what
// no build of the want has said so yet. False when the round is full before all is said.
bool Planner::EmitHistorical(OpenPlan& plan) {
  const Build& build = state_.build(plan.build);
  const IndexSet& made = progress_.Of(build.want).made_by_others;
  Index partition = made.Next(plan.next_made_by_others);
  while (partition != kNone) {
    if (Full()) return false;
    std::map<Index, std::vector<Index>> by_owner;
    for (size_t i = 0; i < kMaxRefsPerEvent && partition != kNone; ++i) {
      const Instance& current = state_.instance(state_.partition(partition).current);
      by_owner[current.build].push_back(partition);
      if (current.unit != kNone && plan.skipped.Insert(current.unit)) {
        EmitSkipped(plan, current.unit);
      }
      plan.next_made_by_others = partition + 1;
      partition = made.Next(plan.next_made_by_others);
    }
    for (const auto& [owner, owned] : by_owner) {
      v1::DelegationEvent* event =
          batch_->Delegation(build.id, state_.build(owner).id, state_.partition(owned.front()).ref);
      event->set_historical(true);
      for (Index one : owned) {
        event->add_partition_refs()->set_str(state_.partition(one).ref);
        event->add_instance_ids(state_.instance(state_.partition(one).current).id);
      }
    }
  }
  return true;
}

void Planner::EmitSkipped(OpenPlan& plan, Index index) {
  const Build& build = state_.build(plan.build);
  const Unit& unit = state_.unit(index);
  const std::string& label = state_.job(unit.job).label;
  std::vector<std::string> refs;
  for (Index output : unit.partitions) refs.push_back(state_.partition(output).ref);
  const std::string id = SkippedRunId(build.id.str(), label, refs);
  if (state_.FindRun(id) != kNone) return;
  v1::JobEvent* event = batch_->Job(build.id, id, label, v1::JOB_SKIPPED);
  for (const std::string& ref : refs) event->add_target_partitions()->set_str(ref);
  event->set_generation(unit.generation);
  event->set_message("already available");
}

void Planner::RecordEnd(const OpenPlan& plan) {
  const Analysis& analysis = plan.analysis;
  const Build& build = state_.build(plan.build);
  const bool something_runs = !analysis.units.empty() || build.open_instances > 0 ||
                              !analysis.delegations.empty() || !build.delegations.empty();
  const bool satisfied = state_.want(build.want).unavailable == 0;
  const auto add_unproducible = [&](v1::BuildRequestEvent* event) {
    const size_t listed = std::min(analysis.unproducible.size(), kMaxRefsPerEvent);
    for (size_t i = 0; i < listed; ++i) {
      v1::UnproduciblePartition* missing = event->add_unproducible();
      missing->set_ref(analysis.unproducible[i].first);
      missing->set_kind(analysis.unproducible[i].second ? "external" : "no_producer");
    }
  };
  if (!something_runs && !satisfied && !analysis.unproducible.empty()) {
    v1::BuildRequestEvent* event = batch_->Build(build.id, v1::BUILD_REQUEST_PRECONDITION_FAILED);
    const CauseInfo cause = Unmade(analysis.unproducible.front().first);
    event->set_reason(cause.reason);
    event->set_message(cause.message);
    add_unproducible(event);
    return;
  }
  add_unproducible(batch_->Build(build.id, v1::BUILD_REQUEST_ANALYSIS_COMPLETED));
  batch_->Build(build.id, satisfied ? v1::BUILD_REQUEST_COMPLETED : v1::BUILD_REQUEST_EXECUTING);
}

}  // namespace databuild
