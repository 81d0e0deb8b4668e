#include "bel/base/uuid.h"

#include <sys/random.h>

#include <array>
#include <bit>
#include <cstdint>
#include <cstring>

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

static_assert(std::endian::native == std::endian::little);

constexpr uint64_t EachByte(uint8_t byte) { return 0x0101010101010101 * byte; }

// Eight lower-case hex digits as four bytes, all at once. False: they are others.
bool FourBytes(const char* first, const char* last, uint8_t* out) {
  uint64_t text = 0;
  std::memcpy(&text, first, 4);
  std::memcpy(reinterpret_cast<char*>(&text) + 4, last, 4);
  const uint64_t letters = text >> 6 & EachByte(1);
  uint64_t digits = (text & EachByte(0x0f)) + letters * 9;
  const uint64_t above_nine = (digits + EachByte(6)) >> 4 & EachByte(1);
  const bool canonical = text == digits + EachByte('0') + above_nine * ('a' - '0' - 10);
  if (!canonical || (digits & EachByte(0xf0)) != 0) return false;
  digits = (digits << 4 | digits >> 8) & 0x00ff00ff00ff00ff;  // pairs, in every other byte
  digits = (digits | digits >> 8) & 0x0000ffff0000ffff;
  const auto bytes = static_cast<uint32_t>(digits | digits >> 16);
  std::memcpy(out, &bytes, 4);
  return true;
}

}  // namespace

std::optional<UuidBytes> ParseCanonicalUuid(std::string_view text) {
  if (text.size() != 36) return std::nullopt;
  const char* const at = text.data();
  if (at[8] != '-' || at[13] != '-' || at[18] != '-' || at[23] != '-') return std::nullopt;
  UuidBytes bytes;
  uint8_t* const out = bytes.data();
  if (!FourBytes(at, at + 4, out) || !FourBytes(at + 9, at + 14, out + 4) ||
      !FourBytes(at + 19, at + 24, out + 8) || !FourBytes(at + 28, at + 32, out + 12)) {
    return std::nullopt;
  }
  return bytes;
}

std::optional<UuidBytes> ParseUuid(std::string_view text) {
  if (const auto canonical = ParseCanonicalUuid(text)) return canonical;
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
