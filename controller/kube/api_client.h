// ApiClient: calls to one Kubernetes API server.
//
// Thread-safe; every call blocks its caller at most until CallOptions.deadline and ends early when
// the stop token is set. Retries inside a call: answers 429 and 5xx that carry Retry-After, and one
// dead idle connection. Every request we make may be sent twice (the HTTP layer does so by itself),
// so creates use deterministic names and deletes carry preconditions.
#pragma once

#include <functional>
#include <memory>
#include <stop_token>
#include <string>
#include <variant>

#include "controller/kube/api_error.h"
#include "controller/kube/api_request.h"
#include "controller/kube/credentials.h"
#include "controller/kube/http_transport.h"

namespace databuild::kube {

// What a call gave, or why it did not.
template <typename T>
class [[nodiscard]] ApiResult {
 public:
  ApiResult(T value) : value_(std::move(value)) {}         // NOLINT(google-explicit-constructor)
  ApiResult(ApiError error) : value_(std::move(error)) {}  // NOLINT(google-explicit-constructor)

  bool ok() const { return value_.index() == 0; }
  bool failed_with(ApiFailure failure) const { return !ok() && error().failure == failure; }
  T& operator*() {
    CHECK(ok());
    return std::get<0>(value_);
  }
  const T& operator*() const {
    CHECK(ok());
    return std::get<0>(value_);
  }
  T* operator->() { return &**this; }
  const ApiError& error() const {
    CHECK(!ok());
    return std::get<1>(value_);
  }

 private:
  std::variant<T, ApiError> value_;
};

using ApiReply = ApiResult<std::string>;  // the body of a 2xx answer

struct CallOptions {
  Deadline deadline;
  std::stop_token stop;

  static CallOptions Within(std::chrono::milliseconds timeout, std::stop_token stop = {}) {
    return {std::chrono::steady_clock::now() + timeout, std::move(stop)};
  }
};

// A body that arrives piece by piece: a watch, or a log that is followed. One thread at a time;
// dropping it closes the connection.
class ByteStream {
 public:
  explicit ByteStream(std::unique_ptr<HttpExchange> exchange, std::string request)
      : exchange_(std::move(exchange)), request_(std::move(request)) {}

  // Appends at least one byte to `out`, or sets `end` (the server ended the stream in good order).
  std::optional<ApiError> Read(const CallOptions& options, std::string& out, bool& end);

 private:
  std::unique_ptr<HttpExchange> exchange_;
  std::string request_;
};

// One finished request, for rest_client_requests_total and its latency.
struct RequestObservation {
  std::string method;  // GET, LIST and WATCH are all GET here, as in client-go
  std::string code;    // "200", or "<error>" when there was no answer
  std::string host;
  DurationNs duration = 0;
};

enum class PatchType { kMerge, kJson, kApply };

struct ApiClientOptions {
  std::string user_agent = "databuild-controller/0.1.0 (linux/amd64) kubernetes";
  std::string field_manager = "databuild-controller";
  std::chrono::seconds inactivity{60};          // of unary calls
  std::chrono::seconds stream_inactivity{180};  // three times the usual bookmark period
  size_t body_bytes_max = 256 * 1024 * 1024;    // of one answer
  int parallel_calls = 64;                      // unary calls in flight; further ones wait
  double qps = 0;                               // unary calls a second; 0: unlimited
  int burst = 1;
  // Asked on the calling thread right before each HTTP request that would change something; false:
  // it is not sent. Empty: always. Reviews and dry runs change nothing.
  std::function<bool()> may_write;
  // Called on the calling thread, after each HTTP request.
  std::function<void(const RequestObservation&)> observe;
};

class ApiClient {
 public:
  // Errors: kInvalidArgument.
  static Result<std::unique_ptr<ApiClient>> Create(const ClusterAccess& access,
                                                   ApiClientOptions options);
  ~ApiClient();

  ApiReply Get(const ObjectPath& path, const CallOptions& options);
  // One page.
  ApiReply List(const ObjectPath& path, const ListOptions& list, const CallOptions& options);
  ApiReply Create(const ObjectPath& path, const std::string& body, const CallOptions& options);
  // Admission and validation only; nothing is stored.
  ApiReply DryRunCreate(const ObjectPath& path, const std::string& body,
                        const CallOptions& options);
  // `body` must carry metadata.resourceVersion.
  ApiReply Replace(const ObjectPath& path, const std::string& body, const CallOptions& options);
  ApiReply Patch(const ObjectPath& path, PatchType type, const std::string& body,
                 const CallOptions& options);
  ApiReply Delete(const ObjectPath& path, const DeleteOptions& what, const CallOptions& options);

  // The deadline covers the opening only.
  ApiResult<std::unique_ptr<ByteStream>> Watch(const ObjectPath& path, const WatchOptions& watch,
                                               const CallOptions& options);
  ApiResult<std::unique_ptr<ByteStream>> PodLog(const ObjectPath& pod, const LogOptions& log,
                                                const CallOptions& options);

  const ClusterAccess& access() const;

 private:
  struct Core;
  explicit ApiClient(std::unique_ptr<Core> core);
  std::unique_ptr<Core> core_;
};

}  // namespace databuild::kube
