#include "wrapper/digest.h"

// The plain SHA256_* functions: the EVP layer would link all of OpenSSL's providers into the
// binary.
#define OPENSSL_SUPPRESS_DEPRECATED
#include <openssl/sha.h>

#include <algorithm>

#include "bel/base/crc32c.h"
#include "wrapper/protocol.h"

namespace databuild::exec {
namespace {

constexpr char kHex[] = "0123456789abcdef";

std::string Hex(const unsigned char* bytes, size_t size) {
  std::string text;
  for (size_t i = 0; i < size; ++i) {
    text.push_back(kHex[bytes[i] >> 4]);
    text.push_back(kHex[bytes[i] & 15]);
  }
  return text;
}

}  // namespace

struct StreamDigest::Hashes {
  SHA256_CTX block;  // of the block under way
  SHA256_CTX outer;  // of the SHA-256s of the finished blocks
  size_t block_bytes = 0;
};

StreamDigest::StreamDigest() : hashes_(std::make_unique<Hashes>()) {
  SHA256_Init(&hashes_->block);
  SHA256_Init(&hashes_->outer);
}

StreamDigest::~StreamDigest() = default;

void StreamDigest::Update(std::string_view bytes) {
  crc_ = ExtendCrc32c(crc_, bytes);
  bytes_ += bytes.size();
  while (!bytes.empty()) {
    const size_t part = std::min(bytes.size(), kDigestBlockBytes - hashes_->block_bytes);
    SHA256_Update(&hashes_->block, bytes.data(), part);
    hashes_->block_bytes += part;
    bytes.remove_prefix(part);
    if (hashes_->block_bytes < kDigestBlockBytes) continue;
    unsigned char hash[SHA256_DIGEST_LENGTH];
    SHA256_Final(hash, &hashes_->block);
    SHA256_Update(&hashes_->outer, hash, sizeof(hash));
    SHA256_Init(&hashes_->block);
    hashes_->block_bytes = 0;
  }
}

std::string StreamDigest::Crc32cHex() const {
  const unsigned char bytes[4] = {
      static_cast<unsigned char>(crc_ >> 24), static_cast<unsigned char>(crc_ >> 16),
      static_cast<unsigned char>(crc_ >> 8), static_cast<unsigned char>(crc_)};
  return Hex(bytes, sizeof(bytes));
}

std::string StreamDigest::Sha256Hex() const {
  Hashes copy = *hashes_;
  unsigned char hash[SHA256_DIGEST_LENGTH];
  if (copy.block_bytes > 0) {
    SHA256_Final(hash, &copy.block);
    SHA256_Update(&copy.outer, hash, sizeof(hash));
  }
  SHA256_Final(hash, &copy.outer);
  return Hex(hash, sizeof(hash));
}

}  // namespace databuild::exec
