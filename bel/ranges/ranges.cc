#include "bel/ranges/ranges.h"

#include <algorithm>
#include <optional>
#include <unordered_map>
#include <utility>

#include "bel/base/check.h"
#include "bel/ranges/braces.h"
#include "bel/ranges/calendar.h"
#include "bel/ranges/integer.h"
#include "bel/ranges/partition_ref.h"

namespace databuild {
namespace {

Error Invalid(const std::string& field, const std::string& problem) {
  return {Errc::kInvalidArgument, field + ": " + problem};
}

std::string Quoted(std::string_view text) { return "\"" + std::string(text) + "\""; }

Error TooMany(const std::string& field) {
  return {Errc::kTooLarge, field + ": it stands for more than " + std::to_string(kMaxRefsPerWant) +
                               " refs; ask for less, or in several wants"};
}

// The values of one capture, computed from their position and back.
class Axis {
 public:
  virtual ~Axis() = default;
  virtual uint64_t size() const = 0;
  virtual std::string At(uint64_t i) const = 0;
  virtual bool Contains(std::string_view text) const = 0;
  virtual size_t LongestText() const = 0;
};

class ValuesAxis final : public Axis {
 public:
  static Result<std::unique_ptr<Axis>> Compile(const RangeCapture& capture,
                                               const std::string& field) {
    auto axis = std::make_unique<ValuesAxis>();
    axis->values_ = capture.values;
    for (size_t i = 0; i < axis->values_.size(); ++i) {
      const std::string& value = axis->values_[i];
      std::string where = field + ".values[" + std::to_string(i) + "]";
      if (!IsPartitionRef(value)) {
        return Invalid(where, Quoted(value.substr(0, 64)) +
                                  " cannot stand in a ref; use printable ASCII, 1 to " +
                                  std::to_string(kMaxRefBytes) + " bytes");
      }
      if (!axis->positions_.emplace(value, i).second) {
        return Invalid(where, Quoted(value) + " stands there twice; leave it out");
      }
    }
    return std::unique_ptr<Axis>(std::move(axis));
  }

  uint64_t size() const override { return values_.size(); }
  std::string At(uint64_t i) const override { return values_[i]; }
  bool Contains(std::string_view text) const override {
    return positions_.contains(std::string(text));
  }
  size_t LongestText() const override {
    size_t longest = 0;
    for (const std::string& value : values_) longest = std::max(longest, value.size());
    return longest;
  }

 private:
  std::vector<std::string> values_;
  std::unordered_map<std::string, uint64_t> positions_;
};

class IntegerAxis final : public Axis {
 public:
  static Result<std::unique_ptr<Axis>> Compile(const RangeCapture& capture,
                                               const std::string& field) {
    auto axis = std::make_unique<IntegerAxis>();
    std::optional<int64_t> first = ParseInteger(capture.from);
    std::optional<int64_t> last = ParseInteger(capture.to);
    std::optional<int64_t> step = capture.step.empty() ? 1 : ParseInteger(capture.step);
    if (!last) return Invalid(field + ".to", Quoted(capture.to) + " is not an integer as from is");
    if (!step || *step < 1) {
      return Invalid(field + ".step", Quoted(capture.step) + " is not a positive integer");
    }
    if (*first > *last) {
      return Invalid(field, "from " + capture.from + " is beyond to " + capture.to +
                                "; write the smaller one first");
    }
    axis->first_ = *first;
    axis->step_ = *step;
    axis->size_ = static_cast<uint64_t>((*last - *first) / *step) + 1;
    axis->width_ = PaddedWidth(capture.from);
    return std::unique_ptr<Axis>(std::move(axis));
  }

  uint64_t size() const override { return size_; }
  std::string At(uint64_t i) const override {
    return PaddedInteger(first_ + static_cast<int64_t>(i) * step_, width_);
  }
  bool Contains(std::string_view text) const override {
    std::optional<int64_t> value = ParseInteger(text);
    if (!value || PaddedInteger(*value, width_) != text || *value < first_) return false;
    return (*value - first_) % step_ == 0 &&
           static_cast<uint64_t>((*value - first_) / step_) < size_;
  }
  size_t LongestText() const override { return std::max(At(0).size(), At(size_ - 1).size()); }

 private:
  int64_t first_ = 0;
  int64_t step_ = 1;
  uint64_t size_ = 0;
  size_t width_ = 0;
};

// Days or months. The i-th value is first + i * step: rising with i, so that size and membership
// are binary searches.
class TimeAxis final : public Axis {
 public:
  static Result<std::unique_ptr<Axis>> Compile(const RangeCapture& capture,
                                               const std::string& field) {
    auto axis = std::make_unique<TimeAxis>();
    axis->is_month_ = ParseMonth(capture.from).has_value();
    axis->first_ = *axis->Parse(capture.from);
    std::optional<Day> last = axis->Parse(capture.to);
    if (!last) {
      return Invalid(field + ".to",
                     Quoted(capture.to) + " is not a " +
                         (axis->is_month_ ? "month (YYYY-MM)" : "date (YYYY-MM-DD)") +
                         " as from is");
    }
    if (axis->first_ > *last) {
      return Invalid(field, "from " + capture.from + " is after to " + capture.to +
                                "; write the earlier one first");
    }
    RETURN_IF_ERROR(axis->ParseStep(capture.step, field + ".step"));
    axis->size_ = axis->FirstBeyond(*last);
    return std::unique_ptr<Axis>(std::move(axis));
  }

  uint64_t size() const override { return size_; }
  std::string At(uint64_t i) const override { return Text(*DayAt(i)); }
  bool Contains(std::string_view text) const override {
    std::optional<Day> day = Parse(text);
    if (!day || *day < first_) return false;
    uint64_t beyond = FirstBeyond(*day);
    return beyond <= size_ && DayAt(beyond - 1) == day;
  }
  size_t LongestText() const override { return Text(first_).size(); }

 private:
  std::optional<Day> Parse(std::string_view text) const {
    return is_month_ ? ParseMonth(text) : ParseDate(text);
  }
  std::string Text(Day day) const {
    static const TimeFormat date = TimeFormat::Parse("%Y-%m-%d").value();
    static const TimeFormat month = TimeFormat::Parse("%Y-%m").value();
    return (is_month_ ? month : date).Format(day);
  }

  Status ParseStep(const std::string& text, const std::string& field) {
    Result<PeriodSum> sum = ParsePeriods(text.empty() ? (is_month_ ? "P1M" : "P1D") : text);
    if (!sum.ok()) return Invalid(field, sum.error().message);
    step_ = sum->front();
    bool rises =
        sum->size() == 1 && step_.months >= 0 && step_.days >= 0 && step_.months + step_.days > 0;
    if (!rises) return Invalid(field, Quoted(text) + " is not one period forward, such as P1D");
    if (is_month_ && step_.days > 0) {
      return Invalid(field, Quoted(text) + " steps by days through months; use P1M or P1Y");
    }
    return {};
  }

  // Nothing beyond the calendar.
  std::optional<Day> DayAt(uint64_t i) const {
    int64_t n = static_cast<int64_t>(i);
    return AddPeriod(first_, {step_.months * n, step_.days * n});
  }

  // The smallest i whose day is after `day`; every step is at least a day long.
  uint64_t FirstBeyond(Day day) const {
    uint64_t low = 0;
    uint64_t high = static_cast<uint64_t>(day - first_) + 1;
    while (low < high) {
      uint64_t middle = low + (high - low) / 2;
      std::optional<Day> at = DayAt(middle);
      if (at && *at <= day) {
        low = middle + 1;
      } else {
        high = middle;
      }
    }
    return low;
  }

  bool is_month_ = false;
  Day first_ = 0;
  Period step_;
  uint64_t size_ = 0;
};

Result<std::unique_ptr<Axis>> CompileAxis(const RangeCapture& capture, const std::string& field) {
  bool has_bounds = !capture.from.empty() || !capture.to.empty() || !capture.step.empty();
  if (has_bounds == !capture.values.empty()) {
    return Invalid(field, "write either from, to and step, or values");
  }
  if (!has_bounds) return ValuesAxis::Compile(capture, field);
  if (capture.from.empty()) return Invalid(field + ".from", "it is missing");
  if (capture.to.empty()) return Invalid(field + ".to", "it is missing");
  if (ParseInteger(capture.from)) return IntegerAxis::Compile(capture, field);
  if (ParseDate(capture.from) || ParseMonth(capture.from)) return TimeAxis::Compile(capture, field);
  return Invalid(field + ".from", Quoted(capture.from) +
                                      " is neither a real date (YYYY-MM-DD), a month (YYYY-MM) nor "
                                      "an integer");
}

}  // namespace

struct PartitionRange::Program {
  struct Token {
    std::string literal;
    std::optional<size_t> axis;
  };
  std::vector<Token> tokens;
  std::vector<std::unique_ptr<Axis>> axes;  // in order of their place in the ref
  uint64_t size = 1;

  // Whether tokens from `token` on can stand for the rest of the ref. `hopeless` remembers tried
  // places, so that the cost stays within tokens x bytes^2.
  bool Reads(size_t token, std::string_view rest, std::vector<bool>* hopeless) const {
    if (token == tokens.size()) return rest.empty();
    const Token& at = tokens[token];
    if (!at.axis) {
      return rest.substr(0, at.literal.size()) == at.literal &&
             Reads(token + 1, rest.substr(at.literal.size()), hopeless);
    }
    size_t place = token * (kMaxRefBytes + 1) + rest.size();
    if ((*hopeless)[place]) return false;
    bool is_last = token + 1 == tokens.size();
    for (size_t length = is_last ? rest.size() : 1; length <= rest.size(); ++length) {
      if (axes[*at.axis]->Contains(rest.substr(0, length)) &&
          Reads(token + 1, rest.substr(length), hopeless)) {
        return true;
      }
    }
    (*hopeless)[place] = true;
    return false;
  }
};

PartitionRange::PartitionRange(std::shared_ptr<const Program> program)
    : program_(std::move(program)) {}

Result<PartitionRange> PartitionRange::Compile(const RangeSpec& spec, const std::string& field) {
  Result<std::vector<PatternPiece>> pieces = SplitBraces(spec.ref, BraceRule::kPlain);
  if (!pieces.ok()) return Invalid(field + ".ref", pieces.error().message);
  if (!IsPartitionRef(spec.ref)) {
    return Invalid(field + ".ref",
                   "it must be printable ASCII, 1 to " + std::to_string(kMaxRefBytes) + " bytes");
  }
  auto program = std::make_shared<Program>();
  std::vector<bool> used(spec.captures.size());
  size_t longest_ref = 0;
  for (const PatternPiece& piece : *pieces) {
    if (!piece.is_body) {
      program->tokens.push_back({piece.text, std::nullopt});
      longest_ref += piece.text.size();
      continue;
    }
    if (!IsCaptureName(piece.text)) {
      return Invalid(field + ".ref",
                     Quoted(piece.text) + " is not a capture's name; use letters, digits and _");
    }
    auto capture = std::find_if(spec.captures.begin(), spec.captures.end(),
                                [&](const RangeCapture& c) { return c.name == piece.text; });
    if (capture == spec.captures.end()) {
      return Invalid(field + ".ref", Quoted(spec.ref) + " names the capture " + Quoted(piece.text) +
                                         ", which captures does not hold; add it there");
    }
    size_t index = static_cast<size_t>(capture - spec.captures.begin());
    if (used[index]) return Invalid(field + ".ref", "the capture " + piece.text + " stands twice");
    used[index] = true;
    ASSIGN_OR_RETURN(std::unique_ptr<Axis> axis,
                     CompileAxis(*capture, field + ".captures." + piece.text));
    if (axis->size() > kMaxRefsPerWant / program->size) return TooMany(field);
    program->size *= axis->size();
    longest_ref += axis->LongestText();
    program->tokens.push_back({"", program->axes.size()});
    program->axes.push_back(std::move(axis));
  }
  for (size_t i = 0; i < used.size(); ++i) {
    if (used[i]) continue;
    return Invalid(field + ".captures." + spec.captures[i].name,
                   "the ref does not use it; write {" + spec.captures[i].name + "} in the ref");
  }
  if (longest_ref > kMaxRefBytes) {
    return Invalid(field + ".ref", "it makes a ref of " + std::to_string(longest_ref) +
                                       " bytes; refs have at most " + std::to_string(kMaxRefBytes));
  }
  return PartitionRange(std::move(program));
}

uint64_t PartitionRange::size() const { return program_->size; }

std::string PartitionRange::At(uint64_t i) const {
  CHECK(i < program_->size);
  std::string ref;
  uint64_t block = program_->size;  // how many refs in a row share the axes so far
  for (const Program::Token& token : program_->tokens) {
    if (!token.axis) {
      ref += token.literal;
      continue;
    }
    const Axis& axis = *program_->axes[*token.axis];
    block /= axis.size();
    ref += axis.At(i / block % axis.size());
  }
  return ref;
}

bool PartitionRange::Contains(std::string_view ref) const {
  if (!IsPartitionRef(ref)) return false;
  std::vector<bool> hopeless(program_->tokens.size() * (kMaxRefBytes + 1));
  return program_->Reads(0, ref, &hopeless);
}

Result<std::vector<PartitionRange>> CompileRanges(const std::vector<RangeSpec>& specs) {
  std::vector<PartitionRange> ranges;
  uint64_t size = 0;
  for (size_t i = 0; i < specs.size(); ++i) {
    ASSIGN_OR_RETURN(PartitionRange range,
                     PartitionRange::Compile(specs[i], "spec.ranges[" + std::to_string(i) + "]"));
    size += range.size();
    if (size > kMaxRefsPerWant) return TooMany("spec.ranges");
    ranges.push_back(std::move(range));
  }
  return ranges;
}

}  // namespace databuild
