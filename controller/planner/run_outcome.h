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
  std::string message;                 // for people
  std::vector<std::string> missing;
  std::optional<v1::PartitionManifest> manifest;
  std::string config_response;  // of a CONFIGURE run, as JSON
  // What did not fit stands in the run's log: entries up to this number.
  uint64_t last_sequence = 0;
  uint64_t missing_count = 0;
  uint64_t manifest_parts = 0;
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
  std::string config_response;
  // What the receipt had no room for: it stands at the end of the log, before `last_sequence`.
  bool incomplete = false;
  uint64_t last_sequence = 0;
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

// Whether the run's pod may still be at work, or come to work: a new run over the same data must
// wait.
bool MayStillWork(const ObservedJob& job);

// Precedence: receipt, then container reason, pod condition, Job condition. `configure`: the run
// was to answer with job configs.
RunVerdict JudgeRun(const ObservedJob& job, TimeNs now, bool configure = false);

}  // namespace databuild
