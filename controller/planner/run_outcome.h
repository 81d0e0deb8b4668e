// How a run is going, judged from what the cluster shows of its Job. Pure.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "controller/planner/observed.h"
#include "databuild/v1/databuild.pb.h"

namespace databuild {

// What databuild-exec wrote to the termination message.
struct Receipt {
  std::string exit_class;  // Succeeded, Failed, MissingDependencies, Timeout, Terminated, ...
  std::string reason;      // refines the class: ExitCode, Signal, OOMKilled, ...
  std::optional<int32_t> exit_code;    // of the command
  std::optional<int32_t> exit_status;  // of databuild-exec itself, which user code cannot choose
  std::vector<std::string> missing;
  std::optional<v1::PartitionManifest> manifest;
};

// Nothing if the text is not a receipt. Job output is untrusted: bounded, never throws.
std::optional<Receipt> ParseReceipt(const std::string& text);

struct RunVerdict {
  enum class Kind { kPending, kRunning, kEnded };
  Kind kind = Kind::kPending;
  TimeNs started_at = 0;
  // Only when ended:
  TimeNs finished_at = 0;
  v1::JobOutcome outcome = v1::JOB_OUTCOME_UNKNOWN;
  std::string reason;   // one word: OutOfMemory, Timeout, Evicted, ...
  std::string message;  // for people
  std::optional<int32_t> exit_code;
  std::vector<std::string> missing;
  std::optional<v1::PartitionManifest> manifest;
  // 0, or when to judge again although nothing may change in the cluster.
  TimeNs look_again_at = 0;
};

// Bad waiting states (image pull, container config, pod creation) end a run after this long.
inline constexpr DurationNs kStartTrouble = 2 * kMinute;
// A node that is not ready for this long is lost (reason NodeLost; a new run only as onNodeLost
// says).
inline constexpr DurationNs kNodeLost = 10 * kMinute;

// The Job has ended and no pod is shown. Pods have a watch of their own, which may be behind:
// whether there is one, and what it left as a receipt, only the API server itself can say.
bool EndedWithoutPod(const ObservedJob& job);

// Precedence: receipt, then container reason, pod condition, Job condition.
RunVerdict JudgeRun(const ObservedJob& job, TimeNs now);

}  // namespace databuild
