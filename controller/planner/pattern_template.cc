#include "controller/planner/pattern_template.h"

#include <unordered_set>
#include <utility>

#include "bel/base/check.h"
#include "bel/ranges/braces.h"
#include "bel/ranges/integer.h"
#include "controller/planner/pattern_program.h"
#include "controller/planner/pattern_regex.h"

namespace databuild {
namespace {

constexpr int64_t kIntegerBound = 1'000'000'000'000'000'000;  // exclusive, on both sides

Error Invalid(std::string message) { return {Errc::kInvalidArgument, std::move(message)}; }

// "a..b" as its two sides; one side and nothing else if there are no dots.
struct Sides {
  std::string_view first;
  std::optional<std::string_view> last;
};
Sides SplitAtDots(std::string_view text) {
  size_t dots = text.find("..");
  if (dots == std::string_view::npos) return {text, std::nullopt};
  return {text.substr(0, dots), text.substr(dots + 2)};
}

bool LooksLikePeriods(std::string_view text) {
  if (!text.empty() && (text[0] == '-' || text[0] == '+')) text.remove_prefix(1);
  return !text.empty() && text[0] == 'P';
}

Status ParsePeriodShift(const Sides& sides, CaptureUse* use) {
  use->has_periods = true;
  ASSIGN_OR_RETURN(use->first_periods, ParsePeriods(sides.first));
  use->last_periods = use->first_periods;
  if (!sides.last) return {};
  use->is_window = true;
  ASSIGN_OR_RETURN(use->last_periods, ParsePeriods(*sides.last));
  return {};
}

Status ParseIntegerShift(std::string_view text, const Sides& sides, CaptureUse* use) {
  std::optional<int64_t> first = ParseInteger(sides.first);
  std::optional<int64_t> last = sides.last ? ParseInteger(*sides.last) : first;
  if (!first || !last) {
    return Invalid("\"" + std::string(text) +
                   "\" is neither an offset, a window nor a format; write -P1D, -P6D..P0D, +1, "
                   "-2..0 or %Y-%m");
  }
  if (*first > *last) {
    return Invalid("the window \"" + std::string(text) +
                   "\" is empty; write the smaller end first");
  }
  use->has_integers = true;
  use->first_integer = *first;
  use->last_integer = *last;
  use->is_window = sides.last.has_value();
  return {};
}

// What stands behind the name: at most one shift, then at most one format.
Status ParseModifiers(std::string_view text, CaptureUse* use) {
  size_t count = 0;
  while (true) {
    size_t bar = text.find('|');
    std::string_view modifier = text.substr(0, bar);
    if (modifier.substr(0, 1) == "%") {
      // A format may hold anything, bars too: it is the rest.
      ASSIGN_OR_RETURN(use->format, TimeFormat::Parse(text));
      if (use->has_integers) return Invalid("an integer takes no time format; leave it out");
      return {};
    }
    if (count++ > 0) {
      return Invalid("\"" + std::string(modifier) +
                     "\" follows an offset; sum periods as in P1M-P1D, put the format last");
    }
    Sides sides = SplitAtDots(modifier);
    bool periods = LooksLikePeriods(sides.first);
    RETURN_IF_ERROR(periods ? ParsePeriodShift(sides, use)
                            : ParseIntegerShift(modifier, sides, use));
    if (bar == std::string_view::npos) return {};
    text.remove_prefix(bar + 1);
  }
}

Result<PatternTemplate::Term> ParseBody(const PatternPiece& piece,
                                        PatternTemplate::Purpose purpose) {
  using TermKind = PatternTemplate::TermKind;
  std::string_view body = piece.text;
  PatternTemplate::Term term;
  bool is_argument = purpose == PatternTemplate::Purpose::kArgument;
  if (is_argument && body == "outputs") term.kind = TermKind::kOutputs;
  if (is_argument && body == "inputs") term.kind = TermKind::kInputs;
  if (is_argument && body == "job_run_id") term.kind = TermKind::kJobRunId;
  if (term.kind != TermKind::kLiteral) return term;

  size_t bar = body.find('|');
  std::string_view name = body.substr(0, bar);
  if (!IsCaptureName(name)) {
    term.kind = TermKind::kRange;
    ASSIGN_OR_RETURN(term.range, ParseLiteralRange(body));
    if (is_argument) return Invalid("a range names several texts; use {inputs} or {outputs}");
    return term;
  }
  term.kind = TermKind::kUse;
  term.use.name = std::string(name);
  term.use.offset = piece.offset;
  if (bar != std::string_view::npos) {
    RETURN_IF_ERROR(ParseModifiers(body.substr(bar + 1), &term.use));
  }
  if (is_argument && term.use.is_window) {
    return Invalid("a window names several texts; use {inputs} or {outputs}");
  }
  return term;
}

std::optional<Day> DayOf(const TypedCapture& value) {
  switch (value.type) {
    case CaptureType::kDate:
      return ParseDate(value.text);
    case CaptureType::kMonth:
      return ParseMonth(value.text);
    case CaptureType::kYear:
      return ParseYear(value.text);
    default:
      return std::nullopt;
  }
}

TimeFormat DefaultFormat(CaptureType type) {
  const char* text = type == CaptureType::kDate    ? "%Y-%m-%d"
                     : type == CaptureType::kMonth ? "%Y-%m"
                                                   : "%Y";
  return TimeFormat::Parse(text).value();
}

std::string Shown(const CaptureUse& use, const TypedCapture& value) {
  return use.name + "=\"" + std::string(value.text) + "\"";
}

Result<std::vector<std::string>> ExpandTime(const CaptureUse& use, const TypedCapture& value,
                                            size_t limit) {
  std::optional<Day> day = DayOf(value);
  if (!day) return Invalid(Shown(use, value) + " is not a " + TypeName(value.type));
  std::optional<Day> first = AddPeriods(*day, use.first_periods);
  std::optional<Day> last = AddPeriods(*day, use.last_periods);
  if (!first || !last) {
    return Invalid("the periods lead from " + Shown(use, value) +
                   " out of the years 0001 to 9999; use smaller ones");
  }
  if (*first > *last) {
    return Invalid("the window is empty for " + Shown(use, value) +
                   ": it ends before it begins; write the earlier end first");
  }
  TimeFormat format = use.format ? *use.format : DefaultFormat(value.type);
  std::vector<std::string> texts;
  std::unordered_set<std::string> seen;
  for (Day at = *first; at <= *last; at = NextUnit(at, format.unit())) {
    std::string text = format.Format(at);
    if (!seen.insert(text).second) continue;
    if (texts.size() == limit) {
      return Error{Errc::kTooLarge, "the window of " + use.name + " holds more than " +
                                        std::to_string(limit) + " texts; make it smaller"};
    }
    texts.push_back(std::move(text));
  }
  return texts;
}

Result<std::vector<std::string>> ExpandIntegers(const CaptureUse& use, const TypedCapture& value,
                                                size_t limit) {
  std::optional<int64_t> number = ParseInteger(value.text);
  if (!number) return Invalid(Shown(use, value) + " is not an integer");
  int64_t first = *number + use.first_integer;
  int64_t last = *number + use.last_integer;
  if (first <= -kIntegerBound || last >= kIntegerBound) {
    return Invalid("the offset leads from " + Shown(use, value) +
                   " to more than 18 digits; use a smaller one");
  }
  if (static_cast<uint64_t>(last - first) >= limit) {
    return Error{Errc::kTooLarge, "the window of " + use.name + " holds more than " +
                                      std::to_string(limit) + " integers; make it smaller"};
  }
  std::vector<std::string> texts;
  for (int64_t i = first; i <= last; ++i) texts.push_back(std::to_string(i));
  return texts;
}

}  // namespace

Result<LiteralRange> ParseLiteralRange(std::string_view text) {
  Sides sides = SplitAtDots(text);
  std::optional<int64_t> first = ParseInteger(sides.first);
  std::optional<int64_t> last = sides.last ? ParseInteger(*sides.last) : std::nullopt;
  if (!first || !last) {
    return Invalid("\"" + std::string(text) +
                   "\" is neither a capture nor a range; write {name}, {name|-P1D}, {0..15}, or "
                   "{{ and }} for braces");
  }
  if (*first > *last) {
    return Invalid("the range \"" + std::string(text) + "\" is empty; write the smaller end first");
  }
  if (static_cast<uint64_t>(*last - *first) >= kMaxInputRefsPerUnit) {
    return Error{Errc::kTooLarge, "the range \"" + std::string(text) + "\" holds more than " +
                                      std::to_string(kMaxInputRefsPerUnit) +
                                      " numbers; make it smaller"};
  }
  return LiteralRange{*first, *last, PaddedWidth(sides.first)};
}

std::vector<std::string> ExpandLiteralRange(const LiteralRange& range) {
  std::vector<std::string> texts;
  for (int64_t i = range.first; i <= range.last; ++i) {
    texts.push_back(PaddedInteger(i, range.width));
  }
  return texts;
}

Status CheckUse(const CaptureUse& use, CaptureType type) {
  bool is_time =
      type == CaptureType::kDate || type == CaptureType::kMonth || type == CaptureType::kYear;
  if (use.NeedsTime() && !is_time) {
    return Invalid("periods and time formats need a date, month or year, but " + use.name + " is " +
                   TypeName(type) + "; declare {" + use.name + ":date} in the outputs");
  }
  if (use.has_integers && type != CaptureType::kInt) {
    return Invalid("integer offsets need an int, but " + use.name + " is " + TypeName(type) +
                   "; declare {" + use.name + ":int} in the outputs");
  }
  return {};
}

Result<std::vector<std::string>> ExpandUse(const CaptureUse& use, const TypedCapture& value,
                                           size_t limit) {
  if (use.NeedsTime()) return ExpandTime(use, value, limit);
  if (use.has_integers) return ExpandIntegers(use, value, limit);
  return std::vector<std::string>{std::string(value.text)};
}

Result<PatternTemplate> PatternTemplate::Parse(std::string_view text, Purpose purpose) {
  for (size_t i = 0; i < text.size() && purpose == Purpose::kInput; ++i) {
    if (IsRefByte(static_cast<unsigned char>(text[i]))) continue;
    return PatternError(text, i, "a byte that is not printable ASCII; refs cannot hold it");
  }
  if (purpose == Purpose::kInput && (text.empty() || text.size() > kMaxPatternBytes)) {
    return PatternError(text.substr(0, 64), 0,
                        "an input of " + std::to_string(text.size()) + " bytes; write 1 to " +
                            std::to_string(kMaxPatternBytes));
  }
  PatternTemplate result;
  result.text_ = std::string(text);
  ASSIGN_OR_RETURN(std::vector<PatternPiece> pieces, SplitBraces(text, BraceRule::kPlain));
  for (PatternPiece& piece : pieces) {
    if (!piece.is_body) {
      Term literal;
      literal.literal = std::move(piece.text);
      result.terms_.push_back(std::move(literal));
      continue;
    }
    Result<Term> term = ParseBody(piece, purpose);
    if (!term.ok()) {
      Error error = PatternError(text, piece.offset, term.error().message);
      return Error{term.error().code, error.message};
    }
    result.terms_.push_back(std::move(*term));
  }
  return result;
}

Result<std::vector<std::string>> CrossProduct(const std::vector<std::vector<std::string>>& columns,
                                              size_t limit) {
  size_t count = 1;
  for (const std::vector<std::string>& column : columns) {
    CHECK(!column.empty());
    count *= column.size();  // at most limit^2, far below overflow
    if (count > limit) {
      return Error{Errc::kTooLarge, "it stands for more than " + std::to_string(limit) +
                                        " texts; make its windows and ranges smaller"};
    }
  }
  std::vector<std::string> texts(count);
  size_t repeat = count;  // how often in a row a text of this column stands
  for (const std::vector<std::string>& column : columns) {
    repeat /= column.size();
    for (size_t i = 0; i < count; ++i) texts[i] += column[i / repeat % column.size()];
  }
  return texts;
}

}  // namespace databuild
