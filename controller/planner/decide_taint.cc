// Taints: which instances they hit, and when they are repaired or lifted.
#include <algorithm>

#include "bel/glob.h"
#include "controller/planner/mutant.h"
#include "controller/planner/planner.h"

namespace databuild {
namespace {

constexpr size_t kMaxTaintBytes = 768 * 1'024;
// Of one instance in a TaintEvent beside its ref: two ids and the fields around them.
constexpr size_t kInstanceBytes = 96;

}  // namespace

void Planner::DecideTaint(const std::string& uid) {
  const ObservedTaint* observed = snapshot_.FindTaint(uid);
  const Index index = state_.FindTaint(uid);
  if (index == kNone) {
    if (observed && !observed->meta.deleting && observed->error.empty()) CreateTaint(*observed);
    return;
  }
  const Taint& taint = state_.taint(index);
  if (taint.status != v1::TAINT_CREATED) return;
  if (Repaired(taint)) {
    batch_->Taint(uid, v1::TAINT_REPAIRED);
    return;
  }
  if (observed && !observed->meta.deleting) return;
  if (!observed && !snapshot_.absent_objects.contains(uid)) {
    if (suspects_.insert(uid).second) effect_dirty_.insert({KeyKind::kTaint, uid});
    return;
  }
  batch_->Taint(uid, v1::TAINT_LIFTED);
}

bool Planner::Repaired(const Taint& taint) const {
  const auto replaced = [&](Index instance) { return state_.Replaced(instance); };
  const bool runs_over = std::none_of(taint.runs.begin(), taint.runs.end(),
                                      [&](Index run) { return state_.RunLive(run); });
  return runs_over && std::all_of(taint.instances.begin(), taint.instances.end(), replaced) &&
         std::all_of(taint.downstream.begin(), taint.downstream.end(), replaced);
}

// Everything built from `instances`, transitively, by what runs recorded as read; runs under way
// included.
std::vector<Index> Planner::Downstream(const std::vector<Index>& instances,
                                       std::vector<Index>* runs) const {
  std::unordered_map<Index, std::vector<Index>> readers;  // instance -> runs
  for (Index run = 0; run < state_.runs().size(); ++run) {
    for (Index input : state_.run(run).inputs) readers[input].push_back(run);
  }
  std::unordered_set<Index> seen(instances.begin(), instances.end());
  std::vector<Index> open(instances), downstream;
  while (!open.empty()) {
    const Index from = open.back();
    open.pop_back();
    for (Index run : readers[from]) {
      if (state_.RunLive(run)) runs->push_back(run);
      if (state_.run(run).status != v1::JOB_COMPLETED) continue;
      for (Index made : state_.run(run).instances) {
        if (!seen.insert(made).second) continue;
        open.push_back(made);
        if (state_.partition(state_.instance(made).partition).current == made)
          downstream.push_back(made);
      }
    }
  }
  std::sort(downstream.begin(), downstream.end());
  return downstream;
}

// A TaintEvent lists what it hits, and an event has at most 1 MiB: one that cannot be recorded
// would be decided again for ever, and all else of its round with it.
bool Planner::TooLarge(const ObservedTaint& observed, const std::vector<Index>& hit,
                       const std::vector<Index>& downstream) {
  size_t bytes = 0;
  for (const auto* instances : {&hit, &downstream}) {
    for (Index instance : *instances) {
      bytes += state_.partition(state_.instance(instance).partition).ref.size() + kInstanceBytes;
    }
  }
  if (bytes <= kMaxTaintBytes) {
    refused_taints_.erase(observed.meta.uid);
    return false;
  }
  refused_taints_[observed.meta.uid] =
      "it hits " + std::to_string(hit.size() + downstream.size()) +
      " instances, more than one event can list; taint fewer with each Taint";
  status_dirty_.insert({KeyKind::kTaint, observed.meta.uid});
  return true;
}

void Planner::CreateTaint(const ObservedTaint& observed) {
  std::vector<Index> partitions;
  for (const std::string& ref : observed.partitions) {
    if (const Index known = state_.FindPartition(ref); known != kNone) partitions.push_back(known);
  }
  for (const std::string& text : observed.globs) {
    const Result<Glob> glob = Glob::Compile(text);
    if (!glob.ok()) return;  // status says so
    for (Index i = 0; i < state_.partitions().size(); ++i) {
      if (glob->Matches(state_.partition(i).ref)) partitions.push_back(i);
    }
  }
  std::sort(partitions.begin(), partitions.end());
  partitions.erase(std::unique(partitions.begin(), partitions.end()), partitions.end());
  std::vector<Index> hit, runs;
  for (Index partition : partitions) {
    const Partition& ref = state_.partition(partition);
    if (ref.current != kNone) hit.push_back(ref.current);
    const Index live = state_.LiveInstance(partition);
    if (live == kNone || state_.instance(live).run == kNone) continue;
    if (IsMutant(Mutant::kTaintIgnoresRunStart)) continue;
    const Index run = state_.instance(live).run;
    if (state_.RunLive(run) && state_.run(run).kind == v1::JOB_KIND_BUILD) runs.push_back(run);
  }
  std::vector<Index> downstream;
  if (observed.cascade_downstream) downstream = Downstream(hit, &runs);
  std::sort(runs.begin(), runs.end());
  runs.erase(std::unique(runs.begin(), runs.end()), runs.end());
  if (TooLarge(observed, hit, downstream)) return;
  v1::TaintEvent* event = batch_->Taint(observed.meta.uid, v1::TAINT_CREATED);
  event->set_name(observed.meta.name);
  event->set_created_at(static_cast<uint64_t>(observed.meta.created_at));
  event->set_comment(observed.comment);
  event->set_generation(observed.meta.generation);
  event->mutable_source_type()->set_code(SourceCodeOf(observed.source.type));
  const bool authenticated = options_.Authenticated(observed.source);
  event->set_source_name(authenticated ? observed.source.caller : observed.source.name);
  event->set_source_authenticated(authenticated);
  event->set_cascade(observed.cascade_downstream ? v1::CASCADE_DOWNSTREAM : v1::CASCADE_NONE);
  for (const std::string& ref : observed.partitions) event->add_refs()->set_str(ref);
  for (const std::string& glob : observed.globs) event->add_globs(glob);
  const auto add = [&](Index instance, v1::PartitionInstanceRef* out) {
    out->set_ref(state_.partition(state_.instance(instance).partition).ref);
    out->set_instance_id(state_.instance(instance).id);
  };
  for (Index instance : hit) add(instance, event->add_tainted_instances());
  for (Index instance : downstream) add(instance, event->add_downstream_instances());
  for (Index run : runs) event->add_tainted_run_ids(state_.run(run).id);
  for (const auto* instances : {&hit, &downstream}) {
    for (Index instance : *instances) {
      batch_->Invalidation(observed.meta.uid, instance)->set_reason(observed.comment);
    }
  }
}

}  // namespace databuild
