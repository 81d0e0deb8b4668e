#include "controller/api/probe.h"

#include <boost/asio/ip/tcp.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <chrono>
#include <thread>

namespace databuild {
namespace {

namespace beast = boost::beast;
namespace http = beast::http;
using boost::asio::ip::tcp;

struct Target {
  std::string host;
  std::string port = "80";
  std::string path = "/";
};

Result<Target> ParseUrl(const std::string& url) {
  static constexpr std::string_view kScheme = "http://";
  if (!url.starts_with(kScheme)) {
    return Error{Errc::kInvalidArgument,
                 "--url " + url + ": only http://HOST:PORT/PATH can be probed"};
  }
  Target target;
  const size_t slash = url.find('/', kScheme.size());
  if (slash != std::string::npos) target.path = url.substr(slash);
  target.host =
      url.substr(kScheme.size(), slash == std::string::npos ? slash : slash - kScheme.size());
  const size_t colon = target.host.rfind(':');
  if (colon != std::string::npos && target.host.find(']', colon) == std::string::npos) {
    target.port = target.host.substr(colon + 1);
    target.host.resize(colon);
  }
  if (target.host.size() > 2 && target.host.front() == '[') {
    target.host = target.host.substr(1, target.host.size() - 2);
  }
  if (target.host.empty() || target.port.empty()) {
    return Error{Errc::kInvalidArgument, "--url " + url + ": host or port is missing"};
  }
  return target;
}

// The whole exchange on one io_context, ended by the stream's own deadline.
Status AskOnce(const Target& target, std::chrono::milliseconds limit) {
  boost::asio::io_context io;
  tcp::resolver resolver(io);
  beast::error_code error;
  const auto addresses = resolver.resolve(target.host, target.port, error);
  if (error)
    return Error{Errc::kUnavailable, "cannot resolve " + target.host + ": " + error.message()};
  beast::tcp_stream stream(io);
  stream.expires_after(limit);
  http::request<http::empty_body> request{http::verb::get, target.path, 11};
  request.set(http::field::host, target.host);
  request.set(http::field::connection, "close");
  http::response_parser<http::string_body> parser;
  parser.body_limit(64 * 1024);
  beast::flat_buffer buffer(128 * 1024);
  const auto done = [&](beast::error_code result, size_t) { error = result; };
  stream.async_connect(addresses, [&](beast::error_code connected, const tcp::endpoint&) {
    error = connected;
    if (connected) return;
    http::async_write(stream, request, [&](beast::error_code written, size_t) {
      error = written;
      if (!written) http::async_read(stream, buffer, parser, done);
    });
  });
  io.run();
  const std::string where = "GET http://" + target.host + ":" + target.port + target.path;
  if (error) return Error{Errc::kUnavailable, where + ": " + error.message()};
  if (parser.get().result() == http::status::ok) return {};
  return Error{Errc::kUnavailable, where + ": " + std::to_string(parser.get().result_int()) + " " +
                                       parser.get().body()};
}

}  // namespace

Status Probe(const std::string& url, DurationNs timeout) {
  using Steady = std::chrono::steady_clock;
  ASSIGN_OR_RETURN(const Target target, ParseUrl(url));
  const auto deadline = Steady::now() + std::chrono::nanoseconds(timeout);
  while (true) {
    const auto left =
        std::chrono::duration_cast<std::chrono::milliseconds>(deadline - Steady::now());
    const Status answer = AskOnce(target, std::max(left, std::chrono::milliseconds(1)));
    if (answer.ok() || Steady::now() + std::chrono::seconds(1) >= deadline) return answer;
    std::this_thread::sleep_for(std::chrono::seconds(1));
  }
}

}  // namespace databuild
