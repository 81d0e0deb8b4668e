// What the receipt says about the bytes on stdout, so that a reader can prove it has them all.
//
// crc32c: CRC-32C (Castagnoli, RFC 3720 B.4) over every byte of every line, newlines included.
// sha256: the stream is cut into blocks of kDigestBlockBytes, the last one shorter; SHA-256 over
// the concatenated 32-byte SHA-256s of the blocks. A reader may check block by block as it goes. An
// empty stream has crc32c 00000000 and the SHA-256 of nothing.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace databuild::exec {

class StreamDigest {
 public:
  StreamDigest();
  ~StreamDigest();
  StreamDigest(const StreamDigest&) = delete;
  StreamDigest& operator=(const StreamDigest&) = delete;

  void Update(std::string_view bytes);

  uint64_t bytes() const { return bytes_; }
  std::string Crc32cHex() const;
  std::string Sha256Hex() const;  // of everything up to now; may be asked more than once

 private:
  struct Hashes;  // keeps OpenSSL out of this header
  std::unique_ptr<Hashes> hashes_;
  uint64_t bytes_ = 0;
  uint32_t crc_ = 0;
};

}  // namespace databuild::exec
