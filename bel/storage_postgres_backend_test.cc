// The contract suite against a Postgres server of the test's own; one database per test.
#include "bel/postgres_log_chunks.h"
#include "bel/postgres_storage.h"
#include "bel/storage_contract.h"
#include "gtest/gtest.h"
#include "tests/support/throwaway_postgres.h"

namespace databuild {
namespace {

std::unique_ptr<ThrowawayPostgres> server;

class ServerEnvironment final : public testing::Environment {
 public:
  void SetUp() override {
    auto started = ThrowawayPostgres::Start();
    ASSERT_TRUE(started.ok()) << started.error().message;
    server = std::move(started.value());
  }
  void TearDown() override { server.reset(); }
};

const testing::Environment* const environment =
    testing::AddGlobalTestEnvironment(new ServerEnvironment);

class PostgresSite final : public StorageSite {
 public:
  PostgresSite() {
    static int databases = 0;
    auto created = server->CreateDatabase("contract_" + std::to_string(++databases));
    EXPECT_TRUE(created.ok()) << created.error().message;
    uri_ = created.value();
  }
  std::unique_ptr<Storage> Open() override { return Open(false); }
  std::unique_ptr<Storage> OpenReadOnly() override { return Open(true); }
  std::unique_ptr<LogChunks> OpenLogChunks() override {
    return std::make_unique<PostgresLogChunks>(uri_, StorageTimeouts{});
  }
  bool durable() const override { return true; }

 private:
  std::unique_ptr<Storage> Open(bool read_only) {
    auto storage = std::make_unique<PostgresStorage>(PostgresOptions{uri_, {}, false, read_only});
    const Status opened = storage->Initialize();
    EXPECT_TRUE(opened.ok()) << opened.error().message;
    return storage;
  }

  std::string uri_;
};

}  // namespace

std::vector<BackendUnderTest> BackendsUnderTest() {
  return {{"postgres", [] { return std::make_unique<PostgresSite>(); }}};
}

}  // namespace databuild
