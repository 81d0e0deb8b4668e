// The lines of a dump give back the very bytes of the log.
#include "tools/bel/event_line.h"

#include "bel/base/crc32c.h"
#include "bel/event_codec.h"
#include "gtest/gtest.h"
#include "tests/support/corpus.h"

namespace databuild {
namespace {

TEST(EventLine, EveryEventOfACorpusComesBackByteForByte) {
  Corpus corpus(5);
  for (int i = 0; i < 3'000; ++i) {
    StoredEvent event = corpus.Next();
    event.epoch = 1 + i / 100;
    const std::string line = EventLine(event);
    EXPECT_EQ(line.find('\n'), std::string::npos);
    EXPECT_NE(line.find("\"event\":{"), std::string::npos) << line;
    const auto back = ParseEventLine(line);
    ASSERT_TRUE(back.ok()) << back.error().message;
    ASSERT_EQ(*back, event);
  }
}

TEST(EventLine, TextThatJsonMustEscapeComesBack) {
  v1::BuildEvent event;
  event.set_idx(1);
  event.set_timestamp(5);
  event.set_event_id("6ba7b810-9dad-11d1-80b4-00c04fd430c8");
  event.mutable_want_event()->set_want_id("w");
  event.mutable_want_event()->set_comment("a \"quote\"\n\ttab \\ \x01 é 漢 <script> \u2028");
  event.mutable_want_event()->set_ttl_seconds(0);  // present, and the default
  const StoredEvent stored = EncodeEvent(event).value();
  EXPECT_EQ(ParseEventLine(EventLine(stored)).value(), stored);
}

TEST(EventLine, WhatThisReleaseDoesNotKnowComesBackAsBytes) {
  StoredEvent event = Corpus(5).Next();
  const StoredEvent known = event;
  event.payload += "\xba\x3e\x01x";  // field 999: unknown, JSON would lose it
  event.crc32c = Crc32c(event.payload);
  StoredEvent newer = known;
  newer.schema_version = 2;
  StoredEvent odd = known;
  odd.payload = std::string("\0\xff no protobuf", 14);
  odd.crc32c = Crc32c(odd.payload);
  for (const StoredEvent& stored : {event, newer, odd}) {
    const std::string line = EventLine(stored);
    EXPECT_NE(line.find("\"payload\":"), std::string::npos) << line;
    EXPECT_EQ(ParseEventLine(line).value(), stored);
    EXPECT_FALSE(EventJson(stored).empty());
  }
}

TEST(EventLine, AChangedLineIsFoundByItsChecksum) {
  const StoredEvent event = Corpus(5).Next();
  std::string line = EventLine(event);
  const size_t at = line.find("//sales");
  ASSERT_NE(at, std::string::npos);
  line[at + 2] = 'S';
  const auto changed = ParseEventLine(line);
  ASSERT_FALSE(changed.ok());
  EXPECT_EQ(changed.error().code, Errc::kCorrupt);
  EXPECT_NE(changed.error().message.find("idx 1"), std::string::npos) << changed.error().message;
}

TEST(EventLine, WhatIsNoEventIsRefused) {
  for (const char* line :
       {"", "x", "[]", "{}", R"({"crc32c":1,"epoch":"1"})", R"({"crc32c":1,"epoch":"1","event":5})",
        R"({"crc32c":1,"epoch":"1","event":{"idx":"1"}})",
        R"({"crc32c":1,"epoch":"1","event":{"nonsense":1}})", R"({"crc32c":-1,"epoch":"x"})",
        R"({"crc32c":1,"epoch":"1","idx":"1","ts":"1","schemaVersion":1,"type":1,)"
        R"("eventId":"x","payload":"!"})"}) {
    const auto parsed = ParseEventLine(line);
    ASSERT_FALSE(parsed.ok()) << line;
    EXPECT_EQ(parsed.error().code, Errc::kCorrupt) << line;
  }
}

TEST(EventLine, TheHeaderComesBackAndOthersAreRefused) {
  GraphHead log{
      "sales", "cluster-1", "pod-1", {"6ba7b810-9dad-11d1-80b4-00c04fd430c8", 3, 77, 5, 2}};
  const GraphHead back = ParseHeaderLine(HeaderLine(log)).value();
  EXPECT_EQ(back.graph, "sales");
  EXPECT_EQ(back.cluster_uid, "cluster-1");
  EXPECT_EQ(back.at.head, 77);
  EXPECT_EQ(back.at.floor, 2);
  EXPECT_EQ(back.at.log_id, log.at.log_id);
  EXPECT_EQ(ParseHeaderLine("{}").error().code, Errc::kCorrupt);
  EXPECT_EQ(ParseHeaderLine("junk").error().code, Errc::kCorrupt);
  EXPECT_EQ(ParseHeaderLine(R"({"databuildLog":1,"schemaVersion":1})").error().code,
            Errc::kCorrupt);
  EXPECT_EQ(ParseHeaderLine(R"({"databuildLog":2,"schemaVersion":1})").error().code,
            Errc::kUnsupported);
  EXPECT_EQ(ParseHeaderLine(R"({"databuildLog":1,"schemaVersion":2})").error().code,
            Errc::kUnsupported);
}

}  // namespace
}  // namespace databuild
