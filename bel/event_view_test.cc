#include "bel/event_view.h"

#include <google/protobuf/stubs/logging.h>

#include <random>

#include "bel/event_view_testing.h"
#include "bel/random_event.h"
#include "gtest/gtest.h"

namespace databuild {
namespace {

constexpr uint64_t kSeed = 20250105;

std::string Varint(uint64_t value) {
  std::string bytes;
  for (; value >= 0x80; value >>= 7) bytes += static_cast<char>(value | 0x80);
  return bytes + static_cast<char>(value);
}

std::string Field(uint32_t number, const std::string& body) {
  return Varint(number << 3 | 2) + Varint(body.size()) + body;
}

// One of the ways in which an encoding can be another one, or broken.
std::string Mutated(std::string bytes, std::mt19937_64& random) {
  static const std::string kInserts[] = {
      std::string("\xa8\x7f\x01", 3),                                  // unknown varint
      Field(999, "unknown"),                                           //
      std::string("\xfb\x3e\x08\x01\xfc\x3e", 6),                      // unknown group, whole
      std::string("\xfb\x3e\x08\x01", 4),                              // and torn
      std::string("\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01", 10),     // longest varint
      std::string("\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 11)  // too long
  };
  const size_t at = bytes.empty() ? 0 : random() % bytes.size();
  switch (random() % 8) {
    case 0:
      return bytes.substr(0, at);
    case 1:
      if (!bytes.empty()) bytes[at] = static_cast<char>(random());
      return bytes;
    case 2:
      if (!bytes.empty()) bytes[at] = static_cast<char>(bytes[at] ^ 1 << random() % 8);
      return bytes;
    case 3:
      return bytes.insert(at, kInserts[random() % std::size(kInserts)]);
    case 4:
      return bytes + kInserts[random() % std::size(kInserts)];
    case 5:
      return bytes.erase(at, random() % 4);
    case 6:
      return bytes.insert(at, 1, static_cast<char>(random()));
    default:
      return bytes.substr(at) + bytes.substr(0, at);
  }
}

// libprotobuf reports every bad text on stderr.
class EventViewTest : public testing::Test {
 private:
  google::protobuf::LogSilencer silence_;
};

TEST_F(EventViewTest, ReadsWhatLibprotobufReads) {
  std::mt19937_64 random(kSeed);
  for (int i = 0; i < 8'000; ++i) {
    const v1::BuildEvent event = RandomEvent(random, i);
    ASSERT_EQ(DecoderDisagreement(event.SerializeAsString()), "") << event.DebugString();
  }
}

TEST_F(EventViewTest, ReadsPiecesAsLibprotobufMergesThem) {
  std::mt19937_64 random(kSeed + 1);
  for (int i = 0; i < 8'000; ++i) {
    // The same kind twice is merged, another kind replaces the first.
    const int second = i % 2 == 0 ? i : static_cast<int>(random() % EventKinds());
    const std::string bytes = RandomEvent(random, i).SerializeAsString() +
                              RandomEvent(random, second).SerializeAsString();
    ASSERT_EQ(DecoderDisagreement(bytes), "") << i;
  }
}

TEST_F(EventViewTest, RefusesWhatLibprotobufRefuses) {
  std::mt19937_64 random(kSeed + 2);
  int refused = 0;
  for (int i = 0; i < 30'000; ++i) {
    std::string bytes = RandomEvent(random, i).SerializeAsString();
    for (uint64_t n = 1 + random() % 3; n > 0; --n) bytes = Mutated(bytes, random);
    ASSERT_EQ(DecoderDisagreement(bytes), "") << i;
    v1::BuildEvent event;
    refused += !event.ParseFromString(bytes);
  }
  // Both sides of the line are walked.
  EXPECT_GT(refused, 6'000);
  EXPECT_LT(refused, 28'000);
}

TEST_F(EventViewTest, EveryTruncationIsJudgedAlike) {
  std::mt19937_64 random(kSeed + 3);
  for (int kind = 0; kind < EventKinds(); ++kind) {
    const std::string bytes = RandomEvent(random, kind).SerializeAsString();
    for (size_t size = 0; size <= bytes.size(); ++size) {
      ASSERT_EQ(DecoderDisagreement(bytes.substr(0, size)), "") << kind << " " << size;
    }
  }
}

TEST_F(EventViewTest, NestingIsBoundedAlike) {
  for (int depth = 90; depth < 110; ++depth) {
    // PartitionManifest.inputs in PartitionManifest.inputs ...
    std::string manifest;
    for (int i = 0; i < depth; ++i) manifest = Field(2, manifest);
    EXPECT_EQ(DecoderDisagreement(Field(12, Field(8, manifest))), "") << depth;
    std::string groups = std::string(depth, '\x0b') + std::string(depth, '\x0c');  // of field 1
    EXPECT_EQ(DecoderDisagreement(groups), "") << depth;
    EXPECT_EQ(DecoderDisagreement(Field(12, groups)), "") << depth;
  }
}

struct Case {
  const char* name;
  std::string bytes;
};

TEST_F(EventViewTest, OddEncodingsAreJudgedAlike) {
  const Case cases[] = {
      {"nothing", ""},
      {"tag 0", std::string(1, '\0')},
      {"field 0", std::string("\x02\x00", 2)},
      {"a long form of tag 1", std::string("\x8a\x80\x80\x80\x00\x01x", 7)},
      {"a tag of six bytes", std::string("\x8a\x80\x80\x80\x80\x00\x01x", 8)},
      {"a tag beyond 32 bits", std::string("\x8a\x80\x80\x80\x70\x01x", 7)},
      {"a long form of a length", std::string("\x0a\x81\x80\x80\x80\x00x", 7)},
      {"a length of 2 GB", std::string("\x0a\xff\xff\xff\xff\x07x", 7)},
      {"a length of 4 GB", std::string("\x0a\xff\xff\xff\xff\x0fx", 7)},
      {"a group's end without its start", std::string("\x0c", 1)},
      {"a group that ends another", std::string("\x0b\x14", 2)},
      {"wire type 6", std::string("\x0e\x01", 2)},
      {"a text as a number", std::string("\x08\x01", 2)},
      {"a number as a text", Field(2, "x")},
      {"a number as fixed64", std::string("\x11\x01\x02\x03\x04\x05\x06\x07\x08", 9)},
      {"a number as fixed32, torn", std::string("\x15\x01\x02", 3)},
      {"bad UTF-8 in an id", Field(1, "\xff")},
      {"bad UTF-8 in a ref", Field(11, Field(1, Field(1, "\xc3")))},
      {"a surrogate", Field(1, "\xed\xa0\x80")},
      {"an overlong slash", Field(1, "\xc0\xaf")},
      {"an overlong euro", Field(1, "\xe0\x82\xac")},
      {"beyond the last plane", Field(1, "\xf4\x90\x80\x80")},
      {"bad UTF-8 in an unknown field", Field(500, "\xff")},
      {"bad UTF-8 in an argument", Field(12, Field(7, Field(3, "\xff")))},
      {"bad UTF-8 in a map's key", Field(12, Field(7, Field(4, Field(1, "\xff"))))},
      {"bad UTF-8 in a map's value", Field(12, Field(7, Field(4, Field(2, "\xff"))))},
      {"a map entry in pieces",
       Field(18, Field(110, Field(2, Field(1, "a") + Field(2, Field(1, "x")) +
                                         Field(2, Field(2, "y")))))},
      {"a varint that runs out of its message", Field(11, "\x10\x80") + std::string(1, '\x01')},
      {"the last of two texts", Field(11, Field(5, "one") + Field(5, "two"))},
      {"a ref in two pieces", Field(11, Field(1, Field(1, "one")) + Field(1, Field(1, "two")))},
      {"an unknown kind", Field(103, "x")},
  };
  for (const Case& test : cases) EXPECT_EQ(DecoderDisagreement(test.bytes), "") << test.name;
}

TEST_F(EventViewTest, ADecoderCanBeUsedAgain) {
  EventDecoder decoder;
  EventView view;
  v1::BuildEvent event;
  event.mutable_want_event()->set_want_id("w");
  event.mutable_want_event()->set_ttl_seconds(60);
  ASSERT_TRUE(decoder.Decode(event.SerializeAsString(), view));
  const std::string bare = Field(18, Field(2, "v"));
  ASSERT_TRUE(decoder.Decode(bare, view));
  EXPECT_EQ(view.As<WantView>()->want_id, "v");
  EXPECT_FALSE(view.As<WantView>()->ttl_seconds.present);
  ASSERT_TRUE(decoder.Decode("", view));
  EXPECT_EQ(view.kind.number, 0u);
  EXPECT_EQ(view.As<WantView>(), nullptr);
}

TEST_F(EventViewTest, TheComparisonSeesDifferences) {
  v1::BuildEvent event;
  event.mutable_job_event()->add_target_partitions()->set_str("a");
  const std::string bytes = event.SerializeAsString();
  EventDecoder decoder;
  EventView view;
  ASSERT_TRUE(decoder.Decode(bytes, view));
  EXPECT_EQ(ViewComparison::Difference(view, event), "");
  event.mutable_job_event()->mutable_target_partitions(0)->set_str("b");
  EXPECT_EQ(ViewComparison::Difference(view, event), "job.target_partitions");
}

}  // namespace
}  // namespace databuild
