// verify: reads a log from end to end.
#include <ostream>

#include "tools/bel/commands.h"
#include "tools/bel/replay.h"
#include "tools/bel/source.h"

namespace databuild {
namespace {

constexpr int64_t kShownBreaches = 20;

// True when the log is in order.
Result<bool> VerifyOne(Storage& storage, const GraphHead& log, const ToolIo& io) {
  int64_t shown = 0;
  Replay replay([&](const std::string& breach) {
    if (++shown <= kShownBreaches) io.out << log.graph << ": " << breach << "\n";
  });
  Status read = BeginReplay(storage, log, replay);
  const int64_t base_idx = replay.state().idx();
  if (read.ok()) {
    read = ReadEvents(storage, {log, log.at.floor}, io,
                      [&](const StoredEvent& e) { return replay.Add(e); });
  }
  if (!read.ok() && read.error().code != Errc::kCorrupt &&
      read.error().code != Errc::kUnsupported && read.error().code != Errc::kOutOfRange) {
    return read.error();
  }
  if (!read.ok()) {
    io.out << log.graph << ": " << read.error().message << "\n"
           << log.graph << ": NOT in order; read " << Grouped(replay.events()) << " of "
           << Grouped(log.at.head - log.at.floor) << " events, the rest was not looked at\n";
    return false;
  }
  replay.Finish();
  if (shown > kShownBreaches) {
    io.out << log.graph << ": and " << Grouped(shown - kShownBreaches) << " more\n";
  }
  const bool good = replay.breaches() == 0;
  io.out << log.graph << ": " << (good ? "in order" : "NOT in order") << "; "
         << Grouped(replay.events()) << " events, idx " << log.at.floor + 1 << " to " << log.at.head
         << ", epoch " << log.at.epoch << ", log " << log.at.log_id << "\n";
  if (log.at.floor > 0) {
    io.out << log.graph << ": the events up to idx " << log.at.floor
           << " were given up; a base of idx " << base_idx << " stands for them\n";
  }
  io.out << log.graph << ": replay digest " << replay.Digest() << "\n";
  return good;
}

}  // namespace

Result<int> RunVerify(const ToolOptions& options, const ToolIo& io) {
  ASSIGN_OR_RETURN(const std::unique_ptr<Storage> storage, OpenToRead(options.uri));
  ASSIGN_OR_RETURN(const std::vector<GraphHead> graphs, FindGraphs(*storage, options.graph));
  if (graphs.empty()) io.out << "no log of any graph yet\n";
  bool good = true;
  for (const GraphHead& log : graphs) {
    ASSIGN_OR_RETURN(const bool one, VerifyOne(*storage, log, io));
    good = good && one;
  }
  return good ? kExitOk : kExitBad;
}

}  // namespace databuild
