// For tests: servers with short limits, and requests to them.
#pragma once

#include <gtest/gtest.h>

#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <string>

#include "controller/api/http_server.h"
#include "controller/api/test_client.h"

namespace databuild {

using std::chrono::milliseconds;

inline HttpServerOptions FastOptions() {
  HttpServerOptions options;
  options.max_header_bytes = 4'096;
  options.max_body_bytes = 10'000;
  options.first_byte_timeout = milliseconds(150);
  options.idle_timeout = milliseconds(5'000);
  options.header_timeout = milliseconds(150);
  options.body_timeout = milliseconds(150);
  return options;
}

inline void Echo(HttpRequest request, std::shared_ptr<HttpReply> reply) {
  reply->Send({200,
               "text/plain",
               request.method + " " + request.path + "?" + request.query + " " + request.body,
               {{"X-Peer", request.peer}}});
}

inline std::unique_ptr<HttpServer> Serve(HttpServerOptions options, HttpHandler handler = Echo) {
  auto server = HttpServer::Start(std::move(options), std::move(handler));
  EXPECT_TRUE(server.ok());
  return std::move(server.value());
}

inline std::string Get(const std::string& target, const std::string& headers = "") {
  return "GET " + target + " HTTP/1.1\r\nHost: localhost\r\n" + headers + "\r\n";
}

inline std::string Post(const std::string& body) {
  return "POST /p HTTP/1.1\r\nHost: localhost\r\nContent-Length: " + std::to_string(body.size()) +
         "\r\n\r\n" + body;
}

// Holds requests until released; replies go out from the test's thread.
class Held {
 public:
  HttpHandler Handler() {
    return [this](HttpRequest, std::shared_ptr<HttpReply> reply) {
      std::lock_guard lock(mutex_);
      replies_.push_back(std::move(reply));
      arrived_.notify_all();
    };
  }
  std::shared_ptr<HttpReply> Take() {
    std::unique_lock lock(mutex_);
    const bool came =
        arrived_.wait_for(lock, std::chrono::seconds(10), [this] { return !replies_.empty(); });
    EXPECT_TRUE(came);
    if (!came) return nullptr;
    auto reply = std::move(replies_.front());
    replies_.pop_front();
    return reply;
  }

 private:
  std::mutex mutex_;
  std::condition_variable arrived_;
  std::deque<std::shared_ptr<HttpReply>> replies_;
};

}  // namespace databuild
