// Explain: the one reason why a wanted ref is not there. Status and API both ask here.
#include <algorithm>
#include <array>

#include "bel/transition.h"
#include "controller/planner/planner.h"

namespace databuild {
namespace {

constexpr size_t kMaxChain = 32;

}  // namespace

bool NeedsAPerson(const std::string& why) {
  static constexpr std::array kNeedy = {
      reason::kNoProducer,  reason::kAmbiguousProducer, reason::kInvalidWant, reason::kInvalidJob,
      reason::kRunTooLarge, reason::kPlanTooLarge,      reason::kCycle,       reason::kBuildFailed};
  return std::any_of(kNeedy.begin(), kNeedy.end(), [&](const char* needy) { return why == needy; });
}

PartitionReason Planner::Explain(Index want, Index partition, TimeNs now) const {
  PartitionReason why;
  if (state_.Usable(partition)) {
    why.reason = reason::kAvailable;
  } else if (const Index live = state_.LiveInstance(partition); live != kNone) {
    why = ExplainLive(want, live, now);
  } else {
    why = ExplainMissing(want, partition);
  }
  why.ref = state_.partition(partition).ref;
  const v1::PartitionStatus status = state_.RefStatus(partition);
  why.state =
      status == v1::PARTITION_UNKNOWN ? "wanted" : StatusName(EntityKind::kInstance, status);
  return why;
}

// BUILDING: what its run is doing.
PartitionReason Planner::ExplainRun(const Instance& instance) const {
  PartitionReason why;
  why.reason = reason::kBuilding;
  if (instance.run == kNone) return why;
  const Run& run = state_.run(instance.run);
  why.job_run_id = run.id;
  const std::string& label = state_.job(run.job).label;
  const ObservedJob* job = snapshot_.FindJob(run.id);
  const auto refused = snapshot_.refused.find(run.id);
  if (!job && refused != snapshot_.refused.end()) {
    why.reason = reason::kJobRefused;
    why.message = "the API server refused the Job of " + label + ": " + refused->second.message;
    why.next_change = refused->second.at + kRefusedRetry;
  } else if (job && job->pod && !job->pod->node_ready) {
    why.reason = reason::kNodeLost;
    why.message = "node " + job->pod->node + " of the run of " + label + " does not report";
  } else if (job && job->pod && !job->pod->waiting_reason.empty()) {
    why.message = "the pod of " + label + " cannot start: " + job->pod->waiting_reason + " " +
                  job->pod->waiting_message;
  } else if (job && !job->create_failure.empty()) {
    why.message = "the pod of " + label + " cannot be created: " + job->create_failure;
  } else {
    why.message = label + (run.status == v1::JOB_RUNNING ? " is running" : " is starting");
  }
  return why;
}

PartitionReason Planner::ExplainLive(Index want, Index index, TimeNs now) const {
  PartitionReason why;
  std::vector<ReasonLink> chain;
  std::unordered_set<Index> seen;
  Index at = index;
  while (true) {
    const Instance& instance = state_.instance(at);
    ReasonLink link{state_.partition(instance.partition).ref, "", "", ""};
    const bool waits = instance.status != v1::PARTITION_BUILDING && instance.unit != kNone;
    if (instance.unit != kNone) link.job_label = state_.job(state_.unit(instance.unit).job).label;
    if (!waits) {
      why = instance.status == v1::PARTITION_BUILDING ? ExplainRun(instance)
                                                      : ExplainPlanning(instance, now);
    } else {
      const Inputs inputs = JudgeInputs(state_.unit(instance.unit));
      const Index live =
          inputs.state == Inputs::State::kWaiting ? state_.LiveInstance(inputs.partition) : kNone;
      if (live != kNone && seen.insert(at).second && chain.size() < kMaxChain) {
        link.reason = reason::kWaitingForInputs;
        chain.push_back(link);
        at = live;
        continue;
      }
      why = inputs.state == Inputs::State::kReady ? ExplainReady(instance, now)
                                                  : ExplainMissing(want, inputs.partition);
    }
    link.job_run_id = why.job_run_id;
    link.reason = why.reason;
    chain.push_back(link);
    break;
  }
  const Instance& asked = state_.instance(index);
  if (chain.size() > 1) {
    why.message = "waits for " + chain[1].ref +
                  (chain.size() > 2 ? " and in the end for " + chain.back().ref : "") + ": " +
                  why.message;
    if (!NeedsAPerson(why.reason) && why.reason != reason::kWaitingForExternal)
      why.reason = reason::kWaitingForInputs;
  }
  const bool others =
      want != kNone && asked.build != kNone && state_.build(asked.build).want != want;
  if (others && asked.status != v1::PARTITION_BUILDING && !NeedsAPerson(why.reason)) {
    why.reason = reason::kWaitingForDelegate;
    const Index owner = state_.build(asked.build).want;
    why.message =
        "made for Want " + (owner == kNone ? "?" : state_.want(owner).name) + ": " + why.message;
  }
  why.chain = std::move(chain);
  return why;
}

PartitionReason Planner::ExplainPlanning(const Instance& instance, TimeNs now) const {
  PartitionReason why;
  if (instance.run != kNone && state_.RunLive(instance.run)) {
    why = ExplainRun(instance);
    why.message = "its DataJob's image is asked how it is made: " + why.message;
    return why;
  }
  if (instance.run != kNone) {
    const TimeNs next_try = NextTry(state_.run(instance.run).job, instance);
    if (next_try > now) return ExplainBackoff(instance, next_try);
  }
  why.reason = reason::kQueued;
  why.message = "the build is being planned";
  return why;
}

PartitionReason Planner::ExplainBackoff(const Instance& instance, TimeNs until) const {
  PartitionReason why;
  why.reason = reason::kBackingOff;
  why.next_change = until;
  if (instance.run == kNone) return why;
  const Run& run = state_.run(instance.run);
  why.job_run_id = run.id;
  why.message = "run " + run.id + " of " + state_.job(run.job).label + " ended with " +
                run.extra->reason + " (" + run.extra->message + "); tried again at " +
                FormatRfc3339(until);
  return why;
}

// All inputs are there: what holds it back.
PartitionReason Planner::ExplainReady(const Instance& instance, TimeNs now) const {
  PartitionReason why;
  const Unit& unit = state_.unit(instance.unit);
  const Job& job = state_.job(unit.job);
  const TimeNs next_try = NextTry(unit.job, instance);
  if (Suspended(unit)) {
    why.reason = reason::kSuspended;
    why.message = job.definition.suspend() ? "DataJob " + job.definition.name() + " is suspended"
                                           : "the Want is suspended";
  } else if (const Index former = FormerRunAtWork(instance.partition); former != kNone) {
    why.reason = reason::kBackingOff;
    why.job_run_id = state_.run(former).id;
    why.message = "waits until the pod of run " + why.job_run_id + " is gone, which ended with " +
                  state_.run(former).extra->reason;
  } else if (next_try > now) {
    return ExplainBackoff(instance, next_try);
  } else {
    why.reason = reason::kQueued;
    const size_t position = std::max<size_t>(1, ready_.Position(instance.unit));
    why.message = "waits for a free slot, position " + std::to_string(position) + " of " +
                  std::to_string(std::max<size_t>(1, ready_.size()));
  }
  return why;
}

// No work is under way for it.
PartitionReason Planner::ExplainMissing(Index want, Index partition) const {
  PartitionReason why;
  const Partition& ref = state_.partition(partition);
  const Instance* newest = ref.newest == kNone ? nullptr : &state_.instance(ref.newest);
  const Index build = want == kNone ? kNone : state_.LastBuild(want);
  const auto from_cause = [&](const CauseInfo& cause, const std::string& what) {
    why.job_run_id = cause.run_id;
    why.reason = what;
    why.message = cause.ref == ref.ref || cause.ref.empty()
                      ? cause.message
                      : "because of " + cause.ref + ": " + cause.message;
    if (!cause.label.empty()) why.message = cause.label + ": " + why.message;
    why.chain.push_back({ref.ref, "", "", what});
    if (cause.ref != ref.ref && !cause.ref.empty()) {
      why.chain.push_back({cause.ref, cause.label, cause.run_id, cause.reason});
    }
  };
  const Producer producer = catalogue_.Find(ref.ref);
  if (newest && newest->status == v1::PARTITION_FAILED) {
    from_cause(newest->extra->cause, NeedsAPerson(newest->extra->cause.reason)
                                         ? newest->extra->cause.reason
                                         : reason::kBuildFailed);
  } else if (producer.kind != Producer::Kind::kOne) {
    why = catalogue_.WhyNobodyMakes(ref.ref);
  } else if (newest && newest->status == v1::PARTITION_CANCELLED &&
             !newest->extra->cause.ref.empty() &&
             (NeedsAPerson(newest->extra->cause.reason) ||
              newest->extra->cause.reason == reason::kWaitingForExternal)) {
    from_cause(newest->extra->cause, newest->extra->cause.reason);
  } else if (build != kNone && !state_.BuildOpen(build) &&
             !state_.build(build).cause->reason.empty()) {
    from_cause(state_.build(build).cause, state_.build(build).cause->reason);
  } else if (want != kNone && !state_.want(want).Live()) {
    why.reason =
        state_.want(want).status == v1::WANT_EXPIRED ? reason::kExpired : reason::kCancelled;
    why.message = "the Want ended before it was there";
  } else {
    why.reason = reason::kQueued;
    why.message = "the build is being planned";
  }
  return why;
}

}  // namespace databuild
