// One run from start to receipt: the loop between the command, our stdout, signals and deadlines.
//
// Single-threaded. Nothing here blocks but poll: a reader of stdout that is slow, stuck or gone
// delays neither signals nor timeouts. The receipt is the last thing written, after nothing is left
// alive that could overwrite it.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "wrapper/options.h"

namespace databuild::exec {

// Everything the run takes from its process.
struct RunContext {
  RunSpec spec;
  std::vector<std::string> command;  // spec.args come after it
  const char* const* environment = nullptr;
  std::vector<std::string>
      work_parents;          // where the work directory may be made, first choice first
  std::string receipt_path;  // empty: no receipt
  int stdout_fd = 1;
};

// Blocks the signals a run handles; call once, before RunJob, while there is one thread.
void BlockSignals();

// Returns the exit status for databuild-exec.
int RunJob(const RunContext& context);

// For a run that cannot be started because its spec is wrong: event, receipt, exit status.
int RefuseRun(const RunContext& context, const std::string& message);

}  // namespace databuild::exec
