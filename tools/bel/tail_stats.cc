// tail and stats: what people look at.
#include <google/protobuf/descriptor.h>

#include <algorithm>
#include <chrono>
#include <map>
#include <nlohmann/json.hpp>
#include <ostream>
#include <thread>

#include "bel/event_codec.h"
#include "bel/event_matcher.h"
#include "databuild/v1/databuild.pb.h"
#include "tools/bel/commands.h"
#include "tools/bel/event_line.h"
#include "tools/bel/replay.h"
#include "tools/bel/source.h"

namespace databuild {
namespace {

constexpr auto kPoll = std::chrono::milliseconds(200);

Result<EventMatcher> Filter(const ToolOptions& options) {
  v1::EventFilter filter;
  for (const auto& glob : options.partitions) filter.add_partition_patterns(glob);
  for (const auto& label : options.jobs) filter.add_job_labels(label);
  for (const auto& id : options.runs) filter.add_job_run_ids(id);
  for (const auto& id : options.builds) filter.add_build_request_ids(id);
  for (const auto& id : options.wants) filter.add_want_ids(id);
  for (const auto& id : options.taints) filter.add_taint_ids(id);
  return EventMatcher::Compile(filter);
}

bool Wanted(const EventMatcher& matcher, const StoredEvent& event) {
  if (matcher.matches_all()) return true;
  const auto decoded = DecodeEvent(event);
  return decoded.ok() && matcher.Matches(*decoded);
}

// Waits for events after `head`; the log's head then, or what was known when stopped.
Result<GraphHead> AwaitMore(Storage& storage, const GraphHead& known, const ToolIo& io) {
  while (!io.Stopped()) {  // until a signal comes: that is what --follow means
    ASSIGN_OR_RETURN(const GraphHead now, storage.Head(known.graph));
    if (now.at.log_id != known.at.log_id || now.at.head < known.at.head) {
      return Error{Errc::kCorrupt,
                   "the log of graph " + known.graph + " was replaced by another one; start again"};
    }
    if (now.at.head > known.at.head) return now;
    std::this_thread::sleep_for(kPoll);
  }
  return known;
}

Status PrintEvents(Storage& storage, const EventRange& range, const EventMatcher& matcher,
                   const ToolIo& io) {
  const Status read = ReadEvents(storage, range, io, [&](const StoredEvent& event) {
    if (Wanted(matcher, event)) io.out << EventJson(event) << "\n";
    return Status();
  });
  io.out.flush();
  return read;
}

struct LogFigures {
  std::map<std::string, int64_t> events_by_kind;
  TimeNs first_ts = 0;
  std::map<std::string, std::map<std::string, uint64_t>> entities;  // kind -> status -> count
  int64_t payload_bytes = 0;
  std::string digest;
};

std::string KindName(int32_t type) {
  const auto* field = v1::BuildEvent::descriptor()->FindFieldByNumber(type);
  return field == nullptr ? "kind " + std::to_string(type) : field->name();
}

std::map<std::string, uint64_t> ByName(EntityKind kind, const std::map<int, uint64_t>& counters) {
  std::map<std::string, uint64_t> named;
  for (const auto& [status, count] : counters) {
    if (count != 0) named[StatusName(kind, status)] = count;
  }
  return named;
}

Result<LogFigures> Figures(Storage& storage, const GraphHead& log, const ToolIo& io) {
  LogFigures figures;
  Replay replay([](const std::string&) {});  // `verify` reports
  RETURN_IF_ERROR(BeginReplay(storage, log, replay));
  RETURN_IF_ERROR(ReadEvents(storage, {log, log.at.floor}, io, [&](const StoredEvent& event) {
    ++figures.events_by_kind[KindName(event.type)];
    if (figures.first_ts == 0) figures.first_ts = event.ts;
    return replay.Add(event);
  }));
  const BuildState& state = replay.state();
  figures.entities["partitions"] = ByName(EntityKind::kInstance, state.partitions_by_status());
  figures.entities["runs"] = ByName(EntityKind::kRun, state.runs_by_status());
  figures.entities["builds"] = ByName(EntityKind::kBuild, state.builds_by_status());
  figures.entities["wants"] = ByName(EntityKind::kWant, state.wants_by_status());
  figures.entities["taints"] = ByName(EntityKind::kTaint, state.taints_by_status());
  figures.payload_bytes = replay.payload_bytes();
  figures.digest = replay.Digest();
  return figures;
}

nlohmann::ordered_json HeadJson(const GraphHead& log) {
  nlohmann::ordered_json json;
  json["graph"] = log.graph;
  json["head"] = log.at.head;
  json["floor"] = log.at.floor;
  json["epoch"] = log.at.epoch;
  json["holder"] = log.holder;
  json["logId"] = log.at.log_id;
  json["clusterUid"] = log.cluster_uid;
  if (log.at.last_ts > 0) json["newestEventAt"] = FormatRfc3339(log.at.last_ts);
  return json;
}

nlohmann::ordered_json FiguresJson(const GraphHead& log, const LogFigures& figures) {
  nlohmann::ordered_json json = HeadJson(log);
  if (figures.first_ts > 0) json["oldestEventAt"] = FormatRfc3339(figures.first_ts);
  json["payloadBytes"] = figures.payload_bytes;
  json["events"] = figures.events_by_kind;
  for (const auto& [kind, statuses] : figures.entities) json[kind] = statuses;
  json["replayDigest"] = figures.digest;
  return json;
}

// The same for people: a line per fact, objects as "name count, name count".
void PrintText(const nlohmann::ordered_json& json, std::ostream& out) {
  for (const auto& [key, value] : json.items()) {
    if (key == "graph") {
      out << value.get<std::string>() << "\n";
      continue;
    }
    out << "  " << key << std::string(key.size() < 14 ? 14 - key.size() : 1, ' ');
    if (value.is_number_integer()) {
      out << Grouped(value.get<int64_t>());
    } else if (value.is_string()) {
      out << value.get<std::string>();
    } else {
      const char* comma = "";
      for (const auto& [name, count] : value.items()) {
        out << comma << name << " " << Grouped(count.get<int64_t>());
        comma = ", ";
      }
      if (value.empty()) out << "none";
    }
    out << "\n";
  }
}

}  // namespace

Result<int> RunTail(const ToolOptions& options, const ToolIo& io) {
  ASSIGN_OR_RETURN(const EventMatcher matcher, Filter(options));
  ASSIGN_OR_RETURN(const std::unique_ptr<Storage> storage, OpenToRead(options.uri));
  ASSIGN_OR_RETURN(GraphHead log, FindGraph(*storage, options.graph));
  int64_t since = options.since_idx;
  if (since < 0) since = std::max(log.at.floor, log.at.head - options.lines);
  if (since < log.at.floor) return BelowFloor(log.graph, since, log.at.floor);
  while (true) {
    const Status printed = PrintEvents(*storage, {log, since}, matcher, io);
    if (!printed.ok() && printed.error().code == Errc::kCancelled) return kExitOk;
    RETURN_IF_ERROR(printed);
    if (!options.follow) return kExitOk;
    since = std::max(since, log.at.head);
    ASSIGN_OR_RETURN(log, AwaitMore(*storage, log, io));
    if (io.Stopped()) return kExitOk;
  }
}

Result<int> RunStats(const ToolOptions& options, const ToolIo& io) {
  ASSIGN_OR_RETURN(const std::unique_ptr<Storage> storage, OpenToRead(options.uri));
  ASSIGN_OR_RETURN(const std::vector<GraphHead> graphs, FindGraphs(*storage, options.graph));
  for (const GraphHead& log : graphs) {
    nlohmann::ordered_json json = HeadJson(log);
    if (!options.heads_only) {
      ASSIGN_OR_RETURN(const LogFigures figures, Figures(*storage, log, io));
      json = FiguresJson(log, figures);
    }
    if (options.json) {
      io.out << json.dump() << "\n";
    } else {
      PrintText(json, io.out);
    }
  }
  if (graphs.empty() && !options.json) io.out << "no log of any graph yet\n";
  return kExitOk;
}

}  // namespace databuild
