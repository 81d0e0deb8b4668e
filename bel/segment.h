// Segments: sealed ranges of old events, compressed.
//
// Before compression a segment is its events one after the other, integers big-endian: ts 8, epoch
// 8, schema version 2, type 2, event_id 16, crc32c 4, payload length 4, payload. Their idx follow
// from first_idx. SHA-256 of these bytes is what a database compares with its rows before it lets
// them go; `crc32c` is of the compressed bytes, every event's own crc32c of its payload.
//
// Functions without state and one cache, which is thread-safe.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "bel/base/result.h"
#include "bel/storage.h"

namespace databuild {

inline constexpr char kSegmentCodec[] = "zstd";
inline constexpr int64_t kSegmentEvents = 4'096;       // a full one
inline constexpr size_t kSegmentBytes = 16 << 20;      // of payloads; then it is cut short
inline constexpr size_t kMaxSegmentBytes = 128 << 20;  // before compression; more is damage

// `events` are contiguous and not empty.
Segment EncodeSegment(std::span<const StoredEvent> events);

// kCorrupt, naming the graph and the range, unless every byte is what was sealed.
Result<std::vector<StoredEvent>> DecodeSegment(const std::string& graph, const Segment& segment);

// The last few decoded segments: pages are smaller than segments.
class SegmentCache {
 public:
  using Events = std::shared_ptr<const std::vector<StoredEvent>>;
  // nullptr: not here. `log_id` tells a restored log from the one before.
  Events Find(const std::string& log_id, int64_t idx);
  void Add(const std::string& log_id, Events events);

 private:
  std::mutex mutex_;                                    // guards recent_
  std::vector<std::pair<std::string, Events>> recent_;  // newest last
};

// Where the segments of one log come from.
struct SegmentSource {
  const std::string& graph;
  SegmentCache& cache;
  std::function<Result<Segment>(int64_t idx)> load;  // the segment that holds idx
};

// Fills the empty `page` out of segments, as far as page.at.sealed and the range go. False: the
// page is full; true: rows may follow.
Result<bool> ReadSealed(const SegmentSource& source, const ListRange& range, StoredPage& page);

// kCorrupt unless `segment` holds exactly `rows`.
Status CompareSegment(const std::string& graph, const Segment& segment,
                      std::span<const StoredEvent> rows);

Error NoSuchSegment(const std::string& graph, int64_t idx);

}  // namespace databuild
