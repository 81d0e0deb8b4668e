#include "controller/kube/api_error.h"

#include <algorithm>
#include <charconv>

#include "controller/kube/json_view.h"

namespace databuild::kube {

namespace {

constexpr size_t kQuotedBodyBytes = 200;  // of an answer that is not JSON

ApiFailure Classify(int status, const ApiError& error) {
  if (error.HasCause("ResourceVersionTooLarge")) return ApiFailure::kVersionTooLarge;
  if (error.reason == "AlreadyExists") return ApiFailure::kAlreadyExists;
  if (error.reason == "Conflict") return ApiFailure::kConflict;
  if (error.reason == "Expired" || error.reason == "Gone") return ApiFailure::kGone;
  if (error.reason == "NotFound") return ApiFailure::kNotFound;
  switch (status) {
    case 401:
      return ApiFailure::kUnauthenticated;
    case 403:
      return ApiFailure::kForbidden;
    case 404:
      return ApiFailure::kNotFound;
    case 409:
      return ApiFailure::kConflict;
    case 410:
      return ApiFailure::kGone;
    case 429:
      return ApiFailure::kThrottled;
    default:
      break;
  }
  if (status >= 500) return ApiFailure::kServer;
  return status >= 400 ? ApiFailure::kInvalid : ApiFailure::kMalformed;
}

std::optional<DurationNs> Seconds(std::string_view text) {
  int64_t seconds = 0;
  auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), seconds);
  if (code != std::errc() || end != text.data() + text.size() || seconds < 0) return std::nullopt;
  return std::min<int64_t>(seconds, 3600) * kSecond;
}

void FillFromStatus(const JsonView& status, ApiError& error) {
  error.reason = status["reason"].Str();
  error.message = status["message"].Str();
  JsonView details = status["details"];
  details["causes"].ForEachItem([&](const JsonView& cause) {
    error.causes.push_back({cause["reason"].Str(), cause["field"].Str(), cause["message"].Str()});
  });
  if (auto seconds = details["retryAfterSeconds"].Int(); seconds && *seconds > 0)
    error.retry_after = std::min<int64_t>(*seconds, 3600) * kSecond;
}

Errc CodeOf(ApiFailure failure) {
  switch (failure) {
    case ApiFailure::kNotFound:
      return Errc::kNotFound;
    case ApiFailure::kAlreadyExists:
      return Errc::kAlreadyExists;
    case ApiFailure::kConflict:
      return Errc::kConflict;
    case ApiFailure::kGone:
      return Errc::kOutOfRange;
    case ApiFailure::kUnauthenticated:
      return Errc::kUnauthenticated;
    case ApiFailure::kForbidden:
      return Errc::kPermissionDenied;
    case ApiFailure::kInvalid:
      return Errc::kInvalidArgument;
    case ApiFailure::kTimeout:
      return Errc::kDeadlineExceeded;
    case ApiFailure::kStopped:
      return Errc::kCancelled;
    case ApiFailure::kFenced:
      return Errc::kFenced;
    case ApiFailure::kMalformed:
      return Errc::kCorrupt;
    default:
      return Errc::kUnavailable;
  }
}

}  // namespace

const char* ApiFailureName(ApiFailure failure) {
  switch (failure) {
    case ApiFailure::kNotFound:
      return "not_found";
    case ApiFailure::kAlreadyExists:
      return "already_exists";
    case ApiFailure::kConflict:
      return "conflict";
    case ApiFailure::kGone:
      return "gone";
    case ApiFailure::kVersionTooLarge:
      return "version_too_large";
    case ApiFailure::kUnauthenticated:
      return "unauthenticated";
    case ApiFailure::kForbidden:
      return "forbidden";
    case ApiFailure::kInvalid:
      return "invalid";
    case ApiFailure::kThrottled:
      return "throttled";
    case ApiFailure::kServer:
      return "server";
    case ApiFailure::kRefused:
      return "refused";
    case ApiFailure::kInterrupted:
      return "interrupted";
    case ApiFailure::kTimeout:
      return "timeout";
    case ApiFailure::kStopped:
      return "stopped";
    case ApiFailure::kFenced:
      return "fenced";
    case ApiFailure::kMalformed:
      return "malformed";
  }
  return "unknown";
}

bool ApiError::HasCause(std::string_view cause) const {
  return std::any_of(causes.begin(), causes.end(),
                     [&](const ApiCause& known) { return known.reason == cause; });
}

std::string ApiError::Describe() const {
  std::string text = request.empty() ? "Kubernetes API request" : request;
  text += ": ";
  if (http_status != 0) text += "HTTP " + std::to_string(http_status) + " ";
  if (!reason.empty()) text += reason + ": ";
  text += message.empty() ? ApiFailureName(failure) : message;
  return text;
}

Error ApiError::ToError() const { return {CodeOf(failure), Describe()}; }

ApiError ErrorFromAnswer(int http_status, std::string_view body, std::string_view retry_after) {
  ApiError error;
  error.http_status = http_status;
  JsonParser parser;
  auto parsed = parser.Parse(body);
  if (parsed.ok() && (*parsed)["kind"].Text() == "Status") {
    FillFromStatus(*parsed, error);
  } else {
    error.message = std::string(body.substr(0, kQuotedBodyBytes));
  }
  if (auto seconds = Seconds(retry_after)) error.retry_after = seconds;
  error.failure = Classify(http_status, error);
  return error;
}

ApiError ErrorFromStatusJson(std::string_view status_json) {
  ApiError error;
  JsonParser parser;
  auto parsed = parser.Parse(status_json);
  if (!parsed.ok() || !parsed->is_object()) {
    error.failure = ApiFailure::kMalformed;
    error.message = "an ERROR event without a Status";
    return error;
  }
  FillFromStatus(*parsed, error);
  error.http_status = static_cast<int>((*parsed)["code"].Int().value_or(500));
  error.failure = Classify(error.http_status, error);
  return error;
}

}  // namespace databuild::kube
