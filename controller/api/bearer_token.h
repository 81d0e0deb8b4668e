// The bearer token of a request. Private to the authenticators.
#pragma once

#include <string>

#include "bel/base/result.h"
#include "controller/api/http_message.h"

namespace databuild {

// kUnauthenticated: there is none, several, or a malformed one. It is never repeated in errors.
Result<std::string> BearerToken(const HttpRequest& request);

// kUnauthenticated; says how a caller gets a token.
Error Unauthenticated(const std::string& why);

}  // namespace databuild
