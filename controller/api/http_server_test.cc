// What a client may do badly, slowly or hugely, and that it costs that client only.
#include <map>
#include <thread>

#include "controller/api/health.h"
#include "controller/api/http_server_testing.h"
#include "controller/api/worker_pool.h"
#include "controller/metrics/metrics.h"

namespace databuild {
namespace {

TEST(HttpServer, AnswersSeveralRequestsOnOneConnection) {
  const auto server = Serve(FastOptions());
  TestClient client(server->port());
  for (int i = 0; i < 5; ++i) {
    const TestResponse response = client.Ask(Get("/a%2Fb?x=" + std::to_string(i)));
    EXPECT_EQ(response.status, 200);
    EXPECT_EQ(response.body, "GET /a%2Fb?x=" + std::to_string(i) + " ");
  }
  EXPECT_EQ(client.Ask(Post("hello")).body, "POST /p? hello");
}

TEST(HttpServer, AnswersPipelinedRequestsInOrder) {
  const auto server = Serve(FastOptions());
  TestClient client(server->port());
  client.Send(Get("/1") + Post("two") + Get("/3"));
  EXPECT_EQ(client.Read().body, "GET /1? ");
  EXPECT_EQ(client.Read().body, "POST /p? two");
  EXPECT_EQ(client.Read().body, "GET /3? ");
}

TEST(HttpServer, ReadsChunkedBodies) {
  const auto server = Serve(FastOptions());
  TestClient client(server->port());
  const auto response = client.Ask(
      "POST /c HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: "
      "chunked\r\n\r\n5\r\nhello\r\n1;x=y\r\n!\r\n0\r\n\r\n");
  EXPECT_EQ(response.body, "POST /c? hello!");
}

TEST(HttpServer, AnswersHeadWithoutABody) {
  const auto server = Serve(FastOptions());
  TestClient client(server->port());
  client.Send("HEAD /h HTTP/1.1\r\nHost: h\r\n\r\n");
  const TestResponse response = client.Read(true);
  EXPECT_EQ(response.status, 200);
  EXPECT_NE(response.head.find("Content-Length: 9\r\n"), std::string::npos) << response.head;
  EXPECT_EQ(client.Ask(Get("/next")).body, "GET /next? ");
}

TEST(HttpServer, SaysContinueWhenAskedTo) {
  const auto server = Serve(FastOptions());
  TestClient client(server->port());
  client.Send("POST /e HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n");
  EXPECT_EQ(client.Read().status, 100);
  client.Send("ok");
  EXPECT_EQ(client.Read().body, "POST /e? ok");
}

TEST(HttpServer, ClosesWhenTheClientAsksForIt) {
  const auto server = Serve(FastOptions());
  TestClient client(server->port());
  EXPECT_EQ(client.Ask(Get("/", "Connection: close\r\n")).status, 200);
  EXPECT_TRUE(client.ClosedByServer());
}

struct Refusal {
  const char* name;
  std::string bytes;
  int status;  // 0: the connection closes without a word
  const char* reason;
};

std::vector<Refusal> Refusals() {
  const std::string chunked = "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n";
  return {
      {"chunk size -1", chunked + "-1\r\n", 400, "bad_request"},
      {"chunk size -2", chunked + "-2\r\nxx\r\n", 400, "bad_request"},
      {"chunk size not hex", chunked + "zz\r\n", 400, "bad_request"},
      {"chunk size of 2^64-1", chunked + "ffffffffffffffff\r\nx", 413, "body_too_large"},
      {"chunk size over 2^64", chunked + "1ffffffffffffffff\r\nx", 400, "bad_request"},
      {"chunks over the limit", chunked + "2000\r\n" + std::string(0x2000, 'x') + "\r\n2000\r\n",
       413, "body_too_large"},
      {"chunk extension without end", chunked + "2;" + std::string(64 * 1024, 'x'), 431,
       "header_too_large"},
      {"trailers over the limit", chunked + "0\r\n" + std::string(64 * 1024, 'x') + ": y\r\n\r\n",
       431, "header_too_large"},
      {"announced body over the limit",
       "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 10001\r\n\r\n", 413, "body_too_large"},
      {"huge content length",
       "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 99999999999999999999999\r\n\r\n", 400,
       "bad_request"},
      {"negative content length", "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: -1\r\n\r\n", 400,
       "bad_request"},
      {"length and chunks",
       "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\nTransfer-Encoding: "
       "chunked\r\n\r\n0\r\n\r\n",
       400, "bad_request"},
      {"two lengths",
       "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd", 400,
       "bad_request"},
      {"giant header", "GET / HTTP/1.1\r\nX: " + std::string(64 * 1024, 'a') + "\r\n\r\n", 431,
       "header_too_large"},
      {"giant target", "GET /" + std::string(64 * 1024, 'a') + " HTTP/1.1\r\n\r\n", 431,
       "header_too_large"},
      {"many headers",
       [] {
         std::string text = "GET / HTTP/1.1\r\n";
         for (int i = 0; i < 1'000; ++i) text += "X-" + std::to_string(i) + ": y\r\n";
         return text + "\r\n";
       }(),
       431, "header_too_large"},
      {"not HTTP", "\x16\x03\x01 hello, is this TLS?\r\n\r\n", 400, "bad_request"},
      {"no version", "GET /\r\n\r\n", 400, "bad_request"},
      {"no host", "GET / HTTP/1.1\r\nAccept: */*\r\n\r\n", 400, "bad_request"},
      {"two hosts", "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400, "bad_request"},
      {"HTTP/2 preface", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400, "bad_request"},
      {"blank in a header name", "GET / HTTP/1.1\r\nBad Name: x\r\n\r\n", 400, "bad_request"},
      {"unknown expectation",
       "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\nExpect: pony\r\n\r\n", 417,
       "bad_request"},
      {"slow header", "GET / HTTP/1.1\r\nHost:", 408, "timeout"},
      {"slow body", "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\nabc", 408, "timeout"},
      {"slow chunk", chunked + "a\r\nabc", 408, "timeout"},
      {"silence", "", 0, ""},
  };
}

TEST(HttpServer, RefusesWhatIsMalformedSlowOrHugeAndLivesOn) {
  std::mutex mutex;
  std::map<std::string, int> reasons;
  HttpServerOptions options = FastOptions();
  options.on_refused = [&](const char* reason) {
    std::lock_guard lock(mutex);
    ++reasons[reason];
  };
  const auto server = Serve(options);
  for (const Refusal& refusal : Refusals()) {
    SCOPED_TRACE(refusal.name);
    std::map<std::string, int> expected;
    {
      std::lock_guard lock(mutex);
      expected = reasons;
    }
    if (refusal.reason[0] != '\0') ++expected[refusal.reason];
    TestClient bad(server->port());
    bad.Send(refusal.bytes);
    EXPECT_EQ(bad.Read().status, refusal.status);
    EXPECT_TRUE(bad.ClosedByServer());
    {
      std::lock_guard lock(mutex);
      EXPECT_EQ(reasons, expected);
    }
    TestClient good(server->port());
    EXPECT_EQ(good.Ask(Get("/alive")).status, 200);
  }
}

// Sends one byte every 20 ms: each arrives in time, the whole request does not.
TEST(HttpServer, AHeaderThatDripsIsCutAtTheDeadlineOfTheWholeHeader) {
  const auto server = Serve(FastOptions());
  TestClient client(server->port());
  std::jthread drip([&client](std::stop_token stop) {
    std::mutex mutex;
    std::condition_variable_any tick;
    std::unique_lock lock(mutex);
    for (int i = 0; i < 200 && !stop.stop_requested(); ++i) {
      if (!client.Send(i == 0 ? "GET / HTTP/1.1\r\nX-" : "y")) return;
      tick.wait_for(lock, stop, milliseconds(20), [] { return false; });
    }
  });
  const auto start = std::chrono::steady_clock::now();
  EXPECT_EQ(client.Read().status, 408);
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(3));
}

TEST(HttpServer, TheConnectionIdleLongestMakesRoom) {
  HttpServerOptions options = FastOptions();
  options.max_connections = 3;
  options.first_byte_timeout = options.idle_timeout = milliseconds(60'000);
  const auto server = Serve(options);
  TestClient first(server->port());
  EXPECT_EQ(first.Ask(Get("/1")).status, 200);
  TestClient second(server->port());
  EXPECT_EQ(second.Ask(Get("/2")).status, 200);
  TestClient third(server->port());
  EXPECT_EQ(third.Ask(Get("/3")).status, 200);
  EXPECT_EQ(first.Ask(Get("/1")).status, 200);  // now the second is the oldest
  TestClient fourth(server->port());
  EXPECT_EQ(fourth.Ask(Get("/4")).status, 200);
  EXPECT_TRUE(second.ClosedByServer());
  EXPECT_EQ(first.Ask(Get("/1")).status, 200);
  EXPECT_EQ(third.Ask(Get("/3")).status, 200);
}

TEST(HttpServer, RefusesAConnectionWhenNoneIsIdle) {
  Held held;
  HttpServerOptions options = FastOptions();
  options.max_connections = 1;
  const auto server = Serve(options, held.Handler());
  TestClient busy(server->port());
  busy.Send(Get("/"));
  const auto reply = held.Take();
  TestClient refused(server->port());
  EXPECT_EQ(refused.Read().status, 503);
  reply->Send({200, "text/plain", "done", {}});
  EXPECT_EQ(busy.Read().body, "done");
}

TEST(HttpServer, ADroppedReplyIsA500) {
  Held held;
  const auto server = Serve(FastOptions(), held.Handler());
  TestClient client(server->port());
  client.Send(Get("/"));
  held.Take().reset();
  EXPECT_EQ(client.Read().status, 500);
}

TEST(HttpServer, AHandlerThatThrowsIsA500) {
  const auto server = Serve(FastOptions(), [](HttpRequest, std::shared_ptr<HttpReply>) {
    throw std::runtime_error("boom");
  });
  TestClient client(server->port());
  EXPECT_EQ(client.Ask(Get("/")).status, 500);
  EXPECT_EQ(client.Ask(Get("/")).status, 500);
}

TEST(HttpServer, AWatchedRequestLearnsThatItsClientHasGone) {
  Held held;
  std::mutex mutex;
  std::condition_variable changed;
  size_t connections = 0;
  HttpServerOptions options = FastOptions();
  options.on_connections = [&](size_t now) {
    std::lock_guard lock(mutex);
    connections = now;
    changed.notify_all();
  };
  const auto server = Serve(options, held.Handler());
  TestClient client(server->port());
  client.Send(Get("/"));
  auto reply = held.Take();
  EXPECT_FALSE(reply->gone());
  reply->WatchClient();
  client.Close();
  {
    std::unique_lock lock(mutex);
    EXPECT_TRUE(changed.wait_for(lock, std::chrono::seconds(10), [&] { return connections == 0; }));
  }
  EXPECT_TRUE(reply->gone());
  reply->Send({200, "text/plain", "too late", {}});
}

TEST(HttpServer, StopLetsRequestsUnderWayFinishAndClosesIdleConnections) {
  Held held;
  auto server = Serve(FastOptions(), held.Handler());
  const uint16_t port = server->port();
  TestClient idle(port);
  TestClient busy(port);
  busy.Send(Get("/"));
  const auto reply = held.Take();
  std::jthread stopper([&] { server->Stop(std::chrono::seconds(10)); });
  EXPECT_TRUE(idle.ClosedByServer());
  reply->Send({200, "text/plain", "finished", {}});
  const TestResponse response = busy.Read();
  EXPECT_EQ(response.body, "finished");
  EXPECT_NE(response.head.find("Connection: close"), std::string::npos);
  stopper.join();
  TestClient late(port);
  EXPECT_FALSE(late.connected());
}

TEST(HttpServer, StopCutsWhatDoesNotFinishAndLateRepliesAreHarmless) {
  Held held;
  auto server = Serve(FastOptions(), held.Handler());
  TestClient busy(server->port());
  busy.Send(Get("/"));
  auto reply = held.Take();
  server->Stop(milliseconds(50));
  EXPECT_TRUE(busy.ClosedByServer());
  server.reset();
  reply->Send({200, "text/plain", "too late", {}});
  reply.reset();
}

TEST(HttpServer, ManyClientsAtOnceEachGetTheirOwnAnswer) {
  WorkerPool pool(3, 1'000);
  const auto server =
      Serve(FastOptions(), [&pool](HttpRequest request, std::shared_ptr<HttpReply> reply) {
        EXPECT_TRUE(pool.Submit([request, reply] { Echo(request, reply); }));
      });
  std::vector<std::jthread> clients;
  for (int c = 0; c < 8; ++c) {
    clients.emplace_back([&server, c] {
      TestClient client(server->port());
      for (int i = 0; i < 100; ++i) {
        const std::string target = "/" + std::to_string(c) + "/" + std::to_string(i);
        ASSERT_EQ(client.Ask(Get(target)).body, "GET " + target + "? ");
      }
    });
  }
}

TEST(HttpServer, RefusesAnAddressThatIsNone) {
  HttpServerOptions options;
  options.address = "localhost:80";
  const auto server = HttpServer::Start(options, Echo);
  ASSERT_FALSE(server.ok());
  EXPECT_EQ(server.error().code, Errc::kInvalidArgument);
}

TEST(HttpServer, SaysWhenAPortIsTaken) {
  const auto first = Serve(FastOptions());
  HttpServerOptions options;
  options.port = first->port();
  const auto second = HttpServer::Start(options, Echo);
  ASSERT_FALSE(second.ok());
  EXPECT_EQ(second.error().code, Errc::kUnavailable);
}

TEST(WorkerPool, RefusesWorkOverItsBoundAndFinishesWhatItTook) {
  std::mutex gate;
  int done = 0;
  {
    std::unique_lock held(gate);
    WorkerPool pool(1, 2);
    int taken = 0;
    for (int i = 0; i < 10; ++i) {
      taken += pool.Submit([&] {
        std::lock_guard lock(gate);
        ++done;
      });
    }
    EXPECT_GE(taken, 2);
    EXPECT_LE(taken, 3);
    held.unlock();
  }
  EXPECT_GE(done, 2);
}

TEST(Health, ReportsEveryCheckAndTheMetrics) {
  Metrics metrics;
  metrics.Set(Metric::kLeader, {}, 1);
  std::atomic<bool> synced{false};
  HealthOptions health;
  health.live.push_back({"loop", [] { return Status(); }});
  health.ready.push_back(
      {"informers", [&synced] {
         return synced ? Status()
                       : Status(Error{Errc::kUnavailable, "wants: first list under way"});
       }});
  health.ready.push_back({"log", [] { return Status(); }});
  health.metrics = &metrics;
  const auto server = Serve(FastOptions(), HealthHandler(std::move(health)));
  TestClient client(server->port());
  EXPECT_EQ(client.Ask(Get("/livez")).body, "ok");
  TestResponse response = client.Ask(Get("/readyz"));
  EXPECT_EQ(response.status, 503);
  EXPECT_EQ(response.body,
            "[-]informers failed: wants: first list under way\n[+]log ok\nreadyz check failed\n");
  EXPECT_EQ(client.Ask(Get("/readyz?exclude=informers")).status, 200);
  synced = true;
  EXPECT_EQ(client.Ask(Get("/readyz?verbose")).body,
            "[+]informers ok\n[+]log ok\nreadyz check passed\n");
  response = client.Ask(Get("/metrics"));
  EXPECT_NE(response.head.find("Content-Type: text/plain; version=0.0.4; charset=utf-8"),
            std::string::npos);
  EXPECT_NE(response.body.find("databuild_leader 1\n"), std::string::npos);
  EXPECT_EQ(client.Ask(Get("/")).status, 404);
  EXPECT_EQ(client.Ask("DELETE /livez HTTP/1.1\r\nHost: h\r\n\r\n").status, 405);
}

TEST(HttpMessage, DecodesWhatIsEscapedAndRefusesBrokenEscapes) {
  EXPECT_EQ(PercentDecode("a%2Fb+c%20d", false), "a/b+c d");
  EXPECT_EQ(PercentDecode("a+b", true), "a b");
  for (const char* broken : {"%", "%2", "%zz", "a%2"})
    EXPECT_EQ(PercentDecode(broken, false), std::nullopt);
  const std::string ref = "sales/revenue/date=2025-01-05 \xc3\xa9%";
  EXPECT_EQ(PercentDecode(PercentEncode(ref), false), ref);
  const auto pairs = ParseQuery("a=1&b&&a=%26%3D&c=");
  ASSERT_TRUE(pairs.has_value());
  const std::vector<std::pair<std::string, std::string>> expected = {
      {"a", "1"}, {"b", ""}, {"a", "&="}, {"c", ""}};
  EXPECT_EQ(*pairs, expected);
}

}  // namespace
}  // namespace databuild
