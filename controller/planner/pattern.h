// Partition patterns: how a DataJob names what it makes, what it reads and how it is called.
//
//   outputs  sales/revenue/date={date:date}                 a ref is matched, its captures are
//   bound inputs   sales/clicks/date={date|-P6D..P0D}             the captures are expanded to refs
//   args     --month={date|%Y-%m}                           and to command lines
//
// OUTPUTS. Literal text and captures: `{name}` matches [^/]+, `{name:date}` a real calendar date
// (YYYY-MM-DD, proleptic Gregorian, years 0001 to 9999), `{name:month}` YYYY-MM (denotes its first
// day), `{name:year}` YYYY, `{name:int}` an integer in its one canonical text (`0`, `7`, `-12`; no
// leading zeros, no plus, at most 18 digits), `{name:REGEX}` a regular expression in RE2 syntax
// without anchors, flags, word boundaries and Unicode classes (so that overlap stays decidable).
// `{{` and `}}` stand for braces. Refs are printable ASCII (0x20 to 0x7e), 1 to 1,024 bytes; what
// is not never matches. Left to right each capture takes the longest text that lets the rest match.
// The text of a capture is canonical: Render(Match(ref)) == ref.
//
// INPUTS AND ARGUMENTS. `{name}`, then optionally an offset or a window, then optionally a format:
//   {date|-P1D}  {date|P1M-P1D}       ISO 8601 periods of Y, M, W, D; applied left to right; months
//                                     clamp to the month's end; leaving 0001..9999 is an error
//   {date|-P6D..P0D}                  every unit of the output format that the window touches (day;
//                                     ISO week for %V; month for %Y-%m; year for %Y), once, in
//                                     order
//   {month|P0D..P1M-P1D|%Y-%m-%d}     formats know %Y %m %d %j %G %V %u %%; without one the text
//   has
//                                     the form of the capture's type
//   {n|+1}  {n|-2..0}  {0..15}  {00..15}      integers and literal ranges, the last zero padded
// Several windows in one input are a cross product, the leftmost varies slowest. Arguments take no
// windows or ranges, but know {outputs}, {inputs} (JSON arrays) and {job_run_id}.
//
// TYPES. A capture's type is declared in one output and holds in all of them. An undeclared capture
// used with a period or a time format is a date (a month or year if that is its name); used with an
// integer offset it is an int; else it is text.
//
// Everything here is pure and immutable after construction: any thread may call const methods.
// Errors are kInvalidArgument with the text, the offset and the remedy, or kTooLarge.
#pragma once

#include <cstddef>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "bel/base/result.h"
#include "bel/ranges/partition_ref.h"

namespace databuild {

inline constexpr size_t kMaxPatternBytes = 1'024;
inline constexpr size_t kMaxCaptures = 16;  // of one DataJob
inline constexpr size_t kMaxOutputsPerJob = 100;
inline constexpr size_t kMaxInputsPerJob = 100;
inline constexpr size_t kMaxInputRefsPerUnit = 10'000;

enum class CaptureType { kText, kRegex, kDate, kMonth, kYear, kInt };

// One capture of one match: the canonical text it stands for.
struct Capture {
  std::string name;
  std::string text;
  bool operator==(const Capture&) const = default;
  auto operator<=>(const Capture&) const = default;
};
// Sorted by name, names unique. Two refs belong to the same unit of a DataJob exactly if their
// Captures are equal.
using Captures = std::vector<Capture>;

// The text of capture `name`, or null.
const std::string* FindCapture(const Captures& captures, std::string_view name);

struct CaptureDeclaration {
  std::string name;
  CaptureType type = CaptureType::kText;
  std::string regex;  // as written, for kRegex only
};

class PatternProgram;  // pattern_program.h

// One output pattern. Cheap to copy (shares its compiled form).
class OutputPattern {
 public:
  static Result<OutputPattern> Parse(std::string_view text);

  const std::string& text() const;  // as written
  // In order of appearance.
  const std::vector<CaptureDeclaration>& captures() const;

  std::optional<Captures> Match(std::string_view ref) const;
  // The ref for these captures, all of which must be bound (CHECKed). Values that the pattern could
  // not have matched render as they are: give only captures that came from a match of the unit.
  std::string Render(const Captures& captures) const;

  const PatternProgram& program() const { return *program_; }

 private:
  friend class JobCompiler;
  explicit OutputPattern(std::shared_ptr<const PatternProgram> program);
  std::shared_ptr<const PatternProgram> program_;
};

// A ref that both patterns match (a shortest one), or nothing if there is none. Exact.
std::optional<std::string> FindOverlap(const OutputPattern& a, const OutputPattern& b);

// What a DataJob says, as text.
struct JobTemplates {
  std::vector<std::string> outputs;
  std::vector<std::string> inputs;
  std::vector<std::string> args;
  std::map<std::string, std::string> env;
  // batching: with more than one unit in a run, args and env may use only captures in `batch_by`.
  int max_partitions = 1;
  std::vector<std::string> batch_by;
};

struct InputRef {
  size_t input = 0;  // index into JobTemplates::inputs
  std::string ref;
  bool operator==(const InputRef&) const = default;
};

// What a run's command line is made from.
struct CommandContext {
  Captures captures;  // of any unit of the run: the templates use only what its units agree on
  std::vector<std::string> outputs;
  std::vector<std::string> inputs;
  std::string job_run_id;
};

struct CommandLine {
  std::vector<std::string> args;
  std::map<std::string, std::string> env;
};

struct JobProgram;  // pattern_job.cc

// The compiled patterns of one DataJob. Cheap to copy.
class JobPatterns {
 public:
  const std::vector<OutputPattern>& outputs() const;
  // Sorted by name; the same for every output.
  const std::vector<CaptureDeclaration>& captures() const;

  // The unit that makes `ref`, or nothing if no output matches it.
  std::optional<Captures> Match(std::string_view ref) const;
  // Every ref of the unit, in the order of the output patterns. kTooLarge: a ref over its limit.
  Result<std::vector<std::string>> Outputs(const Captures& unit) const;
  // Every input ref of the unit, in the order of the inputs; a ref may come from several inputs.
  // kTooLarge: over kMaxInputRefsPerUnit. kInvalidArgument: the arithmetic leaves the calendar.
  Result<std::vector<InputRef>> Inputs(const Captures& unit) const;
  // The captures that batched units must agree on (JobTemplates::batch_by), as a comparable value.
  Captures BatchKey(const Captures& unit) const;
  Result<CommandLine> Command(const CommandContext& context) const;

 private:
  friend class JobCompiler;
  explicit JobPatterns(std::shared_ptr<const JobProgram> program);
  std::shared_ptr<const JobProgram> program_;
};

// Everything that can be known to be wrong before a ref is there: syntax, captures that outputs do
// not share or inputs do not find, types that do not fit their use, outputs of the job that overlap
// each other, refs of a unit that could be read in two ways, limits. The error names the field
// ("inputs[2]"), what was written, the offset and what to do.
Result<JobPatterns> CompileJob(const JobTemplates& templates);

}  // namespace databuild
