// The manifest of a run: the plan, corrected and completed by what the job says it read and made.
//
// Pure. A job may say so in the file DATABUILD_MANIFEST and in lines {"manifest": {…}}; what is
// said later counts, the file last. Outputs may be repeated but not changed; inputs, if named,
// replace the planned ones; metadata is united. Times are ours.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "bel/base/result.h"
#include "wrapper/spec.h"

namespace databuild::exec {

struct Manifest {
  std::vector<std::string> outputs;
  std::vector<std::string> inputs;
  std::map<std::string, std::string> metadata;
  int64_t start_seconds = 0;  // Unix
  int64_t end_seconds = 0;
};

struct ManifestClaim {
  std::string source;  // for messages: "a line on stdout", "the file DATABUILD_MANIFEST"
  std::string json;    // PartitionManifest; field names in lowerCamelCase or snake_case
};

// kInvalidArgument if a claim is not a PartitionManifest or its outputs are not exactly the run's.
// A metadata value that no entry could carry is left out and named in `warnings`.
Result<Manifest> MergeManifest(const RunSpec& spec, const std::vector<ManifestClaim>& claims,
                               std::vector<std::string>* warnings);

// The manifest as one JSON object per part, each at most `part_bytes` (at least 10 KiB): joined as
// protobuf merges messages (lists appended, maps united) they are the whole. Usually one.
std::vector<std::string> RenderManifest(const Manifest& manifest, const RunSpec& spec,
                                        size_t part_bytes);

// The refs in a DATABUILD_MISSING file: a JSON array of strings, or one ref per line. In order of
// appearance, each once. kInvalidArgument names the fault.
Result<std::vector<std::string>> ParseMissing(std::string_view text);

// ["a","b"]
std::string JsonArray(const std::vector<std::string>& strings);

}  // namespace databuild::exec
