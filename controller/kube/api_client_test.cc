#include "controller/kube/api_client.h"

#include <gtest/gtest.h>

#include <fstream>

#include "bel/base/log.h"
#include "tests/support/fault_proxy.h"
#include "tests/support/loopback_access.h"

namespace databuild::kube {
namespace {

using namespace std::chrono_literals;
using testing::AccessTo;
using testing::LoopbackConnection;
using testing::LoopbackRequest;
using testing::LoopbackServer;
using testing::SendAnswer;

std::unique_ptr<ApiClient> ClientOf(const LoopbackServer& server, ApiClientOptions options = {}) {
  auto client = ApiClient::Create(AccessTo(server), std::move(options));
  EXPECT_TRUE(client.ok());
  return std::move(*client);
}

const ObjectPath kPath{kConfigMaps, "ns", "m", ""};
const ObjectPath kAll{kConfigMaps, "ns", "", ""};

// Of the process; 0 under AddressSanitizer, which holds on to freed memory on purpose.
size_t ResidentBytes() {
#if defined(__SANITIZE_ADDRESS__)
  return 0;
#endif
  std::ifstream file("/proc/self/statm");
  size_t total = 0, resident = 0;
  file >> total >> resident;
  return resident * 4096;
}

TEST(ApiClient, RetriesOnlyWhatTheServerAsksToRetry) {
  std::atomic<int> requests{0};
  LoopbackServer server([&](const LoopbackRequest& request, LoopbackConnection& connection) {
    int n = ++requests;
    if (request.path.ends_with("/busy") && n < 3)
      return SendAnswer(connection, 429, "{}", "Retry-After: 0\r\n");
    if (request.path.ends_with("/broken")) return SendAnswer(connection, 500, "{}");
    return SendAnswer(connection, 200, "{}");
  });
  auto client = ClientOf(server);
  ObjectPath busy = kPath;
  busy.name = "busy";
  EXPECT_TRUE(client->Get(busy, CallOptions::Within(5s)).ok());
  EXPECT_EQ(requests, 3);
  ObjectPath broken = kPath;
  broken.name = "broken";
  EXPECT_TRUE(client->Get(broken, CallOptions::Within(5s)).failed_with(ApiFailure::kServer));
  EXPECT_EQ(requests, 4);
}

TEST(ApiClient, ARetryLongerThanTheDeadlineGivesTheAnswerAtOnce) {
  LoopbackServer server([](const LoopbackRequest&, LoopbackConnection& connection) {
    return SendAnswer(connection, 503, "{}", "Retry-After: 3000\r\n");
  });
  auto start = std::chrono::steady_clock::now();
  ApiReply reply = ClientOf(server)->Get(kPath, CallOptions::Within(5s));
  EXPECT_EQ(reply.error().http_status, 503);
  EXPECT_LT(std::chrono::steady_clock::now() - start, 4s);
}

TEST(ApiClient, RedirectsAreErrors) {
  std::atomic<int> elsewhere{0};
  LoopbackServer other([&](const LoopbackRequest&, LoopbackConnection& connection) {
    ++elsewhere;
    return SendAnswer(connection, 200, "{}");
  });
  LoopbackServer server([&](const LoopbackRequest&, LoopbackConnection& connection) {
    return SendAnswer(connection, 302, "", "Location: " + other.url() + "/\r\n");
  });
  ApiReply reply = ClientOf(server)->Get(kPath, CallOptions::Within(5s));
  ASSERT_FALSE(reply.ok());
  EXPECT_EQ(reply.error().http_status, 302);
  EXPECT_EQ(elsewhere, 0);
}

TEST(ApiClient, ATokenNeverTravelsInTheClear) {
  std::atomic<bool> seen{false};
  LoopbackServer server([&](const LoopbackRequest& request, LoopbackConnection& connection) {
    seen = request.headers.contains("authorization");
    return SendAnswer(connection, 200, "{}");
  });
  ClusterAccess access = AccessTo(server);
  access.token = "secret";
  auto client = ApiClient::Create(access, {});
  ASSERT_TRUE(client.ok());
  EXPECT_TRUE((*client)->Get(kPath, CallOptions::Within(5s)).ok());
  EXPECT_FALSE(seen);
}

TEST(ApiClient, ASilentServerEndsWithTheDeadlineAndWithStop) {
  LoopbackServer server([](const LoopbackRequest&, LoopbackConnection& connection) {
    connection.Sleep(60s);
    return false;
  });
  auto client = ClientOf(server);
  EXPECT_TRUE(client->Get(kPath, CallOptions::Within(100ms)).failed_with(ApiFailure::kTimeout));
  std::stop_source stop;
  std::jthread stopper([&] {
    std::this_thread::sleep_for(50ms);
    stop.request_stop();
  });
  EXPECT_TRUE(client->Get(kPath, CallOptions::Within(30s, stop.get_token()))
                  .failed_with(ApiFailure::kStopped));
}

TEST(ApiClient, InactivityEndsAnAnswerThatStopsHalfWay) {
  LoopbackServer server([](const LoopbackRequest&, LoopbackConnection& connection) {
    testing::SendChunkedHead(connection);
    testing::SendChunk(connection, "{");
    connection.Sleep(60s);
    return false;
  });
  ApiClientOptions options;
  options.inactivity = 1s;
  auto start = std::chrono::steady_clock::now();
  ApiReply reply = ClientOf(server, options)->Get(kPath, CallOptions::Within(30s));
  EXPECT_FALSE(reply.ok());
  EXPECT_LT(std::chrono::steady_clock::now() - start, 10s);
}

TEST(ApiClient, ATruncatedAnswerIsAnErrorNotAShortBody) {
  for (size_t bytes : {0u, 10u, 100u, 140u}) {
    LoopbackServer server(testing::WithFaults(
        [](const LoopbackRequest&, LoopbackConnection& connection) {
          return SendAnswer(connection, 200, std::string(1000, 'x'));
        },
        [bytes](const LoopbackRequest&) {
          testing::Fault fault;
          fault.kind = testing::Fault::Kind::kTruncate;
          fault.bytes = bytes;
          return fault;
        }));
    ApiReply reply = ClientOf(server)->Get(kPath, CallOptions::Within(5s));
    ASSERT_FALSE(reply.ok()) << bytes;
    EXPECT_EQ(reply.error().http_status, 0) << bytes;
  }
}

TEST(ApiClient, AConnectionThatDiedWhileIdleIsNotNoticedByTheCaller) {
  LoopbackServer server([](const LoopbackRequest&, LoopbackConnection& connection) {
    return SendAnswer(connection, 200, "{}");
  });
  auto client = ClientOf(server);
  for (int i = 0; i < 10; ++i) {
    ASSERT_TRUE(client->Get(kPath, CallOptions::Within(5s)).ok()) << i;
    server.Close();
    server.Listen();
  }
}

TEST(ApiClient, AnAnswerOverTheLimitIsRefused) {
  LoopbackServer server([](const LoopbackRequest&, LoopbackConnection& connection) {
    return SendAnswer(connection, 200, std::string(100'000, 'x'));
  });
  ApiClientOptions options;
  options.body_bytes_max = 50'000;
  EXPECT_TRUE(ClientOf(server, options)
                  ->Get(kPath, CallOptions::Within(5s))
                  .failed_with(ApiFailure::kMalformed));
}

TEST(ApiClient, AnUnreadStreamDoesNotFillMemory) {
  std::atomic<size_t> sent{0};
  LoopbackServer server([&](const LoopbackRequest&, LoopbackConnection& connection) {
    testing::SendChunkedHead(connection);
    const std::string chunk(64 * 1024, 'x');
    while (sent < 1024u * 1024 * 1024 && testing::SendChunk(connection, chunk))
      sent += chunk.size();
    return false;
  });
  auto client = ClientOf(server);
  size_t before = ResidentBytes();
  auto stream = client->Watch(kAll, {}, CallOptions::Within(5s));
  ASSERT_TRUE(stream.ok());
  // Until what the server could send does not grow any more.
  size_t last = 1;
  while (sent != last) {
    last = sent;
    std::this_thread::sleep_for(300ms);
  }
  EXPECT_LT(sent, 64u * 1024 * 1024);
  EXPECT_LT(ResidentBytes() - before, 32u * 1024 * 1024);
  // Reading goes on where it stopped.
  size_t read = 0;
  while (read < 100u * 1024 * 1024) {
    std::string bytes;
    bool end = false;
    ASSERT_FALSE((*stream)->Read(CallOptions::Within(5s), bytes, end).has_value());
    read += bytes.size();
  }
  EXPECT_LT(ResidentBytes() - before, 64u * 1024 * 1024);
}

TEST(ApiClient, WarningsAreLoggedOnce) {
  std::mutex mutex;
  std::vector<std::string> lines;
  SetLogSink([&](std::string_view line) {
    std::lock_guard lock(mutex);
    lines.emplace_back(line);
  });
  LoopbackServer server([](const LoopbackRequest&, LoopbackConnection& connection) {
    return SendAnswer(connection, 200, "{}", "Warning: 299 - \"spec.x is deprecated\"\r\n");
  });
  auto client = ClientOf(server);
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(client->Get(kPath, CallOptions::Within(5s)).ok());
  SetLogSink({});
  std::lock_guard lock(mutex);
  ASSERT_EQ(lines.size(), 1u);
  EXPECT_NE(lines[0].find("spec.x is deprecated"), std::string::npos);
}

TEST(ApiClient, WhoMayNotWriteStillReadsReviewsAndTries) {
  std::atomic<int> writes{0};
  LoopbackServer server([&](const LoopbackRequest& request, LoopbackConnection& connection) {
    writes += request.method != "GET";
    return SendAnswer(connection, 200, "{}");
  });
  std::atomic<bool> leading{true};
  ApiClientOptions options;
  options.may_write = [&] { return leading.load(); };
  auto client = ClientOf(server, options);
  const auto soon = CallOptions::Within(5s);
  EXPECT_TRUE(client->Create(kAll, "{}", soon).ok());
  EXPECT_EQ(writes, 1);
  leading = false;
  EXPECT_TRUE(client->Create(kAll, "{}", soon).failed_with(ApiFailure::kFenced));
  EXPECT_TRUE(client->Replace(kPath, "{}", soon).failed_with(ApiFailure::kFenced));
  EXPECT_TRUE(client->Patch(kPath, PatchType::kMerge, "{}", soon).failed_with(ApiFailure::kFenced));
  EXPECT_TRUE(client->Delete(kPath, {}, soon).failed_with(ApiFailure::kFenced));
  EXPECT_EQ(writes, 1);
  EXPECT_TRUE(client->Get(kPath, soon).ok());
  EXPECT_TRUE(client->DryRunCreate(kAll, "{}", soon).ok());
  EXPECT_TRUE(client->Create({kTokenReviews, "", "", ""}, "{}", soon).ok());
  EXPECT_TRUE(client->Create({kAccessReviews, "", "", ""}, "{}", soon).ok());
}

// What waited in the client when the lease ran out is not sent either.
TEST(ApiClient, TheRightToWriteIsAskedForWhenTheRequestIsSent) {
  std::atomic<int> writes{0};
  std::atomic<bool> leading{true};
  LoopbackServer server([&](const LoopbackRequest&, LoopbackConnection& connection) {
    ++writes;
    leading = false;
    return SendAnswer(connection, 429, "{}", "Retry-After: 0\r\n");
  });
  ApiClientOptions options;
  options.may_write = [&] { return leading.load(); };
  auto client = ClientOf(server, options);
  EXPECT_TRUE(client->Create(kAll, "{}", CallOptions::Within(5s)).failed_with(ApiFailure::kFenced));
  EXPECT_EQ(writes, 1);
}

TEST(ApiClient, CallsInFlightAndRateAreBounded) {
  std::atomic<int> now{0}, most{0};
  LoopbackServer server([&](const LoopbackRequest&, LoopbackConnection& connection) {
    int count = ++now;
    int seen = most;
    while (count > seen && !most.compare_exchange_weak(seen, count)) {
    }
    connection.Sleep(20ms);
    --now;
    return SendAnswer(connection, 200, "{}");
  });
  ApiClientOptions options;
  options.parallel_calls = 3;
  options.qps = 100;
  options.burst = 5;
  auto client = ClientOf(server, options);
  auto start = std::chrono::steady_clock::now();
  {
    std::vector<std::jthread> callers;
    for (int i = 0; i < 10; ++i)
      callers.emplace_back([&] {
        for (int n = 0; n < 3; ++n) EXPECT_TRUE(client->Get(kPath, CallOptions::Within(20s)).ok());
      });
  }
  EXPECT_LE(most, 3);
  // 30 calls, 5 of them at once, the rest at 100 a second.
  EXPECT_GE(std::chrono::steady_clock::now() - start, 240ms);
}

TEST(ApiClient, NamesItself) {
  std::mutex mutex;
  std::string agent, accept;
  LoopbackServer server([&](const LoopbackRequest& request, LoopbackConnection& connection) {
    std::lock_guard lock(mutex);
    agent = request.headers.at("user-agent");
    accept = request.headers.at("accept");
    return SendAnswer(connection, 200, "{}");
  });
  ASSERT_TRUE(ClientOf(server)->Get(kPath, CallOptions::Within(5s)).ok());
  std::lock_guard lock(mutex);
  EXPECT_TRUE(agent.starts_with("databuild-controller/")) << agent;
  EXPECT_EQ(accept, "application/json");
}

TEST(ApiClient, ManyExchangesAreStartedAndDroppedAtAnyMoment) {
  LoopbackServer server([](const LoopbackRequest&, LoopbackConnection& connection) {
    testing::SendChunkedHead(connection);
    for (int i = 0; i < 50; ++i) {
      if (!testing::SendChunk(connection, std::string(5000, 'x'))) return false;
    }
    return testing::SendLastChunk(connection);
  });
  auto client = ClientOf(server);
  std::vector<std::jthread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < 50; ++i) {
        auto stream = client->Watch(kAll, {}, CallOptions::Within(5s));
        if (!stream.ok()) continue;
        std::string bytes;
        bool end = false;
        for (int reads = 0; reads < (i + t) % 5 && !end; ++reads)
          if ((*stream)->Read(CallOptions::Within(5s), bytes, end)) break;
      }
    });
  }
}

}  // namespace
}  // namespace databuild::kube
