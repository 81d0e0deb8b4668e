#include "bel/base/crypto.h"

#include <gtest/gtest.h>

namespace databuild {
namespace {

TEST(Crypto, Sha256IsTheStandardsOwnExample) {
  EXPECT_EQ(Sha256Hex("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

TEST(Crypto, SecretsAreLongUrlSafeAndNeverTheSame) {
  const std::string secret = RandomSecret(32);
  EXPECT_EQ(secret.size(), 43u);
  EXPECT_EQ(
      secret.find_first_not_of("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"),
      std::string::npos);
  EXPECT_NE(secret, RandomSecret(32));
}

TEST(Crypto, Base64IsReadOrNothing) {
  EXPECT_EQ(FromBase64("Zm9vYg=="), "foob");
  EXPECT_EQ(FromBase64("Zm9v"), "foo");
  EXPECT_EQ(FromBase64(""), "");
  EXPECT_EQ(FromBase64("Zm9"), std::nullopt);
  EXPECT_EQ(FromBase64("Zm!v"), std::nullopt);
}

TEST(Crypto, SecretsAreComparedWhole) {
  EXPECT_TRUE(SameSecret("abc", "abc"));
  EXPECT_TRUE(SameSecret("", ""));
  EXPECT_FALSE(SameSecret("abc", "abd"));
  EXPECT_FALSE(SameSecret("abc", "ab"));
}

}  // namespace
}  // namespace databuild
