// Base64 without padding (RFC 4648).
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace databuild {

inline constexpr std::string_view kBase64 =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
inline constexpr std::string_view kBase64Url =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

std::string EncodeBase64(std::string_view bytes, std::string_view alphabet);
// nullopt: not what EncodeBase64 makes of any bytes.
std::optional<std::string> DecodeBase64(std::string_view text, std::string_view alphabet);

}  // namespace databuild
