#include "controller/api/http_session.h"

#include <boost/asio/buffer.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/string.hpp>
#include <boost/beast/http/error.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/write.hpp>
#include <cctype>
#include <exception>

#include "bel/base/log.h"

namespace databuild {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = boost::beast::http;
using beast::error_code;

namespace {

constexpr size_t kReadAhead = 32 * 1024;  // bytes behind what is being parsed

}  // namespace

HttpRequest RequestOf(http::request<http::string_body> message) {
  HttpRequest request;
  request.method = std::string(message.method_string());
  const std::string target(message.target());
  const size_t question = target.find('?');
  request.path = target.substr(0, question);
  if (question != std::string::npos) request.query = target.substr(question + 1);
  for (const auto& field : message) {
    std::string name(field.name_string());
    for (char& c : name) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    request.headers.emplace_back(std::move(name), std::string(field.value()));
  }
  request.body = std::move(message.body());
  return request;
}

// Answers the request under way of one session. A second answer, or one after the client has gone,
// is dropped.
class SessionReply final : public HttpReply {
 public:
  explicit SessionReply(std::shared_ptr<HttpSession> session)
      : session_(std::move(session)), gone_(session_->gone_) {}

  ~SessionReply() override {
    if (!sent_.load()) Send({500, "text/plain; charset=utf-8", "the request got no answer\n", {}});
  }

  void Send(HttpResponse response) override {
    if (sent_.exchange(true)) return;
    auto shared = std::make_shared<HttpResponse>(std::move(response));
    session_->registry_->Post(
        *session_, [session = session_, shared] { session->Respond(std::move(*shared)); });
  }

  void WatchClient() override {
    session_->registry_->Post(*session_, [session = session_] { session->WatchClient(); });
  }

  bool gone() const override { return gone_->load(); }

 private:
  const std::shared_ptr<HttpSession> session_;
  const std::shared_ptr<std::atomic<bool>> gone_;
  std::atomic<bool> sent_{false};
};

HttpSession::HttpSession(asio::ip::tcp::socket socket, std::shared_ptr<asio::ssl::context> tls,
                         std::shared_ptr<SessionRegistry> registry)
    : registry_(std::move(registry)),
      socket_(std::move(socket)),
      tls_context_(std::move(tls)),
      deadline_(socket_.get_executor()),
      // What is not body counts too: a chunk's extension has no limit of its own.
      buffer_(registry_->options().max_header_bytes + kReadAhead) {
  if (tls_context_ != nullptr) tls_.emplace(socket_, *tls_context_);
  error_code error;
  const auto remote = socket_.remote_endpoint(error);
  if (!error) peer_ = remote.address().to_string();
  socket_.set_option(asio::ip::tcp::no_delay(true), error);
}

HttpSession::~HttpSession() {
  DropBody();
  registry_->Closed(this);
}

void HttpSession::Start() {
  registry_->Post(*this, [self = shared_from_this()] {
    if (self->tls_) return self->WaitForHandshake();
    self->WaitForRequest(self->registry_->options().first_byte_timeout);
  });
}

// Until its first byte a connection is idle: it may be closed to make room.
void HttpSession::WaitForHandshake() {
  if (registry_->stopping()) return Close();
  phase_ = Phase::kIdle;
  registry_->Idle(this);
  SetDeadline(registry_->options().first_byte_timeout);
  socket_.async_wait(asio::ip::tcp::socket::wait_read,
                     [self = shared_from_this()](error_code error) {
                       self->registry_->Busy(self.get());
                       if (error || self->phase_ != Phase::kIdle) return self->Close();
                       self->Handshake();
                     });
}

void HttpSession::Handshake() {
  phase_ = Phase::kReading;
  SetDeadline(registry_->options().header_timeout);
  tls_->async_handshake(
      asio::ssl::stream_base::server, [self = shared_from_this()](error_code error) {
        if (!error) return self->WaitForRequest(self->registry_->options().first_byte_timeout);
        self->registry_->Refused("tls");
        self->Close();
      });
}

void HttpSession::CloseIfIdle() {
  registry_->Post(*this, [self = shared_from_this()] {
    if (self->phase_ == Phase::kIdle) self->Close();
  });
}

void HttpSession::Abort() {
  registry_->Post(*this, [self = shared_from_this()] { self->Close(); });
}

// The operation under way ends with operation_aborted when the time is over, and timed_out_ says
// why.
void HttpSession::SetDeadline(std::chrono::milliseconds after) {
  timed_out_ = false;
  deadline_.expires_after(after);  // cancels the deadline before
  deadline_.async_wait([weak = weak_from_this()](error_code error) {
    const auto self = weak.lock();
    // A wait that had ended before it was cancelled reports no error; only a deadline that is over
    // counts.
    if (error || !self || self->deadline_.expiry() > std::chrono::steady_clock::now()) return;
    self->timed_out_ = true;
    error_code ignored;
    self->socket_.cancel(ignored);
  });
}

void HttpSession::ClearDeadline() {
  timed_out_ = false;
  deadline_.expires_at(std::chrono::steady_clock::time_point::max());
}

void HttpSession::WaitForRequest(std::chrono::milliseconds timeout) {
  if (registry_->stopping()) return Close();
  if (buffer_.size() > 0) return ReadHeader();  // pipelined
  phase_ = Phase::kIdle;
  registry_->Idle(this);
  SetDeadline(timeout);
  WithStream([this](auto& stream) {
    stream.async_read_some(buffer_.prepare(4'096),
                           [self = shared_from_this()](error_code error, size_t bytes) {
                             self->registry_->Busy(self.get());
                             if (error || self->phase_ != Phase::kIdle) return self->Close();
                             self->buffer_.commit(bytes);
                             self->ReadHeader();
                           });
  });
}

void HttpSession::ReadHeader() {
  phase_ = Phase::kReading;
  parser_.emplace();
  parser_->header_limit(static_cast<std::uint32_t>(registry_->options().max_header_bytes));
  parser_->body_limit(registry_->options().max_body_bytes);
  SetDeadline(registry_->options().header_timeout);
  WithStream([this](auto& stream) {
    http::async_read_header(
        stream, buffer_, *parser_,
        [self = shared_from_this()](error_code error, size_t) { self->OnHeader(error); });
  });
}

void HttpSession::OnHeader(error_code error) {
  if (error) return OnReadError(error);
  if (parser_->get().version() == 11 && parser_->get().count(http::field::host) != 1)  // RFC 9112
    return Refuse(400, "bad_request", "send the header Host, once\n");
  if (parser_->is_done()) return OnBody({});
  if (!HoldBody()) return Refuse(503, "no_room", "too many requests with a body; try again\n");
  const auto expect = parser_->get()[http::field::expect];
  if (expect.empty()) return ReadBody();
  if (beast::iequals(expect, "100-continue")) return SendContinue();
  Refuse(417, "bad_request", "expectation not known: only 100-continue is\n");
}

// A body without a length may become as long as one may be.
bool HttpSession::HoldBody() {
  const size_t bytes = parser_->content_length() ? static_cast<size_t>(*parser_->content_length())
                                                 : registry_->options().max_body_bytes;
  if (!registry_->HoldBody(bytes)) return false;
  held_bytes_ = bytes;
  return true;
}

void HttpSession::DropBody() {
  if (held_bytes_ > 0) registry_->DropBody(held_bytes_);
  held_bytes_ = 0;
}

void HttpSession::SendContinue() {
  static constexpr char kContinue[] = "HTTP/1.1 100 Continue\r\n\r\n";
  SetDeadline(registry_->options().write_timeout);
  WithStream([this](auto& stream) {
    asio::async_write(stream, asio::buffer(kContinue, sizeof(kContinue) - 1),
                      [self = shared_from_this()](error_code error, size_t) {
                        if (error) return self->Close();
                        self->ReadBody();
                      });
  });
}

void HttpSession::ReadBody() {
  SetDeadline(registry_->options().body_timeout);
  WithStream([this](auto& stream) {
    http::async_read(
        stream, buffer_, *parser_,
        [self = shared_from_this()](error_code error, size_t) { self->OnBody(error); });
  });
}

void HttpSession::OnBody(error_code error) {
  if (error) return OnReadError(error);
  Dispatch();
}

void HttpSession::OnReadError(error_code error) {
  const HttpServerOptions& options = registry_->options();
  if (timed_out_) return Refuse(408, "timeout", "the request did not arrive in time\n");
  if (error == http::error::header_limit || error == http::error::buffer_overflow) {
    return Refuse(431, "header_too_large",
                  "request line and headers are over " + std::to_string(options.max_header_bytes) +
                      " bytes\n");
  }
  if (error == http::error::body_limit) {
    return Refuse(413, "body_too_large",
                  "the body is over " + std::to_string(options.max_body_bytes) + " bytes\n");
  }
  const bool from_parser =
      error.category() == http::make_error_code(http::error::bad_method).category();
  if (from_parser && error != http::error::end_of_stream && error != http::error::partial_message) {
    return Refuse(400, "bad_request",
                  "not a well-formed HTTP/1.1 request: " + error.message() + "\n");
  }
  Close();  // the client went away
}

void HttpSession::Dispatch() {
  phase_ = Phase::kHandling;
  ClearDeadline();  // how long a handler may take is the handler's to bound
  gone_ = std::make_shared<std::atomic<bool>>(false);
  auto message = parser_->release();
  keep_alive_ = message.keep_alive();
  head_request_ = message.method() == http::verb::head;
  HttpRequest request = RequestOf(std::move(message));
  request.peer = peer_;
  auto reply = std::make_shared<SessionReply>(shared_from_this());
  try {
    registry_->handler()(std::move(request), reply);
  } catch (const std::exception& failure) {
    LogError("http handler threw", {{"what", failure.what()}});
    reply->Send({500, "text/plain; charset=utf-8", "internal error\n", {}});
  }
}

void HttpSession::WatchClient() {
  if (phase_ != Phase::kHandling || watching_) return;
  watching_ = true;
  socket_.async_wait(
      asio::ip::tcp::socket::wait_read, [self = shared_from_this()](error_code error) {
        self->watching_ = false;
        if (self->phase_ != Phase::kHandling) return;
        char byte = 0;
        error_code peeked;
        asio::ip::tcp::socket& socket = self->socket_;
        if (!error) {
          socket.non_blocking(true, peeked);
          socket.receive(asio::buffer(&byte, 1), asio::ip::tcp::socket::message_peek, peeked);
        }
        // News of the request's own bytes may come late, when there is nothing more to read.
        if (!error && peeked == asio::error::would_block) return self->WatchClient();
        // Bytes of a next request are no reason; they are read after the answer.
        if (!error && !peeked) return;
        self->gone_->store(true);
        self->Close();
      });
}

void HttpSession::Respond(HttpResponse response) {
  if (phase_ != Phase::kHandling) return;
  Write(std::move(response), keep_alive_ && !registry_->stopping());
}

void HttpSession::Refuse(int status, const char* reason, const std::string& text) {
  registry_->Refused(reason);
  head_request_ = false;
  Write({status, "text/plain; charset=utf-8", text, {}}, false);
}

void HttpSession::Write(HttpResponse response, bool keep_alive) {
  phase_ = Phase::kWriting;
  response_.emplace();
  response_->version(11);
  response_->result(static_cast<unsigned>(response.status));
  response_->keep_alive(keep_alive);
  if (response.status != 304) response_->set(http::field::content_type, response.content_type);
  response_->set("X-Content-Type-Options", "nosniff");
  response_->set(http::field::cache_control, "no-store");
  for (const auto& [name, value] : response.headers) response_->set(name, value);
  const size_t length = response.body.size();
  if (!head_request_ && response.status != 304) response_->body() = std::move(response.body);
  response_->prepare_payload();
  if (head_request_) response_->content_length(length);
  DropBody();
  parser_.reset();
  registry_->Writing(this, response_->body().size());
  SetDeadline(registry_->options().write_timeout);
  // A HEAD's answer has a Content-Length and no body: only the header is written.
  WithStream([this, keep_alive](auto& stream) {
    http::async_write(stream, *response_,
                      [self = shared_from_this(), keep_alive](error_code error, size_t) {
                        self->response_.reset();
                        self->registry_->Written(self.get());
                        if (error) return self->Close();
                        if (!keep_alive) return self->Linger();
                        self->WaitForRequest(self->registry_->options().idle_timeout);
                      });
  });
}

// Says goodbye, then reads a little of what still comes: closing with unread bytes would reset the
// connection and could take the answer with it (RFC 9112, 9.6).
void HttpSession::Linger() {
  phase_ = Phase::kClosing;
  SetDeadline(std::chrono::seconds(1));
  const auto drain = [self = shared_from_this()](error_code) {
    error_code ignored;
    self->socket_.shutdown(asio::ip::tcp::socket::shutdown_send, ignored);
    self->Drain();
  };
  tls_ ? tls_->async_shutdown(drain) : drain({});
}

void HttpSession::Drain() {
  static constexpr size_t kMost = 256 * 1024;
  buffer_.clear();
  socket_.async_read_some(buffer_.prepare(16 * 1024),
                          [self = shared_from_this()](error_code error, size_t bytes) {
                            self->lingered_bytes_ += bytes;
                            if (error || self->lingered_bytes_ > kMost) return self->Close();
                            self->Drain();
                          });
}

void HttpSession::Close() {
  phase_ = Phase::kClosing;
  DropBody();
  if (gone_) gone_->store(true);
  error_code ignored;
  socket_.shutdown(asio::ip::tcp::socket::shutdown_both, ignored);
  socket_.close(ignored);
  ClearDeadline();
  registry_->Closed(this);
}

}  // namespace databuild
