// Requests and responses as handlers see them, and the one object that answers a request.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace databuild {

struct HttpRequest {
  std::string method;  // as sent: "GET", "POST"
  std::string path;    // still percent-encoded, without query: "/api/v1/graphs/sales/wants"
  std::string query;   // still percent-encoded, without '?'
  std::vector<std::pair<std::string, std::string>> headers;  // names in lower case
  std::string body;
  std::string peer;  // address of the client, for log lines

  // The first header of that lower-case name.
  std::optional<std::string_view> Header(std::string_view name) const;
  // How often it was sent.
  size_t HeaderCount(std::string_view name) const;
};

struct HttpResponse {
  int status = 200;
  std::string content_type = "text/plain; charset=utf-8";
  std::string body;
  std::vector<std::pair<std::string, std::string>>
      headers;  // beside Content-Type and Content-Length
};

// Answers one request, once, from any thread. When it is dropped without an answer the client gets
// a 500.
class HttpReply {
 public:
  virtual ~HttpReply() = default;
  virtual void Send(HttpResponse response) = 0;
  // From now on the connection is watched: once the client has gone, gone() is true. For parked
  // requests.
  virtual void WatchClient() = 0;
  virtual bool gone() const = 0;
};

// Called on a thread of the server: must not block. Work that may block goes to a WorkerPool.
using HttpHandler = std::function<void(HttpRequest, std::shared_ptr<HttpReply>)>;

// "a%2Fb" to "a/b"; nullopt for a broken escape. '+' stays (a path) or becomes a blank (a query).
std::optional<std::string> PercentDecode(std::string_view text, bool plus_is_blank);
// Everything but unreserved characters (RFC 3986) escaped: a ref as one path segment.
std::string PercentEncode(std::string_view text);

// The pairs of a query string in order; nullopt for a broken escape.
std::optional<std::vector<std::pair<std::string, std::string>>> ParseQuery(std::string_view query);

}  // namespace databuild
