// The command line of databuild-exec.
#pragma once

#include <string>
#include <vector>

#include "bel/base/result.h"
#include "wrapper/spec.h"

namespace databuild::exec {

enum class Action { kRun, kInstall, kHelp, kVersion };

struct Options {
  Action action = Action::kHelp;
  std::string install_path;
  bool local = false;  // no operator: `spec` comes from flags, not from the environment
  RunSpec spec;
  std::string receipt_path;          // empty: DATABUILD_TERMINATION_LOG, then /dev/termination-log
  std::string work_dir;              // empty: DATABUILD_WORK_DIR, then kWorkDir
  int64_t receipt_bytes = 0;         // 0: what the spec says
  std::vector<std::string> command;  // after --
};

Result<Options> ParseOptions(int argc, const char* const* argv);

extern const char kHelpText[];

}  // namespace databuild::exec
