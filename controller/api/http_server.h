// An HTTP/1.1 server whose every cost is bounded: what a client sends badly, slowly or hugely costs
// that client only.
//
// Own threads, own event loop; two servers in one process share nothing. Refusals before a handler
// is called: 400 malformed, 408 too slow, 413 body, 431 header, 503 no room; the connection closes
// after each of them.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "bel/base/result.h"
#include "controller/api/http_message.h"

namespace databuild {

struct HttpServerOptions {
  std::string address = "127.0.0.1";  // IPv4 or IPv6 address to listen on
  uint16_t port = 0;                  // 0: any free one
  int threads = 2;

  // PEM files, read again when they change; both empty: plain HTTP. TLS 1.2 or newer.
  std::string tls_cert_file;
  std::string tls_key_file;
  std::chrono::milliseconds tls_recheck{1'000};  // how often a new connection looks for a change

  size_t max_header_bytes = 16 * 1024;  // request line and headers together
  size_t max_body_bytes = 1024 * 1024;
  // Open connections. At the limit the one that has been idle longest makes room; none idle: 503.
  size_t max_connections = 1'024;
  // Of all connections together, so that many clients cannot take what one may: bodies that are
  // read or worked on, over it 503; answers not yet taken, over it the oldest of them is cut.
  size_t max_bodies_bytes = 64 * 1024 * 1024;
  size_t max_unsent_bytes = 256 * 1024 * 1024;

  std::chrono::milliseconds first_byte_timeout{10'000};  // from accept to the first byte
  std::chrono::milliseconds idle_timeout{60'000};        // between two requests
  std::chrono::milliseconds header_timeout{
      10'000};                                     // from a request's first byte to its last header
  std::chrono::milliseconds body_timeout{30'000};  // from the last header to the last byte
  std::chrono::milliseconds write_timeout{30'000};  // the whole answer

  // Told about refusals ("bad_request", "timeout", "body_too_large", "header_too_large", "no_room",
  // "slow_reader") and about every change of the number of connections. Called on server threads.
  // May be empty.
  std::function<void(const char* reason)> on_refused;
  std::function<void(size_t connections)> on_connections;
};

class HttpServer {
 public:
  // kInvalidArgument: not an address, or a certificate that cannot be used. kUnavailable: cannot
  // listen there.
  static Result<std::unique_ptr<HttpServer>> Start(HttpServerOptions options, HttpHandler handler);

  virtual ~HttpServer() = default;  // Stop with no time to finish
  virtual uint16_t port() const = 0;
  // Accepts nothing new, closes idle connections, lets requests under way finish for up to `drain`,
  // then closes the rest. Afterwards no handler runs and no reply reaches a client. Idempotent.
  virtual void Stop(std::chrono::milliseconds drain) = 0;
};

}  // namespace databuild
