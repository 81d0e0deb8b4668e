// PatternTemplate: text with captures to fill in, as in inputs, args and env of a DataJob.
// pattern.h describes the language. Immutable; any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "bel/base/result.h"
#include "bel/ranges/calendar.h"
#include "controller/planner/pattern.h"

namespace databuild {

// `{name|shift|format}`, where shift is an offset or a window of periods or integers.
struct CaptureUse {
  std::string name;
  size_t offset = 0;         // in the template's text
  bool has_periods = false;  // then first_periods, and last_periods in a window
  PeriodSum first_periods;
  PeriodSum last_periods;
  bool has_integers = false;  // then first_integer, and last_integer in a window
  int64_t first_integer = 0;
  int64_t last_integer = 0;
  bool is_window = false;
  std::optional<TimeFormat> format;

  bool NeedsTime() const { return has_periods || format.has_value(); }
};

// `{0..15}`: both ends included, padded with zeros to `width`.
struct LiteralRange {
  int64_t first = 0;
  int64_t last = 0;
  size_t width = 0;
};

// A capture with its type, ready to be calculated with.
struct TypedCapture {
  CaptureType type = CaptureType::kText;
  std::string_view text;
};

// The texts that stand for `use` of `value`, distinct, in order, at least one and at most `limit`.
Result<std::vector<std::string>> ExpandUse(const CaptureUse& use, const TypedCapture& value,
                                           size_t limit);
// Whether `use` makes sense for a capture of `type`; the error says what it needs.
Status CheckUse(const CaptureUse& use, CaptureType type);

Result<LiteralRange> ParseLiteralRange(std::string_view text);
std::vector<std::string> ExpandLiteralRange(const LiteralRange& range);

class PatternTemplate {
 public:
  // Inputs may have windows and ranges; arguments {outputs}, {inputs} and {job_run_id}.
  enum class Purpose { kInput, kArgument };
  enum class TermKind { kLiteral, kUse, kRange, kOutputs, kInputs, kJobRunId };

  struct Term {
    TermKind kind = TermKind::kLiteral;
    std::string literal;
    CaptureUse use;
    LiteralRange range;
  };

  static Result<PatternTemplate> Parse(std::string_view text, Purpose purpose);

  const std::string& text() const { return text_; }
  const std::vector<Term>& terms() const { return terms_; }

 private:
  std::string text_;
  std::vector<Term> terms_;
};

// Every combination of one text per column, joined; the leftmost column varies slowest. kTooLarge:
// more than `limit`.
Result<std::vector<std::string>> CrossProduct(const std::vector<std::vector<std::string>>& columns,
                                              size_t limit);

}  // namespace databuild
