#include "bel/ranges/integer.h"

namespace databuild {
namespace {

constexpr size_t kMaxIntegerDigits = 18;

}  // namespace

std::optional<int64_t> ParseInteger(std::string_view text) {
  bool negative = text.substr(0, 1) == "-";
  if (negative || text.substr(0, 1) == "+") text.remove_prefix(1);
  if (text.empty() || text.size() > kMaxIntegerDigits) return std::nullopt;
  int64_t value = 0;
  for (char c : text) {
    if (c < '0' || c > '9') return std::nullopt;
    value = value * 10 + (c - '0');
  }
  return negative ? -value : value;
}

std::string PaddedInteger(int64_t value, size_t width) {
  std::string digits = std::to_string(value < 0 ? -value : value);
  if (digits.size() < width) digits.insert(0, width - digits.size(), '0');
  return value < 0 ? "-" + digits : digits;
}

size_t PaddedWidth(std::string_view first) {
  return first.size() > 1 && first[0] == '0' ? first.size() : 0;
}

}  // namespace databuild
