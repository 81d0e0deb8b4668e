// PodLogs: the logs of pods as the collector reads them. Implemented by controller/kube over
// pods/log; tests have pods of their own.
#pragma once

#include <memory>
#include <stop_token>
#include <string>

#include "bel/base/clock.h"
#include "bel/base/result.h"

namespace databuild {

struct PodLogRequest {
  std::string graph;
  std::string pod;
  bool follow = false;  // until the container has ended
  TimeNs since = 0;     // only lines written after it, to the second; 0: all there is
};

// One thread at a time; dropping it closes the connection.
class PodLogStream {
 public:
  virtual ~PodLogStream() = default;
  // Appends what has come, waiting at most `wait` for it: then, with nothing appended, `out` is as
  // it was. `end`: the log has been read to its end. Errors: the stream is of no use any more.
  virtual Status Read(DurationNs wait, std::stop_token stop, std::string& out, bool& end) = 0;
};

// Thread-safe.
class PodLogs {
 public:
  virtual ~PodLogs() = default;
  // kNotFound: there is no such pod. Other errors: try again.
  virtual Result<std::unique_ptr<PodLogStream>> Open(const PodLogRequest& request,
                                                     std::stop_token stop) = 0;
};

}  // namespace databuild
