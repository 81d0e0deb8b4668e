// A plain HTTP/1.1 server on 127.0.0.1 whose handler writes raw bytes: for tests that need a server
// which misbehaves on purpose. One thread per connection.
#pragma once

#include <atomic>
#include <chrono>
#include <functional>
#include <map>
#include <mutex>
#include <stop_token>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

namespace databuild::testing {

struct LoopbackRequest {
  std::string method;
  std::string path;                            // decoded, without the query
  std::map<std::string, std::string> query;    // decoded
  std::map<std::string, std::string> headers;  // names in lower case
  std::string body;
  std::string raw_target;
};

// What a handler may do to the client. False: the client is gone or the server stops.
class LoopbackConnection {
 public:
  virtual ~LoopbackConnection() = default;
  virtual bool Send(std::string_view bytes) = 0;
  // Ends the connection at once with a reset.
  virtual void Abort() = 0;
  // Waits, but not beyond the end of the server.
  virtual bool Sleep(std::chrono::milliseconds time) = 0;
};

// True: the answer was complete and the connection may carry another request.
using LoopbackHandler = std::function<bool(const LoopbackRequest&, LoopbackConnection&)>;

// A whole answer with Content-Length.
bool SendAnswer(LoopbackConnection& connection, int status, const std::string& body,
                const std::string& extra_headers = "");
// Header of an answer in chunks, and one chunk.
bool SendChunkedHead(LoopbackConnection& connection, int status = 200);
bool SendChunk(LoopbackConnection& connection, std::string_view bytes);
bool SendLastChunk(LoopbackConnection& connection);

class LoopbackServer {
 public:
  explicit LoopbackServer(LoopbackHandler handler);
  ~LoopbackServer();

  std::string url() const { return "http://127.0.0.1:" + std::to_string(port_); }
  int port() const { return port_; }
  int requests() const { return requests_; }
  // Stops accepting and drops every connection; Listen starts again on the same port.
  void Close();
  void Listen();

 private:
  void Accept(std::stop_token stop);
  void Serve(int fd, std::stop_token stop);

  const LoopbackHandler handler_;
  int listener_ = -1;
  int port_ = 0;
  std::atomic<int> requests_{0};
  std::mutex mutex_;  // guards connections_
  std::vector<std::jthread> connections_;
  std::jthread acceptor_;
};

}  // namespace databuild::testing
