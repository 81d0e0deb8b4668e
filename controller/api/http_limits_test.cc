// What all connections together may cost, and what each may that takes its time.
#include <map>
#include <thread>

#include "controller/api/http_server_testing.h"

namespace databuild {
namespace {

TEST(HttpServer, BodiesOfAllConnectionsTogetherAreBounded) {
  Held held;
  HttpServerOptions options = FastOptions();
  options.max_bodies_bytes = 10'000;
  const auto server = Serve(options, held.Handler());
  TestClient first(server->port());
  first.Send(Post(std::string(6'000, 'x')));
  const auto reply = held.Take();
  TestClient second(server->port());
  EXPECT_EQ(second.Ask(Post(std::string(6'000, 'x'))).status, 503);
  EXPECT_TRUE(second.ClosedByServer());
  TestClient third(server->port());
  third.Send(Post(std::string(3'000, 'x')));
  EXPECT_NE(held.Take(), nullptr) << "there is room for a smaller one";
  reply->Send({200, "text/plain", "done", {}});
  EXPECT_EQ(first.Read().body, "done");
  // What an answered or a cut request held is free a moment after its client knows.
  const auto ask = [&](const std::string& request) {
    TestResponse response;
    for (int tries = 0; tries < 1'000; ++tries) {
      response = TestClient(server->port()).Ask(request);
      if (response.status != 503) break;
    }
    return response;
  };
  EXPECT_EQ(ask("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 10000\r\n\r\nabc").status, 408);
  const std::jthread answers([&] {
    if (const auto last = held.Take()) last->Send({200, "text/plain", "done", {}});
  });
  EXPECT_EQ(ask(Post(std::string(9'999, 'x'))).status, 200) << "what was cut has made room";
}

TEST(HttpServer, AnAnswerThatIsNotTakenIsCutInTime) {
  std::mutex mutex;
  std::condition_variable changed;
  size_t connections = 1;
  HttpServerOptions options = FastOptions();
  options.write_timeout = milliseconds(200);
  options.on_connections = [&](size_t now) {
    std::lock_guard lock(mutex);
    connections = now;
    changed.notify_all();
  };
  const auto server = Serve(options, [](HttpRequest, std::shared_ptr<HttpReply> reply) {
    reply->Send({200, "text/plain", std::string(64 << 20, 'x'), {}});
  });
  TestClient client(server->port());
  client.Send(Get("/"));
  std::unique_lock lock(mutex);
  EXPECT_TRUE(changed.wait_for(lock, std::chrono::seconds(10), [&] { return connections == 0; }));
}

TEST(HttpServer, TheOldestAnswerNotTakenMakesRoom) {
  HttpServerOptions options = FastOptions();
  options.max_unsent_bytes = 100 << 20;
  std::mutex mutex;
  std::map<std::string, int> reasons;
  options.on_refused = [&](const char* reason) {
    std::lock_guard lock(mutex);
    ++reasons[reason];
  };
  const auto server = Serve(options, [](HttpRequest request, std::shared_ptr<HttpReply> reply) {
    reply->Send({200, "text/plain", std::string(request.path == "/" ? 60 << 20 : 10, 'x'), {}});
  });
  TestClient oldest(server->port());
  oldest.Send(Get("/"));
  pollfd begun{oldest.fd(), POLLIN, 0};
  ASSERT_EQ(poll(&begun, 1, 10'000), 1);
  EXPECT_EQ(TestClient(server->port()).Ask(Get("/small")).status, 200);
  TestClient newer(server->port());
  newer.Send(Get("/"));
  EXPECT_TRUE(oldest.ClosedByServer());
  EXPECT_EQ(newer.Read().body.size(), size_t{60} << 20);
  const std::lock_guard lock(mutex);
  EXPECT_EQ(reasons, (std::map<std::string, int>{{"slow_reader", 1}}));
}

TEST(HttpServer, AConnectionThatSaysNothingMoreIsClosed) {
  HttpServerOptions options = FastOptions();
  options.first_byte_timeout = std::chrono::seconds(60);
  options.idle_timeout = milliseconds(150);
  const auto server = Serve(options);
  TestClient client(server->port());
  EXPECT_EQ(client.Ask(Get("/")).status, 200);
  EXPECT_TRUE(client.ClosedByServer());
}

}  // namespace
}  // namespace databuild
