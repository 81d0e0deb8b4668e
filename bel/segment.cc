#include "bel/segment.h"

#include <openssl/evp.h>
#include <zstd.h>

#include <algorithm>
#include <cstring>

#include "bel/base/crc32c.h"
#include "bel/base/uuid.h"

namespace databuild {
namespace {

constexpr int kLevel = 1;
constexpr size_t kFrameBytes = 44;  // of an event without its payload
constexpr size_t kCachedSegments = 4;

template <typename T>
void Put(std::string& out, T value) {
  for (size_t i = sizeof(T); i > 0; --i) {
    out.push_back(static_cast<char>(static_cast<uint64_t>(value) >> (i - 1) * 8));
  }
}

template <typename T>
T Take(std::string_view& bytes) {
  uint64_t value = 0;
  for (size_t i = 0; i < sizeof(T); ++i) value = value << 8 | static_cast<uint8_t>(bytes[i]);
  bytes.remove_prefix(sizeof(T));
  return static_cast<T>(value);
}

std::string Sha256(std::string_view bytes) {
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned int size = 0;
  CHECK(EVP_Digest(bytes.data(), bytes.size(), digest, &size, EVP_sha256(), nullptr) == 1);
  return {reinterpret_cast<const char*>(digest), size};
}

Error Damaged(const std::string& graph, const Segment& segment, const std::string& what) {
  return Error{Errc::kCorrupt, "log of graph " + graph + ": the segment of idx " +
                                   std::to_string(segment.first_idx) + " to " +
                                   std::to_string(segment.last_idx) + " " + what +
                                   "; restore the log from a backup"};
}

Result<std::string> Decompress(const std::string& graph, const Segment& segment) {
  if (segment.codec != kSegmentCodec) {
    return Error{Errc::kUnsupported, "log of graph " + graph + ": a segment is packed by \"" +
                                         segment.codec + "\"; use a newer release"};
  }
  if (Crc32c(segment.bytes) != segment.crc32c) {
    return Damaged(graph, segment, "does not match its checksum");
  }
  const auto size = ZSTD_getFrameContentSize(segment.bytes.data(), segment.bytes.size());
  if (size == ZSTD_CONTENTSIZE_ERROR || size == ZSTD_CONTENTSIZE_UNKNOWN ||
      size > kMaxSegmentBytes) {
    return Damaged(graph, segment, "does not say how large it is");
  }
  std::string raw(size, '\0');
  const size_t got =
      ZSTD_decompress(raw.data(), raw.size(), segment.bytes.data(), segment.bytes.size());
  if (ZSTD_isError(got) != 0 || got != size) {
    return Damaged(graph, segment, "cannot be decompressed");
  }
  if (Sha256(raw) != segment.events_sha256) {
    return Damaged(graph, segment, "holds other events than were sealed");
  }
  return raw;
}

// Events of a decoded segment, as far as the range allows. False: the page is full.
bool AddToPage(const std::vector<StoredEvent>& segment, const ListRange& range, StoredPage& page) {
  const int64_t since = page.events.empty() ? range.since_idx : page.events.back().idx;
  int64_t bytes = 0;
  for (const StoredEvent& event : page.events) bytes += static_cast<int64_t>(event.payload.size());
  for (auto at = since + 1 - segment.front().idx; at < static_cast<int64_t>(segment.size()); ++at) {
    const StoredEvent& event = segment[static_cast<size_t>(at)];
    bytes += static_cast<int64_t>(event.payload.size());
    const auto count = static_cast<int64_t>(page.events.size());
    if (count >= range.limit || (count > 0 && bytes > range.byte_limit)) return false;
    page.events.push_back(event);
  }
  return true;
}

}  // namespace

Segment EncodeSegment(std::span<const StoredEvent> events) {
  CHECK(!events.empty());
  std::string raw;
  size_t bytes = 0;
  for (const StoredEvent& event : events) bytes += kFrameBytes + event.payload.size();
  raw.reserve(bytes);
  for (const StoredEvent& event : events) {
    Put(raw, event.ts);
    Put(raw, event.epoch);
    Put(raw, static_cast<int16_t>(event.schema_version));
    Put(raw, static_cast<int16_t>(event.type));
    const UuidBytes id = *ParseUuid(event.event_id);
    raw.append(reinterpret_cast<const char*>(id.data()), id.size());
    Put(raw, event.crc32c);
    Put(raw, static_cast<uint32_t>(event.payload.size()));
    raw.append(event.payload);
  }
  Segment segment{events.front().idx, events.back().idx, events.back().ts, kSegmentCodec, 0,
                  Sha256(raw),        std::string()};
  segment.bytes.resize(ZSTD_compressBound(raw.size()));
  const size_t size =
      ZSTD_compress(segment.bytes.data(), segment.bytes.size(), raw.data(), raw.size(), kLevel);
  CHECK(ZSTD_isError(size) == 0);
  segment.bytes.resize(size);
  segment.crc32c = Crc32c(segment.bytes);
  return segment;
}

Result<std::vector<StoredEvent>> DecodeSegment(const std::string& graph, const Segment& segment) {
  ASSIGN_OR_RETURN(const std::string raw, Decompress(graph, segment));
  std::vector<StoredEvent> events;
  std::string_view rest = raw;
  while (!rest.empty()) {
    if (rest.size() < kFrameBytes) return Damaged(graph, segment, "ends inside an event");
    StoredEvent& event = events.emplace_back();
    event.idx = segment.first_idx + static_cast<int64_t>(events.size()) - 1;
    event.ts = Take<int64_t>(rest);
    event.epoch = Take<int64_t>(rest);
    event.schema_version = Take<int16_t>(rest);
    event.type = Take<int16_t>(rest);
    UuidBytes id;
    std::memcpy(id.data(), rest.data(), id.size());
    rest.remove_prefix(id.size());
    event.event_id = FormatUuid(id);
    event.crc32c = Take<uint32_t>(rest);
    const auto size = Take<uint32_t>(rest);
    if (size > rest.size()) return Damaged(graph, segment, "ends inside an event");
    event.payload = rest.substr(0, size);
    rest.remove_prefix(size);
  }
  if (events.empty() || events.back().idx != segment.last_idx) {
    return Damaged(graph, segment, "holds " + std::to_string(events.size()) + " events");
  }
  return events;
}

SegmentCache::Events SegmentCache::Find(const std::string& log_id, int64_t idx) {
  std::lock_guard lock(mutex_);
  for (const auto& [id, events] : recent_) {
    if (id == log_id && events->front().idx <= idx && idx <= events->back().idx) return events;
  }
  return nullptr;
}

void SegmentCache::Add(const std::string& log_id, Events events) {
  std::lock_guard lock(mutex_);
  if (recent_.size() == kCachedSegments) recent_.erase(recent_.begin());
  recent_.emplace_back(log_id, std::move(events));
}

Result<bool> ReadSealed(const SegmentSource& source, const ListRange& range, StoredPage& page) {
  const std::string& graph = source.graph;
  int64_t next = range.since_idx + 1;
  while (next <= page.at.sealed) {
    SegmentCache::Events events = source.cache.Find(page.at.log_id, next);
    if (events == nullptr) {
      ASSIGN_OR_RETURN(const Segment segment, source.load(next));
      if (next < segment.first_idx || next > segment.last_idx) return NoSuchSegment(graph, next);
      ASSIGN_OR_RETURN(auto decoded, DecodeSegment(graph, segment));
      events = std::make_shared<const std::vector<StoredEvent>>(std::move(decoded));
      source.cache.Add(page.at.log_id, events);
    }
    if (!AddToPage(*events, range, page)) return false;
    next = page.events.back().idx + 1;
  }
  return true;
}

Status CompareSegment(const std::string& graph, const Segment& segment,
                      std::span<const StoredEvent> rows) {
  ASSIGN_OR_RETURN(const auto events, DecodeSegment(graph, segment));
  if (std::equal(events.begin(), events.end(), rows.begin(), rows.end())) return {};
  return Damaged(graph, segment, "does not hold the events of the log");
}

Error NoSuchSegment(const std::string& graph, int64_t idx) {
  return Error{Errc::kCorrupt, "log of graph " + graph + ": the segment of idx " +
                                   std::to_string(idx) +
                                   " is missing; restore the log from a backup"};
}

}  // namespace databuild
