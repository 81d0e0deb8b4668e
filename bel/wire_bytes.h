// Private to the decoder: the smallest pieces of protobuf's wire format. Each read moves `at` on;
// false, and `at` nowhere of use, when the bytes up to `end` do not hold it.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

namespace databuild {

enum WireType : uint32_t {
  kVarint = 0,
  kFixed64 = 1,
  kBytes = 2,
  kStart = 3,
  kEnd = 4,
  kFixed32 = 5
};

constexpr uint64_t kHighBits = 0x8080808080808080;

// The low 7 bits of each byte, side by side.
inline uint64_t Compress(uint64_t word) {
  word &= ~kHighBits;
  word = (word & 0x007f007f007f007f) | (word & 0x7f007f007f007f00) >> 1;
  word = (word & 0x00003fff00003fff) | (word & 0x3fff00003fff0000) >> 2;
  return (word & 0x000000000fffffff) | (word & 0x0fffffff00000000) >> 4;
}

// At most 10 bytes; what does not fit into 64 bits is dropped, as libprotobuf does.
inline bool ReadVarint(const char*& at, const char* end, uint64_t& value) {
  if (at < end && static_cast<uint8_t>(*at) < 0x80) {
    value = static_cast<uint8_t>(*at++);
    return true;
  }
  int shift = 0;
  value = 0;
  if (end - at >= 8) {  // the first eight bytes at once
    uint64_t word = 0;
    std::memcpy(&word, at, sizeof word);
    const uint64_t last = ~word & kHighBits;
    if (last != 0) {
      at += std::countr_zero(last) / 8 + 1;
      value = Compress(word & (last ^ (last - 1)));
      return true;
    }
    value = Compress(word);
    at += 8;
    shift = 56;
  }
  for (; shift < 70 && at < end; shift += 7) {
    const auto byte = static_cast<uint8_t>(*at++);
    value |= static_cast<uint64_t>(byte & 0x7f) << shift;
    if (byte < 0x80) return true;
  }
  return false;
}

// At most 5 bytes, the last of them below `last_limit`.
inline bool ReadShort(const char*& at, const char* end, uint32_t last_limit, uint32_t& value) {
  if (at < end && static_cast<uint8_t>(*at) < 0x80) {
    value = static_cast<uint8_t>(*at++);
    return true;
  }
  if (end - at >= 2 && static_cast<uint8_t>(at[1]) < 0x80) {
    value = (static_cast<uint32_t>(at[0]) & 0x7f) | static_cast<uint32_t>(at[1]) << 7;
    at += 2;
    return true;
  }
  value = 0;
  for (int shift = 0; shift < 35 && at < end; shift += 7) {
    const auto byte = static_cast<uint8_t>(*at++);
    value |= static_cast<uint32_t>(byte & 0x7f) << shift;
    if (byte < 0x80) return shift < 28 || byte < last_limit;
  }
  return false;
}

inline bool ReadTag(const char*& at, const char* end, uint32_t& tag) {
  return ReadShort(at, end, 0x80, tag);
}

inline bool ReadBody(const char*& at, const char* end, std::string_view& body) {
  uint32_t size = 0;
  if (!ReadShort(at, end, 8, size) || size > static_cast<size_t>(end - at)) return false;
  body = {at, size};
  at += size;
  return true;
}

inline uint64_t Word(const char* at) {
  uint64_t word = 0;
  std::memcpy(&word, at, sizeof word);
  return word;
}

// Nearly every text is. Looked at in words, the last of them perhaps twice.
inline bool IsAscii(const char* at, size_t size) {
  uint64_t high = 0;
  if (size < 8) {
    for (size_t i = 0; i < size; ++i) high |= static_cast<uint8_t>(at[i]);
    return (high & 0x80) == 0;
  }
  const char* const end = at + size;
  for (; end - at > 32; at += 32) high |= Word(at) | Word(at + 8) | Word(at + 16) | Word(at + 24);
  for (; end - at > 8; at += 8) high |= Word(at);
  return ((high | Word(end - 8)) & kHighBits) == 0;
}

}  // namespace databuild
