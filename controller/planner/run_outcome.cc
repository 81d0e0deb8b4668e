#include "controller/planner/run_outcome.h"

#include <google/protobuf/util/json_util.h>

#include <nlohmann/json.hpp>

namespace databuild {
namespace {

constexpr size_t kMaxReceiptBytes = 12'288;  // all termination messages of a pod together
constexpr size_t kMaxMissingRefs = 1'000;

using Json = nlohmann::json;

std::string TextOr(const Json& object, const char* key) {
  const auto it = object.find(key);
  return it != object.end() && it->is_string() ? it->get<std::string>() : "";
}

std::optional<int32_t> NumberOf(const Json& object, const char* key) {
  const auto it = object.find(key);
  if (it == object.end() || !it->is_number_integer()) return std::nullopt;
  return it->get<int32_t>();
}

uint64_t CountOf(const Json& object, const char* key) {
  const auto it = object.find(key);
  return it != object.end() && it->is_number_unsigned() ? it->get<uint64_t>() : 0;
}

std::optional<v1::PartitionManifest> ParseManifest(const Json& json) {
  if (!json.is_object()) return std::nullopt;
  v1::PartitionManifest manifest;
  google::protobuf::util::JsonParseOptions options;
  options.ignore_unknown_fields = true;
  if (!google::protobuf::util::JsonStringToMessage(json.dump(), &manifest, options).ok())
    return std::nullopt;
  return manifest;
}

RunVerdict Ended(RunVerdict verdict, v1::JobOutcome outcome, std::string reason,
                 std::string message) {
  verdict.kind = RunVerdict::Kind::kEnded;
  verdict.outcome = outcome;
  verdict.reason = std::move(reason);
  verdict.message = std::move(message);
  return verdict;
}

std::string WithExitCode(const std::string& what, const std::optional<int32_t>& code) {
  return code ? what + " with exit code " + std::to_string(*code) : what;
}

RunVerdict Succeeded(RunVerdict verdict, const Receipt& receipt, bool configure) {
  verdict.config_response = receipt.config_response;
  verdict.incomplete =
      configure ? receipt.config_response.empty() : receipt.manifest_parts > 0 && !receipt.manifest;
  return Ended(verdict, v1::JOB_OUTCOME_SUCCEEDED, "Succeeded", "");
}

RunVerdict FromReceipt(RunVerdict verdict, const Receipt& receipt, bool configure) {
  verdict.exit_code = receipt.exit_code;
  verdict.missing = receipt.missing;
  verdict.manifest = receipt.manifest;
  verdict.last_sequence = receipt.last_sequence;
  const std::string& exit_class = receipt.exit_class;
  const auto words = [&](const std::string& otherwise) {
    return receipt.message.empty() ? otherwise : receipt.message;
  };
  if (exit_class == "Succeeded") return Succeeded(std::move(verdict), receipt, configure);
  if (exit_class == "MissingDependencies") {
    const uint64_t count = std::max<uint64_t>(receipt.missing_count, receipt.missing.size());
    verdict.incomplete = count > receipt.missing.size();
    return Ended(verdict, v1::JOB_OUTCOME_MISSING_DEPENDENCIES, "MissingDependencies",
                 "the job reported " + std::to_string(count) + " missing inputs");
  }
  if (exit_class == "Timeout") {
    return Ended(verdict, v1::JOB_OUTCOME_TIMEOUT, "Timeout",
                 words("the job ran into its timeout and was stopped"));
  }
  if (exit_class == "LaunchFailed") {
    return Ended(verdict, v1::JOB_OUTCOME_FAILED, "LaunchFailed",
                 words("the job's command could not be started"));
  }
  if (exit_class == "ConfigInvalid") {
    return Ended(verdict, v1::JOB_OUTCOME_FAILED, "ConfigInvalid",
                 words("the run's specification was refused"));
  }
  if (receipt.reason == "OOMKilled") {
    return Ended(verdict, v1::JOB_OUTCOME_OUT_OF_MEMORY, "OutOfMemory",
                 words("the job's command was killed for going over its memory limit"));
  }
  const std::string what = exit_class == "Terminated" ? "Terminated" : "ExitCode";
  return Ended(verdict, v1::JOB_OUTCOME_FAILED, receipt.reason.empty() ? what : receipt.reason,
               words(WithExitCode("the job's command ended", receipt.exit_code)));
}

std::optional<RunVerdict> FromDisruption(const RunVerdict& verdict, const ObservedPod& pod) {
  if (pod.disruption_reason == "PreemptionByScheduler") {
    return Ended(verdict, v1::JOB_OUTCOME_PREEMPTED, "Preempted",
                 "the scheduler preempted the pod");
  }
  if (pod.disruption_reason == "DeletionByTaintManager" ||
      pod.disruption_reason == "DeletionByPodGC" || pod.reason == "NodeLost") {
    return Ended(verdict, v1::JOB_OUTCOME_NODE_LOST, "NodeLost", "node " + pod.node + " was lost");
  }
  if (!pod.disruption_reason.empty() || pod.reason == "Evicted") {
    return Ended(verdict, v1::JOB_OUTCOME_EVICTED, "Evicted",
                 pod.message.empty() ? "the pod was evicted" : pod.message);
  }
  return std::nullopt;
}

// Whether databuild-exec ends that way for this class. Where user code can kill it, the file may
// name the exit status of a killed process, but not one of a success.
bool ExitFits(const Receipt& receipt) {
  if (receipt.exit_class == "Succeeded") return receipt.exit_status == 0;
  if (receipt.exit_class == "MissingDependencies") return receipt.exit_status == 75;
  return receipt.exit_status != 0;
}

bool Over(const ObservedPod& pod) {
  return pod.finished_at || pod.phase == PodPhase::kSucceeded || pod.phase == PodPhase::kFailed;
}

RunVerdict RanIntoDeadline(RunVerdict verdict, const ObservedJob& job) {
  if (!verdict.finished_at) verdict.finished_at = job.finished_at;
  return Ended(verdict, v1::JOB_OUTCOME_TIMEOUT, "DeadlineExceeded",
               "the Job ran into its backstop deadline; the pod may never have started");
}

// The container `job` has terminated, or its pod has failed or is no more.
std::optional<RunVerdict> FromEndedPod(RunVerdict verdict, const ObservedJob& job, bool configure) {
  const ObservedPod& pod = *job.pod;
  if (!Over(pod)) return std::nullopt;
  verdict.finished_at = pod.finished_at;
  verdict.exit_code = pod.exit_code;
  if (pod.terminated_reason == "OOMKilled") {
    return Ended(verdict, v1::JOB_OUTCOME_OUT_OF_MEMORY, "OutOfMemory",
                 "the container was killed for going over its memory limit");
  }
  std::optional<Receipt> receipt = ParseReceipt(pod.receipt);
  // User code can write the termination file, but it cannot choose how databuild-exec exits.
  if (receipt && (receipt->exit_status != pod.exit_code || !ExitFits(*receipt))) receipt.reset();
  const auto disrupted = FromDisruption(verdict, pod);
  if (receipt && receipt->exit_class != "Terminated")
    return FromReceipt(verdict, *receipt, configure);
  if (disrupted) return disrupted;
  if (job.failed_reason == "DeadlineExceeded") return RanIntoDeadline(verdict, job);
  if (pod.deleting && job.job_gone)
    return Ended(verdict, v1::JOB_OUTCOME_DELETED, "JobDeleted", "the run's Job was deleted");
  if (pod.deleting)
    return Ended(verdict, v1::JOB_OUTCOME_DELETED, "PodDeleted", "the run's pod was deleted");
  if (receipt) return FromReceipt(verdict, *receipt, configure);
  if (!pod.finished_at && pod.phase == PodPhase::kFailed && !pod.message.empty()) {
    return Ended(verdict, v1::JOB_OUTCOME_NO_RECEIPT, pod.reason.empty() ? "PodFailed" : pod.reason,
                 pod.message);
  }
  return Ended(verdict, v1::JOB_OUTCOME_NO_RECEIPT, "NoReceipt",
               WithExitCode("the container ended without a receipt", pod.exit_code));
}

RunVerdict Trouble(RunVerdict verdict, const ObservedPod& pod, TimeNs now) {
  if (now < pod.waiting_since + kStartTrouble) {
    verdict.look_again_at = pod.waiting_since + kStartTrouble;
    verdict.reason = pod.waiting_reason;
    verdict.message = pod.waiting_message;
    return verdict;
  }
  verdict.finished_at = now;
  const bool image = pod.waiting_reason.find("Image") != std::string::npos;
  return Ended(verdict, image ? v1::JOB_OUTCOME_IMAGE_PULL : v1::JOB_OUTCOME_CONFIG_ERROR,
               pod.waiting_reason, pod.waiting_message);
}

RunVerdict FromFailedJob(RunVerdict verdict, const ObservedJob& job) {
  if (job.failed_reason == "DeadlineExceeded") return RanIntoDeadline(verdict, job);
  verdict.finished_at = job.finished_at;
  return Ended(verdict, v1::JOB_OUTCOME_DELETED, "PodDeleted",
               "the run's pod was deleted: " + (job.failed_message.empty()
                                                    ? std::string("the Job failed without it")
                                                    : job.failed_message));
}

}  // namespace

std::optional<Receipt> ParseReceipt(const std::string& text) {
  if (text.empty() || text.size() > kMaxReceiptBytes) return std::nullopt;
  const Json json = Json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object()) return std::nullopt;
  Receipt receipt;
  receipt.exit_class = TextOr(json, "class");
  if (receipt.exit_class.empty()) return std::nullopt;
  receipt.reason = TextOr(json, "reason");
  receipt.message = TextOr(json, "message");
  receipt.last_sequence = CountOf(json, "lastSequence");
  receipt.missing_count = CountOf(json, "missingCount");
  receipt.manifest_parts = CountOf(json, "manifestParts");
  if (const auto answer = json.find("configResponse"); answer != json.end())
    receipt.config_response = answer->dump(-1, ' ', false, Json::error_handler_t::replace);
  receipt.exit_code = NumberOf(json, "exitCode");
  receipt.exit_status = NumberOf(json, "exitStatus");
  if (const auto missing = json.find("missing"); missing != json.end() && missing->is_array()) {
    for (const Json& ref : *missing) {
      if (ref.is_string() && receipt.missing.size() < kMaxMissingRefs)
        receipt.missing.push_back(ref);
    }
  }
  if (const auto manifest = json.find("manifest"); manifest != json.end()) {
    receipt.manifest = ParseManifest(*manifest);
  }
  return receipt;
}

bool EndedWithoutPod(const ObservedJob& job) {
  return !job.pod && (job.phase == JobPhase::kComplete || job.phase == JobPhase::kFailed);
}

bool MayStillWork(const ObservedJob& job) {
  if (job.pod && !Over(*job.pod)) return true;
  return !job.pod && job.phase != JobPhase::kComplete && job.phase != JobPhase::kFailed;
}

RunVerdict JudgeRun(const ObservedJob& job, TimeNs now, bool configure) {
  RunVerdict verdict;
  verdict.started_at = job.pod && job.pod->started_at ? job.pod->started_at : 0;
  if (job.pod) {
    if (auto ended = FromEndedPod(verdict, job, configure)) {
      if (ended->finished_at == 0) ended->finished_at = job.finished_at ? job.finished_at : now;
      return *ended;
    }
    if (!job.pod->node_ready && job.pod->node_lost_since) {
      verdict.look_again_at = job.pod->node_lost_since + kNodeLost;
    }
    if (job.phase == JobPhase::kFailed && job.failed_reason == "DeadlineExceeded" &&
        !job.pod->started_at) {
      return FromFailedJob(verdict, job);
    }
    if (!job.pod->waiting_reason.empty()) return Trouble(verdict, *job.pod, now);
    if (job.pod->started_at) verdict.kind = RunVerdict::Kind::kRunning;
    return verdict;
  }
  if (job.phase == JobPhase::kFailed) return FromFailedJob(verdict, job);
  if (job.phase == JobPhase::kComplete) {
    verdict.finished_at = job.finished_at;
    return Ended(verdict, v1::JOB_OUTCOME_NO_RECEIPT, "NoReceipt",
                 "the Job completed but its pod is gone");
  }
  if (!job.create_failure.empty()) {
    if (now >= job.create_failure_since + kStartTrouble) {
      verdict.finished_at = now;
      return Ended(verdict, v1::JOB_OUTCOME_CREATE_REFUSED, "FailedCreate", job.create_failure);
    }
    verdict.look_again_at = job.create_failure_since + kStartTrouble;
    verdict.reason = "FailedCreate";
    verdict.message = job.create_failure;
  }
  return verdict;
}

}  // namespace databuild
