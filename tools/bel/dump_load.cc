// dump and load: a log as lines of JSON, out of one storage and into another.
#include <fstream>
#include <functional>
#include <iostream>

#include "bel/base/uuid.h"
#include "tools/bel/commands.h"
#include "tools/bel/event_line.h"
#include "tools/bel/replay.h"
#include "tools/bel/source.h"

namespace databuild {
namespace {

constexpr size_t kBatchEvents = 20'000;
constexpr size_t kBatchBytes = 32 << 20;

Error BadDump(const std::string& file, int64_t line, const Error& error) {
  return Error{error.code == Errc::kUnsupported ? error.code : Errc::kCorrupt,
               "the dump " + file + " cannot be loaded: line " + std::to_string(line) + ": " +
                   error.message};
}

// Reads a dump line by line; keeps the number of the line for messages.
class DumpReader {
 public:
  DumpReader(std::istream& in, std::string file) : in_(in), file_(std::move(file)) {}

  Result<GraphHead> Header() {
    std::string line;
    if (!std::getline(in_, line)) {
      return Error{Errc::kCorrupt, "the dump " + file_ + " is empty or cannot be read"};
    }
    ++line_;
    auto header = ParseHeaderLine(line);
    if (!header.ok()) return BadDump(file_, line_, header.error());
    head_ = header->at.head;
    last_idx_ = header->at.floor;
    return header;
  }

  int64_t head() const { return head_; }

  // The chunks of the base, in order, each handed to `take`; their count is what the first says.
  Result<BaseInfo> Base(const std::function<Status(const BaseLine&)>& take) {
    BaseInfo base;
    for (int32_t number = 0; number == 0 || number < base.chunks; ++number) {
      std::string line;
      std::getline(in_, line);
      ++line_;
      auto chunk = ParseBaseChunkLine(line);
      if (!chunk.ok()) return BadDump(file_, line_, chunk.error());
      if (number == 0) base = chunk->base;
      if (chunk->number != number || !(chunk->base == base) || base.idx > head_ ||
          base.idx < last_idx_) {
        return BadDump(file_, line_, {Errc::kCorrupt, "the parts of the base do not follow"});
      }
      RETURN_IF_ERROR(take(*chunk));
    }
    return base;
  }

  // False at the end, which only comes where the header said.
  Result<bool> Next(StoredEvent* event) {
    std::string line;
    if (!std::getline(in_, line)) {
      if (last_idx_ == head_) return false;
      return BadDump(file_, line_,
                     {Errc::kCorrupt, "the dump ends at idx " + std::to_string(last_idx_) +
                                          ", its header promises " + std::to_string(head_) +
                                          "; it was cut off"});
    }
    ++line_;
    auto parsed = ParseEventLine(line);
    if (!parsed.ok()) return BadDump(file_, line_, parsed.error());
    if (parsed->idx != last_idx_ + 1 || parsed->idx > head_) {
      return BadDump(file_, line_,
                     {Errc::kCorrupt, "idx " + std::to_string(parsed->idx) + " where " +
                                          (last_idx_ < head_ ? std::to_string(last_idx_ + 1)
                                                             : std::string("the end")) +
                                          " comes next"});
    }
    last_idx_ = parsed->idx;
    *event = std::move(*parsed);
    return true;
  }

 private:
  std::istream& in_;
  const std::string file_;
  int64_t line_ = 0, last_idx_ = 0, head_ = 0;
};

// The graph's log, ours to write from now on. Looks before it takes anything.
Result<Acquired> TakeEmptyLog(Storage& storage, const GraphHead& target) {
  const auto now = storage.Head(target.graph);
  if (!now.ok() && now.error().code != Errc::kNotFound) return now.error();
  if (now.ok() && now->at.head > 0) {
    return Error{Errc::kAlreadyExists,
                 "graph " + target.graph + " has a log with " + Grouped(now->at.head) +
                     " events already; load into another database, or give another --graph"};
  }
  return storage.Acquire({target.graph, "databuild-bel load/" + RandomUuid(), target.cluster_uid});
}

// Writes what `reader` gives, batch by batch; folds it on the way.
class Loader {
 public:
  Loader(Storage& storage, std::string graph, Acquired log)
      : storage_(storage), graph_(std::move(graph)), log_(std::move(log)) {}

  // What a log with a floor begins with.
  Status PutBase(DumpReader& reader, int64_t floor, Replay& replay) {
    // What a load that broke off left in this empty log.
    RETURN_IF_ERROR(storage_.DropBases(graph_, log_.epoch, INT64_MAX));
    ASSIGN_OR_RETURN(const BaseInfo base, reader.Base([&](const BaseLine& line) {
      return storage_.PutBaseChunk(graph_, log_.epoch, {line.base.idx, line.number, line.bytes});
    }));
    ASSIGN_OR_RETURN(Fold fold, ReadBase(storage_, graph_, base));
    RETURN_IF_ERROR(storage_.FinishBase(graph_, log_.epoch, base));
    RETURN_IF_ERROR(storage_.BeginAt(graph_, log_.epoch, floor));
    replay.BeginAt(std::move(fold));
    head_ = floor;
    return {};
  }

  Status Add(StoredEvent event, Replay& replay) {
    RETURN_IF_ERROR(replay.Add(event));
    bytes_ += event.payload.size();
    batch_.push_back(std::move(event));
    return batch_.size() < kBatchEvents && bytes_ < kBatchBytes ? Status() : Flush();
  }

  Status Flush() {
    if (batch_.empty()) return {};
    ASSIGN_OR_RETURN(head_, storage_.Import({graph_, log_.epoch, head_, {batch_}}));
    batch_.clear();
    bytes_ = 0;
    return {};
  }
  int64_t head() const { return head_; }

 private:
  Storage& storage_;
  const std::string graph_;
  const Acquired log_;
  std::vector<StoredEvent> batch_;
  size_t bytes_ = 0;
  int64_t head_ = 0;
};

Error Interrupted(const Error& error, const std::string& graph, int64_t head) {
  if (head == 0) return error;
  return Error{error.code, error.message + "; graph " + graph + " now holds the first " +
                               Grouped(head) +
                               " events of the dump: do not use it, load into another database"};
}

Status CopyEvents(DumpReader& reader, Loader& loader, Replay& replay, const ToolIo& io) {
  Progress progress(io, "loading", reader.head());
  StoredEvent event;
  while (true) {
    if (io.Stopped()) return Error{Errc::kCancelled, "stopped"};
    ASSIGN_OR_RETURN(const bool more, reader.Next(&event));
    if (!more) return loader.Flush();
    RETURN_IF_ERROR(loader.Add(std::move(event), replay));
    if (replay.events() % 1'024 == 0) progress.At(replay.events());
  }
}

// What the storage now holds, folded again, against what the dump gave.
Status CompareDigests(Storage& storage, const std::string& graph, const std::string& expected,
                      const ToolIo& io) {
  ASSIGN_OR_RETURN(const GraphHead log, storage.Head(graph));
  Replay replay([](const std::string&) {});  // the dump's own faults were reported already
  RETURN_IF_ERROR(BeginReplay(storage, log, replay));
  RETURN_IF_ERROR(ReadEvents(storage, {log, log.at.floor}, io,
                             [&](const StoredEvent& e) { return replay.Add(e); }));
  if (replay.Digest() == expected) return {};
  return Error{Errc::kCorrupt, "graph " + graph + " replays to digest " + replay.Digest() +
                                   ", the dump to " + expected + ": the copy is damaged"};
}

Result<int> LoadFrom(std::istream& in, const ToolOptions& options, const ToolIo& io) {
  DumpReader reader(in, options.file);
  ASSIGN_OR_RETURN(GraphHead target, reader.Header());
  if (!options.graph.empty()) target.graph = options.graph;
  if (!options.cluster_uid.empty()) target.cluster_uid = options.cluster_uid;
  ASSIGN_OR_RETURN(const std::unique_ptr<Storage> storage, OpenToWrite(options.uri));
  ASSIGN_OR_RETURN(const Acquired log, TakeEmptyLog(*storage, target));
  Loader loader(*storage, target.graph, log);
  Replay replay([&](const std::string& breach) { io.err << "databuild-bel: " << breach << "\n"; });
  Status copied;
  if (target.at.floor > 0) copied = loader.PutBase(reader, target.at.floor, replay);
  if (copied.ok()) copied = CopyEvents(reader, loader, replay, io);
  if (!copied.ok()) return Interrupted(copied.error(), target.graph, loader.head());
  replay.Finish();
  RETURN_IF_ERROR(CompareDigests(*storage, target.graph, replay.Digest(), io));
  io.out << target.graph << ": loaded " << Grouped(replay.events()) << " events, log " << log.log_id
         << "\n"
         << target.graph << ": replay digest " << replay.Digest() << "\n";
  return replay.breaches() == 0 ? kExitOk : kExitBad;
}

// The log of a dump cannot begin with nothing either: its base comes along.
Status DumpBase(Storage& storage, const GraphHead& log, std::ostream& out) {
  ASSIGN_OR_RETURN(const BaseInfo base, FindBase(storage, log));
  BaseLine line{base, 0, {}};
  return ReadBaseBytes(storage, log.graph, base, [&](std::string_view bytes) {
    line.bytes = bytes;
    out << BaseChunkLine(line) << "\n";
    ++line.number;
    return Status();
  });
}

Result<int> DumpTo(std::ostream& out, const ToolOptions& options, const ToolIo& io) {
  ASSIGN_OR_RETURN(const std::unique_ptr<Storage> storage, OpenToRead(options.uri));
  ASSIGN_OR_RETURN(const GraphHead log, FindGraph(*storage, options.graph));
  out << HeaderLine(log) << "\n";
  if (log.at.floor > 0) RETURN_IF_ERROR(DumpBase(*storage, log, out));
  RETURN_IF_ERROR(ReadEvents(*storage, {log, log.at.floor}, io, [&](const StoredEvent& event) {
    out << EventLine(event) << "\n";
    if (out.good()) return Status();
    return Status(Error{Errc::kUnavailable, "writing to " + options.file + " failed at idx " +
                                                std::to_string(event.idx) + "; is the disk full?"});
  }));
  out.flush();
  if (!out.good()) return Error{Errc::kUnavailable, "writing to " + options.file + " failed"};
  io.err << "databuild-bel: dumped " << Grouped(log.at.head - log.at.floor) << " events of graph "
         << log.graph;
  if (log.at.floor > 0) {
    io.err << ", idx " << log.at.floor + 1 << " and on, and the base that stands for those before";
  }
  io.err << "\n";
  return kExitOk;
}

}  // namespace

Result<int> RunDump(const ToolOptions& options, const ToolIo& io) {
  if (options.file == "-") return DumpTo(io.out, options, io);
  std::ofstream file(options.file, std::ios::binary);
  if (!file.is_open()) {
    return Error{Errc::kInvalidArgument, "cannot write " + options.file + "; check the folder"};
  }
  return DumpTo(file, options, io);
}

Result<int> RunLoad(const ToolOptions& options, const ToolIo& io) {
  if (options.file == "-") return LoadFrom(io.in, options, io);
  std::ifstream file(options.file, std::ios::binary);
  if (!file.is_open()) {
    return Error{Errc::kInvalidArgument, "cannot read " + options.file + "; check its name"};
  }
  return LoadFrom(file, options, io);
}

}  // namespace databuild
