// LogReader: pages of a run's lines, from what is stored and from what the collector still holds.
#pragma once

#include "bel/log_chunks.h"
#include "controller/api/log_source.h"
#include "controller/logs/log_collector.h"

namespace databuild {

// Thread-safe. What it is given outlives it.
class LogReader final : public LogSource {
 public:
  // `deadline`: a run that ended so long ago and has no mark was never collected.
  LogReader(LogChunks& chunks, const LogCollector& collector, const Clock& clock,
            DurationNs deadline);

  Result<LogPage> ReadLog(const LogPageRequest& request) override;

 private:
  LogChunks& chunks_;
  const LogCollector& collector_;
  const Clock& clock_;
  const DurationNs deadline_;
};

}  // namespace databuild
