// What a run's end means: the class, the reason and the exit status. Pure: one table of rules.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "bel/base/result.h"

namespace databuild::exec {

// Who decided that the command must end.
enum class Ending : uint8_t { kItself, kTimeout, kTerminated };

struct RunEnd {
  Ending ending = Ending::kItself;
  int timeout_seconds = 0;
  int terminated_by = 0;    // the signal we were sent
  int wait_status = 0;      // of the command, as waitpid gives it
  bool oom_killed = false;  // the kernel killed a process of the container for lack of memory
  Result<std::vector<std::string>> missing;  // refs in DATABUILD_MISSING
  Status manifest;                           // whether the claimed manifests agree with the run
  Status response;                           // `configure: Container`: whether the answer is one
};

struct Outcome {
  std::string outcome;  // kClass…
  std::string reason;   // kReason…
  std::string message;
  int exit_status = 0;
};

// In this order: stopped from outside (timeout, then termination), whatever the command then exits
// with; ended by a signal; missing dependencies; a non-zero exit; a wrong manifest or answer;
// success.
Outcome Judge(const RunEnd& end);

// Whether `json` looks like a JobConfigureResponse: an object with an array "configs". The operator
// checks the rest.
Status CheckConfigResponse(const std::string& json);

}  // namespace databuild::exec
