// Untrusted bytes to the inside of a JSON string: UTF-8 repaired, everything a terminal acts on
// escaped.
//
// Pure; no allocation except where a std::string says so.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace databuild::exec {

struct Escaped {
  size_t consumed;  // bytes of the input that are in the output
  size_t written;   // bytes of the output
};

// Writes `text` to `out` as the inside of a JSON string, as much as fits into `room` bytes. A UTF-8
// sequence or an escape is written whole or not at all, so consumed < text.size() means only: no
// room. Invalid bytes become U+FFFD, one per maximal subpart as Unicode 15 section 3.9 recommends;
// C0, DEL and C1 control characters become \u00XX (\n, \r, \t in their short forms).
Escaped EscapeInto(std::string_view text, char* out, size_t room);

// The same without a limit, appended to `out`.
void AppendEscaped(std::string_view text, std::string* out);
// With the quotes around it.
void AppendQuoted(std::string_view text, std::string* out);

// The escaped length `text` would have.
size_t EscapedSize(std::string_view text);

// How many bytes at the end of `text` are the beginning of a UTF-8 sequence that may go on (0 to
// 3).
size_t IncompleteTail(std::string_view text);

// Decimal, without allocation: writes at most 20 bytes, returns how many.
size_t WriteDecimal(uint64_t value, char* out);

}  // namespace databuild::exec
