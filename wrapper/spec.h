// What a run is: from the environment of the container, or from flags on a laptop.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "bel/base/result.h"
#include "wrapper/protocol.h"

namespace databuild::exec {

struct RunSpec {
  std::string job_run_id;
  std::string job_label;
  bool configure = false;  // mode "configure": the last line of stdout is a JobConfigureResponse
  std::vector<std::string> outputs;
  std::vector<std::string> inputs;
  std::map<std::string, std::string> output_instances;  // ref to instance id
  std::map<std::string, std::string> input_instances;
  std::vector<std::string> args;
  std::vector<std::pair<std::string, std::string>> env;
  int64_t timeout_seconds = 0;  // 0: none
  int64_t grace_seconds = kDefaultGraceSeconds;
  int64_t heartbeat_seconds = kDefaultHeartbeatSeconds;   // 0: none
  int64_t output_bound_bytes = kDefaultOutputBoundBytes;  // 0: none
  int64_t output_rate_bytes = 0;                          // a second; 0: none
  int64_t receipt_bytes = static_cast<int64_t>(kReceiptBytesMax);
};

// Reads the spec from an environment as execve passes it. Errors name the variable or the key.
Result<RunSpec> SpecFromEnvironment(const char* const* environment);
// Reads the spec's JSON (after base64 and zstd).
Result<RunSpec> ParseSpec(std::string_view json);
// True for the variables that carry the spec.
bool IsSpecVariable(std::string_view assignment);

// RFC 4648 with padding; kInvalidArgument for anything else.
Result<std::string> DecodeBase64(std::string_view text);
// One zstd frame of at most `bytes_max` bytes.
Result<std::string> DecompressZstd(std::string_view frame, size_t bytes_max);

}  // namespace databuild::exec
