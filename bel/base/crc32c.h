// CRC-32C (Castagnoli, as in RFC 3720), the checksum of every stored event. Thread-safe.
#pragma once

#include <cstdint>
#include <string_view>

namespace databuild {

uint32_t Crc32c(std::string_view bytes);
// Goes on with `crc`, the checksum of what came before (0 for nothing).
uint32_t ExtendCrc32c(uint32_t crc, std::string_view bytes);

}  // namespace databuild
