// Refs named by range: one ref per combination of a range's captures.
#pragma once

#include <cstdint>
#include <functional>
#include <string_view>

#include "bel/base/result.h"

namespace databuild::v1 {
class PartitionRange;
}

namespace databuild {

struct RangeSpec;

RangeSpec FromProto(const v1::PartitionRange& range);
v1::PartitionRange ToProto(const RangeSpec& spec);

// Calls `visit` for every ref of the range, in order: the last capture of the template varies
// fastest. An error names field and value; nothing is visited then.
Status ForEachRef(const v1::PartitionRange& range,
                  const std::function<void(std::string_view)>& visit);

}  // namespace databuild
