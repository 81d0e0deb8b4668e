// The braces of pattern text: cutting it into literal pieces and bodies of {...}, and naming places
// in errors.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "bel/base/result.h"

namespace databuild {

struct PatternPiece {
  bool is_body = false;
  std::string text;   // literal text with {{ and }} resolved, or what stands between the braces
  size_t offset = 0;  // of its first byte in the whole text
};

// Bodies of output patterns may hold a regular expression with braces of its own after the colon.
enum class BraceRule { kPlain, kRegexAfterColon };

Result<std::vector<PatternPiece>> SplitBraces(std::string_view text, BraceRule rule);

// Letters, digits and underscores, not beginning with a digit, at most 63 bytes.
bool IsCaptureName(std::string_view name);

// kInvalidArgument: `"text", offset 7: problem; remedy`.
Error PatternError(std::string_view text, size_t offset, const std::string& problem);

}  // namespace databuild
