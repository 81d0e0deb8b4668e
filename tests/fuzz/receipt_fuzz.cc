// A termination message and the end of a log, as any bytes: they are read within bounds, and a
// receipt never turns a container that failed into a run that succeeded.
#include <google/protobuf/stubs/logging.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>

#include "controller/planner/run_outcome.h"
#include "controller/planner/run_output.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  [[maybe_unused]] static const auto silenced = google::protobuf::SetLogHandler(nullptr);
  const std::string text(reinterpret_cast<const char*>(data), size);
  databuild::ObservedJob job;
  job.phase = databuild::JobPhase::kFailed;
  job.pod.emplace();
  job.pod->phase = databuild::PodPhase::kFailed;
  job.pod->started_at = 1;
  job.pod->finished_at = 2;
  job.pod->exit_code = 1;
  job.pod->receipt = text;
  const databuild::RunVerdict verdict = databuild::JudgeRun(job, 3);
  const bool ended = verdict.kind == databuild::RunVerdict::Kind::kEnded;
  if (!ended || verdict.outcome == databuild::v1::JOB_OUTCOME_UNKNOWN || verdict.reason.empty()) {
    std::fprintf(stderr, "the run has not ended: %s\n", text.c_str());
    std::abort();
  }
  if (verdict.outcome == databuild::v1::JOB_OUTCOME_SUCCEEDED) {
    std::fprintf(stderr, "a container that failed succeeded: %s\n", text.c_str());
    std::abort();
  }
  databuild::ParseRunOutput({{"run", "pod", 2, 1}, text});
  return 0;
}
