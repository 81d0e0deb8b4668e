// What SQLite does beyond the contract: the size of its WAL.
#include "bel/sqlite_storage.h"

#include <filesystem>
#include <random>

#include "bel/sqlite_log_chunks.h"
#include "bel/storage_contract.h"
#include "gtest/gtest.h"
#include "tests/support/temp_folder.h"

namespace databuild {
namespace {

constexpr uintmax_t kMegabyte = 1 << 20;

class SqliteWal : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(storage_.Initialize().ok());
    const auto acquired = storage_.Acquire({"g", "holder", "cluster"});
    ASSERT_TRUE(acquired.ok());
    epoch_ = acquired->epoch;
  }

  // One transaction of `bytes`.
  void Append(size_t bytes) {
    const StoredEvent event = TestEvent(head_ + 1, std::to_string(head_), bytes);
    const auto head = storage_.Append("g", epoch_, head_, {&event, 1});
    ASSERT_TRUE(head.ok()) << head.error().message;
    head_ = *head;
  }
  uintmax_t WalBytes() const { return std::filesystem::file_size(folder_.File("bel.db-wal")); }

  TempFolder folder_;
  SqliteStorage storage_{folder_.File("bel.db"), StorageTimeouts{}};
  int64_t epoch_ = 0, head_ = 0;
};

TEST_F(SqliteWal, HasItsSizeBeforeTheFirstAppend) {
  const uintmax_t at_start = WalBytes();
  EXPECT_GE(at_start, 4 * kMegabyte);
  for (int i = 0; i < 20; ++i) Append(100);
  EXPECT_EQ(WalBytes(), at_start);
}

TEST_F(SqliteWal, StaysSmallUnderALoadWithoutPause) {
  for (int i = 0; i < 200; ++i) Append(kMaxEventBytes);
  EXPECT_LT(WalBytes(), 100 * kMegabyte);
}

TEST_F(SqliteWal, OfManySmallTransactionsIsCopiedByItsPagesNotByTheirBytes) {
  for (int i = 0; i < 4'000; ++i) Append(24);  // 8,000 pages in the WAL, 100 KB of payload
  EXPECT_LT(WalBytes(), 24 * kMegabyte);
}

TEST_F(SqliteWal, ZerosAtItsEndAreNotReadAsEvents) {
  for (int i = 0; i < 3; ++i) Append(100);
  // As after a crash: the files as they are, without a checkpoint.
  const TempFolder copied;
  for (const char* name : {"bel.db", "bel.db-wal"}) {
    std::filesystem::copy_file(folder_.File(name), copied.File(name));
  }
  SqliteStorage again(copied.File("bel.db"), StorageTimeouts{});
  ASSERT_TRUE(again.Initialize().ok());
  const auto page = again.List("g", {0, 10, 1 << 20});
  ASSERT_TRUE(page.ok()) << page.error().message;
  EXPECT_EQ(page->events.size(), 3u);
  EXPECT_EQ(page->at.head, 3);
}

TEST(SqliteLogs, TheWalOfTheSecondFileStaysSmall) {
  const TempFolder folder;
  SqliteLogChunks chunks(folder.File("bel.db"), StorageTimeouts{});
  ASSERT_TRUE(chunks.Initialize().ok());
  std::mt19937_64 random(1);  // does not compress well
  for (int64_t line = 1; line <= 60; ++line) {
    LogChunk chunk{{line, line, 0, 0, 0}, ""};
    while (chunk.lines.size() < kMegabyte) chunk.lines += std::to_string(random());
    chunk.lines += "\n";
    ASSERT_TRUE(chunks.Put({"g", "6ba7b810-9dad-11d1-80b4-00c04fd430c8"}, chunk, 1).ok());
  }
  EXPECT_GT(std::filesystem::file_size(folder.File("bel.db.logs")), 20 * kMegabyte);
  EXPECT_LT(std::filesystem::file_size(folder.File("bel.db.logs-wal")), 10 * kMegabyte);
}

}  // namespace
}  // namespace databuild
