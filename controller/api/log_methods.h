// JobLogs: the lines of a job run.
#pragma once

#include <string>

#include "controller/api/method_table.h"
#include "databuild/v1/databuild.pb.h"

namespace databuild {

// Pages by sequence number. next_page_token is empty once the log is finished; while the run lives,
// or its log is still being collected, it is there, and unchanged when nothing new has come.
Result<Outcome> HandleJobLogs(const Call& call);

// Of call.graph's run, what is there now of its first lines, for answers that show a log in
// passing: never waits for more. Its next_page_token goes on with JobLogs. kNotFound: no such run;
// kUnsupported: nobody collects logs here. May block for as long as the storage may.
inline constexpr uint32_t kFirstLogLines = 100;
Result<v1::JobLogsResponse> FirstLogLines(const Call& call, const std::string& run_id);

}  // namespace databuild
