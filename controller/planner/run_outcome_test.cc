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

std::string Receipt(const std::string& exit_class, int exit_status) {
  return R"({"v":1,"class":")" + exit_class + R"(","exitCode":)" + std::to_string(exit_status) +
         R"(,"exitStatus":)" + std::to_string(exit_status) + "}";
}

TEST(RunOutcome, TheReceiptDecides) {
  struct Case {
    const char* exit_class;
    int exit_status;
    v1::JobOutcome outcome;
  };
  for (const Case& one :
       {Case{"Succeeded", 0, v1::JOB_OUTCOME_SUCCEEDED}, Case{"Failed", 3, v1::JOB_OUTCOME_FAILED},
        Case{"MissingDependencies", 75, v1::JOB_OUTCOME_MISSING_DEPENDENCIES},
        Case{"Timeout", 124, v1::JOB_OUTCOME_TIMEOUT},
        Case{"LaunchFailed", 127, v1::JOB_OUTCOME_FAILED}}) {
    const RunVerdict verdict =
        JudgeRun(Ended(one.exit_status, Receipt(one.exit_class, one.exit_status)), kNow);
    EXPECT_EQ(verdict.kind, RunVerdict::Kind::kEnded) << one.exit_class;
    EXPECT_EQ(verdict.outcome, one.outcome) << one.exit_class;
  }
}

TEST(RunOutcome, AReceiptThatDoesNotMatchTheExitCodeIsForged) {
  const RunVerdict verdict = JudgeRun(Ended(1, Receipt("Succeeded", 0)), kNow);
  EXPECT_EQ(verdict.outcome, v1::JOB_OUTCOME_NO_RECEIPT);
}

TEST(RunOutcome, ForeignBytesAreNoReceipt) {
  for (const char* text : {"", "hello", "[]", "{}", R"({"class":7})", R"({"class":)", "\xff\xfe"}) {
    EXPECT_FALSE(ParseReceipt(text).has_value()) << text;
  }
  EXPECT_FALSE(ParseReceipt(std::string(20'000, '[')).has_value());
}

TEST(RunOutcome, KilledByMemoryIsItsOwnOutcomeEvenWithoutAReceipt) {
  EXPECT_EQ(JudgeRun(Ended(137, "", "OOMKilled"), kNow).outcome, v1::JOB_OUTCOME_OUT_OF_MEMORY);
}

TEST(RunOutcome, DisruptionsAreInfrastructure) {
  struct Case {
    const char* reason;
    v1::JobOutcome outcome;
  };
  for (const Case& one : {Case{"PreemptionByScheduler", v1::JOB_OUTCOME_PREEMPTED},
                          Case{"DeletionByTaintManager", v1::JOB_OUTCOME_NODE_LOST},
                          Case{"EvictionByEvictionAPI", v1::JOB_OUTCOME_EVICTED},
                          Case{"TerminationByKubelet", v1::JOB_OUTCOME_EVICTED}}) {
    ObservedJob job = Ended(143, Receipt("Terminated", 143));
    job.pod->disruption_reason = one.reason;
    const RunVerdict verdict = JudgeRun(job, kNow);
    EXPECT_EQ(verdict.outcome, one.outcome) << one.reason;
    EXPECT_TRUE(IsInfrastructure(verdict.outcome)) << one.reason;
  }
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

TEST(RunOutcome, AFailedJobWithoutItsPodLostIt) {
  ObservedJob job;
  job.phase = JobPhase::kFailed;
  job.failed_reason = "BackoffLimitExceeded";
  EXPECT_EQ(JudgeRun(job, kNow).outcome, v1::JOB_OUTCOME_DELETED);
  job.failed_reason = "DeadlineExceeded";
  EXPECT_EQ(JudgeRun(job, kNow).outcome, v1::JOB_OUTCOME_TIMEOUT);
}

}  // namespace
}  // namespace databuild
