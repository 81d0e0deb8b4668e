#include "controller/kube/lease.h"

#include <gtest/gtest.h>

#include <semaphore>

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

// Every create and every renewal succeeds, until the server turns silent.
TEST(LeaseElector, WritingEndsBeforeTheLeaseRunsOut) {
  std::atomic<bool> silent{false};
  std::atomic<int> renewals{0};
  LoopbackServer server([&](const LoopbackRequest& request, LoopbackConnection& connection) {
    if (silent) return SendAnswer(connection, 500, "{}");
    if (request.method == "GET") return SendAnswer(connection, 404, "{}");
    ++renewals;
    return SendAnswer(connection, 200, request.body);
  });
  auto client = ApiClient::Create(AccessTo(server), {});
  ASSERT_TRUE(client.ok());
  SystemClock clock;
  LeaseOptions options;
  options.ns = "ns";
  options.identity = "a";
  options.duration = 60s;
  options.renew_deadline = 500ms;
  options.retry_period = 20ms;
  std::binary_semaphore acquired{0}, lost{0};
  bool wrote_when_lost = true;
  LeaseElector elector(**client, clock, options,
                       {[&] { acquired.release(); },
                        [&](const std::string&) {
                          wrote_when_lost = elector.MayWrite();
                          lost.release();
                        }});
  EXPECT_FALSE(elector.MayWrite()) << "before it is elected";
  elector.Start();
  ASSERT_TRUE(acquired.try_acquire_for(10s));
  EXPECT_TRUE(elector.MayWrite());
  silent = true;
  const auto begin = std::chrono::steady_clock::now();
  while (elector.MayWrite() && std::chrono::steady_clock::now() - begin < 10s) {
  }
  EXPECT_FALSE(elector.MayWrite());
  EXPECT_TRUE(lost.try_acquire_for(10s));
  EXPECT_FALSE(wrote_when_lost);
  EXPECT_LT(std::chrono::steady_clock::now() - begin, options.duration);
  elector.Stop();
}

}  // namespace
}  // namespace databuild::kube
