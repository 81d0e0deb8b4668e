// The answer of a DataJob whose image is asked how partitions are made. Pure.
#pragma once

#include <string>
#include <vector>

#include "bel/base/result.h"
#include "databuild/v1/databuild.pb.h"

namespace databuild {

// Refs that one call asks for at most; whole units.
inline constexpr size_t kRefsPerConfigure = 100;

// `answer`: a JobConfigureResponse as JSON. `units`: the outputs that were asked for, by unit. The
// configs come back one for each unit, in their order, with outputs in theirs. kInvalidArgument: it
// is no answer to that, and why. Job output is untrusted: bounded, never throws.
Result<std::vector<v1::JobConfig>> ReadConfigs(const std::string& answer,
                                               const std::vector<std::vector<std::string>>& units);

}  // namespace databuild
