// The status of our objects, as it should read.
#include <algorithm>

#include "bel/glob.h"
#include "controller/planner/planner.h"

namespace databuild {
namespace {

constexpr size_t kMaxDetails = 20;
constexpr size_t kMaxDetailBytes = 256;
constexpr size_t kMaxMessageBytes = 1'024;

std::string Cut(std::string text, size_t most) {
  if (text.size() <= most) return text;
  text.resize(most - 3);
  return text + "...";
}

const char* Bool(bool value) { return value ? "True" : "False"; }

// What needs attention first: what failed, what else a person must act on, then what is tried
// again, then what waits. The first of them is the want's reason, as it is its build's in the log.
int Rank(const PartitionReason& why) {
  if (why.reason == reason::kBuildFailed) return 0;
  if (NeedsAPerson(why.reason)) return 1;
  if (why.reason == reason::kBackingOff || why.reason == reason::kJobRefused ||
      why.reason == reason::kNodeLost) {
    return 2;
  }
  if (why.reason == reason::kSuspended || why.reason == reason::kWaitingForExternal) return 3;
  if (why.reason == reason::kBuilding) return 4;
  return why.reason == reason::kQueued ? 5 : 6;
}

StatusDetail Detail(const PartitionReason& why) {
  return {why.ref, why.state, why.reason, Cut(why.message, kMaxDetailBytes), why.job_run_id};
}

}  // namespace

// Counts, and the reasons of some partitions at each stage: what a status can show, chosen without
// a walk over all of a million refs.
Planner::WantView Planner::Look(Index index, WantStatus& status) const {
  const Want& want = state_.want(index);
  std::optional<Missing> ended;
  if (!want.Live()) ended = progress_.WorkOut(index);
  const Missing& missing = ended ? *ended : progress_.Of(index);
  status.available = status.total - missing.count();
  status.failed = missing.of(Stage::kFailed).size();
  status.building = missing.of(Stage::kBuilding).size();
  if (const Index build = state_.LastBuild(index); build != kNone) {
    for (const Unproducible& absent : state_.build(build).unproducible)
      status.external += absent.external && missing.of(Stage::kIdle).Contains(absent.partition);
  }
  status.waiting = missing.count() - status.failed - status.building - status.external;
  std::vector<std::pair<int, PartitionReason>> reasons;
  for (const IndexSet& stage : missing.by_stage) {
    Index partition = stage.First();
    for (size_t i = 0; i < kMaxDetails && partition != kNone; ++i) {
      PartitionReason why = Explain(index, partition, now_);
      reasons.emplace_back(Rank(why), std::move(why));
      partition = stage.Next(partition + 1);
    }
  }
  std::stable_sort(reasons.begin(), reasons.end(),
                   [](const auto& a, const auto& b) { return a.first < b.first; });
  WantView view;
  if (!reasons.empty()) view.worst = reasons.front().second;
  for (const auto& [rank, why] : reasons) {
    if (why.next_change && (!view.next_change || why.next_change < view.next_change)) {
      view.next_change = why.next_change;
    }
    if (status.details.size() < kMaxDetails) status.details.push_back(Detail(why));
  }
  return view;
}

WantStatus Planner::StatusOfWant(const ObservedWant& observed) const {
  WantStatus status;
  status.observed_generation = observed.meta.generation;
  const Index index = state_.FindWant(observed.meta.uid);
  if (index == kNone || state_.want(index).status == v1::WANT_UNKNOWN) {
    const std::string error = ValidateWant(observed);
    const bool bad = !error.empty();
    status.conditions = {
        {"Ready", "False", bad ? reason::kInvalidWant : reason::kQueued,
         bad ? error : "not looked at yet"},
        {"Reconciling", Bool(!bad), bad ? reason::kInvalidWant : reason::kQueued, ""},
        {"Stalled", Bool(bad), bad ? reason::kInvalidWant : reason::kQueued, error},
        {"SLAMet", "Unknown", reason::kQueued, ""},
        {"Expired", "False", reason::kQueued, ""}};
    return status;
  }
  const Want& want = state_.want(index);
  status.want_id = want.id;
  status.total = want.partitions.size();
  status.event_index = want.last_idx;
  if (const Index build = state_.LastBuild(index); build != kNone) {
    status.build_request_id = state_.build(build).id;
    status.event_index = std::max(status.event_index, state_.build(build).last_idx);
  }
  const WantView view = Look(index, status);
  status.progress = std::to_string(status.available) + "/" + std::to_string(status.total);
  const bool ready = want.unavailable == 0;
  const Index build = state_.LastBuild(index);
  const bool building = build != kNone && state_.BuildOpen(build);
  const bool ended = !want.Live();
  std::string why = ready ? reason::kAvailable : view.worst.reason;
  if (!ready && ended) why = reason::kExpired;
  const bool stalled = !ready && !ended && !building && NeedsAPerson(why);
  std::string message = ready ? "all " + std::to_string(status.total) + " partitions are available"
                              : view.worst.ref + ": " + view.worst.message;
  if (!ready && view.next_change) message += "; next change at " + FormatRfc3339(view.next_change);
  message = Cut(message, kMaxMessageBytes);
  status.conditions.push_back({"Ready", Bool(ready), why, message});
  status.conditions.push_back({"Reconciling", Bool(!ready && !ended && !stalled), why, ""});
  status.conditions.push_back({"Stalled", Bool(stalled), why, stalled ? message : ""});
  status.conditions.push_back(SlaCondition(want));
  const bool expired = want.status == v1::WANT_EXPIRED;
  status.conditions.push_back(
      {"Expired", Bool(expired), expired ? reason::kExpired : "Live",
       want.ttl ? "ttl ends at " + FormatRfc3339(want.created_at + *want.ttl) : "no ttl"});
  return status;
}

Condition Planner::SlaCondition(const Want& want) const {
  if (!want.sla) return {"SLAMet", "Unknown", "NoSLA", "spec.sla is not set"};
  const TimeNs deadline = want.data_timestamp + *want.sla;
  const std::string at = FormatRfc3339(deadline);
  if (want.sla_violated) return {"SLAMet", "False", "Violated", "not available by " + at};
  const bool judged =
      now_ >= deadline || (want.first_satisfied_at && want.first_satisfied_at <= deadline);
  if (judged) return {"SLAMet", "True", "Met", "available by " + at};
  return {"SLAMet", "Unknown", "BeforeDeadline", "judged at " + at};
}

TaintStatus Planner::StatusOfTaint(const ObservedTaint& observed) const {
  TaintStatus status;
  status.observed_generation = observed.meta.generation;
  const Index index = state_.FindTaint(observed.meta.uid);
  if (index == kNone) {
    std::string error = observed.error;
    if (const auto refused = refused_taints_.find(observed.meta.uid);
        refused != refused_taints_.end() && error.empty()) {
      error = refused->second;
    }
    for (const std::string& glob : observed.globs) {
      if (const auto parsed = Glob::Compile(glob); !parsed.ok() && error.empty())
        error = parsed.error().message;
    }
    status.conditions = {{"Applied", "False", error.empty() ? "Pending" : "InvalidTaint", error},
                         {"Repaired", "Unknown", "NotApplied", ""}};
    return status;
  }
  const Taint& taint = state_.taint(index);
  status.taint_id = taint.id;
  status.event_index = taint.last_idx;
  status.tainted = taint.instances.size();
  status.downstream = taint.downstream.size();
  for (const auto* instances : {&taint.instances, &taint.downstream}) {
    for (Index instance : *instances) {
      const bool repaired = state_.Replaced(instance);
      if (repaired) ++status.repaired;
      if (repaired || status.details.size() >= kMaxDetails) continue;
      status.details.push_back(Detail(Explain(kNone, state_.instance(instance).partition, now_)));
    }
  }
  const bool repaired = taint.status == v1::TAINT_REPAIRED;
  const bool lifted = taint.status == v1::TAINT_LIFTED;
  status.conditions = {
      {"Applied", Bool(!lifted), lifted ? "Lifted" : "Applied",
       std::to_string(taint.instances.size() + taint.downstream.size()) + " instances tainted"},
      {"Repaired", Bool(repaired), repaired ? "Repaired" : "WaitingForRebuild",
       repaired ? "every tainted instance has a good successor"
                : "an instance is rebuilt when a live Want or a data dependency asks for it"}};
  return status;
}

DataJobStatus Planner::StatusOfDataJob(const ObservedDataJob& observed) const {
  DataJobStatus status;
  status.observed_generation = observed.meta.generation;
  const JobVerdict verdict = JudgeDataJob(observed);
  const Index index = state_.FindJob(observed.label);
  if (index != kNone && state_.job(index).definition.name() == observed.meta.name) {
    const Job& job = state_.job(index);
    status.active = job.active_runs;
    status.succeeded = job.runs_completed;
    status.failed = job.runs_failed;
    status.cancelled = job.runs_cancelled;
    status.event_index = job.last_idx;
  }
  if (!verdict.known) {
    status.conditions = {
        {"Accepted", "Unknown", "Proving", "the pod template is being tried on the API server"}};
  } else {
    status.conditions = {{"Accepted", Bool(verdict.accepted),
                          verdict.accepted ? "Accepted" : verdict.reason,
                          Cut(verdict.message, kMaxMessageBytes)}};
  }
  if (observed.configure_container && index != kNone)
    status.conditions.push_back(ConfiguredCondition(index));
  return status;
}

// How the last call of the image for job configs ended.
Condition Planner::ConfiguredCondition(Index job) const {
  const Index last = state_.job(job).last_configure;
  if (last == kNone || state_.RunLive(last))
    return {"Configured", "Unknown", "Pending", "the image has not answered yet"};
  const Run& run = state_.run(last);
  if (run.status == v1::JOB_COMPLETED) {
    return {"Configured", "True", "Configured",
            "run " + run.id.str() + " said how " + std::to_string(run.partitions.size()) +
                " partitions are made"};
  }
  return {"Configured", "False", run.extra->reason,
          Cut("run " + run.id.str() + ": " + run.extra->message, kMaxMessageBytes)};
}

}  // namespace databuild
