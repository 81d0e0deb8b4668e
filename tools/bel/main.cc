// databuild-bel: see docs/databuild-bel.md.
#include <csignal>
#include <cstdlib>
#include <iostream>

#include "bel/base/log.h"
#include "tools/bel/tool.h"

namespace {

std::atomic<int> stopped = 0;  // lock-free: a handler may set it

void Stop(int signal) { stopped = signal; }

}  // namespace

int main(int argc, char** argv) {
  std::ios::sync_with_stdio(false);
  databuild::SetLogLevel(databuild::LogLevel::kWarn);
  struct sigaction action = {};
  action.sa_handler = Stop;
  action.sa_flags = static_cast<int>(SA_RESETHAND);  // the second one ends the process at once
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
  const databuild::ToolIo io{std::cin, std::cout, std::cerr,
                             [](const std::string& name) -> std::optional<std::string> {
                               const char* value = std::getenv(name.c_str());
                               if (value == nullptr) return std::nullopt;
                               return value;
                             },
                             &stopped};
  return databuild::RunBelTool({argv + 1, argv + argc}, io);
}
