// PlanWalk: from wanted refs to the units that make them. The one analysis there is: builds plan by
// it, and Plan (plan.h) answers by it.
//
// Walks MATERIALIZE inputs to the leaves, depth first without recursion; stops at data that may be
// used, at what other builds make, at units that are planned already and at refs nobody makes.
// Reads the BuildState and the Catalogue, which must not change before it is done; walks as far as
// it is told and goes on from there. Owned by its caller; not thread-safe.
#pragma once

#include <deque>
#include <functional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "bel/build_state.h"
#include "controller/planner/catalogue.h"

namespace databuild {

// Limits of planning. Source: core.md "Analysis".
inline constexpr size_t kMaxRefsPerPlan = 1'000'000;
inline constexpr size_t kMaxPlanDepth = 10'000;

struct PlannedUnit {
  Index job = kNone;
  UnitPlan plan;
};

// A unit whose job has yet to say how it is made.
struct Unconfigured {
  Index job = kNone;
  std::vector<std::string> outputs;
};

struct Analysis {
  std::vector<PlannedUnit> units;
  std::vector<Unconfigured> unconfigured;
  std::vector<std::pair<std::string, Index>> delegations;  // ref, owner build
  std::vector<std::pair<std::string, bool>> unproducible;  // ref, external
  std::vector<Index> available;  // partitions; only where the walk was told to name them
  CauseInfo refused;  // reason not empty: the plan cannot be (Cycle, PlanTooLarge, InvalidJob, ...)
};

class PlanWalk {
 public:
  // The next ref to begin at; nullptr: that was all. Valid until the next call.
  using Roots = std::function<const std::string*()>;

  // `build`: whose plan it is; kNone: what a new build would do, with what is available named.
  PlanWalk(const BuildState& state, const Catalogue& catalogue, Index build, Roots roots);

  // Looks at about `refs` more. True when the analysis is whole, or refused.
  bool Advance(size_t refs);
  Analysis Take() { return std::move(analysis_); }

 private:
  struct Frame {
    size_t unit;
    size_t next_input = 0;
  };
  static constexpr size_t kSettled = SIZE_MAX;

  void Enter(const std::string& ref);
  bool Settled(Index partition, const std::string& ref);
  void AddUnit(const std::string& ref, const Producer& producer);
  void Step();
  void RefuseCycle(size_t closing);

  const BuildState& state_;
  const Catalogue& catalogue_;
  const Index build_;
  const Roots roots_;
  Analysis analysis_;
  // Of every ref that was looked at: the unit that makes it, or kSettled. Views into the units'
  // outputs or the state's refs.
  std::unordered_map<std::string_view, size_t> seen_;
  std::deque<std::string> unknown_;  // refs that neither the state nor a unit of the plan holds
  std::vector<bool> on_stack_;       // by unit
  std::vector<Frame> stack_;
  size_t refs_ = 0;    // that the plan makes
  size_t looked_ = 0;  // refs looked at, however often
};

}  // namespace databuild
