// What databuild-exec and whoever builds its Job must agree on: names, limits, exit codes.
//
// Constants only: no other header of ours, so that both sides include this one file.
// README.md beside it explains the whole contract with examples. Sizes are bytes, times seconds.
#pragma once

#include <cstddef>
#include <cstdint>

namespace databuild::exec {

// ---- The run's spec: JSON, zstd-compressed, base64 (RFC 4648, padded), cut into chunks.
// DATABUILD_SPEC_CHUNKS holds n in decimal, DATABUILD_SPEC_0 .. DATABUILD_SPEC_<n-1> the chunks in
// order. execve refuses one string over 128 KiB, hence the chunk size.
inline constexpr char kSpecChunksEnv[] = "DATABUILD_SPEC_CHUNKS";
inline constexpr char kSpecChunkEnvPrefix[] = "DATABUILD_SPEC_";
inline constexpr size_t kSpecChunkBytes = 96 * 1024;
inline constexpr size_t kSpecEncodedBytesMax =
    512 * 1024;  // beyond it: RunTooLarge, before SCHEDULED
inline constexpr size_t kSpecDecodedBytesMax = 64 * 1024 * 1024;
inline constexpr int kSpecVersion = 1;

// Keys of the spec. Unknown keys are ignored; every key but the first two has a default.
inline constexpr char kSpecVersionKey[] = "version";                 // 1
inline constexpr char kSpecJobRunId[] = "jobRunId";                  // string
inline constexpr char kSpecJobLabel[] = "jobLabel";                  // string
inline constexpr char kSpecMode[] = "mode";                          // "run" | "configure"
inline constexpr char kSpecOutputs[] = "outputs";                    // [ref]
inline constexpr char kSpecInputs[] = "inputs";                      // [ref]
inline constexpr char kSpecOutputInstances[] = "outputInstances";    // {ref: instance id}
inline constexpr char kSpecInputInstances[] = "inputInstances";      // {ref: instance id}
inline constexpr char kSpecArgs[] = "args";                          // [string], after the command
inline constexpr char kSpecEnv[] = "env";                            // {name: value}
inline constexpr char kSpecTimeoutSeconds[] = "timeoutSeconds";      // 0: none
inline constexpr char kSpecGraceSeconds[] = "graceSeconds";          // TERM to KILL
inline constexpr char kSpecHeartbeatSeconds[] = "heartbeatSeconds";  // 0: none
inline constexpr char kSpecOutputBoundBytes[] = "outputBoundBytes";  // 0: none
inline constexpr char kSpecOutputRateBytes[] = "outputRateBytes";    // a second; 0: none
inline constexpr char kSpecReceiptBytes[] = "receiptBytes";          // size limit of the receipt

inline constexpr char kModeRun[] = "run";
inline constexpr char kModeConfigure[] = "configure";

inline constexpr int64_t kDefaultGraceSeconds = 30;
inline constexpr int64_t kDefaultHeartbeatSeconds = 30;
inline constexpr int64_t kDefaultOutputBoundBytes = 8 * 1024 * 1024;
// What databuild-exec itself may need after the command's end: draining pipes, flushing, receipt.
// terminationGracePeriodSeconds of the pod = graceSeconds + this.
inline constexpr int64_t kWrapUpSeconds = 15;

// ---- Where things are mounted in container `job`.
// The init container runs `/databuild-exec install kBinaryPath`; the volume is read-only in `job`.
// kWorkDir is a second emptyDir, writable; without it databuild-exec looks for another place.
inline constexpr char kBinaryDir[] = "/databuild/bin";
inline constexpr char kBinaryPath[] = "/databuild/bin/databuild-exec";
inline constexpr char kWorkDir[] = "/databuild/work";
inline constexpr char kWorkDirEnv[] = "DATABUILD_WORK_DIR";  // overrides kWorkDir
inline constexpr char kTerminationLogPath[] = "/dev/termination-log";
inline constexpr char kTerminationLogEnv[] = "DATABUILD_TERMINATION_LOG";  // overrides the path

// ---- What the user's command finds in its environment.
inline constexpr char kJobRunIdEnv[] = "DATABUILD_JOB_RUN_ID";
inline constexpr char kOutputsEnv[] = "DATABUILD_OUTPUTS";           // JSON array, if under 64 KiB
inline constexpr char kInputsEnv[] = "DATABUILD_INPUTS";             // JSON array, if under 64 KiB
inline constexpr char kOutputsFileEnv[] = "DATABUILD_OUTPUTS_FILE";  // path of a JSON array
inline constexpr char kInputsFileEnv[] = "DATABUILD_INPUTS_FILE";    // path of a JSON array
inline constexpr char kManifestEnv[] = "DATABUILD_MANIFEST";         // path the command may write
inline constexpr char kMissingEnv[] = "DATABUILD_MISSING";           // path the command may write
inline constexpr size_t kListEnvBytesMax = 64 * 1024;

// ---- Lines on stdout.
inline constexpr size_t kEntryBytesMax = 12 * 1024 - 1;  // a line with its newline
inline constexpr int64_t kProtectedEntriesMax = 10'000;  // WARN and above, and metrics
inline constexpr char kEventConfigValid[] = "config_validate_success";
inline constexpr char kEventConfigInvalid[] = "config_validate_failed";
inline constexpr char kEventLaunched[] = "task_launch_success";
inline constexpr char kEventLaunchFailed[] = "task_launch_failed";
inline constexpr char kEventHeartbeat[] = "heartbeat";
inline constexpr char kEventMissing[] = "missing_dependencies";
inline constexpr char kEventConfigResponse[] = "config_response";
inline constexpr char kEventExit[] = "task_exit";

// ---- The receipt: one JSON object in the termination message.
inline constexpr int kReceiptVersion = 1;
inline constexpr size_t kReceiptBytesMax = 4096;        // of one container
inline constexpr size_t kReceiptBytesMaxOfPod = 12288;  // shared by all containers of a pod
inline constexpr size_t kReceiptBytesMin = 512;
inline constexpr char kClassSucceeded[] = "Succeeded";
inline constexpr char kClassFailed[] = "Failed";
inline constexpr char kClassMissingDependencies[] = "MissingDependencies";
inline constexpr char kClassTimeout[] = "Timeout";
inline constexpr char kClassTerminated[] = "Terminated";  // SIGTERM or SIGINT from outside
inline constexpr char kClassLaunchFailed[] = "LaunchFailed";
inline constexpr char kClassConfigInvalid[] = "ConfigInvalid";
// The digest's SHA-256 is taken over the SHA-256s of blocks of this size.
inline constexpr size_t kDigestBlockBytes = 1024 * 1024;

// ---- Exit status of databuild-exec. Otherwise the command's own, or 128 + signal.
// A receipt counts only if its exitStatus is the container's exit code: a command that writes a
// receipt of its own cannot also choose how databuild-exec ends.
inline constexpr int kExitMissingDependencies = 75;  // also what a command may exit with
inline constexpr int kExitUsage = 64;
inline constexpr int kExitConfigInvalid = 78;
inline constexpr int kExitTimeout = 124;
inline constexpr int kExitNotExecutable = 126;
inline constexpr int kExitNotFound = 127;
inline constexpr int kExitSignalBase = 128;
// Exit 0 with a manifest that contradicts the run: class Failed, reason ManifestInvalid.
inline constexpr int kExitManifestInvalid = 65;

// ---- Bounds on what the command hands back.
inline constexpr size_t kManifestFileBytesMax = 1024 * 1024;
inline constexpr size_t kMissingFileBytesMax = 2 * 1024 * 1024;
inline constexpr size_t kMissingRefsMax = 10'000;
inline constexpr size_t kRefBytesMax = 1024;
inline constexpr size_t kConfigResponseBytesMax = 1024 * 1024;

}  // namespace databuild::exec
