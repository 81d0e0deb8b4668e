// CompileJob and JobPatterns: the patterns of one DataJob as a whole.
#include <algorithm>
#include <set>
#include <utility>

#include "bel/base/check.h"
#include "controller/planner/pattern.h"
#include "controller/planner/pattern_graph.h"
#include "controller/planner/pattern_program.h"
#include "controller/planner/pattern_template.h"

namespace databuild {

constexpr int kMaxUnitsPerRun = 100;

// A template whose uses know their capture in JobProgram::captures.
struct BoundTemplate {
  PatternTemplate parsed;
  std::vector<size_t> capture_of_term;  // meaningful for terms of kind kUse
};

struct JobProgram {
  std::vector<OutputPattern> outputs;
  std::vector<CaptureDeclaration> captures;  // sorted by name
  std::vector<BoundTemplate> inputs;
  std::vector<BoundTemplate> args;
  std::map<std::string, BoundTemplate> env;
  std::vector<size_t> batch_by;  // indexes into captures
};

namespace {

Error InField(const std::string& field, const Error& error) {
  return {error.code, field + ": " + error.message};
}

Error InField(const std::string& field, const std::string& problem) {
  return {Errc::kInvalidArgument, field + ": " + problem};
}

std::string Indexed(const char* field, size_t index) {
  return std::string(field) + "[" + std::to_string(index) + "]";
}

std::string NamesOf(const std::vector<CaptureDeclaration>& captures) {
  std::string names;
  for (const CaptureDeclaration& capture : captures) {
    names += (names.empty() ? "" : ", ") + capture.name;
  }
  return names.empty() ? "none" : names;
}

std::string JsonArray(const std::vector<std::string>& refs) {
  std::string json = "[";
  for (const std::string& ref : refs) {
    if (json.size() > 1) json += ",";
    json += '"';
    for (char c : ref) {  // refs are printable ASCII: only these two need an escape
      if (c == '"' || c == '\\') json += '\\';
      json += c;
    }
    json += '"';
  }
  return json + "]";
}

// The texts of the unit in the order of the declarations.
Result<std::vector<TypedCapture>> BindUnit(const JobProgram& program, const Captures& unit) {
  std::vector<TypedCapture> values;
  for (const CaptureDeclaration& capture : program.captures) {
    const std::string* text = FindCapture(unit, capture.name);
    if (text == nullptr) {
      return Error{Errc::kInvalidArgument, "the capture " + capture.name +
                                               " is not bound; take the captures from a match of "
                                               "the job's present outputs"};
    }
    values.push_back({capture.type, *text});
  }
  return values;
}

Result<std::vector<std::string>> ExpandInput(const BoundTemplate& input,
                                             const std::vector<TypedCapture>& values) {
  std::vector<std::vector<std::string>> columns;
  for (size_t i = 0; i < input.parsed.terms().size(); ++i) {
    const PatternTemplate::Term& term = input.parsed.terms()[i];
    if (term.kind == PatternTemplate::TermKind::kLiteral) {
      columns.push_back({term.literal});
    } else if (term.kind == PatternTemplate::TermKind::kRange) {
      columns.push_back(ExpandLiteralRange(term.range));
    } else {
      const TypedCapture& value = values[input.capture_of_term[i]];
      ASSIGN_OR_RETURN(std::vector<std::string> texts,
                       ExpandUse(term.use, value, kMaxInputRefsPerUnit));
      columns.push_back(std::move(texts));
    }
  }
  ASSIGN_OR_RETURN(std::vector<std::string> refs, CrossProduct(columns, kMaxInputRefsPerUnit));
  for (const std::string& ref : refs) {
    if (IsPartitionRef(ref)) continue;
    return Error{Errc::kTooLarge, "it makes a ref of " + std::to_string(ref.size()) +
                                      " bytes; refs have 1 to " + std::to_string(kMaxRefBytes)};
  }
  return refs;
}

Result<std::string> ExpandArgument(const BoundTemplate& argument, const CommandContext& context,
                                   const std::vector<TypedCapture>& values) {
  std::string text;
  for (size_t i = 0; i < argument.parsed.terms().size(); ++i) {
    const PatternTemplate::Term& term = argument.parsed.terms()[i];
    switch (term.kind) {
      case PatternTemplate::TermKind::kLiteral:
        text += term.literal;
        break;
      case PatternTemplate::TermKind::kOutputs:
        text += JsonArray(context.outputs);
        break;
      case PatternTemplate::TermKind::kInputs:
        text += JsonArray(context.inputs);
        break;
      case PatternTemplate::TermKind::kJobRunId:
        text += context.job_run_id;
        break;
      case PatternTemplate::TermKind::kRange:
        CHECK(false);
        break;
      case PatternTemplate::TermKind::kUse: {
        const TypedCapture& value = values[argument.capture_of_term[i]];
        ASSIGN_OR_RETURN(std::vector<std::string> texts, ExpandUse(term.use, value, 1));
        text += texts[0];
      }
    }
  }
  return text;
}

}  // namespace

class JobCompiler {
 public:
  explicit JobCompiler(const JobTemplates& templates) : templates_(templates) {}

  Result<JobPatterns> Compile() {
    RETURN_IF_ERROR(ParseOutputs());
    RETURN_IF_ERROR(ParseTemplates());
    RETURN_IF_ERROR(DecideTypes());
    RETURN_IF_ERROR(BuildOutputs());
    RETURN_IF_ERROR(CheckOutputsAgainstEachOther());
    RETURN_IF_ERROR(BindBatching());
    for (size_t i = 0; i < program_.inputs.size(); ++i) {
      RETURN_IF_ERROR(Bind(Indexed("inputs", i), &program_.inputs[i]));
    }
    for (size_t i = 0; i < program_.args.size(); ++i) {
      RETURN_IF_ERROR(BindArgument(Indexed("args", i), &program_.args[i]));
    }
    for (auto& [name, value] : program_.env) {
      RETURN_IF_ERROR(BindArgument("env." + name, &value));
    }
    return JobPatterns(std::make_shared<const JobProgram>(std::move(program_)));
  }

 private:
  Status ParseOutputs() {
    if (templates_.outputs.empty() || templates_.outputs.size() > kMaxOutputsPerJob) {
      return InField("outputs", std::to_string(templates_.outputs.size()) +
                                    " patterns; write 1 to " + std::to_string(kMaxOutputsPerJob));
    }
    for (size_t i = 0; i < templates_.outputs.size(); ++i) {
      Result<PatternProgram> parsed = PatternProgram::Parse(templates_.outputs[i]);
      if (!parsed.ok()) return InField(Indexed("outputs", i), parsed.error());
      parsed_outputs_.push_back(std::move(*parsed));
    }
    return {};
  }

  Status ParseTemplates() {
    if (templates_.inputs.size() > kMaxInputsPerJob) {
      return InField("inputs", std::to_string(templates_.inputs.size()) +
                                   " inputs; write at most " + std::to_string(kMaxInputsPerJob));
    }
    using Purpose = PatternTemplate::Purpose;
    for (size_t i = 0; i < templates_.inputs.size(); ++i) {
      Result<PatternTemplate> parsed =
          PatternTemplate::Parse(templates_.inputs[i], Purpose::kInput);
      if (!parsed.ok()) return InField(Indexed("inputs", i), parsed.error());
      program_.inputs.push_back({std::move(*parsed), {}});
    }
    for (size_t i = 0; i < templates_.args.size(); ++i) {
      Result<PatternTemplate> parsed =
          PatternTemplate::Parse(templates_.args[i], Purpose::kArgument);
      if (!parsed.ok()) return InField(Indexed("args", i), parsed.error());
      program_.args.push_back({std::move(*parsed), {}});
    }
    for (const auto& [name, value] : templates_.env) {
      Result<PatternTemplate> parsed = PatternTemplate::Parse(value, Purpose::kArgument);
      if (!parsed.ok()) return InField("env." + name, parsed.error());
      program_.env.emplace(name, BoundTemplate{std::move(*parsed), {}});
    }
    return {};
  }

  // One declaration per capture: the declared type, else the one its uses need, else text.
  Status DecideTypes() {
    for (size_t i = 0; i < parsed_outputs_.size(); ++i) {
      for (const CaptureDeclaration& capture : parsed_outputs_[i].captures()) {
        CaptureDeclaration& known = types_.emplace(capture.name, capture).first->second;
        if (capture.type == CaptureType::kText) continue;
        if (known.type == CaptureType::kText) known = capture;
        if (known.type == capture.type && known.regex == capture.regex) continue;
        return InField(Indexed("outputs", i),
                       "the capture " + capture.name + " is " + TypeName(capture.type) +
                           " here and " + TypeName(known.type) +
                           " in another output; declare the same type, or declare it once");
      }
    }
    for (const BoundTemplate& input : program_.inputs) InferTypes(input);
    for (const BoundTemplate& arg : program_.args) InferTypes(arg);
    for (const auto& [name, value] : program_.env) InferTypes(value);
    return {};
  }

  void InferTypes(const BoundTemplate& text) {
    for (const PatternTemplate::Term& term : text.parsed.terms()) {
      if (term.kind != PatternTemplate::TermKind::kUse) continue;
      auto known = types_.find(term.use.name);
      if (known == types_.end() || known->second.type != CaptureType::kText) continue;
      CaptureType* type = &known->second.type;
      if (term.use.has_integers) *type = CaptureType::kInt;
      if (!term.use.NeedsTime()) continue;
      *type = term.use.name == "month"  ? CaptureType::kMonth
              : term.use.name == "year" ? CaptureType::kYear
                                        : CaptureType::kDate;
    }
  }

  Status BuildOutputs() {
    for (size_t i = 0; i < parsed_outputs_.size(); ++i) {
      PatternProgram program = std::move(parsed_outputs_[i]);
      if (program.captures().size() != types_.size()) {
        return InField(Indexed("outputs", i), "\"" + program.text() + "\" binds the captures " +
                                                  NamesOf(program.captures()) +
                                                  ", but all outputs of a job bind the same; " +
                                                  "in all they name " +
                                                  std::to_string(types_.size()));
      }
      for (size_t c = 0; c < program.captures().size(); ++c) {
        const CaptureDeclaration& type = types_.at(program.captures()[c].name);
        if (program.captures()[c].type == type.type) continue;
        Result<PatternProgram> typed = program.Redeclare(c, type);
        if (!typed.ok()) return InField(Indexed("outputs", i), typed.error());
        program = std::move(*typed);
      }
      program_.outputs.push_back(
          OutputPattern(std::make_shared<const PatternProgram>(std::move(program))));
    }
    for (const auto& [name, type] : types_) program_.captures.push_back(type);
    return {};
  }

  // A unit is what equal captures make: no two outputs may make one ref, and where there are
  // several outputs, no ref may stand for two units.
  Status CheckOutputsAgainstEachOther() {
    if (program_.outputs.size() == 1) return {};
    PatternGraph before;
    for (size_t i = 0; i < program_.outputs.size(); ++i) {
      const PatternProgram& pattern = program_.outputs[i].program();
      PatternGraph alone;
      alone.Add(0, pattern);
      for (const SharedRef& shared : FindSharedRefs(before, alone, 1)) {
        return InField(Indexed("outputs", i),
                       "\"" + pattern.text() + "\" and " + Indexed("outputs", shared.a) + " \"" +
                           program_.outputs[shared.a].text() + "\" both match \"" + shared.witness +
                           "\"; make them differ in their fixed text");
      }
      std::vector<PatternGraph::PatternId> empty_matches;
      alone.EndsAt({}, &empty_matches);
      if (!empty_matches.empty()) {
        return InField(Indexed("outputs", i),
                       "\"" + pattern.text() +
                           "\" can be empty, which no ref is; add fixed text "
                           "or use + instead of *");
      }
      if (std::optional<std::string> ref = FindAmbiguousRef(alone)) {
        return InField(Indexed("outputs", i),
                       "\"" + pattern.text() + "\" can read \"" + *ref +
                           "\" in two ways, so that it is not clear what is made together; put a / "
                           "between captures or give them regular expressions that exclude it");
      }
      before.Add(static_cast<PatternGraph::PatternId>(i), pattern);
    }
    return {};
  }

  std::optional<size_t> CaptureIndex(const std::string& name) const {
    for (size_t i = 0; i < program_.captures.size(); ++i) {
      if (program_.captures[i].name == name) return i;
    }
    return std::nullopt;
  }

  Status BindBatching() {
    if (templates_.max_partitions < 1 || templates_.max_partitions > kMaxUnitsPerRun) {
      return InField("batching.maxPartitions", std::to_string(templates_.max_partitions) +
                                                   " is out of bounds; write 1 to " +
                                                   std::to_string(kMaxUnitsPerRun));
    }
    std::set<size_t> indexes;
    for (size_t i = 0; i < templates_.batch_by.size(); ++i) {
      std::optional<size_t> index = CaptureIndex(templates_.batch_by[i]);
      if (!index) return InField(Indexed("batching.by", i), Unbound(templates_.batch_by[i]));
      indexes.insert(*index);
    }
    program_.batch_by.assign(indexes.begin(), indexes.end());
    return {};
  }

  std::string Unbound(const std::string& name) const {
    return "no output binds the capture " + name + "; the outputs bind " +
           NamesOf(program_.captures);
  }

  Status Bind(const std::string& field, BoundTemplate* bound) const {
    for (const PatternTemplate::Term& term : bound->parsed.terms()) {
      bound->capture_of_term.push_back(0);
      if (term.kind != PatternTemplate::TermKind::kUse) continue;
      std::string where =
          field + ": \"" + bound->parsed.text() + "\", offset " + std::to_string(term.use.offset);
      std::optional<size_t> index = CaptureIndex(term.use.name);
      if (!index) return InField(where, Unbound(term.use.name));
      Status fits = CheckUse(term.use, program_.captures[*index].type);
      if (!fits.ok()) return InField(where, fits.error());
      bound->capture_of_term.back() = *index;
    }
    return {};
  }

  Status BindArgument(const std::string& field, BoundTemplate* bound) const {
    RETURN_IF_ERROR(Bind(field, bound));
    if (templates_.max_partitions == 1) return {};
    for (size_t i = 0; i < bound->parsed.terms().size(); ++i) {
      if (bound->parsed.terms()[i].kind != PatternTemplate::TermKind::kUse) continue;
      size_t capture = bound->capture_of_term[i];
      if (std::count(program_.batch_by.begin(), program_.batch_by.end(), capture) > 0) continue;
      const std::string& name = program_.captures[capture].name;
      return InField(field, "it uses {" + name +
                                "}, but a run may hold units that differ in it; add " + name +
                                " to batching.by or use {outputs}");
    }
    return {};
  }

  const JobTemplates& templates_;
  std::vector<PatternProgram> parsed_outputs_;
  std::map<std::string, CaptureDeclaration> types_;
  JobProgram program_;
};

JobPatterns::JobPatterns(std::shared_ptr<const JobProgram> program)
    : program_(std::move(program)) {}

const std::vector<OutputPattern>& JobPatterns::outputs() const { return program_->outputs; }

const std::vector<CaptureDeclaration>& JobPatterns::captures() const { return program_->captures; }

std::optional<Captures> JobPatterns::Match(std::string_view ref) const {
  for (const OutputPattern& output : program_->outputs) {
    if (std::optional<Captures> unit = output.Match(ref)) return unit;
  }
  return std::nullopt;
}

Result<std::vector<std::string>> JobPatterns::Outputs(const Captures& unit) const {
  RETURN_IF_ERROR(BindUnit(*program_, unit));
  std::vector<std::string> refs;
  for (const OutputPattern& output : program_->outputs) {
    refs.push_back(output.Render(unit));
    if (IsPartitionRef(refs.back())) continue;
    return Error{Errc::kTooLarge, "output \"" + output.text() + "\" makes a ref of " +
                                      std::to_string(refs.back().size()) +
                                      " bytes; refs have 1 to " + std::to_string(kMaxRefBytes)};
  }
  return refs;
}

Result<std::vector<InputRef>> JobPatterns::Inputs(const Captures& unit) const {
  ASSIGN_OR_RETURN(std::vector<TypedCapture> values, BindUnit(*program_, unit));
  std::vector<InputRef> inputs;
  for (size_t i = 0; i < program_->inputs.size(); ++i) {
    const BoundTemplate& input = program_->inputs[i];
    Result<std::vector<std::string>> refs = ExpandInput(input, values);
    if (!refs.ok()) {
      return InField(Indexed("inputs", i) + ": \"" + input.parsed.text() + "\"", refs.error());
    }
    if (inputs.size() + refs->size() > kMaxInputRefsPerUnit) {
      return Error{Errc::kTooLarge, "inputs: they stand for more than " +
                                        std::to_string(kMaxInputRefsPerUnit) +
                                        " refs together; make windows and ranges smaller"};
    }
    for (std::string& ref : *refs) inputs.push_back({i, std::move(ref)});
  }
  return inputs;
}

Captures JobPatterns::BatchKey(const Captures& unit) const {
  Captures key;
  for (size_t index : program_->batch_by) {
    const std::string& name = program_->captures[index].name;
    const std::string* text = FindCapture(unit, name);
    CHECK(text != nullptr);
    key.push_back({name, *text});
  }
  return key;
}

Result<CommandLine> JobPatterns::Command(const CommandContext& context) const {
  ASSIGN_OR_RETURN(std::vector<TypedCapture> values, BindUnit(*program_, context.captures));
  CommandLine command;
  for (size_t i = 0; i < program_->args.size(); ++i) {
    Result<std::string> text = ExpandArgument(program_->args[i], context, values);
    if (!text.ok()) return InField(Indexed("args", i), text.error());
    command.args.push_back(std::move(*text));
  }
  for (const auto& [name, value] : program_->env) {
    Result<std::string> text = ExpandArgument(value, context, values);
    if (!text.ok()) return InField("env." + name, text.error());
    command.env.emplace(name, std::move(*text));
  }
  return command;
}

Result<JobPatterns> CompileJob(const JobTemplates& templates) {
  return JobCompiler(templates).Compile();
}

}  // namespace databuild
