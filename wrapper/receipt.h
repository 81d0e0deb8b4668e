// The receipt: what became of a run, in the container's termination message.
//
// Survives the loss of every log line and arrives with the pod's status. One JSON object of bounded
// size; README.md lists its members. Pure but for WriteReceipt.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "bel/base/clock.h"
#include "bel/base/result.h"
#include "wrapper/budget.h"
#include "wrapper/entry.h"
#include "wrapper/lines.h"

namespace databuild::exec {

// Why a run did not succeed, beside its class.
inline constexpr char kReasonExitCode[] = "ExitCode";
inline constexpr char kReasonSignal[] = "Signal";
inline constexpr char kReasonOomKilled[] = "OOMKilled";
inline constexpr char kReasonManifestInvalid[] = "ManifestInvalid";
inline constexpr char kReasonMissingInvalid[] = "MissingInvalid";
inline constexpr char kReasonSpecInvalid[] = "SpecInvalid";
inline constexpr char kReasonConfigResponseInvalid[] = "ConfigResponseInvalid";
inline constexpr char kReasonWorkDir[] = "WorkDirUnwritable";
inline constexpr char kReasonNotFound[] = "CommandNotFound";
inline constexpr char kReasonNotExecutable[] = "CommandNotExecutable";

struct Receipt {
  std::string outcome;           // one of kClass…
  std::string reason;            // one of kReason…, empty when the class says it all
  std::string message;           // for people; cut to fit
  int exit_status = 0;           // of databuild-exec
  std::optional<int> exit_code;  // of the command
  std::optional<int> signal;     // that ended the command
  TimeNs start = 0;
  TimeNs end = 0;

  uint64_t last_sequence = 0;
  std::string crc32c;
  std::string sha256;
  uint64_t bytes = 0;
  EntryCounts entries;
  LineCounts lines;
  Dropped dropped;
  uint64_t undelivered = 0;  // entries stdout did not take
  std::string output_error;  // why
  std::optional<double> cpu_seconds;
  std::optional<uint64_t> memory_peak_bytes;

  size_t manifest_parts = 0;
  std::string manifest;  // JSON, only when it was one part
  std::vector<std::string> missing;
  std::string config_response;  // JSON
};

// At most max(bytes_max, kReceiptBytesMin) bytes: what does not fit is left out, the least
// important first.
std::string RenderReceipt(const Receipt& receipt, size_t bytes_max);

// Replaces the content of the file at `path`, which is created if it is not there.
Status WriteReceipt(const std::string& path, const std::string& receipt);

}  // namespace databuild::exec
