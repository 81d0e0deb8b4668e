// Checksums and UUIDs against published values.
#include <string>

#include "bel/base/crc32c.h"
#include "bel/base/uuid.h"
#include "gtest/gtest.h"

namespace databuild {
namespace {

TEST(Crc32c, MatchesThePublishedVectors) {
  EXPECT_EQ(Crc32c(""), 0u);
  EXPECT_EQ(Crc32c("123456789"), 0xe3069283u);
  EXPECT_EQ(Crc32c(std::string(32, '\0')), 0x8a9136aau);    // RFC 3720, B.4
  EXPECT_EQ(Crc32c(std::string(32, '\xff')), 0x62a8ab43u);  // RFC 3720, B.4
}

TEST(Uuid, IsReadAndWrittenBack) {
  const std::string text = "fda159f2-bafe-4270-91ba-c7a946c0f2ba";
  const auto bytes = ParseUuid(text);
  ASSERT_TRUE(bytes.has_value());
  EXPECT_EQ((*bytes)[0], 0xfd);
  EXPECT_EQ(FormatUuid(*bytes), text);
  EXPECT_EQ(FormatUuid(*ParseUuid("FDA159F2-BAFE-4270-91BA-C7A946C0F2BA")), text);
}

TEST(Uuid, RefusesEverythingElse) {
  for (const char* bad :
       {"", "fda159f2", "fda159f2-bafe-4270-91ba-c7a946c0f2b",
        "fda159f2-bafe-4270-91ba-c7a946c0f2bg", "fda159f2xbafe-4270-91ba-c7a946c0f2ba",
        "{fda159f2-bafe-4270-91ba-c7a946c0f2b}"}) {
    EXPECT_FALSE(ParseUuid(bad).has_value()) << bad;
  }
}

// Any byte at any place: canonical is what comes back as it was.
TEST(Uuid, CanonicalIsLowerCaseAlone) {
  const std::string good = "fda159f2-bafe-4270-91ba-c7a946c0f2ba";
  for (size_t at = 0; at < good.size(); ++at) {
    for (int byte = 0; byte < 256; ++byte) {
      std::string text = good;
      text[at] = static_cast<char>(byte);
      const auto any = ParseUuid(text);
      const auto canonical = ParseCanonicalUuid(text);
      ASSERT_EQ(canonical.has_value(), any && FormatUuid(*any) == text) << text;
      ASSERT_EQ(any.has_value(), good[at] == '-' ? byte == '-' : std::isxdigit(byte) != 0) << text;
      ASSERT_TRUE(!canonical || *canonical == *any);
    }
  }
  EXPECT_FALSE(ParseCanonicalUuid(good + "a"));
  EXPECT_FALSE(ParseCanonicalUuid(good.substr(1)));
}

TEST(Uuid, RandomOnesAreVersionFourAndDiffer) {
  const std::string one = RandomUuid();
  EXPECT_EQ(one[14], '4');
  EXPECT_NE(one, RandomUuid());
}

}  // namespace
}  // namespace databuild
