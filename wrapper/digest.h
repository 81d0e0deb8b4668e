// What the receipt says about the bytes on stdout, so that a reader can prove it has them all.
//
// crc32c: CRC-32C (Castagnoli, RFC 3720 B.4) over every byte of every line, newlines included.
// sha256: the stream is cut into blocks of kDigestBlockBytes, the last one shorter; SHA-256 over
// the concatenated 32-byte SHA-256s of the blocks. A reader may check block by block as it goes. An
// empty stream has crc32c 00000000 and the SHA-256 of nothing.
//
// Hashing is half of the work on an unbounded output. Beyond kInlineBytes a second thread takes
// whole blocks, as many as it manages; the rest is hashed where it is. Few runs get that far.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace databuild::exec {

// One thread uses it; the second one is its own affair. A process must not fork between the first
// kInlineBytes and the end of the digest's life.
class StreamDigest {
 public:
  static constexpr uint64_t kInlineBytes = 32 * 1024 * 1024;

  StreamDigest();
  ~StreamDigest();
  StreamDigest(const StreamDigest&) = delete;
  StreamDigest& operator=(const StreamDigest&) = delete;

  void Update(std::string_view bytes);

  uint64_t bytes() const { return bytes_; }
  std::string Crc32cHex() const;
  std::string Sha256Hex() const;  // of everything up to now; may be asked more than once

 private:
  class Blocks;  // keeps OpenSSL and the thread out of this header
  std::unique_ptr<Blocks> blocks_;
  uint64_t bytes_ = 0;
  uint32_t crc_ = 0;
};

}  // namespace databuild::exec
