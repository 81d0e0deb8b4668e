// For tests: a raw TCP client on loopback that sends any bytes and reads answers, with a deadline
// on every read.
#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <cstdint>
#include <cstring>
#include <string>

namespace databuild {

struct TestResponse {
  int status = 0;  // 0: no answer before the deadline or the end of the connection
  std::string head;
  std::string body;
};

class TestClient {
 public:
  explicit TestClient(uint16_t port) : fd_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    connected_ = connect(fd_, reinterpret_cast<sockaddr*>(&address), sizeof(address)) == 0;
  }
  ~TestClient() { Close(); }
  TestClient(const TestClient&) = delete;
  TestClient& operator=(const TestClient&) = delete;

  int fd() const { return fd_; }
  bool connected() const { return connected_; }

  void Close() {
    if (fd_ >= 0) close(fd_);
    fd_ = -1;
  }

  // False when the server has closed the connection meanwhile.
  bool Send(const std::string& bytes) {
    size_t sent = 0;
    while (sent < bytes.size()) {
      const ssize_t n = send(fd_, bytes.data() + sent, bytes.size() - sent, MSG_NOSIGNAL);
      if (n <= 0) return false;
      sent += static_cast<size_t>(n);
    }
    return true;
  }

  // The next answer; `head` answers have no body whatever their Content-Length says.
  TestResponse Read(bool head_request = false) {
    TestResponse response;
    size_t end = std::string::npos;
    while ((end = buffer_.find("\r\n\r\n")) == std::string::npos) {
      if (!Fill()) return response;
    }
    response.head = buffer_.substr(0, end + 2);
    buffer_.erase(0, end + 4);
    response.status = std::atoi(response.head.c_str() + std::strlen("HTTP/1.1 "));
    const size_t at = response.head.find("Content-Length: ");
    const size_t length =
        at == std::string::npos ? 0 : std::strtoul(response.head.c_str() + at + 16, nullptr, 10);
    if (head_request || response.status == 100) return response;
    while (buffer_.size() < length && Fill()) {
    }
    response.body = buffer_.substr(0, length);
    buffer_.erase(0, length);
    return response;
  }

  TestResponse Ask(const std::string& bytes) {
    Send(bytes);
    return Read();
  }

  // True when the server closes the connection within the deadline, whatever it still sends.
  bool ClosedByServer() {
    while (Fill()) {
    }
    return ended_;
  }

 private:
  bool Fill() {
    pollfd wait{fd_, POLLIN, 0};
    if (ended_ || poll(&wait, 1, 10'000) <= 0) return false;
    char chunk[16 * 1024];
    const ssize_t n = recv(fd_, chunk, sizeof(chunk), 0);
    if (n <= 0) {
      ended_ = true;
      return false;
    }
    buffer_.append(chunk, static_cast<size_t>(n));
    return true;
  }

  int fd_;
  bool connected_ = false;
  bool ended_ = false;
  std::string buffer_;
};

}  // namespace databuild
