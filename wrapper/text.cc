#include "wrapper/text.h"

#include <array>
#include <cstring>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

namespace databuild::exec {
namespace {

constexpr char kHex[] = "0123456789abcdef";

bool IsPlain(unsigned char c) { return c >= 0x20 && c < 0x7f && c != '"' && c != '\\'; }

// Copies the plain bytes (printable ASCII but quote and backslash) at the start of `text`.
size_t CopyPlain(const char* text, size_t size, char* out) {
  size_t i = 0;
#if defined(__SSE2__)
  const __m128i space = _mm_set1_epi8(0x20), quote = _mm_set1_epi8('"');
  const __m128i backslash = _mm_set1_epi8('\\'), del = _mm_set1_epi8(0x7f);
  for (; i + 16 <= size; i += 16) {
    const __m128i block = _mm_loadu_si128(reinterpret_cast<const __m128i*>(text + i));
    _mm_storeu_si128(reinterpret_cast<__m128i*>(out + i), block);
    // Signed comparison: bytes from 0x80 on are negative and so below the space as well.
    const __m128i bad =
        _mm_or_si128(_mm_or_si128(_mm_cmplt_epi8(block, space), _mm_cmpeq_epi8(block, quote)),
                     _mm_or_si128(_mm_cmpeq_epi8(block, backslash), _mm_cmpeq_epi8(block, del)));
    const int mask = _mm_movemask_epi8(bad);
    if (mask != 0) return i + static_cast<size_t>(__builtin_ctz(static_cast<unsigned>(mask)));
  }
#endif
  for (; i < size && IsPlain(static_cast<unsigned char>(text[i])); ++i) out[i] = text[i];
  return i;
}

struct Sequence {
  size_t size;  // bytes taken from the input
  bool valid;
};

// The UTF-8 sequence at the start of text (which begins with a byte from 0x80 on): its length if
// well formed (Unicode 15 table 3-7), else the length of the maximal subpart to replace.
Sequence DecodeUtf8(const unsigned char* text, size_t size) {
  const unsigned char lead = text[0];
  size_t length = 0;
  unsigned char low = 0x80, high = 0xbf;
  if (lead >= 0xc2 && lead <= 0xdf) {
    length = 2;
  } else if (lead >= 0xe0 && lead <= 0xef) {
    length = 3;
    if (lead == 0xe0) low = 0xa0;
    if (lead == 0xed) high = 0x9f;
  } else if (lead >= 0xf0 && lead <= 0xf4) {
    length = 4;
    if (lead == 0xf0) low = 0x90;
    if (lead == 0xf4) high = 0x8f;
  } else {
    return {1, false};
  }
  for (size_t i = 1; i < length; ++i) {
    if (i >= size || text[i] < low || text[i] > high) return {i, false};
    low = 0x80;
    high = 0xbf;
  }
  return {length, true};
}

// An ASCII byte that needs an escape. Returns its length.
size_t WriteEscape(unsigned char c, char* out) {
  char letter = 0;
  switch (c) {
    case '"':
      letter = '"';
      break;
    case '\\':
      letter = '\\';
      break;
    case '\n':
      letter = 'n';
      break;
    case '\r':
      letter = 'r';
      break;
    case '\t':
      letter = 't';
      break;
    default:
      break;
  }
  out[0] = '\\';
  if (letter != 0) {
    out[1] = letter;
    return 2;
  }
  std::memcpy(out + 1, "u00", 3);
  out[4] = kHex[c >> 4];
  out[5] = kHex[c & 15];
  return 6;
}

constexpr size_t kUnitMax = 6;  // the longest output of one input unit

// One unit that is not plain: an escape, a sequence, or a replacement.
Escaped WriteUnit(const unsigned char* text, size_t size, char* out) {
  if (text[0] < 0x80) return {1, WriteEscape(text[0], out)};
  const Sequence sequence = DecodeUtf8(text, size);
  if (!sequence.valid) {
    std::memcpy(out, "\xef\xbf\xbd", 3);
    return {sequence.size, 3};
  }
  if (text[0] == 0xc2 && text[1] < 0xa0) return {2, WriteEscape(text[1], out)};
  std::memcpy(out, text, sequence.size);
  return {sequence.size, sequence.size};
}

}  // namespace

Escaped EscapeInto(std::string_view text, char* out, size_t room) {
  const char* const in = text.data();
  size_t at = 0, written = 0;
  while (at < text.size()) {
    // Not more than fits, so that CopyPlain's whole-block stores stay inside `out`.
    const size_t span = std::min(text.size() - at, room - written);
    const size_t plain = CopyPlain(in + at, span, out + written);
    at += plain;
    written += plain;
    if (at == text.size()) break;
    char unit[kUnitMax];
    const Escaped next =
        WriteUnit(reinterpret_cast<const unsigned char*>(in + at), text.size() - at, unit);
    const bool is_plain = IsPlain(static_cast<unsigned char>(in[at]));
    if (is_plain || next.written > room - written) break;
    std::memcpy(out + written, unit, next.written);
    at += next.consumed;
    written += next.written;
  }
  return {at, written};
}

void AppendEscaped(std::string_view text, std::string* out) {
  std::array<char, 4096> block;
  while (!text.empty()) {
    const Escaped done = EscapeInto(text, block.data(), block.size());
    out->append(block.data(), done.written);
    text.remove_prefix(done.consumed);
  }
}

void AppendQuoted(std::string_view text, std::string* out) {
  out->push_back('"');
  AppendEscaped(text, out);
  out->push_back('"');
}

size_t EscapedSize(std::string_view text) {
  std::array<char, 4096> block;
  size_t size = 0;
  while (!text.empty()) {
    const Escaped done = EscapeInto(text, block.data(), block.size());
    size += done.written;
    text.remove_prefix(done.consumed);
  }
  return size;
}

size_t IncompleteTail(std::string_view text) {
  for (size_t back = 1; back <= 3 && back <= text.size(); ++back) {
    const auto* start = reinterpret_cast<const unsigned char*>(text.data() + text.size() - back);
    if (start[0] < 0x80) return 0;
    if (start[0] < 0xc0) continue;
    // A lead byte: incomplete if all that follows fits and only the end is missing.
    const size_t length = start[0] >= 0xf0 ? 4 : start[0] >= 0xe0 ? 3 : 2;
    const Sequence sequence = DecodeUtf8(start, back);
    return !sequence.valid && sequence.size == back && back < length && start[0] >= 0xc2 &&
                   start[0] <= 0xf4
               ? back
               : 0;
  }
  return 0;
}

size_t WriteDecimal(uint64_t value, char* out) {
  char digits[20];
  size_t count = 0;
  do {
    digits[count++] = static_cast<char>('0' + value % 10);
    value /= 10;
  } while (value != 0);
  for (size_t i = 0; i < count; ++i) out[i] = digits[count - 1 - i];
  return count;
}

}  // namespace databuild::exec
