// databuild-controller: parses the command line, runs the operator, turns signals into an orderly
// end.
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <thread>

#include "bel/base/log.h"
#include "controller/api/probe.h"
#include "controller/api_key_command.h"
#include "controller/config/command_line.h"
#include "controller/operator.h"

namespace {

using databuild::LogLevel;

LogLevel LevelOf(const std::string& name) {
  if (name == "debug") return LogLevel::kDebug;
  if (name == "warn") return LogLevel::kWarn;
  if (name == "error") return LogLevel::kError;
  return LogLevel::kInfo;
}

int RunApiKey(const databuild::ApiKeyOrder& order) {
  const databuild::Result<std::string> said = databuild::RunApiKeyCommand(order);
  if (said.ok()) {
    std::fputs(said->c_str(), stdout);
    return 0;
  }
  std::fprintf(stderr, "databuild-controller: %s\n", said.error().message.c_str());
  return 1;
}

int RunOperator(const databuild::Config& config) {
  databuild::SetLogLevel(LevelOf(config.log_level));
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  std::signal(SIGPIPE, SIG_IGN);
  databuild::Operator process(config);
  // The first signal ends the process in order, the second at once.
  std::thread([signals, &process] {
    int signal = 0;
    sigwait(&signals, &signal);
    process.RequestStop(signal == SIGTERM ? "SIGTERM" : "SIGINT");
    sigwait(&signals, &signal);
    std::_Exit(128 + signal);
  }).detach();
  databuild::LogInfo("databuild-controller starting",
                     {{"version", databuild::DatabuildVersion()}, {"pod", config.pod_name}});
  const databuild::Result<int> code = process.Run();
  if (!code.ok()) {
    databuild::LogError("cannot run", {{"error", code.error().message}});
    std::fflush(nullptr);
    std::_Exit(1);
  }
  databuild::LogInfo("stopped", {{"exit_code", *code}});
  std::fflush(nullptr);
  std::_Exit(*code);  // the signal thread still waits
}

}  // namespace

int main(int argc, char** argv) {
  const auto lookup = [](const std::string& name) -> std::optional<std::string> {
    const char* value = std::getenv(name.c_str());
    return value ? std::optional<std::string>(value) : std::nullopt;
  };
  const databuild::Result<databuild::Invocation> invocation =
      databuild::ParseCommandLine({argv + 1, argv + argc}, lookup);
  if (!invocation.ok()) {
    std::fprintf(stderr, "databuild-controller: %s\n", invocation.error().message.c_str());
    return 2;
  }
  switch (invocation->action) {
    case databuild::Invocation::Action::kPrint:
      std::fputs(invocation->text.c_str(), stdout);
      return 0;
    case databuild::Invocation::Action::kProbe: {
      const databuild::Status answer =
          databuild::Probe(invocation->probe_url, invocation->probe_timeout);
      if (answer.ok()) return 0;
      std::fprintf(stderr, "databuild-controller: %s\n", answer.error().message.c_str());
      return 1;
    }
    case databuild::Invocation::Action::kApiKey:
      return RunApiKey(invocation->api_key);
    case databuild::Invocation::Action::kRun:
      return RunOperator(invocation->config);
  }
  return 2;
}
