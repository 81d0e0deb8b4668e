// gzip of answers, for callers who ask for it.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace databuild {

// Answers smaller than this are sent as they are.
inline constexpr size_t kMinGzipBytes = 1'024;

// Whether an Accept-Encoding header asks for gzip (RFC 9110, 12.5.3): named, or by `*`, and not
// with q=0.
bool AcceptsGzip(std::string_view accept_encoding);

// nullopt: it could not be compressed (no memory).
std::optional<std::string> Gzip(std::string_view bytes);

}  // namespace databuild
