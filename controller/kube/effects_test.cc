#include "controller/kube/effects.h"

#include <gtest/gtest.h>

#include <atomic>

#include "tests/support/loopback_access.h"

namespace databuild::kube {
namespace {

using testing::AccessTo;
using testing::LoopbackConnection;
using testing::LoopbackRequest;
using testing::LoopbackServer;
using testing::SendAnswer;

// An API server with the log of one pod, which may be gone.
class ReadRunOutputTest : public ::testing::Test {
 protected:
  void SetUp() override {
    auto client = ApiClient::Create(AccessTo(server_), {});
    ASSERT_TRUE(client.ok());
    client_ = std::move(*client);
  }
  // The lines that the planner is told.
  std::string Read(StoredLogTail stored) {
    EffectSettings settings;
    settings.stored_log_tail = std::move(stored);
    EffectRunner runner(*client_, view_, clock_, settings);
    const ReadRunOutput asked{"run-1", "pod-1", 7, 2};
    EXPECT_TRUE(runner.Run("ns", asked, {}).ok());
    const std::vector<Delta> deltas = view_.TakeDeltas("ns");
    if (deltas.size() != 1) return std::to_string(deltas.size()) + " deltas";
    const auto& tail = std::get<RunLogTail>(deltas[0]);
    EXPECT_EQ(tail.asked.last_sequence, asked.last_sequence);
    EXPECT_EQ(tail.asked.manifest_parts, asked.manifest_parts);
    return tail.lines;
  }

  SystemClock clock_;
  std::atomic<bool> pod_gone_{false};
  LoopbackServer server_{[this](const LoopbackRequest& request, LoopbackConnection& connection) {
    EXPECT_EQ(request.path, "/api/v1/namespaces/ns/pods/pod-1/log");
    EXPECT_EQ(request.query.at("tailLines"), "1000");
    if (pod_gone_) return SendAnswer(connection, 404, R"({"kind":"Status","code":404})");
    return SendAnswer(connection, 200, "of the pod\n");
  }};
  ClusterView view_{ClusterView::Options{}, clock_};
  std::unique_ptr<ApiClient> client_;
};

TEST_F(ReadRunOutputTest, WhatIsStoredIsNotAskedOfThePod) {
  pod_gone_ = true;
  const auto stored = [](const std::string& graph, const std::string& run_id) {
    return std::optional(graph + "/" + run_id + "\n");
  };
  EXPECT_EQ(Read(stored), "ns/run-1\n");
  EXPECT_EQ(server_.requests(), 0);
}

TEST_F(ReadRunOutputTest, BeforeAllIsStoredThePodIsRead) {
  const auto nothing = [](const std::string&, const std::string&) { return std::nullopt; };
  EXPECT_EQ(Read(nothing), "of the pod\n");
  EXPECT_EQ(Read(nullptr), "of the pod\n");
  pod_gone_ = true;
  EXPECT_EQ(Read(nothing), "") << "lost";
}

}  // namespace
}  // namespace databuild::kube
