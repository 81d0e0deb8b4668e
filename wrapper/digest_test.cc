#include "wrapper/digest.h"

#include <gtest/gtest.h>
#include <openssl/evp.h>

#include <algorithm>
#include <random>

#include "wrapper/protocol.h"

namespace databuild::exec {
namespace {

std::string Sha256(const std::string& bytes) {
  unsigned char hash[EVP_MAX_MD_SIZE];
  unsigned size = 0;
  EVP_Digest(bytes.data(), bytes.size(), hash, &size, EVP_sha256(), nullptr);
  return {reinterpret_cast<char*>(hash), size};
}

std::string Hex(const std::string& bytes) {
  std::string text;
  for (const unsigned char c : bytes) {
    text += "0123456789abcdef"[c >> 4];
    text += "0123456789abcdef"[c & 15];
  }
  return text;
}

// The definition in digest.h, written down once more with another library.
std::string Expected(const std::string& stream) {
  std::string hashes;
  for (size_t at = 0; at < stream.size(); at += kDigestBlockBytes) {
    hashes += Sha256(stream.substr(at, kDigestBlockBytes));
  }
  return Hex(Sha256(hashes));
}

TEST(Digest, OfNothing) {
  EXPECT_EQ(StreamDigest().Crc32cHex(), "00000000");
  EXPECT_EQ(StreamDigest().Sha256Hex(), Hex(Sha256("")));
}

TEST(Digest, KnownCrc) {
  StreamDigest digest;
  digest.Update("1234");
  digest.Update("56789");
  EXPECT_EQ(digest.Crc32cHex(), "e3069283");  // RFC 3720's check value
}

TEST(Digest, IsTheSameHoweverTheStreamIsCut) {
  std::mt19937 random(3);
  for (const size_t size : {size_t{1}, kDigestBlockBytes - 1, kDigestBlockBytes,
                            kDigestBlockBytes + 1, 3 * kDigestBlockBytes + 12345}) {
    std::string stream(size, '\0');
    for (char& c : stream) c = static_cast<char>(random());
    StreamDigest digest;
    for (size_t at = 0; at < size;) {
      const size_t part = std::min<size_t>(1 + random() % 300'000, size - at);
      digest.Update(std::string_view(stream).substr(at, part));
      at += part;
    }
    EXPECT_EQ(digest.Sha256Hex(), Expected(stream)) << size;
    EXPECT_EQ(digest.Sha256Hex(), Expected(stream)) << "asked twice";
    EXPECT_EQ(digest.bytes(), size);
  }
}

TEST(Digest, StaysTheSameWhenASecondThreadHelps) {
  std::string block(kDigestBlockBytes + 4321, '\0');
  std::mt19937 random(9);
  for (char& c : block) c = static_cast<char>(random());
  StreamDigest digest;
  std::string stream;
  while (stream.size() < StreamDigest::kInlineBytes + 40 * kDigestBlockBytes) {
    digest.Update(block);
    stream += block;
    std::rotate(block.begin(), block.begin() + 1, block.end());
    if (stream.size() % 7 == 0) {
      EXPECT_EQ(digest.Sha256Hex(), Expected(stream));
    }
  }
  EXPECT_EQ(digest.Sha256Hex(), Expected(stream));
}

}  // namespace
}  // namespace databuild::exec
