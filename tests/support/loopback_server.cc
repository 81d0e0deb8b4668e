#include "tests/support/loopback_server.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <condition_variable>
#include <optional>

#include "bel/base/check.h"

namespace databuild::testing {

namespace {

constexpr int kPollMs = 20;  // how soon a thread notices the end of the server

int HexDigit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

std::string Decode(std::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '%' && i + 2 < text.size() && HexDigit(text[i + 1]) >= 0) {
      out += static_cast<char>(HexDigit(text[i + 1]) * 16 + HexDigit(text[i + 2]));
      i += 2;
    } else {
      out += text[i];
    }
  }
  return out;
}

void SplitTarget(LoopbackRequest& request) {
  std::string_view target = request.raw_target;
  size_t mark = target.find('?');
  request.path = Decode(target.substr(0, mark));
  while (mark != std::string_view::npos) {
    size_t next = target.find('&', mark + 1);
    std::string_view pair = target.substr(
        mark + 1, next == std::string_view::npos ? std::string_view::npos : next - mark - 1);
    size_t equals = pair.find('=');
    if (!pair.empty()) {
      request.query[Decode(pair.substr(0, equals))] =
          equals == std::string_view::npos ? "" : Decode(pair.substr(equals + 1));
    }
    mark = next;
  }
}

LoopbackRequest ParseHead(const std::string& head) {
  LoopbackRequest request;
  size_t line_end = head.find("\r\n");
  std::string line = head.substr(0, line_end);
  size_t first = line.find(' ');
  size_t second = line.find(' ', first + 1);
  request.method = line.substr(0, first);
  request.raw_target = line.substr(first + 1, second - first - 1);
  SplitTarget(request);
  while (line_end + 2 < head.size()) {
    size_t start = line_end + 2;
    line_end = head.find("\r\n", start);
    if (line_end == std::string::npos || line_end == start) break;
    std::string header = head.substr(start, line_end - start);
    size_t colon = header.find(':');
    std::string name = header.substr(0, colon);
    for (char& c : name) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    size_t value = header.find_first_not_of(' ', colon + 1);
    request.headers[name] = value == std::string::npos ? "" : header.substr(value);
  }
  return request;
}

class Socket final : public LoopbackConnection {
 public:
  Socket(int fd, std::stop_token stop) : fd_(fd), stop_(std::move(stop)) {}
  ~Socket() override {
    if (fd_ >= 0) close(fd_);
  }

  // Nothing: the client is gone or the server stops.
  std::optional<LoopbackRequest> ReadRequest() {
    size_t end;
    while ((end = buffer_.find("\r\n\r\n")) == std::string::npos) {
      if (!Fill()) return std::nullopt;
    }
    LoopbackRequest request = ParseHead(buffer_.substr(0, end + 4));
    buffer_.erase(0, end + 4);
    auto length = request.headers.find("content-length");
    size_t size = length == request.headers.end() ? 0 : std::stoul(length->second);
    while (buffer_.size() < size) {
      if (!Fill()) return std::nullopt;
    }
    request.body = buffer_.substr(0, size);
    buffer_.erase(0, size);
    return request;
  }

  bool Send(std::string_view bytes) override {
    while (!bytes.empty() && fd_ >= 0) {
      if (!Ready(POLLOUT)) return false;
      ssize_t sent = send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
      if (sent < 0) return false;
      bytes.remove_prefix(static_cast<size_t>(sent));
    }
    return fd_ >= 0;
  }

  void Abort() override {
    if (fd_ < 0) return;
    linger reset{1, 0};
    setsockopt(fd_, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
    close(fd_);
    fd_ = -1;
  }

  bool Sleep(std::chrono::milliseconds time) override {
    std::mutex mutex;
    std::condition_variable_any never;
    std::unique_lock lock(mutex);
    never.wait_for(lock, stop_, time, [] { return false; });
    return !stop_.stop_requested() && fd_ >= 0;
  }

 private:
  bool Ready(short events) {
    while (!stop_.stop_requested() && fd_ >= 0) {
      pollfd poll_fd{fd_, events, 0};
      if (poll(&poll_fd, 1, kPollMs) > 0) return true;
    }
    return false;
  }

  bool Fill() {
    if (!Ready(POLLIN)) return false;
    char bytes[16384];
    ssize_t got = recv(fd_, bytes, sizeof(bytes), 0);
    if (got <= 0) return false;
    buffer_.append(bytes, static_cast<size_t>(got));
    return true;
  }

  int fd_;
  std::stop_token stop_;
  std::string buffer_;
};

}  // namespace

bool SendAnswer(LoopbackConnection& connection, int status, const std::string& body,
                const std::string& extra_headers) {
  return connection.Send("HTTP/1.1 " + std::to_string(status) +
                         " X\r\nContent-Type: application/json\r\nContent-Length: " +
                         std::to_string(body.size()) + "\r\n" + extra_headers + "\r\n" + body);
}

bool SendChunkedHead(LoopbackConnection& connection, int status) {
  return connection.Send(
      "HTTP/1.1 " + std::to_string(status) +
      " X\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n");
}

bool SendChunk(LoopbackConnection& connection, std::string_view bytes) {
  char size[32];
  std::snprintf(size, sizeof(size), "%zx\r\n", bytes.size());
  std::string chunk = size;
  return connection.Send(chunk.append(bytes).append("\r\n"));
}

bool SendLastChunk(LoopbackConnection& connection) { return connection.Send("0\r\n\r\n"); }

LoopbackServer::LoopbackServer(LoopbackHandler handler) : handler_(std::move(handler)) { Listen(); }

LoopbackServer::~LoopbackServer() { Close(); }

void LoopbackServer::Listen() {
  listener_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  CHECK(listener_ >= 0);
  int on = 1;
  setsockopt(listener_, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(static_cast<uint16_t>(port_));
  CHECK(bind(listener_, reinterpret_cast<sockaddr*>(&address), sizeof(address)) == 0);
  CHECK(listen(listener_, 128) == 0);
  socklen_t size = sizeof(address);
  CHECK(getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size) == 0);
  port_ = ntohs(address.sin_port);
  acceptor_ = std::jthread([this](std::stop_token stop) { Accept(stop); });
}

void LoopbackServer::Close() {
  if (listener_ < 0) return;
  acceptor_.request_stop();
  acceptor_.join();
  close(listener_);
  listener_ = -1;
  std::vector<std::jthread> connections;
  {
    std::lock_guard lock(mutex_);
    connections.swap(connections_);
  }
  for (std::jthread& thread : connections) thread.request_stop();
}

void LoopbackServer::Accept(std::stop_token stop) {
  while (!stop.stop_requested()) {
    pollfd poll_fd{listener_, POLLIN, 0};
    if (poll(&poll_fd, 1, kPollMs) <= 0) continue;
    int fd = accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
    if (fd < 0) continue;
    std::lock_guard lock(mutex_);
    connections_.emplace_back([this, fd](std::stop_token end) { Serve(fd, end); });
  }
}

void LoopbackServer::Serve(int fd, std::stop_token stop) {
  Socket socket(fd, stop);
  while (auto request = socket.ReadRequest()) {
    ++requests_;
    if (!handler_(*request, socket)) return;
  }
}

}  // namespace databuild::testing
