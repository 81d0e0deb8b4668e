// The end of a run's log, read from what is stored.
#pragma once

#include <optional>
#include <string>

#include "bel/log_chunks.h"

namespace databuild {

// The newest `lines` lines of the run, as JobLogEntries in order; nothing unless the log is marked
// as complete. Thread-safe; blocks as LogChunks does, with its errors.
Result<std::optional<std::string>> StoredTail(LogChunks& chunks, const RunKey& run, int64_t lines);

}  // namespace databuild
