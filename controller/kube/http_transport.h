// HTTP/1.1 over TLS to one server: the narrow gate to cpprestsdk, whose every header stays in the
// .cc.
//
// cpprestsdk moves bytes on its own small thread pool; callers block only on their own threads, in
// ReadHead and Read, each with a deadline. What a caller has not yet read is held in a bounded
// buffer; when it is full the socket is not read either. No redirect is followed, no system root is
// trusted.
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <utility>
#include <vector>

#include "bel/base/result.h"
#include "controller/kube/api_error.h"
#include "controller/kube/credentials.h"

namespace databuild::kube {

using Deadline = std::chrono::steady_clock::time_point;

struct HttpRequest {
  std::string method;
  std::string target;  // encoded path and query
  std::vector<std::pair<std::string, std::string>> headers;
  std::string body;
  std::string content_type;
};

struct HttpHead {
  int status = 0;
  std::string retry_after;
  std::string content_type;
  std::string warning;  // all Warning headers, comma separated
};

// Why an exchange ended early. `sent` false: the server cannot have seen the request.
struct HttpFault {
  ApiFailure failure = ApiFailure::kInterrupted;
  std::string message;
  bool stale_connection = false;  // an idle connection had died: worth one more try at once
};

// One request under way. One thread at a time; dropping it ends the connection.
class HttpExchange {
 public:
  ~HttpExchange();
  HttpExchange(const HttpExchange&) = delete;
  HttpExchange& operator=(const HttpExchange&) = delete;

  // Waits for status and headers. Nothing on success.
  std::optional<HttpFault> ReadHead(Deadline deadline, std::stop_token stop, HttpHead& head);
  // Appends what has arrived to `out`, waiting for at least one byte; `end` is set after the last
  // one.
  std::optional<HttpFault> Read(Deadline deadline, std::stop_token stop, std::string& out,
                                bool& end);

 private:
  friend class HttpTransport;
  struct State;
  explicit HttpExchange(std::shared_ptr<State> state);
  std::shared_ptr<State> state_;
};

struct TransportOptions {
  std::chrono::seconds inactivity{60};  // no byte in either direction for this long ends it
  size_t buffer_bytes = 256 * 1024;     // unread bytes beyond which the socket is not read
  size_t pool_threads = 8;              // of the whole process; the first transport decides
};

// Thread-safe.
class HttpTransport {
 public:
  // Errors: kInvalidArgument (server URL, certificates that cannot be read).
  static Result<std::unique_ptr<HttpTransport>> Open(const ClusterAccess& access,
                                                     const TransportOptions& options);
  ~HttpTransport();

  // Never blocks and never fails: faults come out of the exchange.
  std::unique_ptr<HttpExchange> Start(const HttpRequest& request);

 private:
  struct Connection;
  explicit HttpTransport(std::unique_ptr<Connection> connection);
  std::unique_ptr<Connection> connection_;
};

}  // namespace databuild::kube
