// JobLogs: the lines of a job run.
#pragma once

#include "controller/api/method_table.h"

namespace databuild {

// Pages by sequence number. next_page_token is empty once the log is finished; while the run lives,
// or its log is still being collected, it is there, and unchanged when nothing new has come.
Result<Outcome> HandleJobLogs(const Call& call);

}  // namespace databuild
