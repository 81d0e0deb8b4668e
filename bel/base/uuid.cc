#include "bel/base/uuid.h"

#include <sys/random.h>

#include <array>
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

// Sixteen bytes that are worked on at once (a vector extension of GCC and Clang).
using Bytes16 = uint8_t __attribute__((vector_size(16)));

// Lower-case hex digits as numbers; where a character is none, `all_good` loses bits.
Bytes16 Digits(const char* text, Bytes16& all_good) {
  Bytes16 characters;
  std::memcpy(&characters, text, sizeof characters);
  const Bytes16 letter = characters >> 6 & 1;
  const Bytes16 digits = (characters & 15) + letter * 9;
  const Bytes16 above_nine = reinterpret_cast<Bytes16>(digits > 9);
  const Bytes16 canonical = digits + '0' + (above_nine & ('a' - '0' - 10));
  all_good &= reinterpret_cast<Bytes16>(characters == canonical);
  all_good &= reinterpret_cast<Bytes16>(digits < 16);
  return digits;
}

}  // namespace

std::optional<UuidBytes> ParseCanonicalUuid(std::string_view text) {
  if (text.size() != 36) return std::nullopt;
  const char* const at = text.data();
  if (at[8] != '-' || at[13] != '-' || at[18] != '-' || at[23] != '-') return std::nullopt;
  char digits[32];
  std::memcpy(digits, at, 8);
  std::memcpy(digits + 8, at + 9, 4);
  std::memcpy(digits + 12, at + 14, 4);
  std::memcpy(digits + 16, at + 19, 4);
  std::memcpy(digits + 20, at + 24, 12);
  Bytes16 all_good = ~Bytes16{};
  const Bytes16 a = Digits(digits, all_good), b = Digits(digits + 16, all_good);
  uint64_t good[2];
  std::memcpy(good, &all_good, sizeof good);
  if ((good[0] & good[1]) != UINT64_MAX) return std::nullopt;
  const Bytes16 high =
      __builtin_shufflevector(a, b, 0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
  const Bytes16 low =
      __builtin_shufflevector(a, b, 1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27, 29, 31);
  const Bytes16 bytes = high << 4 | low;
  UuidBytes uuid;
  std::memcpy(uuid.data(), &bytes, uuid.size());
  return uuid;
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
  std::string text(36, '-');
  size_t at = 0;
  for (const uint8_t byte : bytes) {
    if (IsDashPosition(at)) ++at;
    text[at++] = kHex[byte >> 4];
    text[at++] = kHex[byte & 15];
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
