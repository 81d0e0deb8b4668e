// The newest events of a log as raw bytes, in blocks of at most 4,096 events. A page is copied out
// of it; no event is decoded or copied one by one.
//
// Push and the look-ups need the owner's lock; the bytes a Slice points to are immutable and stay
// as long as the Slice, without any lock.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <string_view>
#include <vector>

namespace databuild {

class TailRing {
 public:
  // A run of adjacent events in one block.
  class Slice {
   public:
    int64_t first_idx() const { return first_idx_; }
    int64_t count() const { return count_; }
    // Encoding of EventPage.events with just this event: tag, length, payload.
    std::string_view Frame(int64_t i) const;
    std::string_view Payload(int64_t i) const;
    // Frames of the events [from, to).
    std::string_view Frames(int64_t from, int64_t to) const;

   private:
    friend class TailRing;
    struct Block;
    std::shared_ptr<const Block> block_;
    int64_t first_idx_ = 0;
    int64_t offset_ = 0;  // of the first event in the block
    int64_t count_ = 0;
  };

  explicit TailRing(size_t max_bytes) : max_bytes_(max_bytes) {}

  // idx follows the one before.
  void Push(int64_t idx, std::string_view payload);

  // Events since_idx + 1 ... as far as one block has them and not beyond `up_to`; empty if they are
  // too old (or yet to come).
  Slice After(int64_t since_idx, int64_t up_to) const;

  // The oldest idx held; 0: none.
  int64_t first_idx() const;
  size_t bytes() const { return bytes_; }

 private:
  using Block = Slice::Block;
  void AddBlock(int64_t idx, size_t frame_bytes);

  const size_t max_bytes_;
  size_t bytes_ = 0;  // capacity of all blocks
  std::deque<std::shared_ptr<Block>> blocks_;
};

// Appends the frame of an event to a page: the encoding of EventPage.events.
void AppendFrame(std::string_view payload, std::string& page);
size_t FrameBytes(size_t payload_bytes);

}  // namespace databuild
