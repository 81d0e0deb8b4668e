// PartitionRange: Want.spec.ranges, one ref per combination of capture values.
//
//   ref: "sales/revenue/date={date}"
//   captures: {date: {from: "2025-01-01", to: "2025-12-31", step: P1D}}      or {values: [a, b]}
//
// `from` and `to` (inclusive) are both dates (YYYY-MM-DD), both months (YYYY-MM) or both integers
// (zero padded if `from` is: "00" to "23"). `step` is an ISO 8601 period for dates and months
// (default P1D, P1M), a positive integer for integers (default 1); the i-th value is from + i *
// step, so month steps from the 31st do not drift. Refs are never expanded as a whole: size, At and
// Contains are computed. Immutable; any thread.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "bel/base/result.h"

namespace databuild {

inline constexpr uint64_t kMaxRefsPerWant = 1'000'000;

struct RangeCapture {
  std::string name;
  std::string from;  // from, to and step, or values: never both
  std::string to;
  std::string step;
  std::vector<std::string> values;
};

struct RangeSpec {
  std::string ref;
  std::vector<RangeCapture> captures;
};

class PartitionRange {
 public:
  // `field` names the range in errors, e.g. "spec.ranges[0]". kTooLarge: over kMaxRefsPerWant.
  static Result<PartitionRange> Compile(const RangeSpec& spec, const std::string& field);

  uint64_t size() const;
  // The i-th ref, i < size() (CHECKed); the leftmost capture of the ref varies slowest.
  std::string At(uint64_t i) const;
  // Whether some At(i) is `ref`; without expansion.
  bool Contains(std::string_view ref) const;

 private:
  struct Program;
  explicit PartitionRange(std::shared_ptr<const Program> program);
  std::shared_ptr<const Program> program_;
};

// All ranges of one want; kTooLarge if they come to more than kMaxRefsPerWant together.
Result<std::vector<PartitionRange>> CompileRanges(const std::vector<RangeSpec>& specs);

}  // namespace databuild
