#include "wrapper/outcome.h"

#include <sys/wait.h>

#include <cstring>

#include "wrapper/json.h"
#include "wrapper/protocol.h"
#include "wrapper/receipt.h"

namespace databuild::exec {
namespace {

std::string SignalName(int signal) {
  const char* const name = sigabbrev_np(signal);
  return name != nullptr ? std::string("SIG") + name : "signal " + std::to_string(signal);
}

std::string HowItEnded(int wait_status) {
  if (WIFSIGNALED(wait_status)) return "was ended by " + SignalName(WTERMSIG(wait_status));
  return "exited with " + std::to_string(WEXITSTATUS(wait_status));
}

Outcome JudgeSignal(const RunEnd& end) {
  const int signal = WTERMSIG(end.wait_status);
  Outcome outcome{kClassFailed, kReasonSignal, "the command was ended by " + SignalName(signal),
                  kExitSignalBase + signal};
  if (end.oom_killed && signal == SIGKILL) {
    outcome.reason = kReasonOomKilled;
    outcome.message = "the kernel killed the command because the container was out of memory";
  }
  return outcome;
}

Outcome JudgeExit(const RunEnd& end) {
  const int code = WEXITSTATUS(end.wait_status);
  if (!end.missing.ok()) {
    return {kClassFailed, kReasonMissingInvalid, end.missing.error().message,
            code != 0 ? code : kExitManifestInvalid};
  }
  const size_t missing = end.missing.value().size();
  if (missing > 0 || code == kExitMissingDependencies) {
    return {kClassMissingDependencies, "",
            missing > 0 ? "the command reported " + std::to_string(missing) + " missing partitions"
                        : "the command exited with 75 and named no refs in DATABUILD_MISSING",
            kExitMissingDependencies};
  }
  if (code != 0) {
    // A child of the command may be the one that was killed.
    return end.oom_killed
               ? Outcome{kClassFailed, kReasonOomKilled,
                         "the kernel killed a process of the container because it was out "
                         "of memory; the command exited with " +
                             std::to_string(code),
                         code}
               : Outcome{kClassFailed, kReasonExitCode,
                         "the command exited with " + std::to_string(code), code};
  }
  if (!end.manifest.ok()) {
    return {kClassFailed, kReasonManifestInvalid, end.manifest.error().message,
            kExitManifestInvalid};
  }
  if (!end.response.ok()) {
    return {kClassConfigInvalid, kReasonConfigResponseInvalid, end.response.error().message,
            kExitConfigInvalid};
  }
  return {kClassSucceeded, "", "", 0};
}

}  // namespace

Outcome Judge(const RunEnd& end) {
  if (end.ending == Ending::kTimeout) {
    return {kClassTimeout, "",
            "the command ran longer than its timeout of " + std::to_string(end.timeout_seconds) +
                " s and was stopped; it " + HowItEnded(end.wait_status),
            kExitTimeout};
  }
  if (end.ending == Ending::kTerminated) {
    // An exit with 0 after that is no proof that the work was finished.
    return {kClassTerminated, "",
            "the container was told to stop (" + SignalName(end.terminated_by) + "); the command " +
                HowItEnded(end.wait_status),
            kExitSignalBase + end.terminated_by};
  }
  return WIFSIGNALED(end.wait_status) ? JudgeSignal(end) : JudgeExit(end);
}

Status CheckConfigResponse(const std::string& json) {
  constexpr size_t kNodesMax = 500'000;
  const auto invalid = [](const std::string& what) {
    return Error{Errc::kInvalidArgument,
                 "the last line of stdout must be a JobConfigureResponse as JSON: " + what};
  };
  JsonTape tape;
  if (json.empty()) return invalid("nothing was printed");
  if (json.size() > kConfigResponseBytesMax) {
    return invalid("it has " + std::to_string(json.size()) + " bytes, at most " +
                   std::to_string(kConfigResponseBytesMax) + " are allowed");
  }
  if (!tape.Parse(json, kNodesMax) || tape.root().type != JsonType::kObject) {
    return invalid("it is not a JSON object");
  }
  const uint32_t configs = tape.Find(0, "configs");
  if (configs == 0 || tape[configs].type != JsonType::kArray) {
    return invalid("it has no array \"configs\"");
  }
  return {};
}

}  // namespace databuild::exec
