// Segments as bytes: what was sealed comes back, and damage of any kind is found.
#include "bel/segment.h"

#include "bel/storage_contract.h"
#include "gtest/gtest.h"

namespace databuild {
namespace {

std::vector<StoredEvent> Events(int64_t count) {
  auto events = TestEvents(101, count, "event-");
  for (StoredEvent& event : events) {
    event.epoch = 3;
    event.schema_version = 1;
  }
  return events;
}

Errc DecodeCode(const Segment& segment) {
  const auto events = DecodeSegment("sales", segment);
  return events.ok() ? Errc::kInternal : events.error().code;  // kInternal stands for success
}

TEST(Segment, WhatIsSealedComesBackAndIsSmaller) {
  auto events = Events(500);
  events[7].payload = std::string();  // an event may be empty, or as large as events get
  events[7].crc32c = Crc32c("");
  events[9] = TestEvent(110, "large", kMaxEventBytes);
  const Segment segment = EncodeSegment(events);
  EXPECT_EQ(segment.first_idx, 101);
  EXPECT_EQ(segment.last_idx, 600);
  EXPECT_EQ(segment.last_ts, events.back().ts);
  EXPECT_EQ(DecodeSegment("sales", segment).value(), events);
  EXPECT_LT(EncodeSegment(Events(500)).bytes.size(), 500 * 60);
}

TEST(Segment, EveryFlippedBitIsFound) {
  const Segment good = EncodeSegment(Events(40));
  for (size_t bit = 0; bit < good.bytes.size() * 8; ++bit) {
    Segment bad = good;
    bad.bytes[bit / 8] = static_cast<char>(bad.bytes[bit / 8] ^ (1 << bit % 8));
    ASSERT_EQ(DecodeCode(bad), Errc::kCorrupt) << "bit " << bit;
    // Also when somebody made the outer checksum fit.
    bad.crc32c = Crc32c(bad.bytes);
    const auto events = DecodeSegment("sales", bad);
    if (events.ok()) {
      ASSERT_EQ(*events, Events(40)) << "bit " << bit;  // a bit that zstd does not look at
    } else {
      ASSERT_EQ(events.error().code, Errc::kCorrupt) << "bit " << bit;
    }
  }
}

TEST(Segment, EveryTruncationIsFound) {
  const Segment good = EncodeSegment(Events(40));
  for (size_t size = 0; size < good.bytes.size(); ++size) {
    Segment bad = good;
    bad.bytes.resize(size);
    ASSERT_EQ(DecodeCode(bad), Errc::kCorrupt) << size;
    bad.crc32c = Crc32c(bad.bytes);
    ASSERT_EQ(DecodeCode(bad), Errc::kCorrupt) << size;
  }
  Segment longer = good;
  longer.bytes += "x";
  EXPECT_EQ(DecodeCode(longer), Errc::kCorrupt);
}

TEST(Segment, ARangeThatIsNotItsOwnIsFound) {
  Segment segment = EncodeSegment(Events(40));
  segment.last_idx = 141;
  EXPECT_EQ(DecodeCode(segment), Errc::kCorrupt);
  segment = EncodeSegment(Events(40));
  segment.events_sha256 = EncodeSegment(Events(39)).events_sha256;
  EXPECT_EQ(DecodeCode(segment), Errc::kCorrupt);
  segment = EncodeSegment(Events(40));
  segment.codec = "xz";
  const auto unknown = DecodeSegment("sales", segment);
  EXPECT_EQ(unknown.error().code, Errc::kUnsupported);
  EXPECT_NE(unknown.error().message.find("newer release"), std::string::npos);
}

}  // namespace
}  // namespace databuild
