// DataJobs with `configure: Container`: what their image is asked, and what it answers.
#include <algorithm>

#include "bel/ids.h"
#include "controller/planner/job_configs.h"
#include "controller/planner/planner.h"
#include "controller/planner/run_outcome.h"

namespace databuild {

// Units that a plan needs and whose job has not said how they are made: they are requested, and
// asked for as soon as a run may start.
void Planner::AskConfigs(Index build, const std::vector<Unconfigured>& units) {
  const std::string id = state_.build(build).id;
  for (const Unconfigured& unit : units) {
    std::vector<Index> instances;
    for (const std::string& output : unit.outputs) {
      const Index partition = state_.FindPartition(output);
      const Index live = partition == kNone ? kNone : state_.LiveInstance(partition);
      if (live != kNone) {
        instances.push_back(live);
        continue;
      }
      const uint32_t ordinal = partition == kNone ? 1 : state_.partition(partition).instances + 1;
      batch_
          ->Partition(id, {InstanceId(options_.log_id, output, ordinal), output, ordinal},
                      v1::PARTITION_REQUESTED)
          ->set_job_label(state_.job(unit.job).label);
    }
    if (instances.size() == unit.outputs.size()) Ask(unit.job, std::move(instances));
    if (Full()) return MarkBuild(build);
  }
}

void Planner::Ask(Index job, std::vector<Index> instances) {
  const Index first = instances.front();
  to_configure_[job].insert_or_assign(first, std::move(instances));
}

// Instances of an executing build that no plan covers and nobody asks about: the run that did has
// ended, or the process that knew.
bool Planner::HasUnasked(const Build& build) const {
  return std::any_of(build.requested.begin(), build.requested.end(), [&](Index index) {
    const Instance& instance = state_.instance(index);
    if (instance.status != v1::PARTITION_REQUESTED || instance.unit != kNone) return false;
    if (instance.run != kNone && state_.RunLive(instance.run)) return false;
    return std::none_of(to_configure_.begin(), to_configure_.end(),
                        [&](const auto& asked) { return asked.second.contains(index); });
  });
}

bool Planner::MayBeAsked(Index job, Index first) {
  const Instance& instance = state_.instance(first);
  const Index build = instance.build;
  if (FormerRunAtWork(instance.partition) != kNone || build == kNone) return false;
  if (state_.build(build).want != kNone && state_.want(state_.build(build).want).suspend)
    return false;
  const TimeNs next_try = NextTry(job, instance);
  if (next_try <= now_) return true;
  WakeAt(next_try, {KeyKind::kBuild, "", build});
  return false;
}

bool Planner::StillToAsk(Index job, const std::vector<Index>& instances) const {
  const Index first = state_.instance(instances.front()).partition;
  if (state_.job(job).configs.contains(first)) return false;
  return std::all_of(instances.begin(), instances.end(), [&](Index index) {
    const Instance& instance = state_.instance(index);
    return !state_.InstanceFinal(index) && !claimed_.contains(index) &&
           (instance.run == kNone || !state_.RunLive(instance.run));
  });
}

// One run for all that is asked of a job, at most kRefsPerConfigure refs.
void Planner::ScheduleConfigures(uint32_t& free) {
  for (auto& [job, asked] : to_configure_) {
    if (free == 0 || Full()) return;
    if (!Definition(job) || state_.job(job).definition.suspend()) continue;
    std::vector<Index> instances;
    for (auto it = asked.begin(); it != asked.end();) {
      const bool too_many =
          !instances.empty() && instances.size() + it->second.size() > kRefsPerConfigure;
      if (too_many) break;
      if (StillToAsk(job, it->second) && !MayBeAsked(job, it->first)) {
        ++it;
        continue;
      }
      if (StillToAsk(job, it->second))
        instances.insert(instances.end(), it->second.begin(), it->second.end());
      it = asked.erase(it);
    }
    if (instances.empty()) continue;
    ScheduleConfigure(job, instances);
    --free;
  }
  std::erase_if(to_configure_, [](const auto& asked) { return asked.second.empty(); });
}

void Planner::ScheduleConfigure(Index job, const std::vector<Index>& instances) {
  std::vector<std::string> ids;
  uint32_t runs = 0;
  for (Index index : instances) {
    ids.push_back(state_.instance(index).id);
    runs = std::max(runs, state_.instance(index).runs);
  }
  const std::string& label = state_.job(job).label;
  const std::string run_id = RunId(options_.log_id, label, ids, runs + 1);
  v1::JobEvent* event = batch_->Job(state_.build(state_.instance(instances.front()).build).id,
                                    run_id, label, v1::JOB_SCHEDULED);
  event->set_kind(v1::JOB_KIND_CONFIGURE);
  event->set_generation(state_.job(job).definition.generation());
  event->set_attempt(runs + 1);
  for (size_t i = 0; i < instances.size(); ++i) {
    Claim(instances[i]);
    const std::string& ref = state_.partition(state_.instance(instances[i]).partition).ref;
    event->add_instance_ids(ids[i]);
    event->add_target_partitions()->set_str(ref);
    event->mutable_config()->add_outputs()->set_str(ref);
  }
}

// The outputs a configure run asked for, unit by unit.
std::vector<std::vector<std::string>> Planner::UnitsOf(const Run& run) const {
  std::vector<std::vector<std::string>> units;
  std::set<std::string> seen;
  for (Index partition : run.partitions) {
    const std::string& ref = state_.partition(partition).ref;
    if (seen.contains(ref)) continue;
    const std::optional<Captures> captures = catalogue_.Match(run.job, ref);
    if (!captures) return {};
    Result<UnitPlan> plan = catalogue_.Plan(run.job, *captures);
    if (!plan.ok()) return {};
    seen.insert(plan->outputs.begin(), plan->outputs.end());
    units.push_back(std::move(plan->outputs));
  }
  return units;
}

void Planner::CompleteConfigure(Index index, RunVerdict verdict) {
  const Run& run = state_.run(index);
  const Job& job = state_.job(run.job);
  if (!job.Accepted() || job.definition.generation() != run.generation ||
      run.scheduled_idx < job.accepted_idx) {
    verdict.outcome = v1::JOB_OUTCOME_JOB_CHANGED;
    verdict.reason = "JobChanged";
    verdict.message = "the DataJob changed while its image was asked";
    return FailRun(index, verdict);
  }
  Result<std::vector<v1::JobConfig>> configs = ReadConfigs(verdict.config_response, UnitsOf(run));
  if (!configs.ok()) {
    verdict.outcome = v1::JOB_OUTCOME_FAILED;
    verdict.reason = "ConfigInvalid";
    verdict.message = configs.error().message;
    return FailRun(index, verdict);
  }
  // A later run over the instance went by another answer: what becomes of it is no matter of this
  // one.
  for (Index instance : run.instances) {
    if (state_.instance(instance).run == index) Claim(instance);
  }
  v1::JobEvent* event = EndEvent(index, v1::JOB_COMPLETED, verdict);
  for (v1::JobConfig& config : *configs) event->add_configs()->Swap(&config);
}

// Nobody needs the answer any more.
void Planner::CancelConfigures(Index index) {
  const Build& build = state_.build(index);
  for (Index instance : build.requested) {
    const Index run = state_.instance(instance).run;
    if (run == kNone || !state_.RunLive(run) || state_.run(run).extra->cancel_requested) continue;
    if (claimed_.contains(instance)) continue;  // the run ends in this very round
    const auto& asked = state_.run(run).instances;
    const bool shared = std::any_of(asked.begin(), asked.end(), [&](Index other) {
      return state_.instance(other).build != index && !state_.InstanceFinal(other);
    });
    if (!shared && cancelled_runs_.insert(run).second)
      batch_->CancelRun(build.id, state_.run(run).id)->set_reason("nobody needs the answer");
  }
}

// A job that asks its image was told nothing else to go by.
std::string Planner::ConfigureMisuse(const ObservedDataJob& job) {
  if (!job.configure_container) return "";
  const bool more = !job.inputs.empty() || !job.args.empty() || !job.env.empty();
  if (more) {
    return "with spec.configure: Container the image says inputs, args and env: leave "
           "spec.inputs, spec.args and spec.env out";
  }
  if (job.batch_max > 1)
    return "with spec.configure: Container each unit is a run: leave spec.batching out";
  return "";
}

// Command line and environment of a run over one unit.
std::optional<CommandLine> Planner::ConfiguredCommand(Index job, Index first_output) const {
  const auto known = state_.job(job).configs.find(first_output);
  v1::JobConfig config;
  if (known == state_.job(job).configs.end() || !config.ParseFromString(known->second))
    return std::nullopt;
  CommandLine command;
  command.args.assign(config.args().begin(), config.args().end());
  command.env.insert(config.env().begin(), config.env().end());
  return command;
}

}  // namespace databuild
