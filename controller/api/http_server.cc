#include "controller/api/http_server.h"

#include <algorithm>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/strand.hpp>
#include <condition_variable>
#include <list>
#include <mutex>
#include <shared_mutex>
#include <thread>
#include <unordered_map>
#include <vector>

#include "bel/base/log.h"
#include "controller/api/http_session.h"
#include "controller/api/tls_files.h"

namespace databuild {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using boost::system::error_code;

// The event loop and the table of connections.
class Connections final : public SessionRegistry {
 public:
  Connections(HttpServerOptions options, HttpHandler handler)
      : options_(std::move(options)), handler_(std::move(handler)) {}

  asio::io_context& loop() { return loop_; }

  void Post(HttpSession& session, std::function<void()> work) override {
    std::shared_lock lock(closed_mutex_);
    if (!closed_) asio::post(session.socket().get_executor(), std::move(work));
  }
  const HttpServerOptions& options() const override { return options_; }
  const HttpHandler& handler() const override { return handler_; }
  bool stopping() const override { return stopping_.load(); }

  void Idle(HttpSession* session) override {
    std::lock_guard lock(mutex_);
    const auto it = sessions_.find(session);
    if (it == sessions_.end() || it->second.idle) return;
    it->second.idle = idle_.insert(idle_.end(), session);
  }

  void Busy(HttpSession* session) override {
    std::lock_guard lock(mutex_);
    const auto it = sessions_.find(session);
    if (it != sessions_.end()) Unlist(it->second);
  }

  bool HoldBody(size_t bytes) override {
    std::lock_guard lock(mutex_);
    if (bytes > options_.max_bodies_bytes - body_bytes_) return false;
    body_bytes_ += bytes;
    return true;
  }

  void DropBody(size_t bytes) override {
    std::lock_guard lock(mutex_);
    body_bytes_ -= bytes;
  }

  void Writing(HttpSession* session, size_t bytes) override {
    std::vector<std::shared_ptr<HttpSession>> cut;
    {
      std::lock_guard lock(mutex_);
      const auto it = sessions_.find(session);
      if (it == sessions_.end()) return;
      Taken(it->second);
      it->second.unsent = bytes;
      it->second.writing = writing_.insert(writing_.end(), session);
      unsent_bytes_ += bytes;
      while (unsent_bytes_ > options_.max_unsent_bytes && writing_.front() != session) {
        Entry& oldest = sessions_.at(writing_.front());
        Taken(oldest);
        if (auto slow = oldest.session.lock()) cut.push_back(std::move(slow));
      }
    }
    for (const auto& slow : cut) {
      Refused("slow_reader");
      slow->Abort();
    }
  }

  void Written(HttpSession* session) override {
    std::lock_guard lock(mutex_);
    const auto it = sessions_.find(session);
    if (it != sessions_.end()) Taken(it->second);
  }

  void Closed(HttpSession* session) override {
    size_t left = 0;
    {
      std::lock_guard lock(mutex_);
      const auto it = sessions_.find(session);
      if (it == sessions_.end()) return;
      Unlist(it->second);
      Taken(it->second);
      sessions_.erase(it);
      left = sessions_.size();
      if (left == 0) emptied_.notify_all();
    }
    if (options_.on_connections) options_.on_connections(left);
  }

  void Refused(const char* reason) override {
    if (options_.on_refused) options_.on_refused(reason);
  }

  // Takes a new connection in; the one idle longest makes room. False: there is no room.
  bool Admit(const std::shared_ptr<HttpSession>& session) {
    size_t now = 0;
    {
      std::lock_guard lock(mutex_);
      if (sessions_.size() >= options_.max_connections && !EvictOldestIdle()) return false;
      sessions_.emplace(session.get(), Entry{session});
      now = sessions_.size();
    }
    if (options_.on_connections) options_.on_connections(now);
    return true;
  }

  // Ends the acceptance of requests; idle connections close.
  void BeginStop() {
    stopping_.store(true);
    for (const auto& session : All()) session->CloseIfIdle();
  }

  void WaitUntilEmpty(std::chrono::milliseconds at_most) {
    std::unique_lock lock(mutex_);
    emptied_.wait_for(lock, at_most, [this] { return sessions_.empty(); });
  }

  void AbortAll() {
    for (const auto& session : All()) session->Abort();
  }

  // After this Post does nothing, so the loop runs empty.
  void CloseLoop() {
    std::unique_lock lock(closed_mutex_);
    closed_ = true;
  }

 private:
  struct Entry {
    std::weak_ptr<HttpSession> session;
    std::optional<std::list<HttpSession*>::iterator> idle = {};
    std::optional<std::list<HttpSession*>::iterator> writing = {};
    size_t unsent = 0;
  };

  void Unlist(Entry& entry) {
    if (entry.idle) idle_.erase(*entry.idle);
    entry.idle.reset();
  }

  // Its answer waits no more.
  void Taken(Entry& entry) {
    if (!entry.writing) return;
    writing_.erase(*entry.writing);
    entry.writing.reset();
    unsent_bytes_ -= entry.unsent;
  }

  // Closing is asynchronous: for a moment there is one connection more than the limit.
  bool EvictOldestIdle() {
    while (!idle_.empty()) {
      Entry& entry = sessions_.at(idle_.front());
      Unlist(entry);
      if (const auto session = entry.session.lock()) {
        session->CloseIfIdle();
        return true;
      }
    }
    return false;
  }

  std::vector<std::shared_ptr<HttpSession>> All() const {
    std::vector<std::shared_ptr<HttpSession>> all;
    std::lock_guard lock(mutex_);
    for (const auto& [key, entry] : sessions_) {
      if (auto session = entry.session.lock()) all.push_back(std::move(session));
    }
    return all;
  }

  asio::io_context loop_;
  const HttpServerOptions options_;
  const HttpHandler handler_;
  std::atomic<bool> stopping_{false};
  std::shared_mutex closed_mutex_;
  bool closed_ = false;  // guarded by closed_mutex_
  std::condition_variable emptied_;
  mutable std::mutex mutex_;  // guards what follows
  std::unordered_map<HttpSession*, Entry> sessions_;
  std::list<HttpSession*> idle_;     // oldest first
  std::list<HttpSession*> writing_;  // oldest first
  size_t body_bytes_ = 0;
  size_t unsent_bytes_ = 0;
};

class BeastServer final : public HttpServer {
 public:
  BeastServer(HttpServerOptions options, HttpHandler handler)
      : connections_(std::make_shared<Connections>(std::move(options), std::move(handler))),
        acceptor_(asio::make_strand(connections_->loop())),
        pause_(acceptor_.get_executor()) {}

  ~BeastServer() override { Stop(std::chrono::milliseconds(0)); }

  Status Listen() {
    const HttpServerOptions& options = connections_->options();
    if (!options.tls_cert_file.empty() || !options.tls_key_file.empty()) {
      ASSIGN_OR_RETURN(tls_, TlsFiles::Load(options));
    }
    const std::string where = options.address + " port " + std::to_string(options.port);
    error_code error;
    const auto address = asio::ip::make_address(options.address, error);
    if (error) {
      return Error{Errc::kInvalidArgument,
                   "listen on " + where + ": not an IPv4 or IPv6 address; give one, e.g. 0.0.0.0"};
    }
    const tcp::endpoint endpoint(address, options.port);
    acceptor_.open(endpoint.protocol(), error);
    if (!error) acceptor_.set_option(asio::socket_base::reuse_address(true), error);
    if (!error) acceptor_.bind(endpoint, error);
    if (!error) acceptor_.listen(asio::socket_base::max_listen_connections, error);
    if (!error) port_ = acceptor_.local_endpoint(error).port();
    if (error) return Error{Errc::kUnavailable, "listen on " + where + ": " + error.message()};
    return {};
  }

  void Run() {
    Accept();
    for (int i = 0; i < connections_->options().threads; ++i) {
      threads_.emplace_back([connections = connections_] { connections->loop().run(); });
    }
  }

  uint16_t port() const override { return port_; }

  void Stop(std::chrono::milliseconds drain) override {
    if (stopped_) return;
    stopped_ = true;
    asio::post(acceptor_.get_executor(), [this] {
      error_code ignored;
      acceptor_.close(ignored);
      pause_.cancel();
    });
    connections_->BeginStop();
    connections_->WaitUntilEmpty(drain);
    connections_->AbortAll();
    connections_->CloseLoop();
    work_.reset();
    threads_.clear();  // joins: the loop ends when its last operation has
  }

 private:
  void Accept() {
    acceptor_.async_accept(
        asio::make_strand(connections_->loop()),
        [this](error_code error, tcp::socket socket) { OnAccept(error, std::move(socket)); });
  }

  void OnAccept(error_code error, tcp::socket socket) {
    if (!acceptor_.is_open()) return;
    if (error) {  // out of descriptors, mostly: give others time to close theirs
      pause_.expires_after(std::chrono::milliseconds(100));
      pause_.async_wait([this](error_code cancelled) {
        if (!cancelled && acceptor_.is_open()) Accept();
      });
      return;
    }
    auto session = std::make_shared<HttpSession>(std::move(socket),
                                                 tls_ ? tls_->Current() : nullptr, connections_);
    if (connections_->Admit(session)) {
      session->Start();
    } else {
      connections_->Refused("no_room");
      if (tls_ != nullptr) return Accept();  // nothing can be said before the handshake
      static constexpr char kFull[] =
          "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nRetry-After: 1\r\nConnection: "
          "close\r\n\r\n";
      error_code ignored;
      session->socket().non_blocking(true, ignored);
      session->socket().send(asio::buffer(kFull, sizeof(kFull) - 1), 0, ignored);
    }
    Accept();
  }

  const std::shared_ptr<Connections> connections_;
  tcp::acceptor acceptor_;
  asio::steady_timer pause_;
  asio::executor_work_guard<asio::io_context::executor_type> work_{
      connections_->loop().get_executor()};
  std::shared_ptr<TlsFiles> tls_;  // nullptr: plain HTTP
  uint16_t port_ = 0;
  bool stopped_ = false;
  std::vector<std::jthread> threads_;
};

}  // namespace

Result<std::unique_ptr<HttpServer>> HttpServer::Start(HttpServerOptions options,
                                                      HttpHandler handler) {
  options.max_bodies_bytes = std::max(options.max_bodies_bytes, options.max_body_bytes);
  auto server = std::make_unique<BeastServer>(std::move(options), std::move(handler));
  RETURN_IF_ERROR(server->Listen());
  server->Run();
  return std::unique_ptr<HttpServer>(std::move(server));
}

}  // namespace databuild
