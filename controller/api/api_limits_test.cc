// Limits of the service: requests of one caller, waiting calls.
#include <thread>

#include "controller/api/api_service_testing.h"

namespace databuild {
namespace {

constexpr char kWait[] = "/api/v1/graphs/public/events?wait_ms=60000&since_idx=";

class ApiLimitsTest : public ApiServiceTest {
 protected:
  ApiLimitsTest() { options_.service.max_requests_per_caller = 2; }

  void SetUp() override {
    ApiServiceTest::SetUp();
    AddGraph("public");
    ASSERT_TRUE(log("public").Append({WantCreated("w1")}).ok());
  }

  // A call that waits for the next event.
  void Wait(TestClient& client, const std::string& caller) {
    client.Send(std::string("GET ") + kWait + "1 HTTP/1.1\r\nHost: h\r\nAuthorization: " + caller +
                "\r\n\r\n");
  }

  void AwaitWaiting(int calls) {
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(10);
    while (metrics_.Value(Metric::kApiLongPolls, {}) != calls) {
      ASSERT_LT(std::chrono::steady_clock::now(), end);
      std::this_thread::yield();
    }
  }

  // The status once a caller's earlier requests have given their shares back.
  int StatusInTime(const std::string& caller) {
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(10);
    while (true) {
      const int status =
          Get("/api/v1/graphs/public/wants", "Authorization: " + caller + "\r\n").status;
      if (status != 429 || std::chrono::steady_clock::now() > end) return status;
    }
  }
};

TEST_F(ApiLimitsTest, OneCallersRequestsAreBoundedAndOthersAreServed) {
  TestClient first(server_->port()), second(server_->port());
  Wait(first, "bob");
  Wait(second, "bob");
  AwaitWaiting(2);
  const TestResponse third = Get("/api/v1/graphs/public/wants", "Authorization: bob\r\n");
  EXPECT_EQ(third.status, 429) << third.body;
  EXPECT_EQ(Code(third), "resource_exhausted");
  EXPECT_EQ(metrics_.Value(Metric::kApiRequests, {"ListWants", "resource_exhausted"}), 1);
  EXPECT_EQ(Get("/api/v1/graphs/public/wants", "Authorization: carol\r\n").status, 200);
  ASSERT_TRUE(log("public").Append({WantCreated("w2")}).ok());
  EXPECT_EQ(first.Read().status, 200);
  EXPECT_EQ(second.Read().status, 200);
  EXPECT_EQ(StatusInTime("bob"), 200);
}

TEST_F(ApiLimitsTest, ACallerWhoLeavesGivesTheShareBack) {
  {
    TestClient first(server_->port()), second(server_->port());
    Wait(first, "bob");
    Wait(second, "bob");
    AwaitWaiting(2);
  }
  EXPECT_EQ(StatusInTime("bob"), 200) << "long before the waits are over";
  EXPECT_LE(metrics_.Value(Metric::kApiLongPolls, {}), 1) << "who was forgotten is not counted";
}

class WaitingCallsTest : public ApiLimitsTest {
 protected:
  WaitingCallsTest() {
    options_.service.max_requests_per_caller = 0;
    options_.service.max_long_polls = 3;
  }
};

TEST_F(WaitingCallsTest, AreAnsweredAtOnceWhenThereIsNoRoomToWait) {
  TestClient clients[] = {TestClient(server_->port()), TestClient(server_->port()),
                          TestClient(server_->port())};
  for (TestClient& client : clients) Wait(client, "bob");
  AwaitWaiting(3);
  const TestResponse more =
      Get(std::string(kWait) + "1", "Authorization: bob\r\n");  // would wait for a minute
  EXPECT_EQ(more.status, 200);
  EXPECT_EQ(Json::parse(more.body)["events"].size(), 0u);
  ASSERT_TRUE(log("public").Append({WantCreated("w2")}).ok());
  for (TestClient& client : clients) EXPECT_EQ(Json::parse(client.Read().body)["events"].size(), 1);
}

}  // namespace
}  // namespace databuild
