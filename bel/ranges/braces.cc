#include "bel/ranges/braces.h"

#include <utility>

namespace databuild {
namespace {

constexpr size_t kMaxNameBytes = 63;

// The offset of the brace that closes the body which begins at `begin`, or npos.
size_t FindBodyEnd(std::string_view text, size_t begin, BraceRule rule) {
  size_t depth = 0;
  bool in_regex = false;
  bool in_class = false;
  for (size_t i = begin; i < text.size(); ++i) {
    char c = text[i];
    if (in_regex && c == '\\') {
      ++i;
    } else if (in_class) {
      in_class = c != ']';
    } else if (in_regex && c == '[') {
      in_class = true;
      if (text.substr(i + 1, 1) == "^") ++i;
      if (text.substr(i + 1, 1) == "]") ++i;  // a ] that comes first is a member
    } else if (in_regex && c == '{') {
      ++depth;
    } else if (c == '}' && depth-- == 0) {
      return i;
    } else if (c == ':' && rule == BraceRule::kRegexAfterColon) {
      in_regex = true;
    }
  }
  return std::string_view::npos;
}

}  // namespace

Result<std::vector<PatternPiece>> SplitBraces(std::string_view text, BraceRule rule) {
  std::vector<PatternPiece> pieces;
  PatternPiece literal;
  for (size_t i = 0; i < text.size(); ++i) {
    char c = text[i];
    if ((c == '{' || c == '}') && text.substr(i + 1, 1) == text.substr(i, 1)) {
      literal.text.push_back(c);
      ++i;
    } else if (c == '}') {
      return PatternError(text, i, "a } that closes nothing; write }} for a brace");
    } else if (c == '{') {
      size_t end = FindBodyEnd(text, i + 1, rule);
      if (end == std::string_view::npos) {
        return PatternError(text, i, "a { that is never closed; write {{ for a brace");
      }
      if (!literal.text.empty()) pieces.push_back(std::exchange(literal, {}));
      pieces.push_back({true, std::string(text.substr(i + 1, end - i - 1)), i + 1});
      i = end;
      literal.offset = end + 1;
    } else {
      literal.text.push_back(c);
    }
  }
  if (!literal.text.empty()) pieces.push_back(std::move(literal));
  return pieces;
}

bool IsCaptureName(std::string_view name) {
  if (name.empty() || name.size() > kMaxNameBytes) return false;
  if (name[0] >= '0' && name[0] <= '9') return false;
  for (char c : name) {
    bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
    if (!letter && !(c >= '0' && c <= '9')) return false;
  }
  return true;
}

Error PatternError(std::string_view text, size_t offset, const std::string& problem) {
  return {Errc::kInvalidArgument,
          "\"" + std::string(text) + "\", offset " + std::to_string(offset) + ": " + problem};
}

}  // namespace databuild
