#include "bel/base/uuid.h"

#include <sys/random.h>

#include <array>
#include <cstdint>

#include "bel/base/check.h"

namespace databuild {
namespace {

constexpr std::array<int8_t, 256> HexValues() {
  std::array<int8_t, 256> values{};
  values.fill(-1);
  for (int i = 0; i < 10; ++i) values['0' + i] = static_cast<int8_t>(i);
  for (int i = 0; i < 6; ++i) values['a' + i] = values['A' + i] = static_cast<int8_t>(10 + i);
  return values;
}

constexpr std::array<int8_t, 256> kHexValues = HexValues();
// Where the two digits of each byte stand.
constexpr uint8_t kBytePositions[16] = {0, 2, 4, 6, 9, 11, 14, 16, 19, 21, 24, 26, 28, 30, 32, 34};

bool IsDashPosition(size_t pos) { return pos == 8 || pos == 13 || pos == 18 || pos == 23; }

}  // namespace

std::optional<UuidBytes> ParseUuid(std::string_view text) {
  if (text.size() != 36) return std::nullopt;
  if (text[8] != '-' || text[13] != '-' || text[18] != '-' || text[23] != '-') return std::nullopt;
  UuidBytes bytes;
  int bad = 0;
  for (size_t i = 0; i < bytes.size(); ++i) {
    const size_t at = kBytePositions[i];
    const int high = kHexValues[static_cast<uint8_t>(text[at])];
    const int low = kHexValues[static_cast<uint8_t>(text[at + 1])];
    bad |= high | low;
    bytes[i] = static_cast<uint8_t>(high << 4 | low);
  }
  if (bad < 0) return std::nullopt;
  return bytes;
}

std::string FormatUuid(const UuidBytes& bytes) {
  constexpr char kHex[] = "0123456789abcdef";
  std::string text;
  text.reserve(36);
  for (size_t i = 0; i < bytes.size(); ++i) {
    if (IsDashPosition(text.size())) text += '-';
    text += kHex[bytes[i] >> 4];
    text += kHex[bytes[i] & 15];
  }
  return text;
}

std::string RandomUuid() {
  UuidBytes bytes;
  CHECK(getrandom(bytes.data(), bytes.size(), 0) == static_cast<ssize_t>(bytes.size()));
  bytes[6] = static_cast<uint8_t>((bytes[6] & 0x0f) | 0x40);
  bytes[8] = static_cast<uint8_t>((bytes[8] & 0x3f) | 0x80);
  return FormatUuid(bytes);
}

}  // namespace databuild
