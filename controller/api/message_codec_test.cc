#include "controller/api/message_codec.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "controller/api/api_error.h"
#include "databuild/v1/databuild.pb.h"

namespace databuild {
namespace {

using Json = nlohmann::json;

TEST(DecodeJson, TakesBothSpellingsOfFieldsAndEveryFormOfEnumNames) {
  v1::ListPartitionsRequest request;
  ASSERT_TRUE(
      DecodeJson(
          R"({"refPattern":"a","partition_status":["available","PARTITION_FAILED","Building",3],
                             "page_size":7,"tainted":false})",
          request)
          .ok());
  EXPECT_EQ(request.ref_pattern(), "a");
  ASSERT_EQ(request.partition_status_size(), 4);
  EXPECT_EQ(request.partition_status(0), v1::PARTITION_AVAILABLE);
  EXPECT_EQ(request.partition_status(1), v1::PARTITION_FAILED);
  EXPECT_EQ(request.partition_status(2), v1::PARTITION_BUILDING);
  EXPECT_EQ(request.partition_status(3), v1::PARTITION_BUILDING);
  EXPECT_EQ(request.page_size(), 7u);
  EXPECT_TRUE(request.has_tainted());
}

TEST(DecodeJson, NothingAtAllIsAnEmptyMessage) {
  v1::ListWantsRequest request;
  EXPECT_TRUE(DecodeJson("", request).ok());
  EXPECT_TRUE(DecodeJson("{}", request).ok());
  EXPECT_TRUE(DecodeJson(R"({"status":null})", request).ok());
}

TEST(DecodeJson, RefusesWhatItDoesNotKnowAndNamesIt) {
  struct Case {
    std::string json;
    const char* field;
  };
  const std::vector<Case> cases = {
      {R"({"refPatern":"a"})", "refPatern"},
      {R"({"partition_status":["availabel"]})", "partition_status[0]"},
      {R"({"partition_status":"available"})", "partition_status"},
      {R"({"page_size":-1})", "page_size"},
      {R"({"page_size":"many"})", "page_size"},
      {R"({"page_size":1.5})", "page_size"},
      {R"({"page_size":4294967296})", "page_size"},
      {R"({"page_size":1,"pageSize":1})", "page_size"},
      {R"({"tainted":"true"})", "tainted"},
      {R"({"ref_pattern":7})", "ref_pattern"},
      {R"({"partition_status":[12345]})", "partition_status[0]"},
      {R"({"partition_status":[null]})", "partition_status[0]"},
      {R"([])", "body"},
      {R"("text")", "body"},
      {R"({"ref_pattern":)", "body"},
      {R"({'ref_pattern':'lax'})", "body"},
      {R"({"ref_pattern":"a"} trailing)", "body"},
      {std::string(100'000, '['), "body"},
      {"{\"ref_pattern\":" + std::string(40, '[') + std::string(40, ']') + "}", "body"},
      {"{\"ref_pattern\":\"\xff\xfe\"}", "body"},
  };
  for (const Case& c : cases) {
    v1::ListPartitionsRequest request;
    const Status status = DecodeJson(c.json, request);
    ASSERT_FALSE(status.ok()) << c.json.substr(0, 60);
    EXPECT_EQ(status.error().code, Errc::kInvalidArgument);
    EXPECT_EQ(status.error().message.substr(0, status.error().message.find(": ")), c.field)
        << c.json.substr(0, 60);
  }
  v1::ListEventsRequest nested;
  const Status status =
      DecodeJson(R"({"filter":{"partition_refs":["a"],"pattern":["b"]}})", nested);
  EXPECT_EQ(status.error().message, "filter.pattern: there is no such field in EventFilter");
}

TEST(DecodeJson, DepthIsCountedOutsideOfStringsOnly) {
  v1::ListPartitionsRequest request;
  const std::string brackets = std::string(100, '[') + "\\\"" + std::string(100, '{');
  EXPECT_TRUE(DecodeJson("{\"ref_pattern\":\"" + brackets + "\"}", request).ok());
  EXPECT_EQ(request.ref_pattern().size(), 201u);
}

TEST(EncodeJson, ConnectLeavesDefaultsOutAndRestShowsThem) {
  v1::ListWantsResponse response;
  response.set_event_index(5);
  EXPECT_EQ(Json::parse(EncodeJson(response, JsonStyle::kConnect).value()),
            Json::parse(R"({"eventIndex":"5"})"));
  const Json rest = Json::parse(EncodeJson(response, JsonStyle::kRest).value());
  EXPECT_EQ(rest["event_index"], "5");
  EXPECT_EQ(rest["has_more"], false);
  EXPECT_EQ(rest["wants"], Json::array());
}

TEST(EncodeJson, PagesOfEventsShowTheirOwnDefaultsButNotTheEvents) {
  v1::EventPage page;
  EXPECT_EQ(Json::parse(EncodeJson(page, JsonStyle::kConnect).value()),
            Json::parse(R"({"events":[]})"));
  page.set_next_idx(2);
  for (int i = 1; i <= 2; ++i) {
    v1::BuildEvent& event = *page.add_events();
    event.set_idx(i);
    event.mutable_partition_event()->set_status_name("available");
  }
  const Json rest = Json::parse(EncodeJson(page, JsonStyle::kRest).value());
  EXPECT_EQ(rest["next_idx"], "2");
  EXPECT_EQ(rest["has_more"], false);
  EXPECT_EQ(rest["events"][1],
            Json::parse(R"({"idx":"2","partition_event":{"status_name":"available"}})"));
  const Json connect = Json::parse(EncodeJson(page, JsonStyle::kConnect).value());
  EXPECT_EQ(connect["nextIdx"], "2");
  EXPECT_EQ(connect["events"][0]["partitionEvent"]["statusName"], "available");
  EXPECT_FALSE(connect.contains("hasMore"));
}

TEST(ApplyQuery, SetsFieldsAndThoseOfTheInnerMessage) {
  v1::ListEventsRequest request;
  ASSERT_TRUE(ApplyQuery({{"since_idx", "12"},
                          {"waitMs", "100"},
                          {"partition_refs", "a/b"},
                          {"partition_refs", "c"},
                          {"partition_patterns", "x/*"}},
                         "filter", request)
                  .ok());
  EXPECT_EQ(request.since_idx(), 12);
  EXPECT_EQ(request.wait_ms(), 100);
  EXPECT_EQ(request.filter().partition_refs_size(), 2);
  EXPECT_EQ(request.filter().partition_patterns(0), "x/*");
  v1::PartitionSummaryRequest one;
  ASSERT_TRUE(ApplyQuery({{"ref", "a/b"}}, "", one).ok());
  EXPECT_EQ(one.ref().str(), "a/b");
  v1::ListJobRunsRequest runs;
  ASSERT_TRUE(
      ApplyQuery({{"outcome", "out_of_memory"}, {"include_configure", "true"}}, "", runs).ok());
  EXPECT_EQ(runs.outcome(0), v1::JOB_OUTCOME_OUT_OF_MEMORY);
}

TEST(ApplyQuery, RefusesWhatItDoesNotKnowAndNamesIt) {
  const std::vector<std::pair<NamedValues, std::string>> cases = {
      {{{"sinceidx", "1"}}, "sinceidx"},
      {{{"since_idx", "one"}}, "since_idx"},
      {{{"since_idx", ""}}, "since_idx"},
      {{{"since_idx", "1"}, {"since_idx", "2"}}, "since_idx"},
      {{{"since_idx", "99999999999999999999"}}, "since_idx"},
      {{{"filter", "x"}}, "filter"},
      {{{"partition_refs", "\xff"}}, "partition_refs"},
      {{{"partition_refs", "\xc0\xaf"}}, "partition_refs"},
      {{{"partition_refs", "\xed\xa0\x80"}}, "partition_refs"},
      {{{"partition_refs", "\xf4\x90\x80\x80"}}, "partition_refs"},
  };
  for (const auto& [query, field] : cases) {
    v1::ListEventsRequest request;
    const Status status = ApplyQuery(query, "filter", request);
    ASSERT_FALSE(status.ok()) << field;
    EXPECT_EQ(status.error().message.substr(0, status.error().message.find(": ")), field);
  }
  v1::ListEventsRequest request;
  EXPECT_TRUE(
      ApplyQuery({{"partition_refs", "d\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80"}}, "filter", request)
          .ok());
  v1::ListJobRunsRequest runs;
  EXPECT_EQ(ApplyQuery({{"status", "done"}}, "", runs).error().message,
            "status: 'done' is none of unknown, scheduled, running, completed, failed, cancelled, "
            "skipped");
}

TEST(ErrorResponse, IsConnectsErrorJsonWithTheFieldNamed) {
  const HttpResponse response =
      ErrorResponse({Errc::kInvalidArgument, "page_size: at most 500, got 501"});
  EXPECT_EQ(response.status, 400);
  const Json body = Json::parse(response.body);
  EXPECT_EQ(body["code"], "invalid_argument");
  EXPECT_EQ(body["details"][0]["type"], "google.rpc.BadRequest");
  // 0a 21 { 0a 09 "page_size", 12 14 … } : field_violations[0].field and .description
  EXPECT_EQ(body["details"][0]["debug"]["fieldViolations"][0]["field"], "page_size");
  EXPECT_EQ(body["details"][0]["value"], "CiEKCXBhZ2Vfc2l6ZRIUYXQgbW9zdCA1MDAsIGdvdCA1MDE");
  EXPECT_FALSE(
      Json::parse(ErrorResponse({Errc::kNotFound, "want x: gone"}).body).contains("details"));
}

TEST(ErrorResponse, EveryCodeHasItsStatusAndForeignBytesDoNoHarm) {
  const std::vector<std::pair<Errc, int>> codes = {
      {Errc::kInvalidArgument, 400},  {Errc::kNotFound, 404},         {Errc::kAlreadyExists, 409},
      {Errc::kConflict, 409},         {Errc::kFenced, 503},           {Errc::kUnavailable, 503},
      {Errc::kTooLarge, 429},         {Errc::kOutOfRange, 400},       {Errc::kUnauthenticated, 401},
      {Errc::kPermissionDenied, 403}, {Errc::kDeadlineExceeded, 504}, {Errc::kUnsupported, 501},
      {Errc::kCorrupt, 500},          {Errc::kCancelled, 499},        {Errc::kInternal, 500},
      {Errc::kInvalidTransition, 400}};
  for (const auto& [code, status] : codes) {
    const HttpResponse response = ErrorResponse({code, "bad \xff byte"});
    EXPECT_EQ(response.status, status);
    EXPECT_FALSE(Json::parse(response.body)["code"].get<std::string>().empty());
  }
}

}  // namespace
}  // namespace databuild
