// A proxy between a client and a server on unix sockets, which does to the stream what networks do:
// loses a reply, delays it, closes one half, cuts a request in two.
#pragma once

#include <atomic>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

namespace databuild::torture {

class SocketProxy {
 public:
  enum class Fault {
    kNone,
    kDropReply,   // the request went through; its reply never comes, the connection is closed
    kDelayReply,  // the reply comes late, perhaps later than anybody waits
    kHalfClose,   // the client reads the end of the stream in place of the reply; it may still send
    kCutRequest,  // the server gets half of a request
  };

  // Listens at `listen_path`; every connection goes on to `target_path`.
  SocketProxy(std::string listen_path, std::string target_path);
  ~SocketProxy();
  SocketProxy(const SocketProxy&) = delete;
  SocketProxy& operator=(const SocketProxy&) = delete;

  // Strikes the next request or reply, once.
  void Arm(Fault fault, int delay_ms = 0);
  // Faults that struck so far.
  int struck() const { return struck_; }

 private:
  void Accept(std::stop_token stop);
  void Serve(std::stop_token stop, int client);
  // False: the connection is over.
  bool PassReply(int client, std::string_view bytes);
  bool PassRequest(int server, std::string_view bytes);
  bool Strike(Fault fault);

  const std::string listen_path_, target_path_;
  int listener_ = -1;
  std::atomic<Fault> armed_ = Fault::kNone;
  std::atomic<int> delay_ms_ = 0;
  std::atomic<int> struck_ = 0;
  std::mutex mutex_;  // guards connections_
  std::vector<std::jthread> connections_;
  std::jthread acceptor_;  // last: stops first
};

}  // namespace databuild::torture
