#include "tests/support/planner_world.h"

#include <algorithm>

#include "bel/base/check.h"
#include "bel/state_digest.h"

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

// Goes away in the order opposite to how it was made.
struct PlannerWorld::Process {
  Process(Storage& shared, FakeCluster& cluster, const WorldFaults& faults)
      : storage(shared), view(cluster.Connect()) {
    storage.faults = faults.storage;
    view->faults = faults.cluster;
  }
  bool crashed() const { return storage.crashed() || view->crashed(); }

  FaultyStorage storage;
  std::unique_ptr<FakeView> view;
  std::unique_ptr<EventLog> log;
  std::unique_ptr<GraphReconciler> reconciler;
  bool fenced = false;
};

PlannerWorld::PlannerWorld(PlannerOptions options, uint32_t max_runs)
    : options_(std::move(options)),
      slots_(max_runs),
      storage_([this] { return options_.log_id; }),
      process_(NewProcess()) {}

PlannerWorld::~PlannerWorld() = default;

std::unique_ptr<PlannerWorld::Process> PlannerWorld::NewProcess() {
  auto process = std::make_unique<Process>(storage_, cluster, faults_);
  LogOptions options;
  options.storage = &process->storage;
  options.graph = options_.graph;
  options.holder = "operator-" + std::to_string(next_holder_++);
  options.cluster_uid = "22222222-2222-4222-8222-222222222222";
  options.clock = &clock;
  Result<std::unique_ptr<EventLog>> opened = EventLog::Open(options);
  CHECK(opened.ok());
  process->log = std::move(*opened);
  process->reconciler = std::make_unique<GraphReconciler>(
      options_,
      GraphReconciler::Parts{process->log.get(), process->view.get(), &clock, &slots_, {}});
  return process;
}

size_t PlannerWorld::Tick() {
  const TickReport report = process_->reconciler->Tick();
  Judge(report);
  ReadLog();
  if (process_->crashed()) Restart();
  return report.events;
}

void PlannerWorld::Judge(const TickReport& report) {
  if (!report.append_error || !violation_.empty()) return;
  const Errc code = report.append_error->code;
  if (code != Errc::kUnavailable && code != Errc::kFenced)
    violation_ = report.append_error->message;
}

void PlannerWorld::TickFormer() {
  if (!former_) return;
  const TickReport report = former_->reconciler->Tick();
  Judge(report);
  ReadLog();
  if ((report.append_error && report.append_error->code == Errc::kFenced) || former_->crashed())
    former_.reset();
}

void PlannerWorld::ReadLog() {
  while (true) {
    const Result<StoredPage> page =
        storage_.List(options_.graph, {.since_idx = static_cast<int64_t>(log.size())});
    CHECK(page.ok());
    for (const StoredEvent& stored : page->events) {
      v1::BuildEvent& event = log.emplace_back();
      CHECK(event.ParseFromString(stored.payload));
      CHECK(event.idx() == static_cast<int64_t>(log.size()));
    }
    if (page->events.empty()) return;
  }
}

void PlannerWorld::Settle() {
  for (int i = 0; i < kMaxTicks; ++i) {
    const size_t created = cluster.created.size();
    const bool decided = Tick() > 0 || cluster.created.size() > created;
    const std::optional<TimeNs> wake = process_->reconciler->NextWake();
    if (!decided && !process_->view->HasNews() && (!wake || *wake > clock.now)) return;
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
    const std::optional<TimeNs> wake = process_->reconciler->NextWake();
    if (!wake || *wake > end) return;
    clock.now = std::max(clock.now, *wake);
  }
}

void PlannerWorld::Restart() {
  process_.reset();
  process_ = NewProcess();
}

void PlannerWorld::TakeOver() {
  former_ = std::move(process_);
  former_->view->LoseLease();
  process_ = NewProcess();
}

void PlannerWorld::SetFaults(const WorldFaults& faults) {
  faults_ = faults;
  for (Process* process : {process_.get(), former_.get()}) {
    if (!process) continue;
    process->storage.faults = faults.storage;
    process->view->faults = faults.cluster;
  }
}

const BuildState& PlannerWorld::state() const {
  return *process_->log->WithState([](const BuildState& state) { return &state; });
}

std::string PlannerWorld::RefStatus(const std::string& ref) const {
  const Index partition = state().FindPartition(ref);
  if (partition == kNone) return "unknown";
  const v1::PartitionStatus status = state().RefStatus(partition);
  return status == v1::PARTITION_UNKNOWN ? "wanted" : StatusName(EntityKind::kInstance, status);
}

const Want& PlannerWorld::WantOf(const std::string& name) const {
  for (const Want& want : state().wants()) {
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
    statuses.push_back(StatusName(EntityKind::kBuild, state().build(build).status));
  }
  return statuses;
}

const EventLog& PlannerWorld::event_log() const { return *process_->log; }

void PlannerWorld::Ask(const std::function<void(const BuildState&, Planner*)>& ask) const {
  process_->reconciler->Ask(ask);
}

PartitionReason PlannerWorld::Why(const std::string& want, const std::string& ref) const {
  PartitionReason reason;
  process_->reconciler->Read(
      [&](const BuildState& state, const GraphReconciler::Explainer& explain) {
        reason = explain(state.FindWant(WantOf(want).id.str()), state.FindPartition(ref));
      });
  return reason;
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

std::string PlannerWorld::ReplayDiffers() const {
  BuildState replayed;
  for (const v1::BuildEvent& event : log) replayed.Apply(event);
  for (int i = 0; i < kStateSections; ++i) {
    const auto section = static_cast<StateSection>(i);
    const auto all = [&](const BuildState& of) {
      return StateRange{section, 0, StateSize(of, section)};
    };
    if (StateDigest(replayed, all(replayed)) != StateDigest(state(), all(state())))
      return StateSectionName(section);
  }
  return "";
}

}  // namespace databuild
