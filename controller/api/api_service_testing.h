// The whole service over loopback sockets with logs in memory, for tests.
#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "bel/event_log.h"
#include "bel/event_log_testing.h"
#include "bel/memory_storage.h"
#include "controller/api/api_server.h"
#include "controller/api/graph_source.h"
#include "controller/api/kept_objects_testing.h"
#include "controller/api/plan_source.h"
#include "controller/api/test_client.h"
#include "controller/metrics/metrics.h"

namespace databuild {
using Json = nlohmann::json;

// Graphs whose logs a test writes.
class LogGraphs final : public GraphSource {
 public:
  std::vector<std::string> Graphs() const override {
    std::vector<std::string> names;
    for (const auto& [name, log] : logs) names.push_back(name);
    return names;
  }
  std::shared_ptr<const EventLog> Log(const std::string& graph) const override {
    const auto it = logs.find(graph);
    return it == logs.end() ? nullptr : it->second;
  }
  bool Read(const std::string& graph, bool reasons,
            const std::function<void(const QueryView&)>& read) const override {
    const auto log = Log(graph);
    if (log == nullptr) return false;
    log->WithState([&](const BuildState& state) {
      QueryView view{state, graph, nullptr};
      if (reasons) {
        view.explain = [&state](Index, Index partition) {
          v1::PartitionReason reason;
          reason.set_ref(state.partition(partition).ref);
          reason.set_reason("NoProducer");
          return reason;
        };
      }
      read(view);
    });
    return true;
  }
  const PlanSource* plans() const override { return planner; }
  std::map<std::string, std::shared_ptr<EventLog>> logs;
  const PlanSource* planner = nullptr;
};

// A planner that says what it was asked.
class EchoPlans final : public PlanSource {
 public:
  Result<v1::GraphLookupResponse> Lookup(const std::string& graph,
                                         const std::vector<std::string>& refs) const override {
    v1::GraphLookupResponse answer;
    for (const std::string& ref : refs)
      answer.add_task_refs()->mutable_job()->set_label(graph + ":" + ref);
    return answer;
  }
  Result<v1::GraphAnalyzeResponse> Analyze(const std::string& graph,
                                           const std::vector<std::string>& refs) const override {
    v1::GraphAnalyzeResponse answer;
    answer.mutable_graph()->mutable_label()->set_label(graph);
    for (const std::string& ref : refs) answer.mutable_graph()->add_outputs()->set_str(ref);
    return answer;
  }
  Result<v1::JobConfigureResponse> Configure(const std::string&,
                                             const std::vector<std::string>& refs) const override {
    v1::JobConfigureResponse answer;
    for (const std::string& ref : refs) answer.add_configs()->add_outputs()->set_str(ref);
    return answer;
  }
};

// Lets everybody in who says their name, and allows what is listed.
class NamedCallers final : public Authenticator {
 public:
  Result<Caller> Authenticate(const HttpRequest& request) override {
    const auto header = request.Header("authorization");
    if (!header) return Error{Errc::kUnauthenticated, "say your name"};
    Caller caller;
    caller.name = *header;
    caller.token_hash = "hash of " + caller.name;
    return caller;
  }
  Status Authorize(const Caller& caller, const AccessQuestion& question) override {
    std::lock_guard lock(mutex);
    asked.push_back(question.verb + " " + question.resource +
                    (question.subresource.empty() ? "" : "/" + question.subresource) + " " +
                    question.graph);
    if (caller.name == "alice" || question.graph == "public") return {};
    return Error{Errc::kPermissionDenied, caller.name + " may not"};
  }
  std::mutex mutex;
  std::vector<std::string> asked;
};

// A service with the graph "sales" and a client.
class ApiServiceTest : public testing::Test {
 protected:
  ApiServiceTest() { options_.http.max_body_bytes = 64 * 1024; }

  void SetUp() override {
    AddGraph("sales");
    if (options_.service.graphs == nullptr) options_.service.graphs = &graphs_;
    options_.service.auth = &auth_;
    options_.service.objects = &objects_;
    objects_.on_create = [this](const NewObject& object, const std::string& uid) {
      return RecordCreated(log(object.graph), object, uid);
    };
    options_.service.metrics = &metrics_;
    server_ = std::move(ApiServer::Start(options_).value());
    client_ = std::make_unique<TestClient>(server_->port());
  }

  void AddGraph(const std::string& name) {
    LogOptions options;
    options.storage = &storage_;
    options.graph = name;
    options.holder = "pod-1";
    options.cluster_uid = "cluster-1";
    options.clock = &clock_;
    graphs_.logs[name] = OpenLog(options);
  }

  EventLog& log(const std::string& graph = "sales") { return *graphs_.logs[graph]; }

  TestResponse Get(const std::string& target,
                   const std::string& headers = "Authorization: alice\r\n") {
    return client_->Ask("GET " + target + " HTTP/1.1\r\nHost: h\r\n" + headers + "\r\n");
  }
  TestResponse Rest(const std::string& rest) { return Get("/api/v1/graphs/sales/" + rest); }
  TestResponse Post(
      const std::string& rest, const std::string& body,
      const std::string& headers = "Authorization: alice\r\nContent-Type: application/json\r\n") {
    return client_->Ask("POST /api/v1/graphs/sales/" + rest + " HTTP/1.1\r\nHost: h\r\n" + headers +
                        "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body);
  }
  TestResponse Rpc(const std::string& method, const std::string& body,
                   const std::string& headers = "Content-Type: application/json\r\n") {
    return client_->Ask("POST /databuild.v1." + method +
                        " HTTP/1.1\r\nHost: h\r\nAuthorization: alice\r\n" + headers +
                        "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body);
  }
  std::string Code(const TestResponse& response) { return Json::parse(response.body)["code"]; }

  MemoryStorage storage_;
  TickingClock clock_;
  LogGraphs graphs_;
  NamedCallers auth_;
  KeptObjects objects_;
  Metrics metrics_;
  ApiServerOptions options_;  // of the server that SetUp starts
  std::unique_ptr<ApiServer> server_;
  std::unique_ptr<TestClient> client_;
  std::string next_token_;
};

}  // namespace databuild
