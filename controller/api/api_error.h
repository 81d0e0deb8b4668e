// Errors on the wire: Connect's error JSON, for both doors.
#pragma once

#include <string>

#include "bel/base/result.h"
#include "controller/api/http_message.h"

namespace databuild {

struct WireCode {
  int http_status;
  const char* name;  // Connect's: "invalid_argument", "not_found", ...
};

WireCode WireCodeOf(Errc code);

// {"code":"invalid_argument","message":"page_size: at most 500, got 501","details":[…]}. An
// INVALID_ARGUMENT whose message begins with a field carries a google.rpc.BadRequest that names it.
HttpResponse ErrorResponse(const Error& error);
// The same with another status: 404, 405, 415 of the protocol itself.
HttpResponse ErrorResponse(int http_status, const Error& error);

}  // namespace databuild
