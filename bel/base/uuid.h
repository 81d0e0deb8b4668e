// UUIDs as 16 bytes and as text (8-4-4-4-12, lower case). Pure but for RandomUuid. Thread-safe.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace databuild {

using UuidBytes = std::array<uint8_t, 16>;

// Nothing when `text` is not 8-4-4-4-12 hex digits; upper case is read too.
std::optional<UuidBytes> ParseUuid(std::string_view text);
// The same for text as FormatUuid writes it alone: lower case.
std::optional<UuidBytes> ParseCanonicalUuid(std::string_view text);
std::string FormatUuid(const UuidBytes& bytes);

// A version 4 UUID from the kernel's random source. Never used for ids inside decisions.
std::string RandomUuid();

}  // namespace databuild
