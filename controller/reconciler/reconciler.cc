#include "controller/reconciler/reconciler.h"

#include <algorithm>

#include "bel/base/log.h"

namespace databuild {

uint32_t RunSlots::Ask(const std::string& graph, uint32_t live) {
  const std::lock_guard lock(mutex_);
  shares_[graph] = {live, false};
  if (limit_ == 0) return UINT32_MAX;
  uint64_t all = 0, content = 0, hungry = 1;  // runs, runs of graphs that do not wait, graphs
  for (const auto& [name, share] : shares_) {
    all += share.live;
    if (share.waits) {
      ++hungry;
    } else if (name != graph) {
      content += share.live;
    }
  }
  uint64_t free = all < limit_ ? limit_ - all : 0;
  if (hungry > 1) {
    const uint64_t rest = content < limit_ ? limit_ - content : 0;
    const uint64_t part = (rest + hungry - 1) / hungry;
    free = std::min(free, part > live ? part - live : 0);
  }
  shares_[graph].live += static_cast<uint32_t>(free);  // until it says what it made of the grant
  return static_cast<uint32_t>(free);
}

void RunSlots::Settle(const std::string& graph, uint32_t live, bool waits) {
  const std::lock_guard lock(mutex_);
  shares_[graph] = {live, waits};
}

void RunSlots::Leave(const std::string& graph) {
  const std::lock_guard lock(mutex_);
  shares_[graph].waits = false;
}

namespace {

uint32_t RunsStarted(const std::vector<v1::BuildEvent>& events) {
  return static_cast<uint32_t>(
      std::count_if(events.begin(), events.end(), [](const v1::BuildEvent& event) {
        return event.has_job_event() && event.job_event().status_code() == v1::JOB_SCHEDULED;
      }));
}

}  // namespace

const char* EffectKind(const Effect& effect) {
  struct Name {
    const char* operator()(const CreateJob&) const { return "create_job"; }
    const char* operator()(const DeleteJob&) const { return "delete_job"; }
    const char* operator()(const ConfirmRunAbsent&) const { return "confirm_run_absent"; }
    const char* operator()(const ReadRunOutput&) const { return "read_run_output"; }
    const char* operator()(const ConfirmObjectAbsent&) const { return "confirm_object_absent"; }
    const char* operator()(const ProveTemplate&) const { return "prove_template"; }
    const char* operator()(const DeleteWant&) const { return "delete_want"; }
    const char* operator()(const PatchStatus&) const { return "patch_status"; }
  };
  return std::visit(Name{}, effect);
}

GraphReconciler::GraphReconciler(PlannerOptions options, Parts parts)
    : options_(std::move(options)), parts_(std::move(parts)) {
  options_.log_id = parts_.log->log_id();
}

GraphReconciler::~GraphReconciler() { parts_.slots->Leave(options_.graph); }

TickReport GraphReconciler::Tick() {
  TickReport report;
  const TimeNs start = parts_.clock->Now();
  {
    const std::lock_guard lock(mutex_);
    for (const Delta& delta : parts_.cluster->TakeDeltas(options_.graph)) {
      snapshot_.Apply(delta);
      if (planner_) planner_->Observe(delta);
      ++report.deltas;
    }
  }
  // Before the first complete list absence means nothing.
  if (!parts_.cluster->Synced(options_.graph)) return report;
  if (blocked_until_ && start < *blocked_until_) return report;
  blocked_until_.reset();
  if (!planner_) {
    const std::lock_guard lock(mutex_);
    parts_.log->WithState([&](const BuildState& state) {
      planner_ = std::make_unique<Planner>(options_, state, snapshot_);
    });
  }
  more_ = true;
  while (more_ && report.rounds < kMaxRoundsPerTick) {
    ++report.rounds;
    const size_t before = report.events;
    if (!DecideAndAppend(report)) break;
    // A round that looks at much without deciding anything is a tick of its own.
    if (report.events == before || report.events >= kMaxEventsPerTick) break;
  }
  if (report.append_error)
    return report;  // effects come from the state after the append, or not at all
  std::vector<Effect> effects;
  {
    const std::lock_guard lock(mutex_);
    parts_.log->WithState(
        [&](const BuildState&) { effects = planner_->DecideEffects(parts_.clock->Now()); });
  }
  for (const Effect& effect : effects) report.effect_kinds.push_back(EffectKind(effect));
  report.effects = effects.size();
  if (!effects.empty()) parts_.cluster->Submit(options_.graph, std::move(effects));
  report.took = parts_.clock->Now() - start;
  return report;
}

// One round. False when the append failed; more_ says whether there is more to decide.
bool GraphReconciler::DecideAndAppend(TickReport& report) {
  std::vector<v1::BuildEvent> events;
  const TimeNs now = parts_.clock->Now();
  {
    const std::lock_guard lock(mutex_);
    parts_.log->WithState([&](const BuildState&) {
      const uint32_t slots = parts_.slots->Ask(options_.graph, planner_->LiveRuns());
      events = planner_->DecideEvents(now, slots);
      const uint32_t started = RunsStarted(events);
      starved_ = started >= slots && planner_->ReadyUnits() > 0;
      parts_.slots->Settle(options_.graph, planner_->LiveRuns() + started, starved_);
    });
  }
  if (events.empty()) {
    more_ = planner_->Unfinished();
    return true;
  }
  Result<std::vector<int64_t>> appended = parts_.log->AppendAll(events);
  const std::lock_guard lock(mutex_);
  if (!appended.ok()) {
    report.append_error = appended.error();
    blocked_until_ = now + kAppendRetry;
    parts_.log->WithState([&](const BuildState&) { planner_->MarkAllDirty(); });
    LogError("append refused", {{"graph", options_.graph},
                                {"code", ErrcName(appended.error().code)},
                                {"error", appended.error().message},
                                {"events", std::to_string(events.size())}});
    return false;
  }
  report.events += events.size();
  parts_.log->WithState([&](const BuildState& state) {
    for (const v1::BuildEvent& event : events) {
      planner_->Observe(event);
      if (parts_.on_event) parts_.on_event(options_.graph, event, state);
    }
  });
  return true;
}

std::optional<TimeNs> GraphReconciler::NextWake() const {
  const std::lock_guard lock(mutex_);
  if (blocked_until_) return blocked_until_;
  if (!planner_) return std::nullopt;
  if (more_ || planner_->HasWork(parts_.clock->Now())) return parts_.clock->Now();
  const std::optional<TimeNs> wake = planner_->NextWake();
  if (!starved_) return wake;
  const TimeNs retry = parts_.clock->Now() + kSlotRetry;
  return std::min(wake.value_or(retry), retry);
}

void GraphReconciler::Ask(const std::function<void(const BuildState&, Planner*)>& ask) const {
  const std::lock_guard lock(mutex_);
  parts_.log->WithState([&](const BuildState& state) { ask(state, planner_.get()); });
}

void GraphReconciler::Read(
    const std::function<void(const BuildState&, const Explainer&)>& read) const {
  Ask([&](const BuildState& state, const Planner* planner) {
    Explainer explain;
    if (planner != nullptr) {
      explain = [&](Index want, Index partition) {
        return planner->Explain(want, partition, parts_.clock->Now());
      };
    }
    read(state, explain);
  });
}

}  // namespace databuild
