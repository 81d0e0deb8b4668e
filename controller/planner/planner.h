// Planner: two pure questions over the log's state and the cluster's picture, asked once a tick.
//
//   DecideEvents:  what became true?                                        -> events to append
//   DecideEffects: what does the cluster lack that the log says should be there? -> effects to
//   submit
//
// No clock, no I/O, no randomness: time, run slots and facts come in. What the planner keeps beside
// the state is derived from it (dirty keys, timers, the ready queue, compiled patterns) and rebuilt
// by MarkAllDirty; losing it loses nothing. The cost of a tick is in the number of changed things.
// Owned by the worker thread of its graph.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "bel/build_state.h"
#include "controller/planner/catalogue.h"
#include "controller/planner/event_batch.h"
#include "controller/planner/index_set.h"
#include "controller/planner/plan_walk.h"
#include "controller/planner/ready_queue.h"
#include "controller/planner/reason.h"
#include "controller/planner/snapshot.h"
#include "controller/planner/want_progress.h"

namespace databuild {

// Limits of what one event carries and one round looks at. Sources: core.md "Analysis";
// event-log.md: an event has at most 1 MiB, and a ref 1,024 bytes.
inline constexpr size_t kMaxGraphPartBytes = 256 * 1'024;
inline constexpr size_t kMaxRefsPerEvent = 500;
inline constexpr size_t kRefsPerRound = 8'192;  // that the analysis of a plan looks at
inline constexpr size_t kKeysPerRound = 8'192;  // changed things that are looked at
// An effect that left no trace in the cluster is decided again after this long.
inline constexpr DurationNs kEffectRetry = 5 * kSecond;
// A refused Job is tried again after this long.
inline constexpr DurationNs kRefusedRetry = 15 * kSecond;

struct PlannerOptions {
  std::string graph;
  std::string log_id;
  uint32_t max_runs_per_graph = 0;  // 0: no limit
  // Then the next round goes on; one decision may exceed it.
  size_t max_events_per_round = 4'096;
  DurationNs keep_finished_jobs =
      10 * kMinute;  // how long a finished run's Job stays for kubectl logs
  std::vector<Peer> peers;
  // A Job whose container ran stays until its log is stored, at most this long; 0: nobody collects.
  DurationNs log_deadline = 0;
  // Nobody but the API can write the annotation databuild.dev/caller: admission sees to it.
  bool callers_known = false;

  // Whether the object's source is the caller of the API, not a claim.
  bool Authenticated(const SourceClaim& source) const {
    return callers_known && !source.caller.empty();
  }
};

class Planner {
 public:
  Planner(PlannerOptions options, const BuildState& state, const Snapshot& snapshot);

  // Everything is looked at again: at start, and after an append that failed.
  void MarkAllDirty();
  // A delta was applied to the snapshot.
  void Observe(const Delta& delta);
  // An event was appended and applied to the state.
  void Observe(const v1::BuildEvent& event);

  // `slots`: runs the whole operator may start now.
  std::vector<v1::BuildEvent> DecideEvents(TimeNs now, uint32_t slots);
  std::vector<Effect> DecideEffects(TimeNs now);

  // Whether the last DecideEvents stopped before it had looked at everything: it goes on when it is
  // called again, also where it decided nothing.
  bool Unfinished() const { return unfinished_; }
  // Whether DecideEvents would look at anything at `now`.
  bool HasWork(TimeNs now) const;
  // When something is due without anything changing; nullopt: never.
  std::optional<TimeNs> NextWake() const;

  // Runs SCHEDULED or RUNNING, for operator-wide limits.
  uint32_t LiveRuns() const;
  size_t ReadyUnits() const { return ready_.size() + to_configure_.size(); }

  // Why the wanted ref is not there. `want`: whose view, or kNone.
  PartitionReason Explain(Index want, Index partition, TimeNs now) const;

  const Catalogue& catalogue() const { return catalogue_; }
  // How the units of the refs, all of one job, would be run if they were now: a config for each
  // unit. kInvalidArgument names outputs[i]; kUnavailable: the job's image, or its object, has yet
  // to say.
  Result<v1::JobConfigureResponse> Configure(const std::vector<std::string>& refs);

 private:
  enum class KeyKind { kWant, kTaint, kDataJob, kExternal, kRun, kBuild, kUnit };
  struct Key {
    KeyKind kind;
    std::string id;  // uid, name, ref or run id
    Index index = kNone;
    auto operator<=>(const Key&) const = default;
  };

  // --- planner.cc
  void Mark(Key key);
  void MarkWant(Index want);
  void MarkRef(Index partition);
  void MarkTaint(Index taint);
  std::vector<Index> TaintsOf(Index run) const;
  void MarkBuild(Index build);
  void MarkBuildAndWant(Index build);
  void ObserveRun(Index run);
  void ObserveWant(const v1::WantEvent& event);
  void ObserveTaint(Index taint);
  void MarkUnit(Index unit);
  void MarkRun(Index run);
  void MarkJobUsers(Index job);
  void MarkRejectedJobs();
  void WakeAt(TimeNs at, Key key);
  void Decide(const Key& key);
  void FireTimers();
  bool DecideObjects();
  void DecideBuildsAndUnits();
  bool Enough() const { return Full() || looked_at_ >= kKeysPerRound || open_plan_.has_value(); }
  void ObserveInstance(Index instance);
  void ObserveDelegation(Index build, const v1::DelegationEvent& delegation);
  void ObserveGraph(Index build, const v1::JobGraphEvent& graph);
  void ObserveAdoption(const v1::AdoptionEvent& adoption);
  void FollowUnit(Index unit);
  const IndexSet& OpenUnits(Index build) const;
  void MarkUnitsOf(Index build);
  // An event is decided for the instance: its unit starts no run in this round. False: one was
  // decided before.
  bool Claim(Index instance);
  bool Full() const { return batch_->size() >= options_.max_events_per_round; }

  // --- decide_job.cc
  struct JobVerdict {
    bool known = false;  // false: the proof of the template has not come yet
    bool accepted = false;
    std::string reason;
    std::string message;
  };
  JobVerdict JudgeDataJob(const ObservedDataJob& data_job) const;
  // The log holds this very generation as accepted: its template was proved then.
  bool AcceptedBefore(const ObservedDataJob& data_job) const;
  void DecideDataJob(const std::string& name);
  void DropGoneDefinitions();
  // The object behind an accepted definition, if it is still the generation that was accepted.
  const ObservedDataJob* Definition(Index job) const;
  std::shared_ptr<const ObservedDataJob> DefinitionPtr(Index job) const;

  // --- decide_want.cc
  void DecideWant(const std::string& uid);
  void CreateWant(const ObservedWant& want);
  bool DecideDeadlines(Index want);
  // Of a want all of whose partitions are there.
  bool AllMadeBy(const Want& want, TimeNs deadline) const;
  void DecideWantUpdate(Index want, const ObservedWant& observed);
  void DecideSatisfaction(Index want);
  void StartBuild(Index want, const std::string& reason);
  // Why a live, unsatisfied want without an open build should build (again); empty: it should not.
  std::string BuildTrigger(Index want) const;
  std::string ValidateWant(const ObservedWant& want) const;

  // --- decide_build.cc
  void DecideBuild(Index build);
  void CloseUnwanted(Index build);
  void ExecuteBuild(Index build);
  bool MayPlan(Index build);
  bool MayGiveUp(Index build);
  bool AdoptAway(Index build);
  void AdoptUnits(Index from, Index to, const std::vector<Index>& units);
  void CancelUnstarted(Index build, const std::string& reason);
  bool CancelDoomed(Index build);
  std::pair<bool, bool> WaitsForOthers(Index build) const;
  void DecideEnd(Index build);
  void EndBuild(Index build, v1::BuildRequestStatusCode status, const CauseInfo& cause);
  // Nobody makes it, it is not there and nothing under way brings it.
  bool IsUnproducible(Index partition) const;
  Index OldestDelegator(Index partition, Index except) const;

  // --- analysis.cc
  // What a revision of a build's graph looks at: units that lost an input, or the whole want.
  struct Revision {
    bool whole = false;
    IndexSet units;
  };
  // A plan that takes several rounds: first it is looked at, then recorded in slices, each of them
  // a whole revision of the build's graph. While there is one nothing else is decided, so that what
  // it was found from stays as it was.
  struct OpenPlan {
    Index build = kNone;
    std::optional<Revision> revision;  // nullopt: the build's first plan
    int64_t idx = -1;                  // the state's when it goes on; at another it begins anew
    std::unique_ptr<PlanWalk> walk;    // null: the analysis is whole
    Analysis analysis;
    bool recorded = false;  // all units are
    size_t next_unit = 0;
    Index next_made_by_others = 0;
    IndexSet skipped;  // units whose SKIPPED run is recorded
  };
  void PlanBuild(Index build, std::optional<Revision> revision);
  void Begin(OpenPlan& plan) const;
  bool StillWanted(const OpenPlan& plan) const;
  void GoOnPlanning();
  void GoOn(OpenPlan plan);
  bool Record(OpenPlan& plan);
  void RecordEnd(const OpenPlan& plan);
  bool EmitSlice(OpenPlan& plan);
  void EmitGraph(Index build, std::vector<v1::Task> tasks);
  void EmitDelegations(Index build, const Analysis& analysis);
  bool EmitHistorical(OpenPlan& plan);
  void EmitSkipped(OpenPlan& plan, Index unit);
  bool EmitUnanalyzed(Index build);
  v1::Task TaskOf(const PlannedUnit& unit) const;
  v1::Task TaskOf(const Unit& unit) const;
  void Revise(Index build, Index unit);  // unit: kNone means the whole want

  // --- decide_configure.cc
  void AskConfigs(Index build, const std::vector<Unconfigured>& units);
  void Ask(Index job, std::vector<Index> instances);
  bool HasUnasked(const Build& build) const;
  bool MayBeAsked(Index job, Index first_instance);
  bool StillToAsk(Index job, const std::vector<Index>& instances) const;
  void ScheduleConfigures(uint32_t& free);
  void ScheduleConfigure(Index job, const std::vector<Index>& instances);
  std::vector<std::vector<std::string>> UnitsOf(const Run& run) const;
  void CompleteConfigure(Index run, struct RunVerdict verdict);
  static std::string ConfigureMisuse(const ObservedDataJob& job);
  std::optional<CommandLine> ConfiguredCommand(Index job, Index first_output) const;
  void CancelConfigures(Index build);

  // --- decide_unit.cc
  void DecideUnit(Index unit);
  struct Inputs {
    enum class State { kReady, kWaiting, kFailed, kLost };
    State state = State::kReady;
    Index partition = kNone;  // the first input that is not ready
  };
  Inputs JudgeInputs(const Unit& unit) const;
  void EndUnit(Index unit, v1::PartitionStatus status, const CauseInfo& cause);
  bool WaitsForItself(Index unit) const;
  CauseInfo CycleCause(Index unit) const;
  bool ReviseUnit(Index unit);
  bool Outdated(const Unit& unit) const;
  Result<std::optional<CommandLine>> CommandOf(Index job, const CommandContext& context);
  Captures CapturesOf(const Unit& unit) const;
  const JobPatterns* CommandsOf(Index job);
  TimeNs NextTry(Index job, const Instance& instance) const;
  bool Suspended(const Unit& unit) const;
  Index FormerRunAtWork(Index partition) const;
  bool UnitOpen(Index unit) const;
  bool UnitWaits(Index unit) const;  // every instance ANALYZED
  ReadyQueue::Place PlaceOf(Index unit) const;
  void SetReady(Index unit, bool ready);
  void Schedule(uint32_t slots);
  struct RunPlan {
    std::vector<Index> instances;
    std::vector<std::string> instance_ids;
    std::map<std::string, bool> inputs;  // ref -> materialize
    uint32_t attempt = 0;
    CommandContext command;
  };
  RunPlan PlanRun(const std::vector<Index>& units) const;
  bool ScheduleRun(const std::vector<Index>& units);

  // --- decide_run.cc
  void DecideRun(Index run);
  void DecideUnseenRun(Index run);
  struct RunVerdict Judge(const Run& run, const ObservedJob& job) const;
  bool AwaitsOutput(const Run& run, const struct RunVerdict& verdict) const;
  bool TakeOutput(Index run, struct RunVerdict& verdict);
  std::string ForeignOutput(const Run& run, const struct RunVerdict& verdict) const;
  v1::PartitionManifest ManifestOf(Index run, const struct RunVerdict& verdict) const;
  void CompleteRun(Index run, const struct RunVerdict& verdict);
  void FailRun(Index run, const struct RunVerdict& verdict);
  void CancelledRun(Index run);
  void ReturnInstances(Index run, const struct RunVerdict& verdict);
  bool Exhausted(Index run, const struct RunVerdict& verdict, CauseInfo& cause) const;
  v1::JobEvent* EndEvent(Index run, v1::JobStatus status, const struct RunVerdict& verdict);

  // --- decide_external.cc
  void DecideExternal(const std::string& ref, bool asked = false);
  bool RecordExternals(const Analysis& analysis);
  CauseInfo Unmade(const std::string& ref) const;

  // --- decide_taint.cc
  void DecideTaint(const std::string& uid);
  void CreateTaint(const ObservedTaint& taint);
  bool TooLarge(const ObservedTaint& taint, const std::vector<Index>& hit,
                const std::vector<Index>& downstream);
  std::vector<Index> Downstream(const std::vector<Index>& instances,
                                std::vector<Index>* runs) const;
  bool Repaired(const Taint& taint) const;

  // --- effects.cc
  void EffectsForRun(Index run, std::vector<Effect>& effects);
  void EffectsForObject(const Key& key, std::vector<Effect>& effects);
  std::optional<CreateJob> CreateJobFor(Index run);
  void StatusEffects(std::vector<Effect>& effects);

  // --- status.cc
  struct WantView {
    PartitionReason worst;
    TimeNs next_change = 0;
  };
  WantView Look(Index want, WantStatus& status) const;
  WantStatus StatusOfWant(const ObservedWant& want) const;
  TaintStatus StatusOfTaint(const ObservedTaint& taint) const;
  DataJobStatus StatusOfDataJob(const ObservedDataJob& data_job) const;
  Condition SlaCondition(const Want& want) const;
  Condition ConfiguredCondition(Index job) const;

  // --- explain.cc
  PartitionReason ExplainLive(Index want, Index instance, TimeNs now) const;
  PartitionReason ExplainRun(const Instance& instance) const;
  PartitionReason ExplainPlanning(const Instance& instance, TimeNs now) const;
  PartitionReason ExplainBackoff(const Instance& instance, TimeNs until) const;
  PartitionReason ExplainReady(const Instance& instance, TimeNs now) const;
  PartitionReason ExplainMissing(Index want, Index partition) const;

  PlannerOptions options_;
  const BuildState& state_;
  const Snapshot& snapshot_;
  Catalogue catalogue_;

  WantProgress progress_;

  std::set<Key> dirty_;  // all but kBuild and kUnit
  IndexSet dirty_builds_, dirty_units_;
  IndexSet marked_wants_;  // those of dirty_ and status_dirty_ that were marked by index
  std::set<std::pair<TimeNs, Key>> timers_;
  ReadyQueue ready_;
  std::unordered_map<Index, IndexSet> open_units_;  // by open build; none is empty
  std::set<Key> effect_dirty_;                      // kRun, kWant, kTaint, kDataJob
  std::set<Key> status_dirty_;
  std::optional<OpenPlan> open_plan_;
  std::set<Index> open_taints_;                                  // taints in force
  std::unordered_map<std::string, std::string> refused_taints_;  // by uid: why not recorded
  std::set<std::string> suspects_;  // uids the informer no longer shows
  std::set<std::string>
      unproved_jobs_;  // DataJobs whose pod template is being tried on the API server
  std::unordered_map<Index, Revision> needs_revision_;  // by build
  std::unordered_set<Index> may_be_doomed_;             // builds with inputs nobody makes
  std::unordered_map<Index, Index> going_on_;           // by such a build: a unit that can go on
  // By job, then by first instance: units whose job's image is to be asked how they are made.
  std::map<Index, std::map<Index, std::vector<Index>>> to_configure_;
  struct Commands {
    std::string uid;
    int64_t generation = 0;
    JobPatterns patterns;
  };
  std::unordered_map<Index, Commands> commands_;  // by job: compiled with args and env

  // One tick.
  TimeNs now_ = 0;
  EventBatch* batch_ = nullptr;
  std::unordered_set<Index> claimed_;  // instances an event was decided for
  std::unordered_set<Index> cancelled_runs_;
  std::unordered_set<Index> revised_;                 // builds whose graph an event revises
  std::map<Index, std::vector<v1::Task>> revisions_;  // units to bring in line, by build
  std::unordered_set<Index> ended_;                   // builds that a final state was decided for
  size_t looked_at_ = 0;
  bool unfinished_ = false;
  bool planned_ = false;  // one build is planned per round, so that plans see each other
  bool gave_up_ = false;  // a build handed over or ended work of its own
};

}  // namespace databuild
