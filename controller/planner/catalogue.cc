#include "controller/planner/catalogue.h"

#include <algorithm>
#include <unordered_set>

namespace databuild {
namespace {

JobTemplates TemplatesOf(const v1::JobDefinitionEvent& definition) {
  JobTemplates templates;
  templates.outputs.assign(definition.outputs().begin(), definition.outputs().end());
  for (const v1::JobInput& input : definition.inputs())
    templates.inputs.push_back(input.partition());
  templates.max_partitions = static_cast<int>(std::max<uint32_t>(1, definition.batch_max()));
  templates.batch_by.assign(definition.batch_by().begin(), definition.batch_by().end());
  return templates;
}

}  // namespace

JobTemplates TemplatesOf(const ObservedDataJob& data_job) {
  JobTemplates templates;
  templates.outputs = data_job.outputs;
  for (const InputSpec& input : data_job.inputs) templates.inputs.push_back(input.partition);
  templates.args = data_job.args;
  templates.env = data_job.env;
  templates.max_partitions = static_cast<int>(data_job.batch_max);
  templates.batch_by = data_job.batch_by;
  return templates;
}

void Catalogue::Update(Index job) {
  index_.Remove(job);
  rejected_.Remove(job);
  compiled_.erase(job);
  const Job& recorded = state_.job(job);
  if (!recorded.defined || recorded.definition.deleted()) return;
  Result<JobPatterns> patterns = CompileJob(TemplatesOf(recorded.definition));
  if (!patterns.ok())
    return;  // it was accepted by an older release, or rejected for this very reason
  PatternIndex& index = recorded.Accepted() ? index_ : rejected_;
  for (const OutputPattern& output : patterns->outputs()) index.Add(job, output);
  compiled_.emplace(job, std::move(patterns).value());
}

Producer Catalogue::Find(std::string_view ref) const {
  const std::vector<PatternIndex::JobKey> jobs = index_.Find(ref);
  if (jobs.empty()) return {};
  if (jobs.size() > 1) return {Producer::Kind::kSeveral, jobs.front(), {}};
  std::optional<Captures> captures = Match(jobs.front(), ref);
  if (!captures) return {};
  return {Producer::Kind::kOne, jobs.front(), std::move(*captures)};
}

Index Catalogue::FindRejected(std::string_view ref) const {
  const std::vector<PatternIndex::JobKey> jobs = rejected_.Find(ref);
  return jobs.empty() ? kNone : jobs.front();
}

std::vector<const Peer*> Catalogue::PeersOf(std::string_view ref) const {
  std::vector<const Peer*> makers;
  for (const Peer& peer : peers_) {
    const bool makes = std::any_of(peer.patterns.begin(), peer.patterns.end(),
                                   [&](const Glob& pattern) { return pattern.Matches(ref); });
    if (makes) makers.push_back(&peer);
  }
  return makers;
}

const Peer* Catalogue::FindPeer(std::string_view ref) const {
  if (peers_.empty() || !index_.Find(ref).empty() || FindRejected(ref) != kNone) return nullptr;
  const std::vector<const Peer*> makers = PeersOf(ref);
  return makers.size() == 1 ? makers.front() : nullptr;
}

PartitionReason Catalogue::WhyNobodyMakes(const std::string& ref) const {
  PartitionReason why;
  why.ref = ref;
  const Index rejected = FindRejected(ref);
  if (Find(ref).kind == Producer::Kind::kSeveral) {
    why.reason = reason::kAmbiguousProducer;
    why.message = "several DataJobs make " + ref;
  } else if (rejected != kNone) {
    const v1::JobDefinitionEvent& definition = state_.job(rejected).definition;
    why.reason = definition.reason() == reason::kAmbiguousProducer ? reason::kAmbiguousProducer
                                                                   : reason::kInvalidJob;
    why.message = "DataJob " + definition.name() + " that makes " + ref +
                  " is not accepted: " + definition.message();
  } else if (const std::vector<const Peer*> makers = PeersOf(ref); makers.size() == 1) {
    const Peer& peer = *makers.front();
    why.reason = reason::kWaitingForExternal;
    why.message = "graph " + peer.graph + " of peer " + peer.name + " has not made " + ref + " yet";
  } else if (makers.size() > 1) {
    why.reason = reason::kAmbiguousProducer;
    why.message = "peers " + makers[0]->name + " and " + makers[1]->name + " both make " + ref;
  } else {
    why.reason = reason::kNoProducer;
    why.message = "no DataJob makes " + ref;
  }
  why.chain.push_back({ref, "", "", why.reason});
  return why;
}

std::optional<Captures> Catalogue::Match(Index job, std::string_view ref) const {
  const auto it = compiled_.find(job);
  return it == compiled_.end() ? std::nullopt : it->second.Match(ref);
}

Captures Catalogue::BatchKey(Index job, const Captures& captures) const {
  const auto it = compiled_.find(job);
  return it == compiled_.end() ? Captures{} : it->second.BatchKey(captures);
}

Result<UnitPlan> Catalogue::Plan(Index job, const Captures& captures) const {
  const auto it = compiled_.find(job);
  CHECK(it != compiled_.end());
  UnitPlan plan;
  ASSIGN_OR_RETURN(plan.outputs, it->second.Outputs(captures));
  ASSIGN_OR_RETURN(const std::vector<InputRef> inputs, it->second.Inputs(captures));
  const v1::JobDefinitionEvent& definition = state_.job(job).definition;
  if (definition.configure_container()) {
    AddConfigured(job, plan);
    return plan;
  }
  std::unordered_map<std::string_view, size_t> seen;
  for (const InputRef& input : inputs) {
    const bool materialize =
        definition.inputs(static_cast<int>(input.input)).dep_type() == v1::MATERIALIZE;
    const auto [at, added] = seen.try_emplace(input.ref, plan.inputs.size());
    if (added) {
      plan.inputs.emplace_back(input.ref, materialize);
    } else if (materialize) {
      plan.inputs[at->second].second = true;
    }
  }
  return plan;
}

// The inputs that the job's image has named for a unit.
void Catalogue::AddConfigured(Index job, UnitPlan& plan) const {
  const Index first = state_.FindPartition(plan.outputs.front());
  const auto& configs = state_.job(job).configs;
  const auto known = first == kNone ? configs.end() : configs.find(first);
  v1::JobConfig config;
  plan.unconfigured = known == configs.end() || !config.ParseFromString(known->second);
  if (plan.unconfigured) return;
  for (const v1::DataDep& input : config.inputs()) {
    plan.inputs.emplace_back(input.partition_ref().str(), input.dep_type_code() == v1::MATERIALIZE);
  }
}

std::string Catalogue::Conflicts(const JobPatterns& patterns, const std::string& label) const {
  std::string text;
  for (const OutputPattern& output : patterns.outputs()) {
    for (const PatternIndex::Overlap& overlap : index_.Overlaps(output, 8)) {
      const std::string& other = state_.job(overlap.job).label;
      if (other == label) continue;
      if (!text.empty()) text += "; ";
      text += "output " + output.text() + " of " + label + " and output " + overlap.pattern +
              " of " + other + " both match " + overlap.witness;
    }
  }
  return text;
}

}  // namespace databuild
