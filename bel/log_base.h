// Bases: a fold in the log's own storage, for when retention gives up the events it was made of.
// Unlike a snapshot, which is a cache, a base is part of the log.
//
// The bytes are those of a snapshot (state_stream.h) of no particular log id: a base belongs to the
// log whose rows it stands beside, also after the log was given a new id. Any thread.
#pragma once

#include <memory>
#include <string>

#include "bel/base/result.h"
#include "bel/build_state.h"
#include "bel/postings.h"
#include "bel/storage.h"

namespace databuild {

struct BaseTarget {
  Storage* storage = nullptr;
  std::string graph;
  int64_t epoch = 0;
};

// Stores the fold in chunks. Nothing rests on it before Storage::FinishBase: read it back first.
Result<BaseInfo> StoreBase(const BaseTarget& target, const BuildState& state,
                           const Postings& postings);

// The bytes of the chunks in order, each handed to `take`. kCorrupt: they do not match the base's
// checksum; kNotFound: some are missing.
Status ReadBaseBytes(Storage& storage, const std::string& graph, const BaseInfo& base,
                     const std::function<Status(std::string_view)>& take);

// A fold, and where it was found. One that was read is in a replay, which EndReplay ends.
struct Fold {
  std::unique_ptr<BuildState> state = std::make_unique<BuildState>();
  std::unique_ptr<Postings> postings = std::make_unique<Postings>();
  std::string from;  // for messages; empty: it begins with nothing
};

// kUnsupported: another release wrote it, which is named. Else as ReadFold and ReadBaseBytes.
Result<Fold> ReadBase(Storage& storage, const std::string& graph, const BaseInfo& base);

struct OriginRequest {
  Storage* storage = nullptr;
  std::string graph;
  Acquired at;                  // of the log
  std::string snapshot_folder;  // empty: none
};

// Where a fold of the log begins: the newest local snapshot or stored base that can be read and
// lies between floor and head; else with nothing, if the log still begins at idx 1. kUnsupported:
// only bases of another release are left. kOutOfRange: nothing stands for what the floor gave up.
Result<Fold> ReadOrigin(const OriginRequest& request);

}  // namespace databuild
