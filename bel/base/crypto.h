// The little cryptography that more than one part needs, over OpenSSL. Thread-safe.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace databuild {

// SHA-256 as 64 lower-case hex digits.
std::string Sha256Hex(std::string_view text);

// `bytes` bytes from OpenSSL's random generator as base64url without padding.
std::string RandomSecret(size_t bytes);

// Standard base64 with its padding; nothing when it is none.
std::optional<std::string> FromBase64(std::string_view text);

// Whether two texts of one length are the same, in a time that does not tell where they differ.
bool SameSecret(std::string_view a, std::string_view b);

}  // namespace databuild
