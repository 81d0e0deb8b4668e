#include "controller/planner/pattern_program.h"

#include <algorithm>
#include <array>
#include <utility>

#include "bel/base/check.h"
#include "bel/ranges/braces.h"

namespace databuild {
namespace {

// Bounds what a search for overlap can cost; a date has 47, 500 are the most of one capture.
constexpr size_t kMaxPatternStates = 1'000;

// Each exactly the texts that bel/ranges/calendar.h's parsers accept.
constexpr const char* kYearRegex = "[1-9][0-9]{3}|0[1-9][0-9]{2}|00[1-9][0-9]|000[1-9]";
constexpr const char* kLeapYearRegex =
    "[0-9]{2}(?:0[48]|[2468][048]|[13579][26])|(?:0[48]|[2468][048]|[13579][26])00";

std::string DateRegex() {
  std::string any_year = std::string("(?:") + kYearRegex + ")";
  std::string leap_year = std::string("(?:") + kLeapYearRegex + ")";
  return any_year +
         "-(?:(?:0[13578]|1[02])-(?:0[1-9]|[12][0-9]|3[01])"
         "|(?:0[469]|11)-(?:0[1-9]|[12][0-9]|30)"
         "|02-(?:0[1-9]|1[0-9]|2[0-8]))|" +
         leap_year + "-02-29";
}

std::string MonthRegex() { return std::string("(?:") + kYearRegex + ")-(?:0[1-9]|1[0-2])"; }

std::shared_ptr<const Dfa> BuiltIn(const std::string& regex) {
  Result<Dfa> dfa = CompileRegex(regex);
  CHECK(dfa.ok());
  return std::make_shared<const Dfa>(std::move(*dfa));
}

struct NamedType {
  std::string_view name;
  CaptureType type;
};
constexpr std::array<NamedType, 4> kNamedTypes = {{{"date", CaptureType::kDate},
                                                   {"month", CaptureType::kMonth},
                                                   {"year", CaptureType::kYear},
                                                   {"int", CaptureType::kInt}}};

bool IsReserved(std::string_view name) {
  return name == "outputs" || name == "inputs" || name == "job_run_id";
}

// What stands after the colon.
Status ParseType(std::string_view type, CaptureDeclaration* capture) {
  for (const NamedType& named : kNamedTypes) {
    if (type == named.name) {
      capture->type = named.type;
      return {};
    }
  }
  bool only_letters = std::all_of(type.begin(), type.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
  });
  if (only_letters) {
    return Error{Errc::kInvalidArgument,
                 "\"" + std::string(type) +
                     "\" is no type of capture; use date, month, year, int, a regular expression "
                     "such as [a-z]+, or nothing for any text without a slash"};
  }
  capture->type = CaptureType::kRegex;
  capture->regex = std::string(type);
  return {};
}

// Left to right, longest text first; remembers the places that led nowhere, so that the cost stays
// within tokens x bytes^2.
class Matcher {
 public:
  Matcher(const PatternProgram& program, std::string_view ref) : program_(program), ref_(ref) {}

  std::optional<std::vector<std::string_view>> Run() {
    texts_.resize(program_.captures().size());
    if (!From(0, 0)) return std::nullopt;
    return std::move(texts_);
  }

 private:
  bool From(size_t token_index, size_t at) {
    if (token_index == program_.tokens().size()) return at == ref_.size();
    const PatternToken& token = program_.tokens()[token_index];
    if (!token.capture) {
      return ref_.substr(at, token.literal.size()) == token.literal &&
             From(token_index + 1, at + token.literal.size());
    }
    size_t place = token_index * (ref_.size() + 1) + at;
    if (!hopeless_.empty() && hopeless_[place]) return false;
    if (TryCapture(token_index, at)) return true;
    if (hopeless_.empty()) hopeless_.resize(program_.tokens().size() * (ref_.size() + 1));
    hopeless_[place] = true;
    return false;
  }

  bool TryCapture(size_t token_index, size_t at) {
    const PatternToken& token = program_.tokens()[token_index];
    const Dfa& dfa = *token.language.dfa;
    std::vector<size_t> ends;
    Dfa::State state = Dfa::kStart;
    for (size_t i = at; state != Dfa::kDead; ++i) {
      if (dfa.Accepts(state)) ends.push_back(i);
      if (i == ref_.size()) break;
      state = dfa.Next(state, static_cast<unsigned char>(ref_[i]));
    }
    bool is_last = token_index + 1 == program_.tokens().size();
    for (auto end = ends.rbegin(); end != ends.rend(); ++end) {
      if (From(token_index + 1, *end)) {
        texts_[*token.capture] = ref_.substr(at, *end - at);
        return true;
      }
      if (is_last) break;  // only the end of the ref would do
    }
    return false;
  }

  const PatternProgram& program_;
  std::string_view ref_;
  std::vector<std::string_view> texts_;
  std::vector<bool> hopeless_;
};

}  // namespace

std::string TypeName(CaptureType type) {
  for (const NamedType& named : kNamedTypes) {
    if (type == named.type) return std::string(named.name);
  }
  return type == CaptureType::kText ? "text" : "a regular expression";
}

Result<CaptureLanguage> LanguageOf(const CaptureDeclaration& capture) {
  static const std::shared_ptr<const Dfa> text = BuiltIn("[^/]+");
  static const std::shared_ptr<const Dfa> date = BuiltIn(DateRegex());
  static const std::shared_ptr<const Dfa> month = BuiltIn(MonthRegex());
  static const std::shared_ptr<const Dfa> year = BuiltIn(kYearRegex);
  static const std::shared_ptr<const Dfa> integer = BuiltIn("0|-?[1-9][0-9]{0,17}");
  switch (capture.type) {
    case CaptureType::kText:
      return CaptureLanguage{"text", text};
    case CaptureType::kDate:
      return CaptureLanguage{"date", date};
    case CaptureType::kMonth:
      return CaptureLanguage{"month", month};
    case CaptureType::kYear:
      return CaptureLanguage{"year", year};
    case CaptureType::kInt:
      return CaptureLanguage{"int", integer};
    case CaptureType::kRegex:
      break;
  }
  ASSIGN_OR_RETURN(Dfa dfa, CompileRegex(capture.regex));
  return CaptureLanguage{":" + capture.regex, std::make_shared<const Dfa>(std::move(dfa))};
}

Result<PatternProgram> PatternProgram::Parse(std::string_view text) {
  if (text.empty() || text.size() > kMaxPatternBytes) {
    return PatternError(text.substr(0, 64), 0,
                        "a pattern of " + std::to_string(text.size()) + " bytes; write 1 to " +
                            std::to_string(kMaxPatternBytes));
  }
  for (size_t i = 0; i < text.size(); ++i) {
    if (!IsRefByte(static_cast<unsigned char>(text[i]))) {
      return PatternError(text, i, "a byte that is not printable ASCII; refs cannot hold it");
    }
  }
  ASSIGN_OR_RETURN(std::vector<PatternPiece> pieces,
                   SplitBraces(text, BraceRule::kRegexAfterColon));
  PatternProgram program;
  program.text_ = std::string(text);
  for (PatternPiece& piece : pieces) {
    if (piece.is_body) {
      RETURN_IF_ERROR(program.AddBody(piece.text, piece.offset));
    } else {
      program.tokens_.push_back({std::move(piece.text), {}, std::nullopt});
    }
  }
  return program;
}

Status PatternProgram::AddBody(std::string_view body, size_t offset) {
  size_t colon = body.find(':');
  std::string name(body.substr(0, colon));
  if (!IsCaptureName(name)) {
    std::string problem = "\"" + name + "\" is not a capture's name; use letters, digits and _";
    if (body.find('|') != std::string_view::npos || body.find("..") != std::string_view::npos) {
      problem += "; offsets, windows, ranges and formats belong to inputs";
    }
    return PatternError(text_, offset, problem);
  }
  if (IsReserved(name)) {
    return PatternError(text_, offset,
                        "the name " + name +
                            " has a meaning of its own in args; "
                            "call the capture something else");
  }
  for (const CaptureDeclaration& known : captures_) {
    if (known.name != name) continue;
    return PatternError(text_, offset, "the capture " + name + " stands twice; use each name once");
  }
  if (captures_.size() == kMaxCaptures) {
    return PatternError(text_, offset,
                        "more than " + std::to_string(kMaxCaptures) + " captures; use fewer");
  }
  CaptureDeclaration capture{name, CaptureType::kText, ""};
  if (colon != std::string_view::npos) {
    Status typed = ParseType(body.substr(colon + 1), &capture);
    if (!typed.ok()) return PatternError(text_, offset + colon + 1, typed.error().message);
  }
  Result<CaptureLanguage> language = LanguageOf(capture);
  if (!language.ok()) {
    Error error = PatternError(text_, offset + colon + 1, language.error().message);
    return Error{language.error().code, error.message};
  }
  size_t states = language->dfa->states();
  for (const PatternToken& token : tokens_)
    states += token.capture ? token.language.dfa->states() : 0;
  if (states > kMaxPatternStates) {
    Error error = PatternError(text_, offset,
                               "the captures up to here need automata of more than " +
                                   std::to_string(kMaxPatternStates) +
                                   " states; use simpler regular expressions");
    return Error{Errc::kTooLarge, error.message};
  }
  tokens_.push_back({"", std::move(*language), captures_.size()});
  captures_.push_back(std::move(capture));
  return {};
}

Result<PatternProgram> PatternProgram::Redeclare(size_t index,
                                                 const CaptureDeclaration& declaration) const {
  PatternProgram copy = *this;
  ASSIGN_OR_RETURN(CaptureLanguage language, LanguageOf(declaration));
  copy.captures_[index] = declaration;
  for (PatternToken& token : copy.tokens_) {
    if (token.capture == index) token.language = language;
  }
  return copy;
}

std::optional<std::vector<std::string_view>> PatternProgram::Match(std::string_view ref) const {
  if (ref.empty() || ref.size() > kMaxRefBytes) return std::nullopt;
  return Matcher(*this, ref).Run();
}

}  // namespace databuild
