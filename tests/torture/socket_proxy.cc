#include "tests/torture/socket_proxy.h"

#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <chrono>
#include <cstring>
#include <string_view>

#include "bel/base/check.h"

namespace databuild::torture {
namespace {

constexpr int kPollMs = 50;  // how soon a stop is noticed

sockaddr_un Address(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  CHECK(path.size() < sizeof(address.sun_path));
  std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
  return address;
}

bool SendAll(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t sent = send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent <= 0) return false;
    bytes.remove_prefix(static_cast<size_t>(sent));
  }
  return true;
}

}  // namespace

SocketProxy::SocketProxy(std::string listen_path, std::string target_path)
    : listen_path_(std::move(listen_path)), target_path_(std::move(target_path)) {
  listener_ = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const sockaddr_un address = Address(listen_path_);
  CHECK(bind(listener_, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0);
  CHECK(listen(listener_, 64) == 0);
  acceptor_ = std::jthread([this](std::stop_token stop) { Accept(std::move(stop)); });
}

SocketProxy::~SocketProxy() {
  acceptor_ = {};  // stop and join
  connections_.clear();
  close(listener_);
  unlink(listen_path_.c_str());
}

void SocketProxy::Arm(Fault fault, int delay_ms) {
  delay_ms_ = delay_ms;
  armed_ = fault;
}

bool SocketProxy::Strike(Fault fault) {
  if (!armed_.compare_exchange_strong(fault, Fault::kNone)) return false;
  ++struck_;
  return true;
}

void SocketProxy::Accept(std::stop_token stop) {
  while (!stop.stop_requested()) {
    pollfd ready{listener_, POLLIN, 0};
    if (poll(&ready, 1, kPollMs) <= 0) continue;
    const int client = accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
    if (client < 0) continue;
    std::lock_guard lock(mutex_);
    connections_.emplace_back(
        [this, client](std::stop_token end) { Serve(std::move(end), client); });
  }
}

bool SocketProxy::PassReply(int client, std::string_view bytes) {
  if (Strike(Fault::kDropReply)) return false;
  if (Strike(Fault::kDelayReply)) {
    std::this_thread::sleep_for(std::chrono::milliseconds(delay_ms_));
  }
  if (Strike(Fault::kHalfClose)) {
    shutdown(client, SHUT_WR);
    return true;
  }
  SendAll(client, bytes);  // a client that has gone says so when it is read from
  return true;
}

bool SocketProxy::PassRequest(int server, std::string_view bytes) {
  if (Strike(Fault::kCutRequest)) {
    SendAll(server, bytes.substr(0, bytes.size() / 2));
    return false;
  }
  return SendAll(server, bytes);
}

void SocketProxy::Serve(std::stop_token stop, int client) {
  const int server = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const sockaddr_un address = Address(target_path_);
  bool open = connect(server, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0;
  std::string buffer(64 << 10, '\0');
  while (open && !stop.stop_requested()) {
    pollfd ready[] = {{client, POLLIN, 0}, {server, POLLIN, 0}};
    if (poll(ready, 2, kPollMs) <= 0) continue;
    for (int side = 0; side < 2 && open; ++side) {
      if (ready[side].revents == 0) continue;
      const ssize_t got = recv(ready[side].fd, buffer.data(), buffer.size(), 0);
      const std::string_view bytes(buffer.data(), got > 0 ? static_cast<size_t>(got) : 0);
      open = got > 0 && (side == 0 ? PassRequest(server, bytes) : PassReply(client, bytes));
    }
  }
  close(server);
  close(client);
}

}  // namespace databuild::torture
