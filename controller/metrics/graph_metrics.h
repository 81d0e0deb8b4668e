// Metrics of one graph, from its fold: what it holds when scraped, and how long things took as they
// happen.
//
// Totals come from the fold, so they survive a restart of the operator.
#pragma once

#include <string>

#include "bel/base/clock.h"

namespace databuild::v1 {
class BuildEvent;
}

namespace databuild {

class BuildState;
class Metrics;

// For OnScrape, under the readers' lock: wants, partitions, builds, runs and taints by state.
void CollectGraph(const std::string& graph, const BuildState& state, TimeNs now, Metrics& metrics);

// For each event appended by this process, after it was applied (never on replay), under the
// readers' lock.
void ObserveAppended(const std::string& graph, const v1::BuildEvent& event, const BuildState& state,
                     Metrics& metrics);

}  // namespace databuild
