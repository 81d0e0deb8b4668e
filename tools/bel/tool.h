// databuild-bel: looks after build event logs from the command line. Its commands, behind one
// function that tests call as well.
//
// Errors name the place (storage, graph, idx), and what to do. Nothing but `load` writes.
#pragma once

#include <atomic>
#include <functional>
#include <iosfwd>
#include <optional>
#include <string>
#include <vector>

namespace databuild {

enum ExitCode : int {
  kExitOk = 0,
  kExitBad = 1,      // the log or the dump is not in order, or the load was refused
  kExitUsage = 2,    // the command line
  kExitStorage = 3,  // the storage could not be read or written
};

struct ToolIo {
  std::istream& in;
  std::ostream& out;  // what was asked for
  std::ostream& err;  // progress and errors
  // nullopt: not set.
  std::function<std::optional<std::string>(const std::string&)> environment;
  // Not 0: end in order (SIGINT, SIGTERM).
  const std::atomic<int>* stop = nullptr;

  bool Stopped() const { return stop != nullptr && *stop != 0; }
};

// `arguments` without the program's name.
int RunBelTool(const std::vector<std::string>& arguments, const ToolIo& io);

}  // namespace databuild
