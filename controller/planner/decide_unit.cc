// Units: when their inputs are there they are ready; ready ones become runs as limits allow.
#include <algorithm>
#include <limits>

#include "bel/ids.h"
#include "controller/planner/mutant.h"
#include "controller/planner/planner.h"
#include "controller/planner/run_outcome.h"

namespace databuild {

bool Planner::UnitOpen(Index unit) const {
  const auto& instances = state_.unit(unit).instances;
  return std::any_of(instances.begin(), instances.end(),
                     [&](Index i) { return !state_.InstanceFinal(i); });
}

bool Planner::UnitWaits(Index unit) const {
  const auto& instances = state_.unit(unit).instances;
  return !instances.empty() && std::all_of(instances.begin(), instances.end(), [&](Index i) {
    const v1::PartitionStatus status = state_.instance(i).status;
    return status == v1::PARTITION_ANALYZED ||
           (status == v1::PARTITION_BUILDING && IsMutant(Mutant::kNoActiveRunCheck));
  });
}

Planner::Inputs Planner::JudgeInputs(const Unit& unit) const {
  Inputs verdict;
  for (const UnitInput& input : unit.inputs) {
    if (!input.materialize || state_.Usable(input.partition)) continue;
    if (state_.LiveInstance(input.partition) != kNone) {
      if (verdict.state == Inputs::State::kReady)
        verdict = {Inputs::State::kWaiting, input.partition};
      continue;
    }
    const Index newest = state_.partition(input.partition).newest;
    if (newest != kNone && state_.instance(newest).status == v1::PARTITION_FAILED &&
        state_.instance(newest).updated_at > state_.build(unit.build).received_at) {
      return {Inputs::State::kFailed, input.partition};
    }
    verdict = {Inputs::State::kLost, input.partition};
  }
  return verdict;
}

void Planner::EndUnit(Index index, v1::PartitionStatus status, const CauseInfo& cause) {
  SetReady(index, false);
  for (Index instance : state_.unit(index).instances) {
    if (state_.InstanceFinal(instance) || !Claim(instance)) continue;
    *batch_->Partition(instance, status)->mutable_cause() = ToProto(cause);
  }
}

Captures Planner::CapturesOf(const Unit& unit) const {
  return catalogue_.Match(unit.job, state_.partition(unit.partitions.front()).ref)
      .value_or(Captures{});
}

// Planned from another definition, or from an answer that another definition gave.
bool Planner::Outdated(const Unit& unit) const {
  const Job& job = state_.job(unit.job);
  return job.definition.generation() != unit.generation ||
         (job.definition.configure_container() && !job.configs.contains(unit.partitions.front()));
}

// Brings a waiting unit in line with a new definition of its job, or with inputs its last run
// missed. True if an event was decided.
bool Planner::ReviseUnit(Index index) {
  const Unit& unit = state_.unit(index);
  const Job& job = state_.job(unit.job);
  const std::string& first = state_.partition(unit.partitions.front()).ref;
  if (!job.Accepted() || !catalogue_.Match(unit.job, first)) {
    EndUnit(index, v1::PARTITION_CANCELLED,
            {first, "", job.label, reason::kNoProducer, "no DataJob makes " + first + " any more"});
    return true;
  }
  const Index run = state_.instance(unit.instances.front()).run;
  const bool missed =
      run != kNone && state_.run(run).outcome == v1::JOB_OUTCOME_MISSING_DEPENDENCIES;
  const bool outdated = Outdated(unit);
  if (!outdated && !missed) return false;
  v1::Task task = TaskOf(unit);
  bool changed = false;
  if (outdated) {
    Result<UnitPlan> plan = catalogue_.Plan(unit.job, CapturesOf(unit));
    if (plan.ok() && plan->unconfigured) {
      Ask(unit.job, {unit.instances.begin(), unit.instances.end()});
      return true;
    }
    if (!plan.ok()) {
      EndUnit(index, v1::PARTITION_FAILED,
              {first, "", job.label, reason::kInvalidJob, plan.error().message});
      return true;
    }
    task = TaskOf(PlannedUnit{unit.job, std::move(plan).value()});
    changed = true;
  }
  std::set<std::string> inputs;
  for (const v1::DataDep& input : task.config().inputs()) {
    if (input.dep_type_code() == v1::MATERIALIZE) inputs.insert(input.partition_ref().str());
  }
  if (missed) {
    for (Index missing : state_.run(run).extra->missing) {
      const std::string& ref = state_.partition(missing).ref;
      if (!inputs.insert(ref).second) continue;
      v1::DataDep* input = task.mutable_config()->add_inputs();
      input->set_dep_type_code(v1::MATERIALIZE);
      input->mutable_partition_ref()->set_str(ref);
      changed = true;
    }
  }
  if (!changed) return false;
  if (revised_.contains(unit.build)) {
    MarkUnit(index);  // one revision of a build's graph a tick
  } else {
    revisions_[unit.build].push_back(std::move(task));
  }
  return true;
}

// Plans have no cycles, but what a run reported as missing may need what the run makes.
bool Planner::WaitsForItself(Index index) const {
  const Index run = state_.instance(state_.unit(index).instances.front()).run;
  if (run == kNone || state_.run(run).outcome != v1::JOB_OUTCOME_MISSING_DEPENDENCIES) return false;
  std::unordered_set<Index> seen;
  std::vector<Index> open{index};
  while (!open.empty()) {
    const Index unit = open.back();
    open.pop_back();
    for (const UnitInput& input : state_.unit(unit).inputs) {
      const Index live = state_.LiveInstance(input.partition);
      const Index next = live == kNone ? kNone : state_.instance(live).unit;
      if (!input.materialize || next == kNone || state_.Usable(input.partition)) continue;
      if (next == index) return true;
      if (seen.insert(next).second) open.push_back(next);
    }
  }
  return false;
}

CauseInfo Planner::CycleCause(Index index) const {
  const Unit& unit = state_.unit(index);
  const Index run = state_.instance(unit.instances.front()).run;
  const std::string& first = state_.partition(unit.partitions.front()).ref;
  std::string missing;
  for (Index partition : state_.run(run).extra->missing)
    missing += (missing.empty() ? "" : ", ") + state_.partition(partition).ref.str();
  return {first, state_.run(run).id.str(), state_.job(unit.job).label, reason::kCycle,
          "run " + state_.run(run).id.str() + " reported " + missing +
              " as missing, which cannot be made without " + first};
}

void Planner::DecideUnit(Index index) {
  if (!UnitOpen(index)) return SetReady(index, false);
  const Unit& unit = state_.unit(index);
  const bool claimed = std::any_of(unit.instances.begin(), unit.instances.end(),
                                   [&](Index i) { return claimed_.contains(i); });
  if (claimed) return MarkUnit(index);
  const Build& build = state_.build(unit.build);
  const bool workable = UnitWaits(index) && build.status == v1::BUILD_REQUEST_EXECUTING &&
                        build.want != kNone && state_.want(build.want).Live();
  if (!workable) return SetReady(index, false);
  if (ReviseUnit(index)) return SetReady(index, false);
  const Inputs inputs = JudgeInputs(unit);
  switch (inputs.state) {
    case Inputs::State::kFailed:
      return EndUnit(index, v1::PARTITION_FAILED,
                     state_.instance(state_.partition(inputs.partition).newest).extra->cause);
    case Inputs::State::kLost:
      Revise(unit.build, index);
      return SetReady(index, false);
    case Inputs::State::kWaiting:
      if (WaitsForItself(index)) EndUnit(index, v1::PARTITION_FAILED, CycleCause(index));
      return SetReady(index, false);
    case Inputs::State::kReady:
      break;
  }
  const bool occupied = std::any_of(unit.partitions.begin(), unit.partitions.end(),
                                    [&](Index i) { return FormerRunAtWork(i) != kNone; });
  if (occupied) return SetReady(index, false);
  const TimeNs next_try = NextTry(unit.job, state_.instance(unit.instances.front()));
  if (next_try > now_) {
    WakeAt(next_try, {KeyKind::kUnit, "", index});
    return SetReady(index, false);
  }
  SetReady(index, !Suspended(unit));
}

// The last run over the ref, if it was given up but its pod may still come to work: its Job is
// being deleted. It may have been over another instance. A lost node's pod cannot be waited for
// where the DataJob says so.
Index Planner::FormerRunAtWork(Index partition) const {
  Index instance = state_.partition(partition).newest;
  while (instance != kNone && state_.instance(instance).run == kNone)
    instance = state_.instance(instance).previous;
  if (instance == kNone) return kNone;
  const Index index = state_.instance(instance).run;
  const Run& run = state_.run(index);
  if (state_.RunLive(index) || run.outcome == v1::JOB_OUTCOME_NODE_LOST) return kNone;
  const ObservedJob* job = snapshot_.FindJob(run.id);
  return job && job->log_id == options_.log_id && MayStillWork(*job) ? index : kNone;
}

// Backoff doubles with every failed or lost run, from the logged time of the last one.
TimeNs Planner::NextTry(Index job, const Instance& instance) const {
  const uint32_t tries = instance.extra->failed_runs + instance.extra->lost_runs;
  if (tries == 0) return 0;
  const v1::RetryPolicy& retry = state_.job(job).definition.retry();
  const DurationNs ceiling = static_cast<DurationNs>(retry.max_backoff_ms()) * kMillisecond;
  DurationNs backoff = static_cast<DurationNs>(retry.backoff_ms()) * kMillisecond;
  for (uint32_t i = 1; i < tries && backoff < ceiling; ++i) backoff *= 2;
  return instance.extra->last_failure_at + std::min(backoff, ceiling);
}

bool Planner::Suspended(const Unit& unit) const {
  if (state_.job(unit.job).definition.suspend()) return true;
  const Build& build = state_.build(unit.build);
  if (!state_.want(build.want).suspend) return false;
  for (Index partition : unit.partitions) {
    for (Index other : state_.partition(partition).extra->delegators) {
      const Index want = state_.build(other).want;
      if (want != kNone && state_.want(want).Live() && !state_.want(want).suspend) return false;
    }
  }
  return true;
}

ReadyQueue::Place Planner::PlaceOf(Index index) const {
  const Unit& unit = state_.unit(index);
  const Want& want = state_.want(state_.build(unit.build).want);
  TimeNs deadline = std::numeric_limits<TimeNs>::max();
  if (want.sla && !want.sla_violated) {
    deadline = want.data_timestamp + *want.sla;
  } else if (want.ttl) {
    deadline = want.created_at + *want.ttl;
  }
  ReadyQueue::Place place;
  place.key = {-static_cast<int64_t>(want.priority), deadline, want.created_idx, index};
  place.job = unit.job;
  place.batched = state_.job(unit.job).definition.batch_max() > 1;
  if (!place.batched) return place;
  for (const Capture& capture : catalogue_.BatchKey(unit.job, CapturesOf(unit))) {
    place.batch += capture.name + "=" + capture.text + "\n";
  }
  return place;
}

void Planner::SetReady(Index unit, bool ready) {
  ready ? ready_.Put(unit, PlaceOf(unit)) : ready_.Remove(unit);
}

// Ready units in the order of work, as limits allow. Units of the same job that agree on
// batching.by share a run, at most batching.maxPartitions of them.
void Planner::Schedule(uint32_t slots) {
  uint32_t free = slots;
  if (options_.max_runs_per_graph > 0) {
    const uint32_t live = LiveRuns();
    free =
        std::min(free, options_.max_runs_per_graph > live ? options_.max_runs_per_graph - live : 0);
  }
  ScheduleConfigures(free);
  if (free == 0 || ready_.size() == 0) return;
  std::unordered_map<Index, uint32_t> started;  // by job, in this round
  auto heads = ready_.Heads();
  while (!heads.empty() && free > 0 && !Full()) {
    const auto [key, job] = *heads.begin();
    heads.erase(heads.begin());
    const v1::JobDefinitionEvent& definition = state_.job(job).definition;
    const uint32_t limit = definition.max_concurrent_runs();
    if (limit > 0 && state_.job(job).active_runs + started[job] >= limit) continue;
    const std::vector<Index> units =
        ready_.Batch(std::get<3>(key), std::max<uint32_t>(1, definition.batch_max()));
    if (!ScheduleRun(units)) continue;  // nor would the job's other units be
    for (Index scheduled : units) SetReady(scheduled, false);
    ++started[job];
    --free;
    if (const ReadyQueue::Key* next = ready_.Head(job)) heads.emplace(*next, job);
  }
}

const JobPatterns* Planner::CommandsOf(Index job) {
  const ObservedDataJob* definition = Definition(job);
  if (!definition) return nullptr;
  const auto known = commands_.find(job);
  if (known != commands_.end() && known->second.uid == definition->meta.uid &&
      known->second.generation == definition->meta.generation) {
    return &known->second.patterns;
  }
  Result<JobPatterns> compiled = CompileJob(TemplatesOf(*definition));
  if (!compiled.ok()) return nullptr;
  commands_.erase(job);
  Commands commands{definition->meta.uid, definition->meta.generation, std::move(compiled).value()};
  return &commands_.emplace(job, std::move(commands)).first->second.patterns;
}

// What a run over these units makes and reads.
Planner::RunPlan Planner::PlanRun(const std::vector<Index>& units) const {
  RunPlan plan;
  const Unit& first = state_.unit(units.front());
  uint32_t runs = 0;
  for (Index index : units) {
    for (Index instance : state_.unit(index).instances) {
      plan.instances.push_back(instance);
      plan.instance_ids.push_back(state_.instance(instance).id);
      plan.command.outputs.push_back(state_.partition(state_.instance(instance).partition).ref);
      runs = std::max(runs, state_.instance(instance).runs);
    }
    for (const UnitInput& input : state_.unit(index).inputs) {
      plan.inputs[state_.partition(input.partition).ref] |= input.materialize;
    }
  }
  for (const auto& [ref, materialize] : plan.inputs) {
    if (state_.Usable(state_.FindPartition(ref))) plan.command.inputs.push_back(ref);
  }
  plan.attempt = runs + 1;
  plan.command.captures = CapturesOf(first);
  plan.command.job_run_id =
      RunId(options_.log_id, state_.job(first.job).label, plan.instance_ids, plan.attempt);
  return plan;
}

// What a run over a unit is told: by its DataJob, or by the answer of the DataJob's image. Nothing:
// the definition is not to be had just now.
Result<std::optional<CommandLine>> Planner::CommandOf(Index job, const CommandContext& context) {
  const JobPatterns* patterns = CommandsOf(job);
  if (!patterns) return std::optional<CommandLine>();
  if (state_.job(job).definition.configure_container())
    return ConfiguredCommand(job, state_.FindPartition(context.outputs.front()));
  ASSIGN_OR_RETURN(CommandLine command, patterns->Command(context));
  return std::optional<CommandLine>(std::move(command));
}

// SCHEDULED and BUILDING in one batch. False if the definition is not to be had just now.
bool Planner::ScheduleRun(const std::vector<Index>& units) {
  const Unit& first = state_.unit(units.front());
  const RunPlan plan = PlanRun(units);
  const Job& job = state_.job(first.job);
  const Result<std::optional<CommandLine>> told = CommandOf(first.job, plan.command);
  if (!told.ok()) {
    for (Index index : units) {
      EndUnit(
          index, v1::PARTITION_FAILED,
          {plan.command.outputs.front(), "", job.label, reason::kInvalidJob, told.error().message});
    }
    return true;
  }
  if (!*told) return false;
  const CommandLine& command = **told;
  v1::JobEvent* event = batch_->Job(state_.build(first.build).id, plan.command.job_run_id,
                                    job.label, v1::JOB_SCHEDULED);
  event->set_generation(job.definition.generation());
  event->set_attempt(plan.attempt);
  v1::JobConfig* config = event->mutable_config();
  for (size_t i = 0; i < plan.instances.size(); ++i) {
    event->add_target_partitions()->set_str(plan.command.outputs[i]);
    event->add_instance_ids(plan.instance_ids[i]);
    config->add_outputs()->set_str(plan.command.outputs[i]);
  }
  for (const auto& [ref, materialize] : plan.inputs) {
    v1::DataDep* input = config->add_inputs();
    input->set_dep_type_code(materialize ? v1::MATERIALIZE : v1::QUERY);
    input->mutable_partition_ref()->set_str(ref);
    const Index partition = state_.FindPartition(ref);
    if (!state_.Usable(partition)) {
      event->add_absent_query_inputs()->set_str(ref);
      continue;
    }
    v1::PartitionInstanceRef* read = event->add_input_instances();
    read->set_ref(ref);
    read->set_instance_id(state_.instance(state_.partition(partition).current).id);
  }
  for (const std::string& arg : command.args) config->add_args(arg);
  for (const auto& [name, value] : command.env) (*config->mutable_env())[name] = value;
  for (Index instance : plan.instances) {
    batch_->Partition(instance, v1::PARTITION_BUILDING)->set_job_run_id(plan.command.job_run_id);
  }
  return true;
}

}  // namespace databuild
