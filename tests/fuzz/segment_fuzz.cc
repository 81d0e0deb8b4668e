// The opener of segments: any bytes are refused, or are events that seal to the same bytes again.
//
// First byte of the input: how many events the segment says it has. The rest is taken as the
// compressed bytes, and once more as what they hold, compressed here with the right sums.
#include <openssl/sha.h>
#include <zstd.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>

#include "bel/base/crc32c.h"
#include "bel/segment.h"

namespace databuild {
namespace {

std::string Sha256(const std::string& bytes) {
  std::string sum(SHA256_DIGEST_LENGTH, '\0');
  SHA256(reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size(),
         reinterpret_cast<unsigned char*>(sum.data()));
  return sum;
}

void Check(Segment segment) {
  segment.crc32c = Crc32c(segment.bytes);
  const auto events = DecodeSegment("g", segment);
  if (!events.ok()) return;
  const Segment again = EncodeSegment(*events);
  if (again.events_sha256 == segment.events_sha256 && again.last_idx == segment.last_idx) return;
  std::fprintf(stderr, "a segment of %zu events seals to another one\n", events->size());
  std::abort();
}

}  // namespace
}  // namespace databuild

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const std::string rest(reinterpret_cast<const char*>(data) + 1, size - 1);
  databuild::Segment segment;
  segment.first_idx = 5;
  segment.last_idx = 4 + data[0];
  segment.codec = databuild::kSegmentCodec;
  segment.bytes = rest;
  databuild::Check(segment);
  segment.events_sha256 = databuild::Sha256(rest);
  segment.bytes.resize(ZSTD_compressBound(rest.size()));
  const size_t packed =
      ZSTD_compress(segment.bytes.data(), segment.bytes.size(), rest.data(), rest.size(), 1);
  if (ZSTD_isError(packed) != 0) std::abort();
  segment.bytes.resize(packed);
  databuild::Check(segment);
  return 0;
}
