// KubeCluster against the real API server: effects, their results, and status.
#include <mutex>
#include <set>

#include "controller/kube/kube_cluster.h"
#include "tests/e2e/conformance/namespace_fixture.h"

namespace databuild::kube {
namespace {

using namespace std::chrono_literals;

constexpr char kLogId[] = "11111111-1111-1111-1111-111111111111";

class ClusterConformance : public NamespaceFixture {
 protected:
  void SetUp() override {
    NamespaceFixture::SetUp();
    if (HasFatalFailure()) return;
    KubeClusterOptions options;
    options.namespaces = {ns_};
    options.jobs.wrapper_image = "databuild.test/busybox:1";
    options.status.counter_interval = 300ms;
    options.create_failures = {.patience = 0, .interval = 200ms};
    cluster_ = std::make_unique<KubeCluster>(*client_, clock_, options);
    cluster_->Start();
  }
  void TearDown() override {
    if (cluster_) cluster_->Stop();
    NamespaceFixture::TearDown();
  }

  // Collects deltas until one of type T satisfies `holds`.
  template <typename T>
  std::optional<T> Await(const std::function<bool(const T&)>& holds = [](const T&) {
    return true;
  }) {
    std::optional<T> found;
    Eventually([&] {
      for (Delta& delta : cluster_->TakeDeltas(ns_)) deltas_.push_back(std::move(delta));
      for (auto it = deltas_.begin(); it != deltas_.end(); ++it) {
        if (!std::holds_alternative<T>(*it) || !holds(std::get<T>(*it))) continue;
        found = std::get<T>(*it);
        deltas_.erase(it);
        return true;
      }
      return false;
    });
    return found;
  }

  std::shared_ptr<const ObservedDataJob> CreateDataJob(const std::string& name,
                                                       const std::string& pod_spec_extra = "") {
    Create(kDataJobs, ns_,
           R"({"apiVersion":"databuild.dev/v1alpha1","kind":"DataJob","metadata":{"name":")" +
               name + R"("},"spec":{"outputs":["x/{date}"],"template":{"spec":{)" + pod_spec_extra +
               R"("containers":[{"name":"job","image":"databuild.test/busybox:1",)"
               R"("command":["sh","-c","echo hi"]}]}}}})");
    auto seen = Await<DataJobChanged>(
        [&](const auto& delta) { return delta.data_job && delta.name == name; });
    EXPECT_TRUE(seen.has_value());
    return seen ? seen->data_job : nullptr;
  }
  CreateJob RunOf(std::shared_ptr<const ObservedDataJob> definition, const std::string& run_id) {
    CreateJob run;
    run.run_id = run_id;
    run.log_id = kLogId;
    run.job_label = definition->label;
    run.outputs = {{"x/2025-01-01", "22222222-2222-2222-2222-222222222222"}};
    run.definition = std::move(definition);
    return run;
  }
  void Submit(Effect effect) { cluster_->Submit(ns_, {std::move(effect)}); }

  static std::string PodManifest() {
    return R"({"apiVersion":"v1","kind":"Pod","metadata":{"name":"probe"},"spec":)" + PodSpec() +
           "}";
  }
  static std::string JobManifest() {
    return R"({"apiVersion":"batch/v1","kind":"Job","metadata":{"name":"probe"},)"
           R"("spec":{"template":{"spec":)" +
           PodSpec() + "}}}";
  }
  // A quota of none of `resource`, and until it is enforced: the API server sees a new quota late.
  // `probe` is one of what it forbids, of `type`.
  bool ForbidByQuota(const std::string& resource, const ResourceType& type,
                     const std::string& probe) {
    Create({"", "v1", "resourcequotas", "ResourceQuota"}, ns_,
           R"({"apiVersion":"v1","kind":"ResourceQuota","metadata":{"name":"q"},)"
           R"("spec":{"hard":{")" +
               resource + R"(":"0"}}})");
    return Eventually([&] {
      ApiReply reply = client_->DryRunCreate({type, ns_, "", ""}, probe, Soon());
      return !reply.ok() && reply.error().Describe().find("exceeded quota") != std::string::npos;
    });
  }

  SystemClock clock_;
  std::unique_ptr<KubeCluster> cluster_;
  std::vector<Delta> deltas_;

 private:
  static std::string PodSpec() {
    return R"({"restartPolicy":"Never","containers":)"
           R"([{"name":"job","image":"databuild.test/busybox:1"}]})";
  }
};

TEST_F(ClusterConformance, IsSyncedOnceEverythingListedWasTaken) {
  EXPECT_TRUE(Eventually([&] { return cluster_->AllSynced(); }));
  CreateDataJob("a");
  EXPECT_TRUE(cluster_->Synced(ns_));
}

TEST_F(ClusterConformance, AJobIsCreatedOnceSeenAndDeleted) {
  auto definition = CreateDataJob("revenue");
  ASSERT_TRUE(definition);
  CreateJob run = RunOf(definition, RandomUuid());
  Submit(run);
  ASSERT_TRUE(Await<JobCreated>().has_value());
  Submit(run);  // the answer to the first was lost, say
  ASSERT_TRUE(Await<JobCreated>().has_value());
  auto seen =
      Await<JobChanged>([&](const auto& delta) { return delta.run_id == run.run_id && delta.job; });
  ASSERT_TRUE(seen.has_value());
  EXPECT_EQ(seen->job->log_id, kLogId);
  EXPECT_EQ(seen->job->name, JobName("revenue", run.run_id));
  auto with_pod = Await<JobChanged>([&](const auto& delta) { return delta.job && delta.job->pod; });
  ASSERT_TRUE(with_pod.has_value());
  Submit(DeleteJob{run.run_id, "revenue", seen->job->uid});
  ASSERT_TRUE(Await<JobChanged>([](const auto& delta) { return !delta.job; }).has_value());
  Submit(ConfirmRunAbsent{run.run_id, "revenue"});
  EXPECT_TRUE(Await<RunAbsent>().has_value());
}

TEST_F(ClusterConformance, AForeignJobUnderOurNameIsReportedAndLeftAlone) {
  auto definition = CreateDataJob("revenue");
  CreateJob run = RunOf(definition, RandomUuid());
  CreateJob other = run;
  other.log_id = "33333333-3333-3333-3333-333333333333";
  Submit(other);
  ASSERT_TRUE(Await<JobCreated>().has_value());
  Submit(run);
  auto refused = Await<JobRefused>();
  ASSERT_TRUE(refused.has_value());
  EXPECT_NE(refused->message.find(other.log_id), std::string::npos) << refused->message;
}

TEST_F(ClusterConformance, AQuotaRefusesTheJobWithTheServersWords) {
  auto definition = CreateDataJob("revenue");
  ASSERT_TRUE(ForbidByQuota("count/jobs.batch", kJobs, JobManifest()));
  Submit(RunOf(definition, RandomUuid()));
  auto refused = Await<JobRefused>();
  ASSERT_TRUE(refused.has_value());
  EXPECT_NE(refused->message.find("exceeded quota"), std::string::npos) << refused->message;
  EXPECT_FALSE(refused->too_large);
}

TEST_F(ClusterConformance, AJobWhosePodIsRefusedSaysWhy) {
  auto definition = CreateDataJob("revenue");
  ASSERT_TRUE(ForbidByQuota("pods", kPods, PodManifest()));
  Submit(RunOf(definition, RandomUuid()));
  auto failed = Await<JobChanged>(
      [](const auto& delta) { return delta.job && !delta.job->create_failure.empty(); });
  ASSERT_TRUE(failed.has_value());
  EXPECT_NE(failed->job->create_failure.find("exceeded quota"), std::string::npos);
  EXPECT_GT(failed->job->create_failure_since, 0);
}

TEST_F(ClusterConformance, ATemplateIsProvedByADryRunOfJobAndPod) {
  Submit(ProveTemplate{CreateDataJob("good")});
  auto good = Await<TemplateProof>();
  ASSERT_TRUE(good.has_value());
  EXPECT_TRUE(good->accepted) << good->message;
  Submit(ProveTemplate{CreateDataJob("bad", R"("nodeName":"-no-",)")});
  auto bad = Await<TemplateProof>();
  ASSERT_TRUE(bad.has_value());
  EXPECT_FALSE(bad->accepted);
  Submit(ProveTemplate{CreateDataJob("account", R"("serviceAccountName":"admin",)")});
  auto account = Await<TemplateProof>();
  ASSERT_TRUE(account.has_value());
  EXPECT_FALSE(account->accepted);
  EXPECT_NE(account->message.find("serviceAccountName"), std::string::npos);
  ApiReply jobs = client_->List({kJobs, ns_, "", ""}, {}, Soon());
  ASSERT_TRUE(jobs.ok());
  EXPECT_NE(jobs->find("\"items\":[]"), std::string::npos);
}

TEST_F(ClusterConformance, RestrictedPodSecurityTakesTheDefaultsAndRefusesAPrivilegedTemplate) {
  ASSERT_TRUE(
      client_
          ->Patch({kNamespaces, "", ns_, ""}, PatchType::kMerge,
                  R"({"metadata":{"labels":{"pod-security.kubernetes.io/enforce":"restricted"}}})",
                  Soon())
          .ok());
  Submit(ProveTemplate{CreateDataJob("good")});
  auto good = Await<TemplateProof>();
  ASSERT_TRUE(good.has_value());
  EXPECT_TRUE(good->accepted) << good->message;
  Submit(ProveTemplate{CreateDataJob("bad", R"("hostNetwork":true,)")});
  auto bad = Await<TemplateProof>();
  ASSERT_TRUE(bad.has_value());
  EXPECT_FALSE(bad->accepted);
  EXPECT_NE(bad->message.find("restricted"), std::string::npos) << bad->message;
}

TEST_F(ClusterConformance, StatusIsWrittenWhenItDiffersAndOnlyThen) {
  Create(kWants, ns_,
         R"({"apiVersion":"databuild.dev/v1alpha1","kind":"Want","metadata":{"name":"w"},)"
         R"("spec":{"partitions":["x/2025-01-01"]}})");
  auto seen = Await<WantChanged>([](const auto& delta) { return delta.want != nullptr; });
  ASSERT_TRUE(seen.has_value());
  WantStatus status;
  status.observed_generation = 1;
  status.want_id = seen->uid;
  status.total = 1;
  status.waiting = 1;
  status.progress = "0/1";
  status.event_index = 7;
  for (const char* type : {"Ready", "Reconciling", "Stalled", "SLAMet", "Expired"})
    status.conditions.push_back({type, "False", "Building", "waits for x"});
  ObjectPath path{kWants, ns_, "w", ""};
  Submit(PatchStatus{ObjectKind::kWant, "w", seen->uid, status});
  ASSERT_TRUE(Eventually(
      [&] { return Field(*client_->Get(path, Soon()), "status", "progress") == "0/1"; }));
  std::string version = Field(*client_->Get(path, Soon()), "metadata", "resourceVersion");
  Submit(PatchStatus{ObjectKind::kWant, "w", seen->uid, status});  // says the same: no write
  status.conditions[0] = {"Ready", "True", "Available", "all there"};
  status.progress = "1/1";
  status.details.clear();
  Submit(PatchStatus{ObjectKind::kWant, "w", seen->uid, status});
  ASSERT_TRUE(Eventually(
      [&] { return Field(*client_->Get(path, Soon()), "status", "progress") == "1/1"; }));
  ASSERT_TRUE(Eventually([&] { return cluster_->pending() == 0; }));
  // Exactly one write since: its resourceVersion is what the view last saw.
  std::string after = Field(*client_->Get(path, Soon()), "metadata", "resourceVersion");
  EXPECT_NE(after, version);
  Submit(PatchStatus{ObjectKind::kWant, "w", seen->uid, status});
  ASSERT_TRUE(Eventually([&] { return cluster_->pending() == 0; }));
  EXPECT_EQ(Field(*client_->Get(path, Soon()), "metadata", "resourceVersion"), after);
}

TEST_F(ClusterConformance, StatusOfAnObjectThatWasReplacedIsNotWrittenToItsSuccessor) {
  const char body[] =
      R"({"apiVersion":"databuild.dev/v1alpha1","kind":"Want","metadata":{"name":"w"},)"
      R"("spec":{"partitions":["x/2025-01-01"]}})";
  Create(kWants, ns_, body);
  WantStatus status;
  status.observed_generation = 1;
  status.progress = "0/1";
  Submit(PatchStatus{ObjectKind::kWant, "w", "00000000-0000-0000-0000-000000000000", status});
  ASSERT_TRUE(Eventually([&] { return cluster_->pending() == 0; }));
  EXPECT_EQ(Field(*client_->Get({kWants, ns_, "w", ""}, Soon()), "status", "progress"), "");
}

TEST_F(ClusterConformance, AWantIsDeletedByUidAndConfirmedAbsent) {
  Create(kWants, ns_,
         R"({"apiVersion":"databuild.dev/v1alpha1","kind":"Want","metadata":{"name":"w"},)"
         R"("spec":{"partitions":["x/2025-01-01"]}})");
  auto seen = Await<WantChanged>([](const auto& delta) { return delta.want != nullptr; });
  ASSERT_TRUE(seen.has_value());
  Submit(DeleteWant{"w", "00000000-0000-0000-0000-000000000000"});
  ASSERT_TRUE(Eventually([&] { return cluster_->pending() == 0; }));
  EXPECT_TRUE(client_->Get({kWants, ns_, "w", ""}, Soon()).ok());
  Submit(DeleteWant{"w", seen->uid});
  ASSERT_TRUE(
      Await<WantChanged>([](const auto& delta) { return delta.want == nullptr; }).has_value());
  Submit(ConfirmObjectAbsent{ObjectKind::kWant, "w", seen->uid});
  EXPECT_TRUE(Await<ObjectAbsent>().has_value());
}

}  // namespace
}  // namespace databuild::kube
