// A test suite with a Postgres of its own: one server for the suite, a new database for each test.
#pragma once

#include <gtest/gtest.h>

#include <string>

#include "tests/support/throwaway_postgres.h"

namespace databuild {

class PostgresFixture : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    auto started = ThrowawayPostgres::Start();
    ASSERT_TRUE(started.ok()) << started.error().message;
    server_ = started.value().release();
  }
  static void TearDownTestSuite() {
    delete server_;
    server_ = nullptr;
  }
  void SetUp() override {
    static int databases = 0;
    uri_ = server_->CreateDatabase("test_" + std::to_string(++databases)).value();
  }

  static inline ThrowawayPostgres* server_ = nullptr;
  std::string uri_;
};

}  // namespace databuild
