// One connection: reads a request, hands it over, writes the answer, again. Private to the server.
//
// Everything runs on the connection's strand. The session stays alive through the operations it has
// under way and the reply it has handed out.
#pragma once

#include <atomic>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/message.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>
#include <memory>
#include <optional>
#include <string>

#include "controller/api/http_server.h"

namespace databuild {

class HttpSession;

// What was parsed, as handlers see it; without the peer.
HttpRequest RequestOf(boost::beast::http::request<boost::beast::http::string_body> message);

// What a session needs of the server. Every session and every reply keeps it, and with it the event
// loop, alive.
class SessionRegistry {
 public:
  virtual ~SessionRegistry() = default;
  // Runs `work` on the session's strand; dropped once the server has stopped. Any thread.
  virtual void Post(HttpSession& session, std::function<void()> work) = 0;
  virtual const HttpServerOptions& options() const = 0;
  virtual const HttpHandler& handler() const = 0;
  virtual bool stopping() const = 0;
  virtual void Idle(HttpSession* session) = 0;  // waits for a request: may be closed to make room
  virtual void Busy(HttpSession* session) = 0;
  // Room for a body of so many bytes, kept until it is dropped. False: there is none.
  virtual bool HoldBody(size_t bytes) = 0;
  virtual void DropBody(size_t bytes) = 0;
  // An answer of so many bytes waits for its client; the oldest of all makes room when there is
  // none.
  virtual void Writing(HttpSession* session, size_t bytes) = 0;
  virtual void Written(HttpSession* session) = 0;
  virtual void Closed(HttpSession* session) = 0;  // the first call counts
  virtual void Refused(const char* reason) = 0;
};

class HttpSession : public std::enable_shared_from_this<HttpSession> {
 public:
  // `tls`: nullptr for plain HTTP.
  HttpSession(boost::asio::ip::tcp::socket socket, std::shared_ptr<boost::asio::ssl::context> tls,
              std::shared_ptr<SessionRegistry> registry);
  ~HttpSession();

  void Start();
  // Any thread. Close only if no request is under way.
  void CloseIfIdle();
  // Any thread.
  void Abort();
  boost::asio::ip::tcp::socket& socket() { return socket_; }

 private:
  friend class SessionReply;
  enum class Phase { kIdle, kReading, kHandling, kWriting, kClosing };

  // Calls use(stream) with the stream that carries HTTP.
  template <typename Use>
  void WithStream(Use use) {
    tls_ ? use(*tls_) : use(socket_);
  }
  void WaitForHandshake();
  void Handshake();
  void WaitForRequest(std::chrono::milliseconds timeout);
  void ReadHeader();
  void OnHeader(boost::beast::error_code error);
  void ReadBody();
  void OnBody(boost::beast::error_code error);
  void SendContinue();
  bool HoldBody();
  void DropBody();
  void Dispatch();
  void OnReadError(boost::beast::error_code error);
  void SetDeadline(std::chrono::milliseconds after);
  void ClearDeadline();
  void WatchClient();
  void Respond(HttpResponse response);
  void Refuse(int status, const char* reason, const std::string& text);
  void Write(HttpResponse response, bool keep_alive);
  void Linger();
  void Drain();
  void Close();

  const std::shared_ptr<SessionRegistry> registry_;  // first: the sockets below need its event loop
  boost::asio::ip::tcp::socket socket_;
  const std::shared_ptr<boost::asio::ssl::context> tls_context_;
  std::optional<boost::asio::ssl::stream<boost::asio::ip::tcp::socket&>> tls_;
  boost::asio::steady_timer deadline_;
  bool timed_out_ = false;
  boost::beast::flat_buffer buffer_;
  std::optional<boost::beast::http::request_parser<boost::beast::http::string_body>> parser_;
  std::optional<boost::beast::http::response<boost::beast::http::string_body>> response_;
  Phase phase_ = Phase::kIdle;
  bool head_request_ = false;
  bool keep_alive_ = false;
  bool watching_ = false;
  size_t lingered_bytes_ = 0;
  size_t held_bytes_ = 0;  // of the request under way
  std::string peer_;
  std::shared_ptr<std::atomic<bool>> gone_;  // of the request under way
};

}  // namespace databuild
