#include "bel/range.h"

#include <algorithm>

#include "bel/ranges/ranges.h"
#include "databuild/v1/databuild.pb.h"

namespace databuild {

RangeSpec FromProto(const v1::PartitionRange& range) {
  RangeSpec spec{range.ref(), {}};
  for (const auto& [name, capture] : range.captures()) {
    spec.captures.push_back({name,
                             capture.from(),
                             capture.to(),
                             capture.step(),
                             {capture.values().begin(), capture.values().end()}});
  }
  std::sort(spec.captures.begin(), spec.captures.end(),
            [](const RangeCapture& a, const RangeCapture& b) { return a.name < b.name; });
  return spec;
}

v1::PartitionRange ToProto(const RangeSpec& spec) {
  v1::PartitionRange range;
  range.set_ref(spec.ref);
  for (const RangeCapture& capture : spec.captures) {
    v1::CaptureRange& out = (*range.mutable_captures())[capture.name];
    out.set_from(capture.from);
    out.set_to(capture.to);
    out.set_step(capture.step);
    for (const std::string& value : capture.values) out.add_values(value);
  }
  return range;
}

Status ForEachRef(const v1::PartitionRange& range,
                  const std::function<void(std::string_view)>& visit) {
  ASSIGN_OR_RETURN(const PartitionRange compiled,
                   PartitionRange::Compile(FromProto(range), range.ref()));
  for (uint64_t i = 0; i < compiled.size(); ++i) visit(compiled.At(i));
  return {};
}

}  // namespace databuild
