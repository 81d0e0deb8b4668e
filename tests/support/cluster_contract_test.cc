// The contract of Cluster against the fake that the simulator uses.
#include "tests/support/cluster_contract.h"

#include <gtest/gtest.h>

#include "tests/support/fake_cluster.h"

namespace databuild::testing {
namespace {

class FakeBed final : public ContractBed {
 public:
  FakeBed() {
    fake_.rule = [](const CreateJob&) { return JobEnd{"Hang", 0, {}, ""}; };
  }
  Cluster& cluster() override { return *view_; }
  std::string graph() const override { return "test"; }
  void PutWant(const std::string& name, const std::string& ref) override {
    fake_.PutWant(name, {ref});
  }
  void DeleteWant(const std::string& name) override { fake_.DeleteWant(name); }
  void PutDataJob(const std::string& name, bool usable) override {
    if (!usable) fake_.refuse_templates.insert(name);
    fake_.PutDataJob(name, {"x/{n}"});
  }
  void DeleteJob(const CreateJob& run) override { fake_.DeleteJobByHand(run.run_id); }
  bool HasJob(const CreateJob& run) override { return fake_.live.contains(run.run_id); }
  bool HasWant(const std::string& name, const std::string& uid) override {
    return fake_.wants().contains(name) && fake_.WantUid(name) == uid;
  }
  std::string Progress(const std::string& want) override {
    const auto found = fake_.want_status.find(want);
    return found == fake_.want_status.end() ? "" : found->second.progress;
  }
  void Settle() override {
    for (int step = 0; step < 5; ++step) fake_.StepJobs();
  }

 private:
  int Looks() const override { return 5; }
  void Pause() override { fake_.StepJobs(); }

  FakeClock clock_;
  FakeCluster fake_{clock_};
  std::unique_ptr<FakeView> view_ = fake_.Connect();
};

class FakeClusterContract : public ::testing::TestWithParam<ContractCase> {};

TEST_P(FakeClusterContract, Holds) {
  FakeBed bed;
  GetParam().check(bed);
}

INSTANTIATE_TEST_SUITE_P(Cluster, FakeClusterContract, ::testing::ValuesIn(ContractCases()),
                         [](const auto& one) { return std::string(one.param.name); });

}  // namespace
}  // namespace databuild::testing
