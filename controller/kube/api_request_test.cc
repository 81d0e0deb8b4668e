#include "controller/kube/api_request.h"

#include <gtest/gtest.h>

#include "controller/kube/api_error.h"

namespace databuild::kube {
namespace {

TEST(ApiRequest, PathsNameGroupNamespaceAndSubresource) {
  EXPECT_EQ((ObjectPath{kPods, "sales", "p", "log"}.Text()), "/api/v1/namespaces/sales/pods/p/log");
  EXPECT_EQ((ObjectPath{kWants, "", "", ""}.Text()), "/apis/databuild.dev/v1alpha1/wants");
  EXPECT_EQ((ObjectPath{kJobs, "a b", "x/y", ""}.Text()),
            "/apis/batch/v1/namespaces/a%20b/jobs/x%2Fy");
}

TEST(ApiRequest, WithAContinueTokenNoVersionIsSent) {
  ListOptions list;
  list.limit = 500;
  list.resource_version = "7";
  list.resource_version_match = "NotOlderThan";
  list.label_selector = "a=b,c";
  EXPECT_EQ(
      EncodeQuery(ListQuery(list)),
      "?labelSelector=a%3Db%2Cc&limit=500&resourceVersion=7&resourceVersionMatch=NotOlderThan");
  list.continue_token = "tok==";
  EXPECT_EQ(EncodeQuery(ListQuery(list)), "?labelSelector=a%3Db%2Cc&limit=500&continue=tok%3D%3D");
}

TEST(ApiRequest, DeletesAlwaysSayHowTheyPropagate) {
  EXPECT_EQ(DeleteBody({}),
            R"({"apiVersion":"v1","kind":"DeleteOptions","propagationPolicy":"Background"})");
  DeleteOptions options;
  options.uid = "u";
  options.resource_version = "5";
  options.grace_seconds = 0;
  EXPECT_EQ(
      DeleteBody(options),
      R"({"apiVersion":"v1","gracePeriodSeconds":0,"kind":"DeleteOptions",)"
      R"("preconditions":{"resourceVersion":"5","uid":"u"},"propagationPolicy":"Background"})");
}

TEST(ApiError, AnswersAreClassedByReasonThenByStatus) {
  const struct {
    int status;
    const char* reason;
    ApiFailure failure;
  } cases[] = {
      {409, "AlreadyExists", ApiFailure::kAlreadyExists},
      {409, "Conflict", ApiFailure::kConflict},
      {410, "Expired", ApiFailure::kGone},
      {410, "Gone", ApiFailure::kGone},
      {404, "NotFound", ApiFailure::kNotFound},
      {401, "Unauthorized", ApiFailure::kUnauthenticated},
      {403, "Forbidden", ApiFailure::kForbidden},
      {422, "Invalid", ApiFailure::kInvalid},
      {400, "BadRequest", ApiFailure::kInvalid},
      {429, "TooManyRequests", ApiFailure::kThrottled},
      {500, "InternalError", ApiFailure::kServer},
      {503, "ServiceUnavailable", ApiFailure::kServer},
      {504, "Timeout", ApiFailure::kServer},
      {302, "", ApiFailure::kMalformed},
  };
  for (const auto& each : cases) {
    ApiError error = ErrorFromAnswer(
        each.status,
        R"({"kind":"Status","reason":")" + std::string(each.reason) + R"(","message":"m"})", "");
    EXPECT_EQ(error.failure, each.failure) << each.status << " " << each.reason;
    EXPECT_EQ(error.message, "m");
  }
}

TEST(ApiError, CausesAndRetryAfterAreRead) {
  ApiError error = ErrorFromAnswer(504, R"({"kind":"Status","reason":"Timeout","details":{"causes":
    [{"reason":"ResourceVersionTooLarge","field":"f","message":"m"}],"retryAfterSeconds":2}})",
                                   "");
  EXPECT_EQ(error.failure, ApiFailure::kVersionTooLarge);
  EXPECT_EQ(error.causes[0].field, "f");
  EXPECT_EQ(error.retry_after, 2 * kSecond);
  EXPECT_EQ(ErrorFromAnswer(429, "{}", "7").retry_after, 7 * kSecond);
  EXPECT_FALSE(ErrorFromAnswer(429, "{}", "Wed, 21 Oct").retry_after.has_value());
}

TEST(ApiError, ABodyThatIsNoStatusIsQuoted) {
  ApiError error = ErrorFromAnswer(502, "<html>bad gateway</html>", "");
  EXPECT_EQ(error.failure, ApiFailure::kServer);
  EXPECT_EQ(error.message, "<html>bad gateway</html>");
  error.request = "GET /x";
  EXPECT_EQ(error.Describe(), "GET /x: HTTP 502 <html>bad gateway</html>");
}

}  // namespace
}  // namespace databuild::kube
