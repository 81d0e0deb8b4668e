// The contract suite's backends that need no server.
#include "bel/memory_log_chunks.h"
#include "bel/memory_storage.h"
#include "bel/sqlite_log_chunks.h"
#include "bel/sqlite_storage.h"
#include "bel/storage_contract.h"
#include "gtest/gtest.h"
#include "tests/support/temp_folder.h"

namespace databuild {
namespace {

class MemorySite final : public StorageSite {
 public:
  std::unique_ptr<Storage> Open() override { return std::make_unique<MemoryStorage>(); }
  std::unique_ptr<LogChunks> OpenLogChunks() override {
    return std::make_unique<MemoryLogChunks>();
  }
  bool durable() const override { return false; }
};

class SqliteSite final : public StorageSite {
 public:
  std::unique_ptr<Storage> Open() override { return Open(false); }
  std::unique_ptr<Storage> OpenReadOnly() override { return Open(true); }
  std::unique_ptr<LogChunks> OpenLogChunks() override {
    auto chunks = std::make_unique<SqliteLogChunks>(folder_.File("bel.db"), StorageTimeouts{});
    const Status opened = chunks->Initialize();
    EXPECT_TRUE(opened.ok()) << opened.error().message;
    return chunks;
  }
  bool durable() const override { return true; }

 private:
  std::unique_ptr<Storage> Open(bool read_only) {
    auto storage =
        std::make_unique<SqliteStorage>(folder_.File("bel.db"), StorageTimeouts{}, read_only);
    const Status opened = storage->Initialize();
    EXPECT_TRUE(opened.ok()) << opened.error().message;
    return storage;
  }

  TempFolder folder_;
};

}  // namespace

std::vector<BackendUnderTest> BackendsUnderTest() {
  return {{"memory", [] { return std::make_unique<MemorySite>(); }},
          {"sqlite", [] { return std::make_unique<SqliteSite>(); }}};
}

}  // namespace databuild
