// What the Kubernetes API server (or the way to it) answered instead of what was asked for.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "bel/base/clock.h"
#include "bel/base/result.h"

namespace databuild::kube {

// Callers branch on these. Server answers are classed by Status.reason first, then by HTTP status.
enum class ApiFailure {
  kNotFound,
  kAlreadyExists,
  kConflict,         // resourceVersion or UID precondition did not hold
  kGone,             // 410: the resourceVersion or continue token is too old; list again
  kVersionTooLarge,  // this server has not yet seen the resourceVersion asked for
  kUnauthenticated,  // 401
  kForbidden,        // 403: RBAC, quota, admission or a namespace that terminates
  kInvalid,          // 400, 422 and other refusals of the request as such
  kThrottled,        // 429
  kServer,           // 5xx
  kRefused,          // no connection: nothing was sent
  kInterrupted,      // the connection ended, or an answer was cut short
  kTimeout,          // no byte for the inactivity timeout, or the deadline passed
  kStopped,          // the caller's stop token was set
  kFenced,           // not sent: this process may not write now (ApiClientOptions.may_write)
  kMalformed,        // the answer is not what the API promises
};

// Lower-case name, as used in logs and as a metrics label.
const char* ApiFailureName(ApiFailure failure);

struct ApiCause {
  std::string reason;
  std::string field;
  std::string message;
};

struct ApiError {
  ApiFailure failure = ApiFailure::kServer;
  int http_status = 0;  // 0: there was no HTTP answer
  std::string reason;   // Status.reason, empty if the body was no Status
  std::string message;  // the server's own words
  std::vector<ApiCause> causes;
  std::optional<DurationNs> retry_after;
  std::string request;  // "POST /apis/batch/v1/namespaces/sales/jobs"

  bool HasCause(std::string_view cause) const;
  // What was tried, on what, and what came back.
  std::string Describe() const;
  // The nearest Errc; details stay in the message.
  Error ToError() const;
};

// From an HTTP answer that is not 2xx; `body` may be a metav1.Status or anything else (a proxy's
// page).
ApiError ErrorFromAnswer(int http_status, std::string_view body, std::string_view retry_after);
// From the metav1.Status object of an in-stream ERROR event.
ApiError ErrorFromStatusJson(std::string_view status_json);

}  // namespace databuild::kube
