#include "controller/api/api_error.h"

#include <nlohmann/json.hpp>

#include "bel/base/base64.h"
#include "bel/base/check.h"

namespace databuild {
namespace {

// A protobuf field of wire type 2 (length-delimited).
std::string LengthDelimited(int number, const std::string& bytes) {
  std::string out(1, static_cast<char>(number << 3 | 2));
  for (size_t length = bytes.size(); true; length >>= 7) {
    if (length < 128) {
      out.push_back(static_cast<char>(length));
      break;
    }
    out.push_back(static_cast<char>((length & 127) | 128));
  }
  return out + bytes;
}

// The field a message begins with: "filter.partition_refs[3]: …"; empty if it begins with none.
std::string FieldOf(const std::string& message) {
  const size_t end = message.find(": ");
  if (end == std::string::npos || end == 0) return "";
  const std::string field = message.substr(0, end);
  const bool is_path = field.find_first_not_of(
                           "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.[]-") ==
                       std::string::npos;
  return is_path ? field : "";
}

// Messages quote what was sent, which may be huge.
std::string Shortened(const std::string& message) {
  static constexpr size_t kMost = 2'000, kEnd = 500;
  if (message.size() <= kMost) return message;
  return message.substr(0, kMost - kEnd) + " … " + message.substr(message.size() - kEnd);
}

// google.rpc.BadRequest{field_violations = 1: {field = 1, description = 2}}.
nlohmann::json BadRequestDetail(const std::string& field, const std::string& description) {
  const std::string violation = LengthDelimited(1, field) + LengthDelimited(2, description);
  return {{"type", "google.rpc.BadRequest"},
          {"value", EncodeBase64(LengthDelimited(1, violation), kBase64)},
          {"debug", {{"fieldViolations", {{{"field", field}, {"description", description}}}}}}};
}

}  // namespace

WireCode WireCodeOf(Errc code) {
  switch (code) {
    case Errc::kInvalidArgument:
      return {400, "invalid_argument"};
    case Errc::kNotFound:
      return {404, "not_found"};
    case Errc::kAlreadyExists:
      return {409, "already_exists"};
    case Errc::kConflict:
      return {409, "aborted"};
    case Errc::kFenced:
      return {503, "unavailable"};
    case Errc::kUnavailable:
      return {503, "unavailable"};
    case Errc::kInvalidTransition:
      return {400, "failed_precondition"};
    case Errc::kTooLarge:
      return {429, "resource_exhausted"};
    case Errc::kOutOfRange:
      return {400, "out_of_range"};
    case Errc::kUnauthenticated:
      return {401, "unauthenticated"};
    case Errc::kPermissionDenied:
      return {403, "permission_denied"};
    case Errc::kDeadlineExceeded:
      return {504, "deadline_exceeded"};
    case Errc::kUnsupported:
      return {501, "unimplemented"};
    case Errc::kCorrupt:
      return {500, "data_loss"};
    case Errc::kCancelled:
      return {499, "canceled"};
    case Errc::kInternal:
      return {500, "internal"};
  }
  CHECK(false);
}

HttpResponse ErrorResponse(const Error& error) {
  return ErrorResponse(WireCodeOf(error.code).http_status, error);
}

HttpResponse ErrorResponse(int http_status, const Error& error) {
  const std::string message = Shortened(error.message);
  nlohmann::json body = {{"code", WireCodeOf(error.code).name}, {"message", message}};
  const std::string field = error.code == Errc::kInvalidArgument ? FieldOf(message) : "";
  if (!field.empty()) {
    body["details"] =
        nlohmann::json::array({BadRequestDetail(field, message.substr(field.size() + 2))});
  }
  HttpResponse response;
  response.status = http_status;
  response.content_type = "application/json";
  // Messages may quote what a client sent: bytes that are no UTF-8 are replaced, never thrown over.
  response.body = body.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
  if (http_status == 401)
    response.headers.emplace_back("WWW-Authenticate", "Bearer realm=\"databuild\"");
  if (http_status == 503) response.headers.emplace_back("Retry-After", "1");
  return response;
}

}  // namespace databuild
