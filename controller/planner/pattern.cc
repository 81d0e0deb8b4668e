#include "controller/planner/pattern.h"

#include <algorithm>
#include <utility>

#include "bel/base/check.h"
#include "controller/planner/pattern_program.h"

namespace databuild {

const std::string* FindCapture(const Captures& captures, std::string_view name) {
  for (const Capture& capture : captures) {
    if (capture.name == name) return &capture.text;
  }
  return nullptr;
}

OutputPattern::OutputPattern(std::shared_ptr<const PatternProgram> program)
    : program_(std::move(program)) {}

Result<OutputPattern> OutputPattern::Parse(std::string_view text) {
  ASSIGN_OR_RETURN(PatternProgram program, PatternProgram::Parse(text));
  return OutputPattern(std::make_shared<const PatternProgram>(std::move(program)));
}

const std::string& OutputPattern::text() const { return program_->text(); }

const std::vector<CaptureDeclaration>& OutputPattern::captures() const {
  return program_->captures();
}

std::optional<Captures> OutputPattern::Match(std::string_view ref) const {
  std::optional<std::vector<std::string_view>> texts = program_->Match(ref);
  if (!texts) return std::nullopt;
  Captures captures;
  captures.reserve(texts->size());
  for (size_t i = 0; i < texts->size(); ++i) {
    captures.push_back({program_->captures()[i].name, std::string((*texts)[i])});
  }
  std::sort(captures.begin(), captures.end());
  return captures;
}

std::string OutputPattern::Render(const Captures& captures) const {
  std::string ref;
  for (const PatternToken& token : program_->tokens()) {
    if (!token.capture) {
      ref += token.literal;
      continue;
    }
    const std::string* text = FindCapture(captures, program_->captures()[*token.capture].name);
    CHECK(text != nullptr);
    ref += *text;
  }
  return ref;
}

}  // namespace databuild
