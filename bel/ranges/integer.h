// Integers in pattern and range text: at most 18 digits, so that sums of two never overflow.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace databuild {

// An optional sign and 1 to 18 digits; leading zeros are allowed.
std::optional<int64_t> ParseInteger(std::string_view text);

// The digits of `value`, zero padded to at least `width`, behind its minus sign if it has one.
std::string PaddedInteger(int64_t value, size_t width);

// The width that the zeros of the first number of a range ask for: "00" is 2, "0" and "10" are 0.
size_t PaddedWidth(std::string_view first);

}  // namespace databuild
