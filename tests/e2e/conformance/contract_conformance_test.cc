// The contract of Cluster against a real API server.
#include "controller/kube/kube_cluster.h"
#include "tests/e2e/conformance/namespace_fixture.h"
#include "tests/support/cluster_contract.h"

namespace databuild::kube {
namespace {

using testing::ContractCase;
using testing::ContractCases;
using namespace std::chrono_literals;

class KubeClusterContract : public NamespaceFixture,
                            public ::testing::WithParamInterface<ContractCase>,
                            public testing::ContractBed {
 protected:
  void SetUp() override {
    NamespaceFixture::SetUp();
    if (HasFatalFailure()) return;
    KubeClusterOptions options;
    options.namespaces = {ns_};
    options.watch_nodes = false;
    options.jobs.wrapper_image = "databuild.test/busybox:1";
    options.status.counter_interval = 100ms;
    cluster_ = std::make_unique<KubeCluster>(*client_, clock_, options);
    cluster_->Start();
    ASSERT_TRUE(Eventually([&] { return cluster_->AllSynced(); }));
  }
  void TearDown() override {
    if (cluster_) cluster_->Stop();
    NamespaceFixture::TearDown();
  }

  Cluster& cluster() override { return *cluster_; }
  std::string graph() const override { return ns_; }
  void PutWant(const std::string& name, const std::string& ref) override {
    Create(kWants, ns_,
           R"({"apiVersion":"databuild.dev/v1alpha1","kind":"Want","metadata":{"name":")" + name +
               R"("},"spec":{"partitions":[")" + ref + R"("]}})");
  }
  void DeleteWant(const std::string& name) override { Delete(kWants, name); }
  void PutDataJob(const std::string& name, bool usable) override {
    ObjectPath path{kDataJobs, ns_, name, ""};
    if (client_->Delete(path, {}, Soon()).ok()) {
      ASSERT_TRUE(Eventually([&] { return !client_->Get(path, Soon()).ok(); }));
    }
    Create(kDataJobs, ns_,
           R"({"apiVersion":"databuild.dev/v1alpha1","kind":"DataJob","metadata":{"name":")" +
               name + R"("},"spec":{"outputs":["x/{n}"],"template":{"spec":{)" +
               (usable ? "" : R"("nodeName":"-no-",)") +
               R"("containers":[{"name":"job","image":"databuild.test/busybox:1",)"
               R"("command":["sleep","600"]}]}}}})");
  }
  void DeleteJob(const CreateJob& run) override {
    Delete(kJobs, JobName("job", run.run_id));
    ListOptions list;
    list.label_selector = std::string(kRunLabel) + "=" + run.run_id;
    ASSERT_TRUE(Eventually([&] {
      ApiReply pods = client_->List({kPods, ns_, "", ""}, list, Soon());
      return pods.ok() && pods->find("\"items\":[]") != std::string::npos;
    })) << "the pods of a deleted Job go with it";
  }
  bool HasJob(const CreateJob& run) override {
    return client_->Get({kJobs, ns_, JobName("job", run.run_id), ""}, Soon()).ok();
  }
  bool HasWant(const std::string& name, const std::string& uid) override {
    ApiReply want = client_->Get({kWants, ns_, name, ""}, Soon());
    return want.ok() && Field(*want, "metadata", "uid") == uid;
  }
  std::string Progress(const std::string& want) override {
    ApiReply found = client_->Get({kWants, ns_, want, ""}, Soon());
    return found.ok() ? Field(*found, "status", "progress") : "";
  }
  void Settle() override {
    ASSERT_TRUE(Eventually([&] { return cluster_->pending() == 0; }));
  }
  int Looks() const override { return 3000; }
  void Pause() override {
    EXPECT_TRUE(Eventually([looks = 0]() mutable { return ++looks > 1; }));
  }

 private:
  void Delete(const ResourceType& type, const std::string& name) {
    ASSERT_TRUE(client_->Delete({type, ns_, name, ""}, {}, Soon()).ok());
  }

  SystemClock clock_;
  std::unique_ptr<KubeCluster> cluster_;
};

TEST_P(KubeClusterContract, Holds) { GetParam().check(*this); }

INSTANTIATE_TEST_SUITE_P(Cluster, KubeClusterContract, ::testing::ValuesIn(ContractCases()),
                         [](const auto& one) { return std::string(one.param.name); });

}  // namespace
}  // namespace databuild::kube
