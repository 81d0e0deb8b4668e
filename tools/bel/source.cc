#include "tools/bel/source.h"

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <ostream>

#include "bel/base/log.h"
#include "bel/open_storage.h"

namespace databuild {
namespace {

constexpr ListRange kPage{0, 8'192, 16 << 20};

// A scan of millions of rows on a busy server takes its time.
StorageOptions Patient() {
  StorageOptions options;
  options.timeouts.statement = kMinute;
  options.allow_unsafe_commit = true;  // the owner's choice, made where the operator is configured
  return options;
}

TimeNs Monotonic() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

}  // namespace

Result<std::unique_ptr<Storage>> OpenToRead(const std::string& uri) {
  constexpr std::string_view kSqlite = "sqlite://";
  if (const std::string path = uri.substr(std::min(uri.size(), kSqlite.size()));
      uri.starts_with(kSqlite) && !std::filesystem::exists(path)) {
    return Error{Errc::kNotFound, "there is no file " + path + "; check the path"};
  }
  StorageOptions options = Patient();
  options.read_only = true;
  ASSIGN_OR_RETURN(std::unique_ptr<Storage> storage, OpenStorage(uri, options));
  RETURN_IF_ERROR(storage->Initialize());
  return storage;
}

Result<std::unique_ptr<Storage>> OpenToWrite(const std::string& uri) {
  ASSIGN_OR_RETURN(std::unique_ptr<Storage> storage, OpenStorage(uri, Patient()));
  RETURN_IF_ERROR(storage->Initialize());
  return storage;
}

Result<std::vector<GraphHead>> FindGraphs(Storage& storage, const std::string& graph) {
  ASSIGN_OR_RETURN(std::vector<GraphHead> graphs, storage.Graphs());
  if (graph.empty()) return graphs;
  std::string names;
  for (const GraphHead& known : graphs) {
    if (known.graph == graph) return std::vector<GraphHead>{known};
    names += (names.empty() ? "" : ", ") + known.graph;
  }
  return Error{Errc::kNotFound, "there is no log of graph " + graph +
                                    " here; there are: " + (names.empty() ? "none" : names)};
}

Result<GraphHead> FindGraph(Storage& storage, const std::string& graph) {
  ASSIGN_OR_RETURN(const std::vector<GraphHead> graphs, FindGraphs(storage, graph));
  if (graphs.size() == 1) return graphs.front();
  if (graphs.empty()) return Error{Errc::kNotFound, "this storage holds no log of any graph yet"};
  std::string names;
  for (const GraphHead& known : graphs) names += (names.empty() ? "" : ", ") + known.graph;
  return Error{Errc::kInvalidArgument, "which graph? give --graph, one of: " + names};
}

Progress::Progress(const ToolIo& io, std::string what, int64_t total)
    : io_(io),
      what_(std::move(what)),
      total_(total),
      begin_(Monotonic()),
      next_(begin_ + 2 * kSecond) {}

void Progress::At(int64_t done) {
  const TimeNs now = Monotonic();
  if (now < next_ || done <= 0) return;
  next_ = now + 2 * kSecond;
  const int64_t rate = done * kSecond / (now - begin_);
  io_.err << "databuild-bel: " << what_ << ": " << Grouped(done) << " of " << Grouped(total_)
          << " events (" << done * 100 / std::max<int64_t>(total_, 1) << " %), " << Grouped(rate)
          << "/s, " << (total_ - done) / std::max<int64_t>(rate, 1) << " s left" << std::endl;
}

Status ReadEvents(Storage& storage, const EventRange& range, const ToolIo& io,
                  const VisitEvent& visit) {
  const GraphHead& log = range.log;
  Progress progress(io, "reading " + log.graph, log.at.head - range.since_idx);
  for (int64_t idx = range.since_idx; idx < log.at.head;) {
    if (io.Stopped()) return Error{Errc::kCancelled, "stopped at idx " + std::to_string(idx)};
    ListRange next = kPage;
    next.since_idx = idx;
    next.limit = std::min(next.limit, log.at.head - idx);
    ASSIGN_OR_RETURN(const StoredPage page, storage.List(log.graph, next));
    if (page.at.log_id != log.at.log_id || page.at.head < log.at.head) {
      return Error{Errc::kCorrupt, "the log of graph " + log.graph +
                                       " was replaced while it was read; start again"};
    }
    for (const StoredEvent& event : page.events) RETURN_IF_ERROR(visit(event));
    idx = page.events.back().idx;
    progress.At(idx - range.since_idx);
  }
  return {};
}

Result<BaseInfo> FindBase(Storage& storage, const GraphHead& log) {
  ASSIGN_OR_RETURN(const std::vector<BaseInfo> bases, storage.Bases(log.graph));
  if (!bases.empty() && bases.front().idx >= log.at.floor) return bases.front();
  return Error{Errc::kOutOfRange, "the log of graph " + log.graph + " begins after idx " +
                                      std::to_string(log.at.floor) +
                                      " and has no base that stands for what is gone"};
}

Status BeginReplay(Storage& storage, const GraphHead& log, Replay& replay) {
  if (log.at.floor == 0) return {};
  ASSIGN_OR_RETURN(const BaseInfo base, FindBase(storage, log));
  ASSIGN_OR_RETURN(Fold fold, ReadBase(storage, log.graph, base));
  replay.BeginAt(std::move(fold));
  return {};
}

std::string Grouped(int64_t number) {
  std::string text = std::to_string(number);
  const int64_t first = number < 0 ? 1 : 0;
  for (auto at = static_cast<int64_t>(text.size()) - 3; at > first; at -= 3) {
    text.insert(static_cast<size_t>(at), ",");
  }
  return text;
}

}  // namespace databuild
