// The end of a run: the last entries on stdout and the receipt.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "bel/base/clock.h"
#include "wrapper/entry.h"
#include "wrapper/lines.h"
#include "wrapper/manifest.h"
#include "wrapper/outcome.h"
#include "wrapper/supervisor.h"
#include "wrapper/usage.h"
#include "wrapper/workdir.h"

namespace databuild::exec {

// What happened, as the supervisor saw it.
struct RunRecord {
  TimeNs start = 0;
  TimeNs end = 0;
  std::string spec_error;             // not empty: the run was refused
  std::optional<Error> launch_error;  // set: the command was not started
  std::string launch_reason;          // beside it; empty: follows from the error's code
  int wait_status = 0;
  Ending ending = Ending::kItself;
  int terminated_by = 0;
  Usage usage_before;
  std::optional<WorkDir> work_dir;
};

class Conclusion {
 public:
  // Reads what the command handed back and judges the run. Pointers are borrowed.
  Conclusion(const RunContext& context, RunRecord* record, EntryWriter* writer);

  // Drop counts, missing refs, the container's answer, the exit event and, last, the manifest.
  void WriteEntries(const JobLines& lines, const OutputBudget& budget);
  // After the last entry is out, or given up.
  void WriteReceipt(const OutputSink& sink, const JobLines& lines, const OutputBudget& budget);

  int exit_status() const { return outcome_.exit_status; }

 private:
  void JudgeRun(const JobLines& lines);
  Outcome JudgeLaunch() const;
  Status MergeClaims(const JobLines& lines);
  Result<std::vector<std::string>> ReadMissing() const;
  void WriteExitEvent(const OutputBudget& budget);
  void Warn(const std::string& message);
  bool ran() const { return record_->spec_error.empty() && !record_->launch_error; }

  const RunContext& context_;
  RunRecord* const record_;
  EntryWriter* const writer_;
  Usage usage_;
  Outcome outcome_;
  Manifest manifest_;
  std::vector<std::string> manifest_parts_;
  std::vector<std::string> warnings_;
  std::vector<std::string> missing_;
  std::string response_;
};

// Metadata of heartbeats: cpuSeconds (since `before`), memoryBytes, …, oomKills; what is unknown is
// left out.
void AppendUsage(const Usage& before, const Usage& now,
                 std::vector<std::pair<std::string, std::string>>* metadata);

// DATABUILD_… and the spec's own variables.
std::vector<std::string> CommandVariables(const RunSpec& spec, const WorkDir& work_dir);

}  // namespace databuild::exec
