// PatternProgram: an output pattern compiled to tokens, each literal text or a capture with the DFA
// of its language. What pattern.h, the graph of the index and the overlap test share.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "bel/base/result.h"
#include "controller/planner/pattern.h"
#include "controller/planner/pattern_automaton.h"

namespace databuild {

// What the texts of a capture are. Equal names mean equal languages.
struct CaptureLanguage {
  std::string name;  // "date", or ":" and the regular expression
  std::shared_ptr<const Dfa> dfa;
};

Result<CaptureLanguage> LanguageOf(const CaptureDeclaration& capture);
// "text", "date", ...: the name of a type in messages.
std::string TypeName(CaptureType type);

struct PatternToken {
  std::string literal;  // never empty if this is no capture
  CaptureLanguage language;
  std::optional<size_t> capture;  // index into PatternProgram::captures
};

class PatternProgram {
 public:
  static Result<PatternProgram> Parse(std::string_view text);

  const std::string& text() const { return text_; }
  const std::vector<PatternToken>& tokens() const { return tokens_; }
  const std::vector<CaptureDeclaration>& captures() const { return captures_; }

  // The same pattern with capture `index` taken as `declaration`.
  Result<PatternProgram> Redeclare(size_t index, const CaptureDeclaration& declaration) const;

  // The text of each capture in order of appearance.
  std::optional<std::vector<std::string_view>> Match(std::string_view ref) const;

 private:
  Status AddBody(std::string_view body, size_t offset);

  std::string text_;
  std::vector<PatternToken> tokens_;
  std::vector<CaptureDeclaration> captures_;
};

}  // namespace databuild
