// Where the commands read logs from: a storage opened without changing it, one of its graphs, its
// events in order.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "bel/storage.h"
#include "tools/bel/options.h"
#include "tools/bel/replay.h"

namespace databuild {

// Beside the operator that writes; nothing is created and nothing migrated.
Result<std::unique_ptr<Storage>> OpenToRead(const std::string& uri);
// Creates the schema where there is none.
Result<std::unique_ptr<Storage>> OpenToWrite(const std::string& uri);

// The graphs of the storage, or only `graph` if it is not empty. kNotFound names those there are.
Result<std::vector<GraphHead>> FindGraphs(Storage& storage, const std::string& graph);
// Exactly one of them.
Result<GraphHead> FindGraph(Storage& storage, const std::string& graph);

// Says on `io.err` how far a long work is: after two seconds, then every other second.
class Progress {
 public:
  Progress(const ToolIo& io, std::string what, int64_t total);
  void At(int64_t done);

 private:
  const ToolIo& io_;
  const std::string what_;
  const int64_t total_;
  const TimeNs begin_;
  TimeNs next_;
};

using VisitEvent = std::function<Status(const StoredEvent&)>;
// Events after `since_idx` up to `log.head`, in order. kCorrupt when the storage finds one damaged
// or missing, or when another log takes the place of this one; kCancelled when stopped by a signal.
struct EventRange {
  const GraphHead& log;
  int64_t since_idx = 0;
};
Status ReadEvents(Storage& storage, const EventRange& range, const ToolIo& io,
                  const VisitEvent& visit);

// The newest base of a log with a floor that reaches it. kOutOfRange: there is none.
Result<BaseInfo> FindBase(Storage& storage, const GraphHead& log);
// Gives `replay` the base of a log with a floor; nothing to do for others.
Status BeginReplay(Storage& storage, const GraphHead& log, Replay& replay);

// "1,234,567".
std::string Grouped(int64_t number);

}  // namespace databuild
