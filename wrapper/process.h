// Starting the command and making sure nothing of it is left.
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>
#include <vector>

#include "bel/base/result.h"

namespace databuild::exec {

struct Command {
  std::vector<std::string> argv;  // argv[0] is looked up in PATH of `env`
  std::vector<std::string> env;   // "NAME=value"
};

struct Child {
  pid_t pid = 0;       // leads its own process group
  int stdout_fd = -1;  // read ends, non-blocking; the caller closes them
  int stderr_fd = -1;
};

// Default signals, an empty signal mask, nothing inherited but 0, 1 and 2. kNotFound: there is no
// such command; kPermissionDenied: it is there and cannot be executed; else kUnavailable.
Result<Child> StartCommand(const Command& command);

// To the command's process group.
void SignalChild(pid_t pid, int signal);

// Kills every process that is left (all of the namespace as PID 1, else all descendants) and reaps
// them. Returns after at most about a second, also if one cannot be killed.
void KillLeftovers();

// The environment of the command: what this process has, without the spec; `more` wins over it and
// later entries of `more` over earlier ones.
std::vector<std::string> BuildEnvironment(const char* const* inherited,
                                          const std::vector<std::string>& more);

}  // namespace databuild::exec
