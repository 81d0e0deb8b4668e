// DecodePod: the part of codec.h that reads pods.
#include <algorithm>
#include <array>

#include "controller/kube/codec.h"

namespace databuild::kube {

namespace {

// A container that waits for one of these may wait for ever. ContainerCreating and PodInitializing
// are the normal way up.
constexpr std::array<std::string_view, 8> kBadWaits = {
    "CreateContainerConfigError", "InvalidImageName",     "ErrImagePull",      "ImagePullBackOff",
    "ErrImageNeverPull",          "CreateContainerError", "RunContainerError", "ImageInspectError"};

PodPhase PhaseOf(std::string_view phase) {
  if (phase == "Running") return PodPhase::kRunning;
  if (phase == "Succeeded") return PodPhase::kSucceeded;
  if (phase == "Failed") return PodPhase::kFailed;
  if (phase == "Unknown") return PodPhase::kUnknown;
  return PodPhase::kPending;
}

void DecodeWaiting(const JsonView& container, ObservedPod& pod) {
  JsonView waiting = container["state"]["waiting"];
  std::string_view reason = waiting["reason"].Text();
  if (std::find(kBadWaits.begin(), kBadWaits.end(), reason) == kBadWaits.end()) return;
  if (!pod.waiting_reason.empty()) return;
  pod.waiting_reason = std::string(reason);
  pod.waiting_message = waiting["message"].Str();
  pod.waiting_since = pod.created_at;
}

void DecodeTermination(const JsonView& terminated, ObservedPod& pod) {
  if (!terminated.exists()) return;
  pod.started_at = TimeOf(terminated["startedAt"]);
  pod.finished_at = TimeOf(terminated["finishedAt"]);
  // A container that the kubelet lost track of has ended too, only without times.
  if (pod.finished_at == 0) pod.finished_at = std::max(pod.started_at, pod.created_at);
  if (auto code = terminated["exitCode"].Int()) pod.exit_code = static_cast<int32_t>(*code);
  pod.terminated_reason = terminated["reason"].Str();
  pod.receipt = terminated["message"].Str();
}

void DecodeContainers(const JsonView& status, ObservedPod& pod) {
  status["initContainerStatuses"].ForEachItem(
      [&](const JsonView& container) { DecodeWaiting(container, pod); });
  status["containerStatuses"].ForEachItem([&](const JsonView& container) {
    DecodeWaiting(container, pod);
    if (container["name"].Text() != kJobContainer) return;
    JsonView state = container["state"];
    if (state["running"].exists()) pod.started_at = TimeOf(state["running"]["startedAt"]);
    DecodeTermination(state["terminated"], pod);
  });
}

}  // namespace

DecodedPod DecodePod(const JsonView& object) {
  DecodedPod out;
  JsonView meta = object["metadata"];
  JsonView status = object["status"];
  ObservedPod& pod = out.pod;
  pod.name = meta["name"].Str();
  pod.uid = meta["uid"].Str();
  pod.node = object["spec"]["nodeName"].Str();
  pod.phase = PhaseOf(status["phase"].Text());
  pod.deleting = meta["deletionTimestamp"].exists();
  pod.created_at = TimeOf(meta["creationTimestamp"]);
  pod.reason = status["reason"].Str();
  pod.message = status["message"].Str();
  DecodeContainers(status, pod);
  bool containers_ready = false;
  TimeNs not_ready_since = 0;
  status["conditions"].ForEachItem([&](const JsonView& condition) {
    std::string_view type = condition["type"].Text();
    bool holds = condition["status"].Text() == "True";
    if (type == "DisruptionTarget" && holds) pod.disruption_reason = condition["reason"].Str();
    if (type == "ContainersReady") containers_ready = holds;
    if (type == "Ready" && !holds) not_ready_since = TimeOf(condition["lastTransitionTime"]);
  });
  out.ready_lost = pod.phase == PodPhase::kRunning && containers_ready && not_ready_since != 0;
  out.ready_lost_since = out.ready_lost ? not_ready_since : 0;
  out.run_id = meta["annotations"][kRunIdAnnotation].Str();
  out.log_id = meta["annotations"][kLogIdAnnotation].Str();
  JsonView labels = meta["labels"];
  out.job_name = labels["batch.kubernetes.io/job-name"].Str();
  out.job_uid = labels["batch.kubernetes.io/controller-uid"].Str();
  return out;
}

}  // namespace databuild::kube
