// Catalogue: the DataJobs in force, compiled: which job makes a ref, from what.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "bel/build_state.h"
#include "bel/glob.h"
#include "controller/planner/observed.h"
#include "controller/planner/pattern.h"
#include "controller/planner/pattern_index.h"
#include "controller/planner/reason.h"

namespace databuild {

// Who makes a ref.
struct Producer {
  enum class Kind { kNobody, kOne, kSeveral };
  Kind kind = Kind::kNobody;
  Index job = kNone;  // index into BuildState::jobs()
  Captures captures;
};

// Another graph, and the refs that it makes.
struct Peer {
  std::string name;
  std::string graph;
  std::vector<Glob> patterns;
};

// What making one unit takes.
struct UnitPlan {
  std::vector<std::string> outputs;
  std::vector<std::pair<std::string, bool>> inputs;  // ref, materialize; each ref once
  bool unconfigured = false;                         // the job's image has yet to say from what
};

// Follows the accepted definitions of the log. Owned by the planner; not thread-safe.
class Catalogue {
 public:
  explicit Catalogue(const BuildState& state, std::vector<Peer> peers = {})
      : state_(state), peers_(std::move(peers)) {}

  // After a JobDefinitionEvent of this job was applied.
  void Update(Index job);

  Producer Find(std::string_view ref) const;
  // A rejected definition whose outputs would match the ref, for reasons; kNone if there is none.
  Index FindRejected(std::string_view ref) const;
  // The one peer that makes a ref which no DataJob in force makes; nullptr if there is none, or
  // several.
  const Peer* FindPeer(std::string_view ref) const;
  // Of a ref that no DataJob in force makes: WaitingForExternal, NoProducer, AmbiguousProducer or
  // InvalidJob, in words.
  PartitionReason WhyNobodyMakes(const std::string& ref) const;
  Result<UnitPlan> Plan(Index job, const Captures& captures) const;
  std::optional<Captures> Match(Index job, std::string_view ref) const;
  Captures BatchKey(Index job, const Captures& captures) const;
  // Overlaps of `patterns` with jobs other than `label`, in words; empty if there are none.
  std::string Conflicts(const JobPatterns& patterns, const std::string& label) const;

 private:
  void AddConfigured(Index job, UnitPlan& plan) const;
  std::vector<const Peer*> PeersOf(std::string_view ref) const;

  const BuildState& state_;
  const std::vector<Peer> peers_;
  PatternIndex index_;
  PatternIndex rejected_;
  std::unordered_map<Index, JobPatterns> compiled_;
};

// The templates of a DataJob object, for CompileJob: with args and env.
JobTemplates TemplatesOf(const ObservedDataJob& data_job);

}  // namespace databuild
