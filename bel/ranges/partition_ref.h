// What may be called a partition ref: printable ASCII (0x20 to 0x7e), 1 to 1,024 bytes.
#pragma once

#include <cstddef>
#include <string_view>

namespace databuild {

inline constexpr size_t kMaxRefBytes = 1'024;
inline constexpr unsigned char kFirstRefByte = 0x20;
inline constexpr unsigned char kLastRefByte = 0x7e;

constexpr bool IsRefByte(unsigned char byte) {
  return byte >= kFirstRefByte && byte <= kLastRefByte;
}

constexpr bool IsPartitionRef(std::string_view text) {
  if (text.empty() || text.size() > kMaxRefBytes) return false;
  for (char c : text) {
    if (!IsRefByte(static_cast<unsigned char>(c))) return false;
  }
  return true;
}

}  // namespace databuild
