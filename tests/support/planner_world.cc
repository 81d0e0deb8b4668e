#include "tests/support/planner_world.h"

#include <algorithm>

namespace databuild {
namespace {

constexpr int kMaxTicks = 10'000;

}  // namespace

PlannerOptions PlannerWorld::Defaults() {
  PlannerOptions options;
  options.graph = "test";
  options.log_id = "11111111-1111-4111-8111-111111111111";
  options.keep_finished_jobs = 0;
  return options;
}

PlannerWorld::PlannerWorld(PlannerOptions options) : options_(std::move(options)) {}

size_t PlannerWorld::Tick() {
  for (const Delta& delta : cluster.TakeDeltas(options_.graph)) {
    snapshot_.Apply(delta);
    if (planner_) planner_->Observe(delta);
  }
  if (!planner_) planner_ = std::make_unique<Planner>(options_, state, snapshot_);
  std::vector<v1::BuildEvent> events = planner_->DecideEvents(clock.now, UINT32_MAX);
  for (v1::BuildEvent& event : events) {
    event.set_idx(state.idx() + 1);
    event.set_timestamp(std::max(state.last_event_at() + 1, clock.now));
    const Status legal = CheckTransition(state, event);
    if (!legal.ok() && violation_.empty())
      violation_ = legal.error().message + "\n" + event.DebugString();
    state.Apply(event);
    log.push_back(event);
  }
  for (const v1::BuildEvent& event : events) planner_->Observe(event);
  if (events.empty()) cluster.Submit(options_.graph, planner_->DecideEffects(clock.now));
  return events.size();
}

void PlannerWorld::Settle() {
  for (int i = 0; i < kMaxTicks; ++i) {
    const size_t before = cluster.created.size();
    if (Tick() == 0 && cluster.created.size() == before && !planner_->HasWork(clock.now)) {
      const std::vector<Delta> rest = cluster.TakeDeltas(options_.graph);
      if (rest.empty()) return;
      for (const Delta& delta : rest) {
        snapshot_.Apply(delta);
        planner_->Observe(delta);
      }
    }
  }
  if (violation_.empty()) violation_ = "the planner does not come to rest";
}

void PlannerWorld::Run(DurationNs horizon) {
  const TimeNs end = clock.now + horizon;
  for (int i = 0; i < kMaxTicks && violation_.empty(); ++i) {
    Settle();
    if (cluster.StepJobs()) {
      clock.now += kSecond;
      continue;
    }
    const std::optional<TimeNs> wake = planner_->NextWake();
    if (!wake || *wake > end) return;
    clock.now = std::max(clock.now, *wake);
  }
}

void PlannerWorld::Restart() {
  planner_.reset();
  snapshot_ = Snapshot{};
  cluster.TakeDeltas(options_.graph);
  cluster.Relist();
}

std::string PlannerWorld::RefStatus(const std::string& ref) const {
  const Index partition = state.FindPartition(ref);
  if (partition == kNone) return "unknown";
  const v1::PartitionStatus status = state.RefStatus(partition);
  return status == v1::PARTITION_UNKNOWN ? "wanted" : StatusName(EntityKind::kInstance, status);
}

const Want& PlannerWorld::WantOf(const std::string& name) const {
  for (const Want& want : state.wants()) {
    if (want.name == name) return want;
  }
  CHECK(false);
}

std::string PlannerWorld::WantStatusName(const std::string& name) const {
  return StatusName(EntityKind::kWant, WantOf(name).status);
}

std::vector<std::string> PlannerWorld::BuildStatuses(const std::string& want) const {
  std::vector<std::string> statuses;
  for (Index build : WantOf(want).builds) {
    statuses.push_back(StatusName(EntityKind::kBuild, state.build(build).status));
  }
  return statuses;
}

PartitionReason PlannerWorld::Why(const std::string& want, const std::string& ref) const {
  return planner_->Explain(state.FindWant(WantOf(want).id), state.FindPartition(ref), clock.now);
}

size_t PlannerWorld::CountEvents(v1::BuildEvent::EventTypeCase type) const {
  return static_cast<size_t>(
      std::count_if(log.begin(), log.end(),
                    [&](const v1::BuildEvent& event) { return event.event_type_case() == type; }));
}

size_t PlannerWorld::RunsOf(const std::string& ref) const {
  return static_cast<size_t>(
      std::count_if(log.begin(), log.end(), [&](const v1::BuildEvent& event) {
        if (!event.has_job_event() || event.job_event().status_code() != v1::JOB_SCHEDULED)
          return false;
        const auto& targets = event.job_event().target_partitions();
        return std::any_of(targets.begin(), targets.end(),
                           [&](const auto& target) { return target.str() == ref; });
      }));
}

size_t PlannerWorld::MostLiveRunsOf(const std::string& ref) const {
  std::set<std::string> live;
  size_t most = 0;
  for (const v1::BuildEvent& event : log) {
    if (!event.has_job_event()) continue;
    const v1::JobEvent& job = event.job_event();
    if (job.status_code() == v1::JOB_SCHEDULED) {
      for (const auto& target : job.target_partitions()) {
        if (target.str() == ref) live.insert(job.job_run_id());
      }
    } else if (job.status_code() != v1::JOB_RUNNING) {
      live.erase(job.job_run_id());
    }
    most = std::max(most, live.size());
  }
  return most;
}

std::string PlannerWorld::Transcript() const {
  std::string text;
  for (const v1::BuildEvent& event : log) text += event.ShortDebugString() + "\n";
  return text;
}

bool PlannerWorld::ReplayAgrees() const {
  BuildState replayed;
  for (const v1::BuildEvent& event : log) replayed.Apply(event);
  if (replayed.partitions_by_status() != state.partitions_by_status()) return false;
  for (Index i = 0; i < state.wants().size(); ++i) {
    if (replayed.want(i).unavailable != state.want(i).unavailable) return false;
    if (replayed.want(i).status != state.want(i).status) return false;
  }
  return true;
}

}  // namespace databuild
