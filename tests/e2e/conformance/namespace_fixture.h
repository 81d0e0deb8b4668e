// A Kubernetes namespace of a test's own, on the cluster that KUBECONFIG names.
#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <cstdlib>
#include <functional>
#include <memory>
#include <string>
#include <thread>

#include "bel/base/uuid.h"
#include "controller/kube/api_client.h"
#include "controller/kube/json_view.h"

namespace databuild::kube {

class NamespaceFixture : public ::testing::Test {
 protected:
  static CallOptions Soon() { return CallOptions::Within(std::chrono::seconds(20)); }

  void SetUp() override {
    const char* file = std::getenv("KUBECONFIG");
    ASSERT_NE(file, nullptr) << "KUBECONFIG must name a cluster to test against";
    auto access = LoadKubeconfig(file, "");
    ASSERT_TRUE(access.ok()) << access.error().message;
    access_ = *access;
    client_ = NewClient();
    ASSERT_TRUE(client_);
    ApiReply served = client_->List({kWants, "default", "", ""}, {}, Soon());
    ASSERT_TRUE(served.ok()) << served.error().Describe() << "\napply crds/ to the cluster first";
    ns_ = "conformance-" + RandomUuid().substr(0, 8);
    Create(kNamespaces, "",
           R"({"apiVersion":"v1","kind":"Namespace","metadata":{"name":")" + ns_ + "\"}}");
  }
  void TearDown() override {
    if (client_) (void)client_->Delete({kNamespaces, "", ns_, ""}, {}, Soon()).ok();
  }

  std::unique_ptr<ApiClient> NewClient(ApiClientOptions options = {}) {
    auto client = ApiClient::Create(access_, std::move(options));
    EXPECT_TRUE(client.ok()) << client.error().message;
    return client.ok() ? std::move(*client) : nullptr;
  }
  // The object as it was stored; a failure fails the test.
  std::string Create(const ResourceType& type, const std::string& ns, const std::string& body) {
    ApiReply reply = client_->Create({type, ns, "", ""}, body, Soon());
    EXPECT_TRUE(reply.ok()) << reply.error().Describe();
    return reply.ok() ? *reply : std::string();
  }
  std::string CreateMap(const std::string& name, const std::string& value,
                        const std::string& label = "x") {
    return Create(kConfigMaps, ns_,
                  R"({"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":")" + name +
                      R"(","labels":{"test":")" + label + R"("}},"data":{"value":")" + value +
                      "\"}}");
  }
  // "metadata", "uid" of a JSON text.
  static std::string Field(const std::string& json, const std::string& outer,
                           const std::string& inner) {
    JsonParser parser;
    auto parsed = parser.Parse(json);
    return parsed.ok() ? (*parsed)[outer][inner].Str() : std::string();
  }
  static bool Eventually(const std::function<bool()>& holds,
                         std::chrono::seconds limit = std::chrono::seconds(30)) {
    auto deadline = std::chrono::steady_clock::now() + limit;
    while (std::chrono::steady_clock::now() < deadline) {
      if (holds()) return true;
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
    }
    return false;
  }

  ClusterAccess access_;
  std::unique_ptr<ApiClient> client_;
  std::string ns_;
};

}  // namespace databuild::kube
