// What a run said at the end of its log, when its receipt had no room for it. Pure.
#pragma once

#include <string>
#include <vector>

#include "controller/planner/effect.h"
#include "databuild/v1/databuild.pb.h"

namespace databuild {

struct RunOutput {
  // False: the end of the log is not there, or not all of it; the rest is of no use then.
  bool whole = false;
  v1::PartitionManifest manifest;
  std::vector<std::string> missing;
  std::string config_response;
};

// Job output is untrusted: bounded, never throws; what is no entry of this run is left out.
RunOutput ParseRunOutput(const RunLogTail& tail);

}  // namespace databuild
