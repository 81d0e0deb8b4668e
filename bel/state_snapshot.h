// Snapshots: a BuildState and its Postings (state_stream.h) in a local file. A cache: the log can
// be replayed, from its base on where retention has removed its beginning. Any thread; the state
// must not change meanwhile.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "bel/base/result.h"
#include "bel/build_state.h"
#include "bel/postings.h"

namespace databuild {

inline constexpr size_t kSnapshotsKept = 2;

// Writes the file `folder`/snapshot-<idx>, makes it durable, and removes all but the newest
// kSnapshotsKept. kUnavailable: the folder cannot be written.
Status WriteSnapshot(const std::string& folder, const std::string& log_id, const BuildState& state,
                     const Postings& postings);

// Paths of the folder's snapshots, newest first; none when there is no such folder.
std::vector<std::string> ListSnapshots(const std::string& folder);

// Position that a snapshot's name says; 0 if it is none.
int64_t SnapshotIdx(const std::string& path);

// Reads a file into empty ones; the state is then in a replay, which EndReplay ends. kCorrupt: it
// is damaged. kUnsupported: of another model version. kConflict: of another log. kUnavailable: it
// cannot be read. After an error both hold nothing of use.
Status ReadSnapshot(const std::string& path, const std::string& log_id, BuildState& state,
                    Postings& postings);

}  // namespace databuild
