// LogSource: the lines of job runs as the API reads them. Implemented by controller/logs.
#pragma once

#include <cstdint>
#include <string>

#include "bel/base/clock.h"
#include "bel/base/result.h"
#include "databuild/v1/databuild.pb.h"

namespace databuild {

struct LogPageRequest {
  std::string graph;
  std::string run_id;        // a run that the graph's log knows
  bool run_live = true;      // by the graph's log
  bool run_started = false;  // its container was seen to start
  TimeNs run_ended_at = 0;
  int64_t after = 0;      // where the page before ended
  TimeNs since = 0;       // only lines later than this
  int32_t min_level = 0;  // lowest LogLevel; what is no text counts as INFO
  size_t limit = 1'000;
};

struct LogPage {
  v1::JobLogsResponse response;  // all but next_page_token
  int64_t next = 0;              // for `after`
  bool finished = false;         // no more lines will ever come behind `next`
};

// Thread-safe; may block for as long as the storage may.
class LogSource {
 public:
  virtual ~LogSource() = default;
  virtual Result<LogPage> ReadLog(const LogPageRequest& request) = 0;
};

}  // namespace databuild
