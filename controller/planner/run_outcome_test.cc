// How runs are judged, as a table.
#include "controller/planner/run_outcome.h"

#include <gtest/gtest.h>

#include "bel/entities.h"

namespace databuild {
namespace {

constexpr TimeNs kNow = 1'000 * kSecond;

ObservedJob JobWithPod() {
  ObservedJob job;
  job.phase = JobPhase::kActive;
  job.pod.emplace();
  job.pod->created_at = kNow - kHour;
  return job;
}

ObservedJob Ended(int exit_code, const std::string& receipt, const std::string& reason = "Error") {
  ObservedJob job = JobWithPod();
  job.pod->started_at = kNow - kMinute;
  job.pod->finished_at = kNow;
  job.pod->exit_code = exit_code;
  job.pod->terminated_reason = reason;
  job.pod->receipt = receipt;
  job.pod->phase = exit_code == 0 ? PodPhase::kSucceeded : PodPhase::kFailed;
  return job;
}

std::string Receipt(const std::string& exit_class, int exit_status,
                    const std::string& reason = "") {
  return R"({"v":1,"class":")" + exit_class + R"(","reason":")" + reason + R"(","exitCode":)" +
         std::to_string(exit_status) + R"(,"exitStatus":)" + std::to_string(exit_status) + "}";
}

enum class Retry { kNone, kFailure, kInfrastructure, kUncounted };

Retry RetryOf(v1::JobOutcome outcome) {
  if (outcome == v1::JOB_OUTCOME_SUCCEEDED) return Retry::kNone;
  if (IsFailure(outcome)) return Retry::kFailure;
  return IsInfrastructure(outcome) ? Retry::kInfrastructure : Retry::kUncounted;
}

ObservedJob Disrupted(const char* reason) {
  ObservedJob job = Ended(143, Receipt("Terminated", 143));
  job.pod->disruption_reason = reason;
  return job;
}

ObservedJob Evicted() {
  ObservedJob job = JobWithPod();
  job.pod->phase = PodPhase::kFailed;
  job.pod->reason = "Evicted";
  job.pod->message = "The node was low on resource: memory.";
  return job;
}

ObservedJob Waiting(const char* reason) {
  ObservedJob job = JobWithPod();
  job.pod->waiting_reason = reason;
  job.pod->waiting_since = kNow - kStartTrouble;
  return job;
}

ObservedJob PodDeleted(const std::string& receipt) {
  ObservedJob job = Ended(143, receipt);
  job.pod->deleting = true;
  return job;
}

ObservedJob JobDeleted() {
  ObservedJob job = PodDeleted(Receipt("Terminated", 143));
  job.job_gone = true;
  return job;
}

ObservedJob Podless(JobPhase phase, const char* reason = "") {
  ObservedJob job;
  job.phase = phase;
  job.failed_reason = reason;
  return job;
}

ObservedJob RefusedPod() {
  ObservedJob job = Podless(JobPhase::kActive);
  job.create_failure = "exceeded quota";
  job.create_failure_since = kNow - kStartTrouble;
  return job;
}

ObservedJob AfterDeadline(ObservedJob job) {
  job.phase = JobPhase::kFailed;
  job.failed_reason = "DeadlineExceeded";
  return job;
}

// A way a run may end: its own reason, and what its retry counts as.
struct End {
  const char* name;
  ObservedJob job;
  v1::JobOutcome outcome;
  const char* reason;
  Retry retry;
};

void Check(const std::vector<End>& ends) {
  for (const End& one : ends) {
    const RunVerdict verdict = JudgeRun(one.job, kNow);
    EXPECT_EQ(verdict.kind, RunVerdict::Kind::kEnded) << one.name;
    EXPECT_EQ(verdict.outcome, one.outcome) << one.name;
    EXPECT_EQ(verdict.reason, one.reason) << one.name;
    EXPECT_EQ(RetryOf(verdict.outcome), one.retry) << one.name;
  }
}

TEST(RunOutcome, EveryEndOfACommandHasAReasonAndARetryClass) {
  Check({
      {"success", Ended(0, Receipt("Succeeded", 0), "Completed"), v1::JOB_OUTCOME_SUCCEEDED,
       "Succeeded", Retry::kNone},
      {"failure", Ended(3, Receipt("Failed", 3, "ExitCode")), v1::JOB_OUTCOME_FAILED, "ExitCode",
       Retry::kFailure},
      {"a signal", Ended(139, Receipt("Failed", 139, "Signal")), v1::JOB_OUTCOME_FAILED, "Signal",
       Retry::kFailure},
      {"a wrong manifest", Ended(65, Receipt("Failed", 65, "ManifestInvalid")),
       v1::JOB_OUTCOME_FAILED, "ManifestInvalid", Retry::kFailure},
      {"no such command", Ended(127, Receipt("LaunchFailed", 127, "CommandNotFound")),
       v1::JOB_OUTCOME_FAILED, "LaunchFailed", Retry::kFailure},
      {"a refused spec", Ended(78, Receipt("ConfigInvalid", 78, "SpecInvalid")),
       v1::JOB_OUTCOME_FAILED, "ConfigInvalid", Retry::kFailure},
      {"missing dependencies", Ended(75, Receipt("MissingDependencies", 75)),
       v1::JOB_OUTCOME_MISSING_DEPENDENCIES, "MissingDependencies", Retry::kUncounted},
      {"the command out of memory", Ended(137, Receipt("Failed", 137, "OOMKilled")),
       v1::JOB_OUTCOME_OUT_OF_MEMORY, "OutOfMemory", Retry::kFailure},
      {"the container out of memory", Ended(137, "", "OOMKilled"), v1::JOB_OUTCOME_OUT_OF_MEMORY,
       "OutOfMemory", Retry::kFailure},
      {"timeout", Ended(124, Receipt("Timeout", 124)), v1::JOB_OUTCOME_TIMEOUT, "Timeout",
       Retry::kFailure},
      {"the Job's deadline stopped it", AfterDeadline(PodDeleted(Receipt("Terminated", 143))),
       v1::JOB_OUTCOME_TIMEOUT, "DeadlineExceeded", Retry::kFailure},
      {"the Job's deadline, never started", AfterDeadline(JobWithPod()), v1::JOB_OUTCOME_TIMEOUT,
       "DeadlineExceeded", Retry::kFailure},
      {"the Job's deadline, pod gone", Podless(JobPhase::kFailed, "DeadlineExceeded"),
       v1::JOB_OUTCOME_TIMEOUT, "DeadlineExceeded", Retry::kFailure},
  });
}

TEST(RunOutcome, EveryLossHasAReasonAndARetryClass) {
  Check({
      {"evicted by the API", Disrupted("EvictionByEvictionAPI"), v1::JOB_OUTCOME_EVICTED, "Evicted",
       Retry::kInfrastructure},
      {"evicted by the kubelet", Evicted(), v1::JOB_OUTCOME_EVICTED, "Evicted",
       Retry::kInfrastructure},
      {"the node shuts down", Disrupted("TerminationByKubelet"), v1::JOB_OUTCOME_EVICTED, "Evicted",
       Retry::kInfrastructure},
      {"preempted", Disrupted("PreemptionByScheduler"), v1::JOB_OUTCOME_PREEMPTED, "Preempted",
       Retry::kInfrastructure},
      {"the node is tainted", Disrupted("DeletionByTaintManager"), v1::JOB_OUTCOME_NODE_LOST,
       "NodeLost", Retry::kInfrastructure},
      {"the node is gone", Disrupted("DeletionByPodGC"), v1::JOB_OUTCOME_NODE_LOST, "NodeLost",
       Retry::kInfrastructure},
      {"an image that is not there", Waiting("ImagePullBackOff"), v1::JOB_OUTCOME_IMAGE_PULL,
       "ImagePullBackOff", Retry::kInfrastructure},
      {"an image that is no name", Waiting("InvalidImageName"), v1::JOB_OUTCOME_IMAGE_PULL,
       "InvalidImageName", Retry::kInfrastructure},
      {"a secret that is not there", Waiting("CreateContainerConfigError"),
       v1::JOB_OUTCOME_CONFIG_ERROR, "CreateContainerConfigError", Retry::kInfrastructure},
      {"pods are refused", RefusedPod(), v1::JOB_OUTCOME_CREATE_REFUSED, "FailedCreate",
       Retry::kInfrastructure},
      {"the pod was deleted", PodDeleted(Receipt("Terminated", 143)), v1::JOB_OUTCOME_DELETED,
       "PodDeleted", Retry::kInfrastructure},
      {"the Job was deleted", JobDeleted(), v1::JOB_OUTCOME_DELETED, "JobDeleted",
       Retry::kInfrastructure},
      {"the pod was deleted with grace 0", Podless(JobPhase::kFailed, "BackoffLimitExceeded"),
       v1::JOB_OUTCOME_DELETED, "PodDeleted", Retry::kInfrastructure},
      {"no receipt", Ended(1, ""), v1::JOB_OUTCOME_NO_RECEIPT, "NoReceipt", Retry::kInfrastructure},
      {"completed, but its pod is gone", Podless(JobPhase::kComplete), v1::JOB_OUTCOME_NO_RECEIPT,
       "NoReceipt", Retry::kInfrastructure},
      {"told to stop by nobody we know", Ended(143, Receipt("Terminated", 143)),
       v1::JOB_OUTCOME_FAILED, "Terminated", Retry::kFailure},
  });
}

TEST(RunOutcome, TheReceiptsOwnWordsAreTheMessage) {
  EXPECT_EQ(JudgeRun(Ended(65, R"({"class":"Failed","reason":"ManifestInvalid","exitStatus":65,)"
                               R"("message":"outputs[0] is not the run's"})"),
                     kNow)
                .message,
            "outputs[0] is not the run's");
}

TEST(RunOutcome, WhatTheReceiptHasNoRoomForStandsInTheLog) {
  struct Case {
    const char* receipt;
    bool configure;
    bool incomplete;
  };
  for (const Case& one :
       {Case{R"("class":"Succeeded","exitStatus":0)", false, false},
        Case{R"("class":"Succeeded","exitStatus":0,"manifestParts":1,"manifest":{})", false, false},
        Case{R"("class":"Succeeded","exitStatus":0,"manifestParts":3)", false, true},
        Case{R"("class":"Succeeded","exitStatus":0,"configResponse":{"configs":[]})", true, false},
        Case{R"("class":"Succeeded","exitStatus":0)", true, true},
        Case{R"("class":"MissingDependencies","exitStatus":75,"missingCount":1,"missing":["a"])",
             false, false},
        Case{R"("class":"MissingDependencies","exitStatus":75,"missingCount":9)", false, true}}) {
    const int code = std::string(one.receipt).find("75") == std::string::npos ? 0 : 75;
    const std::string receipt = std::string("{\"lastSequence\":12,") + one.receipt + "}";
    const RunVerdict verdict = JudgeRun(Ended(code, receipt), kNow, one.configure);
    EXPECT_EQ(verdict.incomplete, one.incomplete) << one.receipt;
    EXPECT_EQ(verdict.last_sequence, 12u) << one.receipt;
  }
}

TEST(RunOutcome, APodThatHasNotEndedMayStillWork) {
  EXPECT_TRUE(MayStillWork(JobWithPod()));
  EXPECT_TRUE(MayStillWork(Waiting("ImagePullBackOff")));
  EXPECT_TRUE(MayStillWork(RefusedPod()));
  EXPECT_FALSE(MayStillWork(Ended(1, "")));
  EXPECT_FALSE(MayStillWork(Evicted()));
  EXPECT_FALSE(MayStillWork(Podless(JobPhase::kFailed)));
}

TEST(RunOutcome, AReceiptThatDoesNotMatchTheExitCodeIsForged) {
  const RunVerdict verdict = JudgeRun(Ended(1, Receipt("Succeeded", 0)), kNow);
  EXPECT_EQ(verdict.outcome, v1::JOB_OUTCOME_NO_RECEIPT);
  // Written by the command, which then killed databuild-exec.
  for (const char* exit_class : {"Succeeded", "MissingDependencies"}) {
    EXPECT_EQ(JudgeRun(Ended(137, Receipt(exit_class, 137)), kNow).outcome,
              v1::JOB_OUTCOME_NO_RECEIPT)
        << exit_class;
  }
}

TEST(RunOutcome, ForeignBytesAreNoReceipt) {
  for (const char* text : {"", "hello", "[]", "{}", R"({"class":7})", R"({"class":)", "\xff\xfe"}) {
    EXPECT_FALSE(ParseReceipt(text).has_value()) << text;
  }
  EXPECT_FALSE(ParseReceipt(std::string(20'000, '[')).has_value());
}

TEST(RunOutcome, AJobThatSucceededBeforeTheDisruptionSucceeded) {
  ObservedJob job = Ended(0, Receipt("Succeeded", 0));
  job.pod->disruption_reason = "EvictionByEvictionAPI";
  EXPECT_EQ(JudgeRun(job, kNow).outcome, v1::JOB_OUTCOME_SUCCEEDED);
}

TEST(RunOutcome, APodThatCannotStartEndsTheRunAfterTwoMinutes) {
  ObservedJob job = JobWithPod();
  job.pod->waiting_reason = "ErrImagePull";
  job.pod->waiting_since = kNow;
  const RunVerdict early = JudgeRun(job, kNow + kMinute);
  EXPECT_EQ(early.kind, RunVerdict::Kind::kPending);
  EXPECT_EQ(early.look_again_at, kNow + kStartTrouble);
  EXPECT_EQ(JudgeRun(job, kNow + kStartTrouble).outcome, v1::JOB_OUTCOME_IMAGE_PULL);
  job.pod->waiting_reason = "CreateContainerConfigError";
  EXPECT_EQ(JudgeRun(job, kNow + kStartTrouble).outcome, v1::JOB_OUTCOME_CONFIG_ERROR);
}

TEST(RunOutcome, AStartedContainerIsRunning) {
  ObservedJob job = JobWithPod();
  EXPECT_EQ(JudgeRun(job, kNow).kind, RunVerdict::Kind::kPending);
  job.pod->started_at = kNow;
  EXPECT_EQ(JudgeRun(job, kNow).kind, RunVerdict::Kind::kRunning);
}

}  // namespace
}  // namespace databuild
