#include "bel/tail_ring.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <string>

#include "bel/base/check.h"

namespace databuild {
namespace {

constexpr char kEventsTag = 0x0a;  // field 1, length-delimited
constexpr int64_t kBlockEvents = 4'096;
constexpr size_t kBlockBytes = 1 << 20;
constexpr size_t kMaxHeaderBytes = 6;

// Tag and length in front of a payload. Returns their size.
size_t WriteHeader(size_t payload_bytes, char* out) {
  size_t size = 0;
  out[size++] = kEventsTag;
  for (; payload_bytes >= 0x80; payload_bytes >>= 7) {
    out[size++] = static_cast<char>(payload_bytes | 0x80);
  }
  out[size++] = static_cast<char>(payload_bytes);
  return size;
}

}  // namespace

// Written by Push beyond what any Slice covers, so readers of earlier entries need no lock.
struct TailRing::Slice::Block {
  Block(int64_t idx, size_t frame_bytes)
      : first_idx(idx), capacity(std::max(kBlockBytes, frame_bytes)), bytes(new char[capacity]) {}

  const int64_t first_idx;
  const size_t capacity;
  const std::unique_ptr<char[]> bytes;
  std::array<uint32_t, kBlockEvents + 1>
      starts{};       // starts[i]..starts[i + 1] is the frame of event i
  int64_t count = 0;  // guarded by the ring's owner
};

size_t FrameBytes(size_t payload_bytes) {
  char header[kMaxHeaderBytes];
  return WriteHeader(payload_bytes, header) + payload_bytes;
}

void AppendFrame(std::string_view payload, std::string& page) {
  char header[kMaxHeaderBytes];
  page.append(header, WriteHeader(payload.size(), header));
  page.append(payload);
}

std::string_view TailRing::Slice::Frames(int64_t from, int64_t to) const {
  const uint32_t begin = block_->starts[offset_ + from], end = block_->starts[offset_ + to];
  return {block_->bytes.get() + begin, end - begin};
}

std::string_view TailRing::Slice::Frame(int64_t i) const { return Frames(i, i + 1); }

std::string_view TailRing::Slice::Payload(int64_t i) const {
  std::string_view frame = Frame(i);
  size_t header = 1;
  while ((frame[header] & 0x80) != 0) ++header;
  frame.remove_prefix(header + 1);
  return frame;
}

void TailRing::AddBlock(int64_t idx, size_t frame_bytes) {
  blocks_.push_back(std::make_shared<Block>(idx, frame_bytes));
  bytes_ += blocks_.back()->capacity;
  while (bytes_ > max_bytes_ && blocks_.size() > 1) {
    bytes_ -= blocks_.front()->capacity;
    blocks_.pop_front();
  }
}

void TailRing::Push(int64_t idx, std::string_view payload) {
  char header[kMaxHeaderBytes];
  const size_t header_bytes = WriteHeader(payload.size(), header);
  const size_t frame_bytes = header_bytes + payload.size();
  if (blocks_.empty() || blocks_.back()->count == kBlockEvents ||
      blocks_.back()->starts[blocks_.back()->count] + frame_bytes > blocks_.back()->capacity) {
    AddBlock(idx, frame_bytes);
  }
  Block& block = *blocks_.back();
  CHECK(idx == block.first_idx + block.count);
  const uint32_t start = block.starts[block.count];
  std::memcpy(block.bytes.get() + start, header, header_bytes);
  if (!payload.empty()) {
    std::memcpy(block.bytes.get() + start + header_bytes, payload.data(), payload.size());
  }
  block.starts[block.count + 1] = start + static_cast<uint32_t>(frame_bytes);
  ++block.count;
}

int64_t TailRing::first_idx() const { return blocks_.empty() ? 0 : blocks_.front()->first_idx; }

TailRing::Slice TailRing::After(int64_t since_idx, int64_t up_to) const {
  Slice slice;
  slice.first_idx_ = since_idx + 1;
  if (blocks_.empty() || since_idx + 1 < first_idx()) return slice;
  const auto next = std::upper_bound(
      blocks_.begin(), blocks_.end(), since_idx + 1,
      [](int64_t idx, const std::shared_ptr<Block>& block) { return idx < block->first_idx; });
  const std::shared_ptr<Block>& block = *std::prev(next);
  slice.offset_ = since_idx + 1 - block->first_idx;
  slice.count_ = std::max<int64_t>(0, std::min(block->count - slice.offset_, up_to - since_idx));
  if (slice.count_ > 0) slice.block_ = block;
  return slice;
}

}  // namespace databuild
