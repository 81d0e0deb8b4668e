// The bytes of a fold: a BuildState and its Postings, for snapshots (local files) and bases (in the
// log's storage).
//
// They are a chain of frames: kind, elements, bytes, CRC-32C, content. Each checksum goes on from
// that of the frame before, and the last frame says that it is the last: what was not written to
// its end, or of which any bit has changed, is refused. The first frame names the model version,
// the log and the position. Numbers are little-endian. Any thread; the state must not change
// meanwhile.
#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <string_view>

#include "bel/base/result.h"
#include "bel/build_state.h"
#include "bel/postings.h"

namespace databuild {

// Takes the next bytes. False: they could not be kept.
using PutBytes = std::function<bool(std::string_view)>;

// False as soon as `put` is. `log_id` is what ReadFold must be given.
bool WriteFold(const std::string& log_id, const BuildState& state, const Postings& postings,
               const PutBytes& put);

struct FoldSource {
  std::string name;                         // for messages
  std::function<bool(char*, size_t)> read;  // exactly so many bytes; false: there are fewer
  std::function<bool()> at_end;
};

// Reads into empty ones. kCorrupt: the bytes are damaged. kUnsupported: of another model version.
// kConflict: of another log. After an error both hold nothing of use.
Status ReadFold(const FoldSource& source, const std::string& log_id, BuildState& state,
                Postings& postings);

}  // namespace databuild
