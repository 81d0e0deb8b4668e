// Faults put into the planner on purpose, one at a time: the simulator has to notice each of them
// (tests/sim/mutants_test.cc). Compiled away everywhere else.
#pragma once

namespace databuild {

enum class Mutant {
  kNone,
  kNoLiveGet,             // a Job that the informer does not show counts as gone
  kNoPodList,             // a Job that ended counts as failed while its pod is not shown
  kNoActiveRunCheck,      // a partition that is being built may be built once more
  kDelegationIsSuccess,   // a build that waits for others' work calls itself complete
  kNoAdoption,            // work that others wait for ends with the want that started it
  kTaintIgnoresRunStart,  // runs under way when a taint comes make good data
};

#ifdef DATABUILD_MUTANTS
inline Mutant active_mutant = Mutant::kNone;
inline bool IsMutant(Mutant mutant) { return active_mutant == mutant; }
#else
constexpr bool IsMutant(Mutant) { return false; }
#endif

}  // namespace databuild
