// A fast hash of bytes: multiply and fold, as in wyhash. For tables and for comparing what two
// processes of one release hold; not for secrets. Little-endian machines. Any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

namespace databuild {

// 128 bits of product, folded to 64.
inline uint64_t FoldProduct(uint64_t a, uint64_t b) {
  __extension__ using Wide = unsigned __int128;
  const Wide product = static_cast<Wide>(a) * b;
  return static_cast<uint64_t>(product) ^ static_cast<uint64_t>(product >> 64);
}

// One step from `hash` over two more words.
inline uint64_t HashWords(uint64_t a, uint64_t b, uint64_t hash) {
  constexpr uint64_t kPrime1 = 0x9e3779b97f4a7c15, kPrime2 = 0xc2b2ae3d27d4eb4f;
  return FoldProduct(a ^ hash ^ kPrime1, b ^ kPrime2 ^ (hash << 32 | hash >> 32));
}

inline uint64_t HashBytes(std::string_view bytes, uint64_t seed = 0) {
  const char* at = bytes.data();
  size_t left = bytes.size();
  uint64_t hash = HashWords(seed, left, 0), a = 0, b = 0;
  for (; left >= 16; at += 16, left -= 16) {
    std::memcpy(&a, at, 8);
    std::memcpy(&b, at + 8, 8);
    hash = HashWords(a, b, hash);
  }
  if (left == 0) return hash;
  // The last bytes, some of them perhaps twice.
  a = b = 0;
  if (left >= 8) {
    std::memcpy(&a, at, 8);
    std::memcpy(&b, at + left - 8, 8);
  } else if (left >= 4) {
    std::memcpy(&a, at, 4);
    std::memcpy(&b, at + left - 4, 4);
  } else {
    for (size_t i = 0; i < left; ++i) a = a << 8 | static_cast<uint8_t>(at[i]);
  }
  return HashWords(a, b, hash);
}

}  // namespace databuild
