#include "bel/base/log.h"

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "gtest/gtest.h"

namespace databuild {
namespace {

class LogLines : public testing::Test {
 protected:
  void SetUp() override {
    SetLogSink([this](std::string_view line) { lines_.emplace_back(line); });
  }
  void TearDown() override {
    SetLogSink(nullptr);
    SetLogLevel(LogLevel::kInfo);
  }
  std::vector<std::string> lines_;
};

TEST_F(LogLines, AreOneJsonObjectWithTypedFields) {
  LogWarn("two\nlines {}", {{"graph", "sales"}, {"idx", 7}, {"share", 0.5}, {"ok", true}});
  ASSERT_EQ(lines_.size(), 1u);
  EXPECT_EQ(lines_[0].find('\n'), std::string::npos);
  const auto line = nlohmann::json::parse(lines_[0]);
  EXPECT_EQ(line["level"], "warn");
  EXPECT_EQ(line["msg"], "two\nlines {}");
  EXPECT_EQ(line["graph"], "sales");
  EXPECT_EQ(line["idx"], 7);
  EXPECT_EQ(line["share"], 0.5);
  EXPECT_EQ(line["ok"], true);
}

TEST_F(LogLines, StayValidJsonWithBytesThatAreNotUtf8) {
  LogError("bad", {{"bytes", std::string("\xff\xfe", 2)}});
  ASSERT_EQ(lines_.size(), 1u);
  EXPECT_TRUE(nlohmann::json::accept(lines_[0]));
}

TEST_F(LogLines, BelowTheLevelAreDropped) {
  LogDebug("quiet");
  EXPECT_TRUE(lines_.empty());
  SetLogLevel(LogLevel::kDebug);
  LogDebug("loud");
  EXPECT_EQ(lines_.size(), 1u);
}

TEST_F(LogLines, OfAnAuditAreToldAtEveryLevel) {
  SetLogLevel(LogLevel::kError);
  LogWarn("quiet");
  LogAudit("audit", {{"caller", "alice"}});
  ASSERT_EQ(lines_.size(), 1u);
  EXPECT_EQ(nlohmann::json::parse(lines_[0])["level"], "audit");
}

TEST(RedactUri, HidesPasswordsWhereverTheyStand) {
  EXPECT_EQ(RedactUri("postgres://bob:s3cret@db:5432/bel?sslmode=require"),
            "postgres://bob:***@db:5432/bel?sslmode=require");
  EXPECT_EQ(RedactUri("postgres://bob:p@ss@db/bel"), "postgres://bob:***@db/bel");
  EXPECT_EQ(RedactUri("postgres:///bel?user=bob&password=s3cret&host=/run"),
            "postgres:///bel?user=bob&password=***&host=/run");
  EXPECT_EQ(RedactUri("postgres://db/bel"), "postgres://db/bel");
  EXPECT_EQ(RedactUri("sqlite:///var/lib/bel.db"), "sqlite:///var/lib/bel.db");
}

}  // namespace
}  // namespace databuild
