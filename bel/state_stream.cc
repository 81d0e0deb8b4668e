#include "bel/state_stream.h"

#include <algorithm>
#include <cstring>
#include <utility>
#include <vector>

#include "bel/base/crc32c.h"
#include "bel/state_access.h"
#include "bel/state_archive.h"
#include "bel/state_digest.h"

namespace databuild {
namespace {

constexpr std::string_view kMagic = "databuild.snapshot";
constexpr size_t kFrameBytes = 1 << 20;  // aimed at
constexpr size_t kElementsAtOnce = 64;   // encoded before the size is looked at
constexpr uint32_t kMaxFrame = 1U << 30;
constexpr size_t kReadAtOnce = 16 << 20;  // so that a damaged length takes no memory

enum FrameKind : uint32_t {
  kHeader = 1,
  kSection = 100,  // + StateSection
  kRefOrder = 150,
  kPostings = 200,  // + StateAccess::PostingPart
  kEnd = 999,
};

struct Frame {
  uint32_t kind = 0;
  uint32_t elements = 0;
  uint32_t bytes = 0;
  uint32_t crc = 0;
};

uint32_t ChainCrc(uint32_t before, const Frame& frame, std::string_view content) {
  char head[12];
  std::memcpy(head, &frame, sizeof head);
  return ExtendCrc32c(ExtendCrc32c(before, {head, sizeof head}), content);
}

class FrameWriter {
 public:
  explicit FrameWriter(const PutBytes& put) : put_(put) {}

  bool Put(uint32_t kind, size_t elements, std::string_view content) {
    Frame frame{kind, static_cast<uint32_t>(elements), static_cast<uint32_t>(content.size()), 0};
    frame.crc = crc_ = ChainCrc(crc_, frame, content);
    char head[sizeof frame];
    std::memcpy(head, &frame, sizeof frame);
    return content.size() <= kMaxFrame && put_({head, sizeof head}) && put_(content);
  }

 private:
  const PutBytes& put_;
  uint32_t crc_ = 0;
};

bool PutSection(FrameWriter& out, const BuildState& state, StateSection section) {
  const size_t size = StateSize(state, section);
  std::string content;
  size_t from = 0;
  for (size_t at = 0; at < size;) {
    const size_t to = std::min(size, at + kElementsAtOnce);
    EncodeState(state, {section, at, to}, content);
    at = to;
    if (content.size() < kFrameBytes && at < size) continue;
    if (!out.Put(kSection + static_cast<uint32_t>(section), at - from, content)) return false;
    content.clear();
    from = at;
  }
  return true;
}

bool PutOrder(FrameWriter& out, const BuildState& state) {
  const std::vector<Index> order = StateAccess::OrderOfRefs(state);
  constexpr size_t kPiece = kFrameBytes / sizeof(Index);
  for (size_t at = 0; at < order.size(); at += kPiece) {
    const size_t count = std::min(kPiece, order.size() - at);
    const std::string_view piece(reinterpret_cast<const char*>(&order[at]), count * sizeof(Index));
    if (!out.Put(kRefOrder, count, piece)) return false;
  }
  return true;
}

Status CheckHeader(std::string_view content, const std::string& name, const std::string& log_id) {
  StateReader read(content);
  std::string magic, log;
  uint64_t version = 0;
  read(magic);
  if (!read.ok() || magic != kMagic) return Error{Errc::kCorrupt, name + " is no snapshot"};
  read(version);
  if (version != kStateModelVersion) {
    return Error{Errc::kUnsupported, name + " is of model version " + std::to_string(version) +
                                         ", this release has " +
                                         std::to_string(kStateModelVersion)};
  }
  read(log);
  if (!read.ok()) return Error{Errc::kCorrupt, name + ": its header is damaged"};
  if (log != log_id) return Error{Errc::kConflict, name + " is of log " + log + ", not " + log_id};
  return {};
}

bool TakeFrame(const Frame& frame, std::string_view content, BuildState& state,
               Postings& postings) {
  if (frame.kind >= kSection && frame.kind < kSection + kStateSections) {
    return StateAccess::DecodeSection(static_cast<StateSection>(frame.kind - kSection),
                                      frame.elements, content, state);
  }
  if (frame.kind == kRefOrder) return StateAccess::DecodeOrder(content, state);
  if (frame.kind >= kPostings && frame.kind < kEnd) {
    return StateAccess::DecodePostings(frame.kind - kPostings, content, postings);
  }
  return false;
}

// False: the source ends before.
bool ReadContent(const FoldSource& source, size_t size, std::string& content) {
  content.clear();
  while (content.size() < size) {
    const size_t have = content.size(), next = std::min(kReadAtOnce, size - have);
    content.resize(have + next);
    if (!source.read(content.data() + have, next)) return false;
  }
  return true;
}

}  // namespace

bool WriteFold(const std::string& log_id, const BuildState& state, const Postings& postings,
               const PutBytes& put) {
  FrameWriter out(put);
  std::string header;
  StateWriter write(header);
  write(std::string(kMagic), static_cast<uint64_t>(kStateModelVersion), log_id, state.idx());
  if (!out.Put(kHeader, 1, header)) return false;
  for (int i = 0; i < kStateSections; ++i) {
    if (!PutSection(out, state, static_cast<StateSection>(i))) return false;
  }
  if (!PutOrder(out, state)) return false;
  return StateAccess::EncodePostings(postings,
                                     [&](uint32_t part, std::string_view content) {
                                       return out.Put(kPostings + part, 1, content);
                                     }) &&
         out.Put(kEnd, 0, {});
}

Status ReadFold(const FoldSource& source, const std::string& log_id, BuildState& state,
                Postings& postings) {
  const Error damaged{Errc::kCorrupt, source.name + " is damaged or was not written to its end"};
  uint32_t crc = 0;
  std::string content;
  for (bool first = true;; first = false) {
    char head[sizeof(Frame)];
    if (!source.read(head, sizeof head)) return damaged;
    Frame frame;
    std::memcpy(&frame, head, sizeof frame);
    if (frame.bytes > kMaxFrame || !ReadContent(source, frame.bytes, content)) return damaged;
    crc = ChainCrc(crc, frame, content);
    if (crc != frame.crc || first != (frame.kind == kHeader)) return damaged;
    if (frame.kind == kEnd) break;
    if (first) {
      RETURN_IF_ERROR(CheckHeader(content, source.name, log_id));
    } else if (!TakeFrame(frame, content, state, postings)) {
      return damaged;
    }
  }
  if (!source.at_end() || !StateAccess::Complete(state, postings)) return damaged;
  return {};
}

}  // namespace databuild
