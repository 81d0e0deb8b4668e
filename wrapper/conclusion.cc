#include "wrapper/conclusion.h"

#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>

#include "wrapper/protocol.h"
#include "wrapper/receipt.h"

namespace databuild::exec {
namespace {

constexpr std::string_view kWrapperStream = "wrapper";

double CpuSince(const Usage& before, const Usage& now) {
  return std::max(0.0, now.cpu_seconds.value_or(0) - before.cpu_seconds.value_or(0));
}

uint64_t OomKillsSince(const Usage& before, const Usage& now) {
  const uint64_t earlier = before.oom_kills.value_or(0), later = now.oom_kills.value_or(0);
  return later > earlier ? later - earlier : 0;
}

std::string Assignment(const char* name, const std::string& value) {
  return std::string(name) + "=" + value;
}

}  // namespace

void AppendUsage(const Usage& before, const Usage& now,
                 std::vector<std::pair<std::string, std::string>>* metadata) {
  char seconds[32];
  std::snprintf(seconds, sizeof(seconds), "%.3f", CpuSince(before, now));
  if (now.cpu_seconds) metadata->emplace_back("cpuSeconds", seconds);
  const auto add = [&](const char* key, const std::optional<uint64_t>& value) {
    if (value) metadata->emplace_back(key, std::to_string(*value));
  };
  add("memoryBytes", now.memory_bytes);
  add("memoryPeakBytes", now.memory_peak_bytes);
  add("memoryLimitBytes", now.memory_limit_bytes);
  add("processes", now.processes);
  if (now.oom_kills) metadata->emplace_back("oomKills", std::to_string(OomKillsSince(before, now)));
  metadata->emplace_back("usageSource", now.source);
}

std::vector<std::string> CommandVariables(const RunSpec& spec, const WorkDir& work_dir) {
  std::vector<std::string> variables;
  for (const auto& [name, value] : spec.env) variables.push_back(name + "=" + value);
  variables.push_back(Assignment(kJobRunIdEnv, spec.job_run_id));
  variables.push_back(Assignment(kOutputsFileEnv, work_dir.outputs_file()));
  variables.push_back(Assignment(kInputsFileEnv, work_dir.inputs_file()));
  variables.push_back(Assignment(kManifestEnv, work_dir.manifest_file()));
  variables.push_back(Assignment(kMissingEnv, work_dir.missing_file()));
  const std::string outputs = JsonArray(spec.outputs), inputs = JsonArray(spec.inputs);
  if (outputs.size() < kListEnvBytesMax) variables.push_back(Assignment(kOutputsEnv, outputs));
  if (inputs.size() < kListEnvBytesMax) variables.push_back(Assignment(kInputsEnv, inputs));
  return variables;
}

Conclusion::Conclusion(const RunContext& context, RunRecord* record, EntryWriter* writer)
    : context_(context), record_(record), writer_(writer) {
  if (ran()) usage_ = ReadUsage("", getpid());
}

Outcome Conclusion::JudgeLaunch() const {
  if (!record_->spec_error.empty()) {
    return {kClassConfigInvalid, kReasonSpecInvalid, record_->spec_error, kExitConfigInvalid};
  }
  const Error& error = *record_->launch_error;
  if (error.code == Errc::kNotFound) {
    return {kClassLaunchFailed, kReasonNotFound, error.message, kExitNotFound};
  }
  const std::string reason =
      record_->launch_reason.empty() ? kReasonNotExecutable : record_->launch_reason;
  return {kClassLaunchFailed, reason, error.message, kExitNotExecutable};
}

Result<std::vector<std::string>> Conclusion::ReadMissing() const {
  ASSIGN_OR_RETURN(const std::optional<std::string> file,
                   ReadReturnedFile(record_->work_dir->missing_file(), kMissingFileBytesMax));
  if (!file) return std::vector<std::string>();
  return ParseMissing(*file);
}

Status Conclusion::MergeClaims(const JobLines& lines) {
  if (lines.manifests_too_large()) {
    return Error{Errc::kTooLarge, "the manifests printed by the command exceed " +
                                      std::to_string(kManifestFileBytesMax) + " bytes"};
  }
  std::vector<ManifestClaim> claims;
  for (const std::string& json : lines.manifests()) claims.push_back({"a line of output", json});
  ASSIGN_OR_RETURN(const std::optional<std::string> file,
                   ReadReturnedFile(record_->work_dir->manifest_file(), kManifestFileBytesMax));
  if (file) claims.push_back({"the file DATABUILD_MANIFEST", *file});
  ASSIGN_OR_RETURN(manifest_, MergeManifest(context_.spec, claims, &warnings_));
  return {};
}

void Conclusion::JudgeRun(const JobLines& lines) {
  if (!ran()) {
    outcome_ = JudgeLaunch();
    return;
  }
  RunEnd end;
  end.ending = record_->ending;
  end.timeout_seconds = static_cast<int>(context_.spec.timeout_seconds);
  end.terminated_by = record_->terminated_by;
  end.wait_status = record_->wait_status;
  end.oom_killed = OomKillsSince(record_->usage_before, usage_) > 0;
  end.missing = ReadMissing();
  if (context_.spec.configure) {
    end.response = CheckConfigResponse(lines.held());
  } else {
    end.manifest = MergeClaims(lines);
  }
  outcome_ = Judge(end);
  if (outcome_.outcome == kClassMissingDependencies) missing_ = *end.missing;
  if (outcome_.outcome != kClassSucceeded) return;
  if (context_.spec.configure) {
    response_ = lines.held();
  } else {
    manifest_.start_seconds = record_->start / kSecond;
    manifest_.end_seconds = record_->end / kSecond;
    manifest_parts_ = RenderManifest(manifest_, context_.spec, EntryWriter::kContentBytesMax - 16);
  }
}

void Conclusion::Warn(const std::string& message) {
  writer_->LogLine({.level = Level::kWarn,
                    .message = message,
                    .stream = kWrapperStream,
                    .fields = {},
                    .kept = true},
                   1);
}

void Conclusion::WriteEntries(const JobLines& lines, const OutputBudget& budget) {
  JudgeRun(lines);
  const Dropped& dropped = budget.dropped();
  if (dropped != Dropped()) {
    Warn(std::to_string(dropped.lines) + " lines (" + std::to_string(dropped.bytes) +
         " bytes) of the job's output were dropped: " +
         std::to_string(dropped.lines - dropped.rate_lines) + " beyond the bound of " +
         std::to_string(budget.limits().bound_bytes) + " bytes, " +
         std::to_string(dropped.rate_lines) + " by the rate limit");
  }
  for (const std::string& warning : warnings_) Warn(warning);
  if (!outcome_.message.empty() && outcome_.outcome != kClassMissingDependencies) {
    writer_->LogLine({.level = Level::kError,
                      .message = outcome_.message,
                      .stream = kWrapperStream,
                      .fields = {},
                      .kept = true},
                     1);
  }
  if (context_.spec.configure && response_.empty() && !lines.held().empty()) {
    // Not an answer after all: a line like the others.
    writer_->LogLine({.message = lines.held(), .stream = "stdout", .fields = {}}, 1);
  }
  if (!missing_.empty()) writer_->LongEvent(kEventMissing, "refs", JsonArray(missing_));
  if (!response_.empty()) writer_->LongEvent(kEventConfigResponse, "response", response_);
  WriteExitEvent(budget);
  for (const std::string& part : manifest_parts_) writer_->Manifest(part);
}

void Conclusion::WriteExitEvent(const OutputBudget& budget) {
  const bool succeeded = outcome_.outcome == kClassSucceeded;
  JobEvent event{.type = !record_->spec_error.empty() ? kEventConfigInvalid
                         : record_->launch_error      ? kEventLaunchFailed
                                                      : kEventExit,
                 .metadata = {{"class", outcome_.outcome}},
                 .job_status = succeeded ? "JOB_COMPLETED" : "JOB_FAILED",
                 .exit_code = outcome_.exit_status,
                 .with_outputs = true};
  if (!outcome_.reason.empty()) event.metadata.emplace_back("reason", outcome_.reason);
  if (!outcome_.message.empty()) event.metadata.emplace_back("message", outcome_.message);
  if (ran()) {
    event.exit_code = WIFEXITED(record_->wait_status)
                          ? WEXITSTATUS(record_->wait_status)
                          : kExitSignalBase + WTERMSIG(record_->wait_status);
    event.metadata.emplace_back("exitStatus", std::to_string(outcome_.exit_status));
    if (WIFSIGNALED(record_->wait_status)) {
      event.metadata.emplace_back("signal", std::to_string(WTERMSIG(record_->wait_status)));
    }
    event.metadata.emplace_back("droppedLines", std::to_string(budget.dropped().lines));
    event.metadata.emplace_back("manifestParts", std::to_string(manifest_parts_.size()));
    AppendUsage(record_->usage_before, usage_, &event.metadata);
  }
  writer_->Event(event);
}

void Conclusion::WriteReceipt(const OutputSink& sink, const JobLines& lines,
                              const OutputBudget& budget) {
  if (context_.receipt_path.empty()) return;
  Receipt receipt;
  receipt.outcome = outcome_.outcome;
  receipt.reason = outcome_.reason;
  receipt.message = outcome_.message;
  receipt.exit_status = outcome_.exit_status;
  if (ran() && WIFEXITED(record_->wait_status))
    receipt.exit_code = WEXITSTATUS(record_->wait_status);
  if (ran() && WIFSIGNALED(record_->wait_status)) receipt.signal = WTERMSIG(record_->wait_status);
  receipt.start = record_->start;
  receipt.end = record_->end;
  receipt.last_sequence = writer_->last_sequence();
  receipt.crc32c = sink.digest().Crc32cHex();
  receipt.sha256 = sink.digest().Sha256Hex();
  receipt.bytes = sink.digest().bytes();
  receipt.entries = writer_->counts();
  receipt.lines = lines.counts();
  receipt.dropped = budget.dropped();
  receipt.undelivered = sink.undelivered();
  receipt.output_error = sink.error();
  if (usage_.cpu_seconds) receipt.cpu_seconds = CpuSince(record_->usage_before, usage_);
  receipt.memory_peak_bytes = usage_.memory_peak_bytes;
  receipt.manifest_parts = manifest_parts_.size();
  if (manifest_parts_.size() == 1) receipt.manifest = manifest_parts_[0];
  receipt.missing = missing_;
  receipt.config_response = response_;
  const std::string json = RenderReceipt(receipt, static_cast<size_t>(context_.spec.receipt_bytes));
  // Nobody is left to tell if this fails: stdout is finished, and the exit status still counts.
  static_cast<void>(databuild::exec::WriteReceipt(context_.receipt_path, json));
}

}  // namespace databuild::exec
