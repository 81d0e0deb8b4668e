#include "controller/api/gzip.h"

#include <zlib.h>

#include <cctype>

namespace databuild {
namespace {

// JSON of answers halves at any level; the lowest costs the least by far.
constexpr int kLevel = 1;
constexpr int kWindowBits = 15, kGzipWrapper = 16;  // deflateInit2: the window, and gzip around it
constexpr int kMemoryLevel = 8;                     // zlib's default

std::string_view Trim(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

bool IsGzip(std::string_view coding) {
  std::string lower(coding);
  for (char& c : lower) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return lower == "gzip" || lower == "x-gzip" || lower == "*";
}

// "q=0", "q=0.000": not wanted.
bool Refused(std::string_view parameters) {
  const size_t at = parameters.find_first_of("qQ");
  if (at == std::string_view::npos || at + 1 >= parameters.size() || parameters[at + 1] != '=')
    return false;
  const std::string_view weight = Trim(parameters.substr(at + 2));
  return weight.find_first_not_of("0.") == std::string_view::npos;
}

}  // namespace

bool AcceptsGzip(std::string_view accept_encoding) {
  bool accepted = false;
  while (!accept_encoding.empty()) {
    const size_t comma = accept_encoding.find(',');
    const std::string_view item = accept_encoding.substr(0, comma);
    accept_encoding.remove_prefix(comma == std::string_view::npos ? accept_encoding.size()
                                                                  : comma + 1);
    const size_t semicolon = item.find(';');
    if (!IsGzip(Trim(item.substr(0, semicolon)))) continue;
    const bool refused = semicolon != std::string_view::npos && Refused(item.substr(semicolon + 1));
    // Named by itself it counts more than by `*`.
    if (Trim(item.substr(0, semicolon)) != "*") return !refused;
    accepted = !refused;
  }
  return accepted;
}

std::optional<std::string> Gzip(std::string_view bytes) {
  z_stream stream{};
  if (deflateInit2(&stream, kLevel, Z_DEFLATED, kWindowBits + kGzipWrapper, kMemoryLevel,
                   Z_DEFAULT_STRATEGY) != Z_OK) {
    return std::nullopt;
  }
  std::string out(deflateBound(&stream, bytes.size()), '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));
  stream.avail_in = static_cast<uInt>(bytes.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  const bool whole = deflate(&stream, Z_FINISH) == Z_STREAM_END;
  out.resize(stream.total_out);
  deflateEnd(&stream);
  if (!whole) return std::nullopt;
  return out;
}

}  // namespace databuild
