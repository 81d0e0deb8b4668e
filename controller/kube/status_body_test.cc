#include "controller/kube/status_body.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace databuild::kube {
namespace {

using Json = nlohmann::json;

constexpr TimeNs kNow = 1736035200LL * kSecond + 123;

WantStatus Building() {
  WantStatus status;
  status.observed_generation = 1;
  status.want_id = "u";
  status.total = 31;
  status.available = 3;
  status.progress = "3/31";
  status.conditions = {{"Ready", "False", "Building", "3 of 31"},
                       {"Stalled", "False", "Building", ""}};
  status.event_index = 9;
  return status;
}

// The object as the API server would show it after the patch.
std::string Stored(const StatusBody& body, const std::string& version) {
  Json patch = Json::parse(body.patch);
  return Json{{"metadata", {{"uid", "u"}, {"resourceVersion", version}}},
              {"status", patch[1]["value"]}}
      .dump();
}

StatusShadow ShadowOfText(const std::string& json) {
  JsonParser parser;
  auto parsed = parser.Parse(json);
  EXPECT_TRUE(parsed.ok());
  return ShadowOf(*parsed);
}

TEST(StatusBody, PatchesTheWholeStatusOfOneUid) {
  StatusBody body = RenderStatus(Building(), "u", {}, kNow);
  Json patch = Json::parse(body.patch);
  EXPECT_EQ(patch[0], Json({{"op", "test"}, {"path", "/metadata/uid"}, {"value", "u"}}));
  EXPECT_EQ(patch[1]["path"], "/status");
  Json status = patch[1]["value"];
  EXPECT_EQ(status["observedGeneration"], 1);
  EXPECT_EQ(status["partitions"]["available"], 3);
  EXPECT_EQ(status["conditions"][0]["observedGeneration"], 1);
  EXPECT_EQ(status["conditions"][0]["lastTransitionTime"], "2025-01-05T00:00:00Z");
  EXPECT_FALSE(status.contains("buildRequestId"));
}

TEST(StatusBody, WhatWasWrittenIsRecognized) {
  StatusBody body = RenderStatus(Building(), "u", {}, kNow);
  StatusShadow stored = ShadowOfText(Stored(body, "5"));
  EXPECT_EQ(stored.digest, body.shadow.digest);
  EXPECT_EQ(stored.conditions, body.shadow.conditions);
  EXPECT_EQ(stored.resource_version, "5");
  // Later, with nothing changed: the same, whatever the time.
  EXPECT_EQ(RenderStatus(Building(), "u", stored, kNow + kHour).shadow.digest, stored.digest);
}

TEST(StatusBody, ATransitionTimeChangesOnlyWithTheStatus) {
  StatusShadow stored = ShadowOfText(Stored(RenderStatus(Building(), "u", {}, kNow), "5"));
  WantStatus later = Building();
  later.conditions[0] = {"Ready", "True", "Available", ""};
  later.conditions[1].reason = "Other";
  Json patch = Json::parse(RenderStatus(later, "u", stored, kNow + kHour).patch);
  EXPECT_EQ(patch[1]["value"]["conditions"][0]["lastTransitionTime"], "2025-01-05T01:00:00Z");
  EXPECT_EQ(patch[1]["value"]["conditions"][1]["lastTransitionTime"], "2025-01-05T00:00:00Z");
}

TEST(StatusBody, CountersAndMessagesAreToldApartFromConditions) {
  StatusBody before = RenderStatus(Building(), "u", {}, kNow);
  WantStatus counted = Building();
  counted.available = 4;
  counted.conditions[0].message = "4 of 31";
  StatusBody after = RenderStatus(counted, "u", before.shadow, kNow);
  EXPECT_NE(after.shadow.digest, before.shadow.digest);
  EXPECT_EQ(after.shadow.conditions, before.shadow.conditions);
  WantStatus turned = Building();
  turned.conditions[0].reason = "Queued";
  EXPECT_NE(RenderStatus(turned, "u", before.shadow, kNow).shadow.conditions,
            before.shadow.conditions);
  WantStatus edited = Building();
  edited.observed_generation = 2;
  EXPECT_NE(RenderStatus(edited, "u", before.shadow, kNow).shadow.conditions,
            before.shadow.conditions);
}

TEST(StatusBody, TheLargestStatusStaysUnderThirtyTwoKilobytes) {
  WantStatus status = Building();
  for (auto& condition : status.conditions) condition.message = std::string(100'000, 'm');
  for (int i = 0; i < 100; ++i)
    status.details.push_back(
        {std::string(512, 'r'), "FAILED", "BuildFailed", std::string(9'000, 'x'), "id"});
  StatusBody body = RenderStatus(status, "u", {}, kNow);
  EXPECT_LT(body.patch.size(), 32u * 1024);
  Json details = Json::parse(body.patch)[1]["value"]["details"];
  EXPECT_EQ(details.size(), 20u);
  EXPECT_EQ(details[0]["message"].get<std::string>().size(), 256u);
}

TEST(StatusBody, TextIsCutBetweenCharacters) {
  WantStatus status = Building();
  std::string text(255, 'a');
  status.details.push_back({"r", "s", "R", text + "\xC3\xA4", ""});
  Json details = Json::parse(RenderStatus(status, "u", {}, kNow).patch)[1]["value"]["details"];
  EXPECT_EQ(details[0]["message"], text);
}

TEST(StatusBody, DefaultStatusOfANewObjectIsNoMatch) {
  StatusShadow fresh =
      ShadowOfText(R"({"metadata":{"resourceVersion":"1"},"status":{"observedGeneration":-1}})");
  EXPECT_NE(fresh.digest, RenderStatus(Building(), "u", fresh, kNow).shadow.digest);
}

TEST(StatusBody, VersionsCompareByLengthThenDigits) {
  EXPECT_TRUE(VersionIsOlder("99", "100"));
  EXPECT_TRUE(VersionIsOlder("100", "101"));
  EXPECT_FALSE(VersionIsOlder("101", "101"));
  EXPECT_FALSE(VersionIsOlder("102", "101"));
  EXPECT_FALSE(VersionIsOlder("", "101"));
  EXPECT_FALSE(VersionIsOlder("5", ""));
  EXPECT_FALSE(VersionIsOlder("abc", "101"));
}

}  // namespace
}  // namespace databuild::kube
