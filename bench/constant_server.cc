#include "bench/constant_server.h"

#include <boost/asio.hpp>
#include <boost/beast.hpp>
#include <thread>
#include <vector>

namespace databuild {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = boost::beast::http;
using boost::asio::ip::tcp;

constexpr int kThreads = 2;  // as HttpServerOptions

class Session : public std::enable_shared_from_this<Session> {
 public:
  Session(tcp::socket socket, const std::string& body) : stream_(std::move(socket)), body_(body) {}

  void Read() {
    request_ = {};
    http::async_read(stream_, buffer_, request_,
                     [self = shared_from_this()](beast::error_code error, size_t) {
                       if (!error) self->Write();
                     });
  }

 private:
  void Write() {
    response_ = {http::status::ok, 11};
    response_.set(http::field::content_type, "application/octet-stream");
    response_.body() = body_;
    response_.prepare_payload();
    http::async_write(stream_, response_,
                      [self = shared_from_this()](beast::error_code error, size_t) {
                        if (!error) self->Read();
                      });
  }

  beast::tcp_stream stream_;
  const std::string& body_;
  beast::flat_buffer buffer_;
  http::request<http::string_body> request_;
  http::response<http::string_body> response_;
};

}  // namespace

struct ConstantServer::Server {
  explicit Server(std::string text)
      : body(std::move(text)), acceptor(loop, {asio::ip::address_v4::loopback(), 0}) {
    Accept();
    for (int i = 0; i < kThreads; ++i) threads.emplace_back([this] { loop.run(); });
  }
  ~Server() { loop.stop(); }

  void Accept() {
    acceptor.async_accept(asio::make_strand(loop),
                          [this](beast::error_code error, tcp::socket socket) {
                            if (error) return;
                            socket.set_option(tcp::no_delay(true));
                            std::make_shared<Session>(std::move(socket), body)->Read();
                            Accept();
                          });
  }

  const std::string body;
  asio::io_context loop{kThreads};
  tcp::acceptor acceptor;
  std::vector<std::jthread> threads;  // last: they end before the rest goes
};

ConstantServer::ConstantServer(std::string body)
    : server_(std::make_unique<Server>(std::move(body))) {}
ConstantServer::~ConstantServer() = default;
uint16_t ConstantServer::port() const { return server_->acceptor.local_endpoint().port(); }

}  // namespace databuild
