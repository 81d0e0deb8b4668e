// The contract of LogChunks, on every backend of storage_contract.h.
#include "bel/log_chunks.h"
#include "bel/storage_contract.h"
#include "gtest/gtest.h"

namespace databuild {
namespace {

class LogChunksContract : public testing::TestWithParam<BackendUnderTest> {
 protected:
  void SetUp() override {
    site_ = GetParam().new_site();
    storage_ = site_->Open();
    for (const char* graph : {"sales", "other"})
      ASSERT_TRUE(storage_->Acquire({graph, "holder", "cluster-1"}).ok());
    chunks_ = site_->OpenLogChunks();
  }

  // Lines `first` to `last`, each a little different and hard to guess in length.
  static LogChunk Chunk(int64_t first, int64_t last) {
    LogChunk chunk{{first, last, first * 10, last * 10, 2}, ""};
    for (int64_t line = first; line <= last; ++line)
      chunk.lines += "{\"line\":" + std::to_string(line * line) + "}\n";
    return chunk;
  }

  const RunKey run_{"sales", "6ba7b810-9dad-11d1-80b4-00c04fd430c8"};
  const RunKey second_{"sales", "6ba7b811-9dad-11d1-80b4-00c04fd430c8"};
  std::unique_ptr<StorageSite> site_;
  std::unique_ptr<Storage> storage_;
  std::unique_ptr<LogChunks> chunks_;
};

TEST_P(LogChunksContract, ChunksComeBackInOrderAndWhole) {
  for (const auto& [first, last] : {std::pair{11, 20}, {1, 10}, {31, 31}})
    ASSERT_TRUE(chunks_->Put(run_, Chunk(first, last), 1).ok());
  ASSERT_TRUE(chunks_->Put(second_, Chunk(1, 3), 1).ok());
  const auto listed = chunks_->List(run_).value();
  ASSERT_EQ(listed.size(), 3u);
  EXPECT_EQ(listed[0], Chunk(1, 10).info);
  EXPECT_EQ(listed[1], Chunk(11, 20).info);
  EXPECT_EQ(listed[2], Chunk(31, 31).info);
  for (const LogChunkInfo& info : listed) {
    const LogChunk read = chunks_->Get(run_, info.first_sequence).value();
    EXPECT_EQ(read.info, info);
    EXPECT_EQ(read.lines, Chunk(info.first_sequence, info.last_sequence).lines);
  }
  EXPECT_EQ(chunks_->Get(run_, 12).error().code, Errc::kNotFound);
  EXPECT_EQ(chunks_->Get(run_, 0).error().code, Errc::kNotFound);
  EXPECT_TRUE(chunks_->List({"other", run_.run_id})->empty());
}

TEST_P(LogChunksContract, WhatIsStoredIsNeverChanged) {
  ASSERT_TRUE(chunks_->Put(run_, Chunk(1, 10), 1).ok());
  EXPECT_TRUE(chunks_->Put(run_, Chunk(1, 10), 2).ok()) << "the reply to the first was lost";
  EXPECT_TRUE(chunks_->Put(run_, Chunk(1, 4), 2).ok()) << "all of it is there";
  const Status longer = chunks_->Put(run_, Chunk(1, 11), 2);
  ASSERT_FALSE(longer.ok());
  EXPECT_EQ(longer.error().code, Errc::kConflict);
  EXPECT_EQ(chunks_->Get(run_, 1)->lines, Chunk(1, 10).lines);
}

TEST_P(LogChunksContract, TheFirstMarkOfARunStays) {
  EXPECT_FALSE(chunks_->Mark(run_)->has_value());
  ASSERT_TRUE(chunks_->PutMark(run_, std::string("a\0b", 3), 1).ok());
  ASSERT_TRUE(chunks_->PutMark(run_, "later", 1).ok());
  EXPECT_EQ(chunks_->Mark(run_)->value(), std::string("a\0b", 3));
  EXPECT_FALSE(chunks_->Mark(second_)->has_value());
  EXPECT_TRUE(chunks_->List(run_)->empty()) << "a mark is no chunk";
}

TEST_P(LogChunksContract, ChunksThatAreNoneAreRefused) {
  LogChunk gap = Chunk(1, 3);
  gap.info.last_sequence = 4;
  EXPECT_EQ(chunks_->Put(run_, gap, 1).error().code, Errc::kInvalidArgument);
  EXPECT_EQ(chunks_->Put(run_, Chunk(0, 3), 1).error().code, Errc::kInvalidArgument);
  EXPECT_EQ(chunks_->Put({"sales", "no id"}, Chunk(1, 3), 1).error().code, Errc::kInvalidArgument);
  LogChunk large{{1, 1, 0, 0, 0}, std::string(kMaxLogChunkBytes, 'x') + "\n"};
  EXPECT_EQ(chunks_->Put(run_, large, 1).error().code, Errc::kTooLarge);
  EXPECT_EQ(chunks_->PutMark(run_, std::string(kMaxLogMarkBytes + 1, 'x'), 1).error().code,
            Errc::kTooLarge);
  EXPECT_TRUE(chunks_->List(run_)->empty());
}

TEST_P(LogChunksContract, RetentionTakesWholeRuns) {
  ASSERT_TRUE(chunks_->Put(run_, Chunk(1, 10), 100).ok());
  ASSERT_TRUE(chunks_->Put(run_, Chunk(11, 20), 200).ok());
  ASSERT_TRUE(chunks_->Put(second_, Chunk(1, 5), 100).ok());
  ASSERT_TRUE(chunks_->PutMark(second_, "mark", 100).ok());
  ASSERT_TRUE(chunks_->Put({"other", run_.run_id}, Chunk(1, 5), 100).ok());
  EXPECT_EQ(chunks_->RemoveOlder("sales", 150).value(), 2) << "chunk and mark of the second";
  EXPECT_EQ(chunks_->RemoveOlder("sales", 150).value(), 0);
  EXPECT_EQ(chunks_->List(run_)->size(), 2u);
  EXPECT_FALSE(chunks_->Mark(second_)->has_value());
  EXPECT_EQ(chunks_->List({"other", run_.run_id})->size(), 1u);
}

TEST_P(LogChunksContract, WhatIsStoredOutlivesTheProcess) {
  ASSERT_TRUE(chunks_->Put(run_, Chunk(1, 10), 1).ok());
  ASSERT_TRUE(chunks_->PutMark(run_, "mark", 1).ok());
  if (!site_->durable()) {
    EXPECT_TRUE(site_->OpenLogChunks()->List(run_)->empty());
    return;
  }
  chunks_.reset();
  chunks_ = site_->OpenLogChunks();
  EXPECT_EQ(chunks_->Get(run_, 1)->lines, Chunk(1, 10).lines);
  EXPECT_EQ(chunks_->Mark(run_)->value(), "mark");
}

INSTANTIATE_TEST_SUITE_P(Backends, LogChunksContract, testing::ValuesIn(BackendsUnderTest()),
                         [](const auto& backend) { return backend.param.name; });

TEST(LogChunk, ADamagedRowIsFound) {
  const RunKey run{"sales", "6ba7b810-9dad-11d1-80b4-00c04fd430c8"};
  LogChunk chunk{{1, 2, 0, 0, 0}, "one\ntwo\n"};
  const StoredLogRow good = PackLogChunk(run, chunk).value();
  ASSERT_EQ(UnpackLogChunk(run, good)->lines, chunk.lines);
  for (size_t i = 0; i < good.bytes.size(); ++i) {
    StoredLogRow bad = good;
    bad.bytes[i] = static_cast<char>(bad.bytes[i] ^ 1);
    EXPECT_EQ(UnpackLogChunk(run, bad).error().code, Errc::kCorrupt);
  }
  EXPECT_EQ(UnpackLogMark(run, good).error().code, Errc::kCorrupt);
}

}  // namespace
}  // namespace databuild
