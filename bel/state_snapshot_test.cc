#include "bel/state_snapshot.h"

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>

#include "bel/base/crc32c.h"
#include "bel/random_event.h"
#include "bel/state_archive.h"
#include "bel/state_digest.h"
#include "gtest/gtest.h"
#include "tests/support/temp_folder.h"

namespace databuild {
namespace {

constexpr char kLog[] = "6f1c3a52-0000-4000-8000-000000000001";
constexpr size_t kTail = 4'096;

// A fold with its postings, of random events.
struct World {
  explicit World(int events = 0) {
    for (int i = 0; i < events; ++i) Add();
  }
  void Add() { Fold(Next()); }
  v1::BuildEvent Next() {
    v1::BuildEvent event = RandomEvent(random, static_cast<int>(state.idx()));
    event.set_idx(state.idx() + 1);
    event.set_timestamp(event.idx());
    if (event.has_partition_event()) {
      event.mutable_partition_event()->mutable_partition_ref()->set_str(
          "sales/date=" + std::to_string(random() % 50));
    }
    return event;
  }
  void Fold(const v1::BuildEvent& event) {
    const std::string bytes = MessageBytes(event);  // the same each time, maps included
    EventDecoder decoder;
    EventView view;
    CHECK(decoder.Decode(bytes, view));
    state.Apply(view);
    postings.Add(view, state);
  }

  std::mt19937_64 random{99};
  BuildState state;
  Postings postings;
};

std::string Contents(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

void Replace(const std::string& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary | std::ios::trunc) << bytes;
}

// The error's code, or kNotFound for success: never a result of ReadSnapshot.
Errc Outcome(const std::string& path, const char* log = kLog) {
  World read;
  const Status status = ReadSnapshot(path, log, read.state, read.postings);
  return status.ok() ? Errc::kNotFound : status.error().code;
}

class SnapshotTest : public testing::Test {
 protected:
  std::string Written(const World& world) {
    const Status status = WriteSnapshot(folder_.path(), kLog, world.state, world.postings);
    EXPECT_TRUE(status.ok());
    return ListSnapshots(folder_.path()).front();
  }
  TempFolder folder_;
};

TEST_F(SnapshotTest, ComesBackWhole) {
  World live(3'000);
  const std::string path = Written(live);
  EXPECT_EQ(SnapshotIdx(path), 3'000);
  World read;
  ASSERT_TRUE(ReadSnapshot(path, kLog, read.state, read.postings).ok());
  EXPECT_EQ(read.state.idx(), live.state.idx());
  EXPECT_EQ(StateDigest(read.state), StateDigest(live.state));
  EXPECT_TRUE(std::equal(live.state.by_ref().begin(), live.state.by_ref().end(),
                         read.state.by_ref().begin(), read.state.by_ref().end()));
  EXPECT_EQ(read.postings.count(), live.postings.count());
  EXPECT_EQ(read.postings.strays(), live.postings.strays());
}

TEST_F(SnapshotTest, TheTailOnTopOfItGivesWhatTheWholeLogGives) {
  World whole(2'000);
  const std::string path = Written(whole);
  World read;
  ASSERT_TRUE(ReadSnapshot(path, kLog, read.state, read.postings).ok());
  for (int i = 0; i < 2'000; ++i) {
    const v1::BuildEvent event = whole.Next();
    whole.Fold(event);
    read.Fold(event);
  }
  EXPECT_EQ(StateDigest(read.state), StateDigest(whole.state));
  for (const Index partition : whole.state.by_ref()) {
    const std::string_view ref = whole.state.partition(partition).ref;
    std::vector<uint32_t> a, b;
    whole.postings.Collect(Term::kRef, ref, 0, a);
    read.postings.Collect(Term::kRef, ref, 0, b);
    ASSERT_EQ(a, b) << ref;
  }
}

TEST_F(SnapshotTest, AnEmptyStateIsOne) {
  World live(1);
  EXPECT_EQ(Outcome(Written(live)), Errc::kNotFound);
}

TEST_F(SnapshotTest, AFileThatEndsTooSoonIsRefused) {
  const std::string path = Written(World(100));
  const std::string whole = Contents(path);
  ASSERT_GT(whole.size(), 2 * kTail);
  for (size_t size = whole.size() - 1; size >= whole.size() - kTail; --size) {
    std::filesystem::resize_file(path, size);
    ASSERT_EQ(Outcome(path), Errc::kCorrupt) << size;
  }
  for (size_t size = 0; size < 200; ++size) {
    Replace(path, whole.substr(0, size));
    ASSERT_EQ(Outcome(path), Errc::kCorrupt) << size;
  }
  Replace(path, whole + "x");
  EXPECT_EQ(Outcome(path), Errc::kCorrupt);
  Replace(path, whole);
  EXPECT_EQ(Outcome(path), Errc::kNotFound);
}

TEST_F(SnapshotTest, AFlippedBitIsNoticed) {
  std::mt19937_64 random(5);
  const std::string path = Written(World(100));
  const std::string whole = Contents(path);
  std::fstream file(path, std::ios::binary | std::ios::in | std::ios::out);
  const auto flip = [&](size_t at) {
    const char bad = static_cast<char>(whole[at] ^ 1 << random() % 8);
    file.seekp(static_cast<std::streamoff>(at)).put(bad).flush();
    ASSERT_EQ(Outcome(path), Errc::kCorrupt) << at;
    file.seekp(static_cast<std::streamoff>(at)).put(whole[at]).flush();
  };
  for (size_t at = whole.size() - kTail; at < whole.size(); ++at) flip(at);
  for (size_t at = 0; at < whole.size() - kTail; at += 37) flip(at);
  EXPECT_EQ(Outcome(path), Errc::kNotFound);
}

TEST_F(SnapshotTest, OneOfAnotherLogSaysSo) {
  const std::string path = Written(World(50));
  EXPECT_EQ(Outcome(path, "6f1c3a52-0000-4000-8000-000000000002"), Errc::kConflict);
}

// The first frame of a snapshot, of any model version.
std::string Header(uint64_t version) {
  std::string content;
  StateWriter write(content);
  write(std::string("databuild.snapshot"), version, std::string(kLog), int64_t{7});
  const uint32_t numbers[3] = {1, 1, static_cast<uint32_t>(content.size())};
  std::string head(reinterpret_cast<const char*>(numbers), sizeof numbers);
  const uint32_t crc = Crc32c(head + content);
  return head + std::string(reinterpret_cast<const char*>(&crc), sizeof crc) + content;
}

TEST_F(SnapshotTest, OneOfAnotherModelVersionSaysSo) {
  const std::string path = Written(World(50));
  const std::string own = Header(kStateModelVersion);
  // The header made here is like the real one, but for the position.
  ASSERT_EQ(Contents(path).substr(16, own.size() - 17), own.substr(16, own.size() - 17));
  Replace(path, own);
  EXPECT_EQ(Outcome(path), Errc::kCorrupt);
  Replace(path, Header(kStateModelVersion + 1));
  EXPECT_EQ(Outcome(path), Errc::kUnsupported);
}

TEST_F(SnapshotTest, TheNewestTwoAreKept) {
  World live;
  for (int i = 0; i < 4; ++i) {
    live.Add();
    Written(live);
  }
  std::ofstream(folder_.path() + "/something else") << "not ours";
  const std::vector<std::string> kept = ListSnapshots(folder_.path());
  ASSERT_EQ(kept.size(), kSnapshotsKept);
  EXPECT_EQ(SnapshotIdx(kept[0]), 4);
  EXPECT_EQ(SnapshotIdx(kept[1]), 3);
  EXPECT_TRUE(ListSnapshots(folder_.path() + "/nowhere").empty());
}

TEST_F(SnapshotTest, AFolderThatCannotBeWrittenIsAnError) {
  const World live(10);
  const std::string file = folder_.path() + "/file";
  std::ofstream(file) << "in the way";
  const Status status = WriteSnapshot(file + "/folder", kLog, live.state, live.postings);
  ASSERT_FALSE(status.ok());
  EXPECT_EQ(status.error().code, Errc::kUnavailable);
}

}  // namespace
}  // namespace databuild
