// The reader of snapshots and bases: any bytes, refused or read to a state that is written again as
// the same bytes.
//
// The input is a list of frames without checksums, as [kind 2][elements 2][length 2][content],
// little-endian; a header, the empty shards of postings and the end are put round it, with the
// right checksums, so that what lies behind them is reached. It is also read as it is.
#include <google/protobuf/stubs/logging.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <string_view>

#include "bel/base/crc32c.h"
#include "bel/state_archive.h"
#include "bel/state_digest.h"
#include "bel/state_stream.h"

namespace databuild {
namespace {

constexpr uint32_t kHeader = 1, kShard = 200, kBlock = 201, kEnd = 999;
constexpr int kShards = 256;
constexpr char kLog[] = "log";

struct Fold {
  BuildState state;
  Postings postings;
};

Status ReadBytes(std::string_view bytes, Fold& fold) {
  const auto read = [&](char* out, size_t size) {
    if (size > bytes.size()) return false;
    if (size != 0) std::memcpy(out, bytes.data(), size);
    bytes.remove_prefix(size);
    return true;
  };
  return ReadFold({"input", read, [&] { return bytes.empty(); }}, kLog, fold.state, fold.postings);
}

std::string Written(const Fold& fold) {
  std::string bytes;
  const bool written = WriteFold(kLog, fold.state, fold.postings, [&](std::string_view piece) {
    bytes += piece;
    return true;
  });
  if (!written) std::abort();
  return bytes;
}

class Frames {
 public:
  void Add(uint32_t kind, uint32_t elements, std::string_view content) {
    const uint32_t numbers[3] = {kind, elements, static_cast<uint32_t>(content.size())};
    const std::string_view head(reinterpret_cast<const char*>(numbers), sizeof numbers);
    crc_ = ExtendCrc32c(ExtendCrc32c(crc_, head), content);
    bytes_.append(head);
    bytes_.append(reinterpret_cast<const char*>(&crc_), sizeof crc_);
    bytes_.append(content);
  }
  const std::string& bytes() const { return bytes_; }

 private:
  std::string bytes_;
  uint32_t crc_ = 0;
};

uint32_t Take16(std::string_view& rest) {
  uint16_t number = 0;
  std::memcpy(&number, rest.data(), sizeof number);
  rest.remove_prefix(sizeof number);
  return number;
}

std::string Dressed(std::string_view rest) {
  Frames frames;
  std::string header;
  StateWriter write(header);
  write(std::string("databuild.snapshot"), uint64_t{kStateModelVersion}, std::string(kLog),
        int64_t{0});
  frames.Add(kHeader, 1, header);
  int shards = 0;
  const auto fill = [&] {
    for (; shards < kShards; ++shards) frames.Add(kShard, 1, {});
  };
  while (rest.size() >= 6) {
    const uint32_t kind = Take16(rest), elements = Take16(rest);
    const uint32_t length = Take16(rest);
    const std::string_view content = rest.substr(0, length);
    if (kind == kShard) ++shards;
    if (kind >= kBlock) fill();
    frames.Add(kind, elements, content);
    rest.remove_prefix(content.size());
  }
  fill();
  frames.Add(kEnd, 0, {});
  return frames.bytes();
}

void Check(std::string_view bytes) {
  Fold fold;
  if (!ReadBytes(bytes, fold).ok()) return;
  const std::string once = Written(fold);
  Fold again;
  const Status read = ReadBytes(once, again);
  if (read.ok() && StateDigest(again.state) == StateDigest(fold.state) && Written(again) == once) {
    return;
  }
  std::fprintf(stderr, "what was read is not read again: %s\n",
               read.ok() ? "it differs" : read.error().message.c_str());
  std::abort();
}

}  // namespace
}  // namespace databuild

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  [[maybe_unused]] static const auto silenced = google::protobuf::SetLogHandler(nullptr);
  const std::string bytes(reinterpret_cast<const char*>(data), size);
  databuild::Check(bytes);
  databuild::Check(databuild::Dressed(bytes));
  return 0;
}
