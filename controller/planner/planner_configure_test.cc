// DataJobs with `configure: Container`: the image is asked how its partitions are made.
#include "tests/support/planner_fixture.h"

namespace databuild {
namespace {

class Configure : public PlannerStory {
 protected:
  void SetUp() override {
    world.cluster.PutDataJob("raw", {"raw/{d}"});
    PutAsked("asked", "asked/{d}");
    world.cluster.rule = [this](const CreateJob& job) { return Answer(job); };
  }
  ObservedDataJob& PutAsked(const std::string& name, const std::string& output) {
    ObservedDataJob& job = world.cluster.PutDataJob(name, {output});
    job.configure_container = true;
    job.args.clear();
    return job;
  }
  // Every asked/N is made from raw/N.
  JobEnd Answer(const CreateJob& job) const {
    return job.configure ? AnswerTo(job, "raw") : JobEnd{};
  }
  size_t Asked() const {
    size_t asked = 0;
    for (const CreateJob& job : world.cluster.created) asked += job.configure ? 1 : 0;
    return asked;
  }
  // The newest Job that makes the ref.
  const CreateJob& MakerOf(const std::string& ref) const {
    for (auto job = world.cluster.created.rbegin(); job != world.cluster.created.rend(); ++job) {
      if (!job->configure && job->outputs[0].first == ref) return *job;
    }
    static const CreateJob kNobody;
    return kNobody;
  }
};

TEST_F(Configure, TheImageSaysFromWhatAndHow) {
  world.cluster.PutWant("w", {"asked/1"});
  world.Run();
  EXPECT_EQ(Ready("w"), "True Available");
  EXPECT_EQ(world.cluster.created.front().args, (Strings{"config", "asked/1"}));
  EXPECT_EQ(MakerOf("asked/1").args, (Strings{"--n", "1"}));
  EXPECT_EQ(MakerOf("asked/1").env.at("N"), "1");
  ASSERT_EQ(MakerOf("asked/1").inputs.size(), 1u);
  EXPECT_EQ(MakerOf("asked/1").inputs[0].first, "raw/1");
  EXPECT_EQ(world.BuildStatuses("w"), Strings{"completed"});
}

TEST_F(Configure, OneCallAnswersForAllThatIsAsked) {
  world.cluster.PutWant("w", {"asked/1", "asked/2", "asked/3"});
  world.Run();
  EXPECT_EQ(Ready("w"), "True Available");
  EXPECT_EQ(Asked(), 1u);
}

TEST_F(Configure, WhileItIsAskedTheBuildPlansAndTheInstancesAreRequested) {
  JobsHang();
  world.cluster.PutWant("w", {"asked/1"});
  world.Run();
  EXPECT_EQ(world.BuildStatuses("w"), Strings{"planning"});
  EXPECT_EQ(world.RefStatus("asked/1"), "requested");
  const PartitionReason why = world.Why("w", "asked/1");
  EXPECT_EQ(why.reason, "Building");
  EXPECT_NE(why.message.find("is asked how it is made"), std::string::npos) << why.message;
  EXPECT_FALSE(why.job_run_id.empty());
}

TEST_F(Configure, AnswersAreKeptForTheGeneration) {
  world.cluster.PutWant("w", {"asked/1"});
  world.Run();
  world.cluster.PutTaint("bad", {"asked/1"});
  world.Run();
  EXPECT_EQ(Ready("w"), "True Available");
  EXPECT_EQ(Asked(), 1u) << "the answer was there";
  world.Restart();
  world.cluster.PutTaint("worse", {"asked/1"});
  world.Run();
  EXPECT_EQ(Asked(), 1u) << "the log remembers it";
  world.cluster.Touch(*world.cluster.data_jobs().at("asked"));
  world.Run();
  world.cluster.PutTaint("worst", {"asked/1"});
  world.Run();
  EXPECT_EQ(Ready("w"), "True Available");
  EXPECT_EQ(Asked(), 2u) << "a new generation is asked anew";
}

TEST_F(Configure, ARestartGoesOnWhereItWas) {
  JobsHang();
  world.cluster.PutWant("w", {"asked/1"});
  world.Run();
  world.Restart();
  world.Run();
  EXPECT_EQ(Asked(), 1u);
  world.cluster.rule = [this](const CreateJob& job) { return Answer(job); };
  world.cluster.DeleteJobByHand(world.cluster.created[0].run_id);
  world.Run();
  EXPECT_EQ(Ready("w"), "True Available");
}

TEST_F(Configure, InputsThatAreAskedForThemselvesAreAskedInTheirTurn) {
  PutAsked("deep", "deep/{d}");
  world.cluster.rule = [this](const CreateJob& job) {
    JobEnd end = Answer(job);
    if (job.job_label != "deep" || !job.configure) return end;
    end.receipt_members = R"("configResponse":{"configs":[{"outputs":[{"str":"deep/1"}],)"
                          R"("inputs":[{"depTypeCode":1,"partitionRef":{"str":"asked/7"}}]}]})";
    return end;
  };
  world.cluster.PutWant("w", {"deep/1"});
  world.Run();
  EXPECT_EQ(Ready("w"), "True Available");
  EXPECT_EQ(Asked(), 2u);
  EXPECT_EQ(world.RefStatus("raw/7"), "available");
}

TEST_F(Configure, OnlyInARevisionTheBuildGoesOnExecuting) {
  world.cluster.PutDataJob("top", {"top/{d}"});
  world.cluster.rule = [this](const CreateJob& job) {
    if (job.job_label == "top" && job.inputs.empty())
      return JobEnd{"MissingDependencies", 75, {"asked/1"}, "Error"};
    return Answer(job);
  };
  world.cluster.PutWant("w", {"top/1"});
  world.Run();
  EXPECT_EQ(Ready("w"), "True Available");
  EXPECT_EQ(world.BuildStatuses("w"), Strings{"completed"});
  EXPECT_EQ(Asked(), 1u);
}

TEST_F(Configure, WhatIsStillAskedForIsNotGivenUpWithWorkThatNobodyCanFinish) {
  world.cluster.PutDataJob("top", {"top/{d}"});
  world.cluster.rule = [this](const CreateJob& job) {
    if (job.configure) return JobEnd{"Hang", 0, {}, ""};
    if (job.job_label == "top")
      return JobEnd{"MissingDependencies", 75, {"asked/1", "nobody/1"}, "Error"};
    return JobEnd{};
  };
  world.cluster.PutWant("w", {"top/1"});
  world.Run(kMinute);
  EXPECT_EQ(world.RefStatus("asked/1"), "requested") << "its image is being asked";
  EXPECT_EQ(world.BuildStatuses("w"), Strings{"executing"});

  world.cluster.rule = [this](const CreateJob& job) { return Answer(job); };
  world.cluster.FinishHanging();
  world.Run();
  EXPECT_EQ(world.RefStatus("asked/1"), "available");
  EXPECT_EQ(Ready("w"), "False NoProducer");
  EXPECT_EQ(world.BuildStatuses("w"), Strings{"precondition_failed"});
}

TEST_F(Configure, AnAnswerThatIsNoneFailsAndSaysSoOnWantAndDataJob) {
  world.cluster.rule = [](const CreateJob&) {
    JobEnd end;
    end.receipt_members = R"("configResponse":{"configs":[{"outputs":[{"str":"other/1"}]}]})";
    return end;
  };
  world.cluster.PutWant("w", {"asked/1"});
  world.Run();
  EXPECT_EQ(Ready("w"), "False BuildFailed");
  EXPECT_EQ(Asked(), 4u) << "a failure like any other: three retries";
  EXPECT_NE(world.cluster.WantCondition("w", "Stalled").message.find("no config makes exactly"),
            std::string::npos);
  const auto& conditions = world.cluster.job_status.at("asked").conditions;
  ASSERT_EQ(conditions.size(), 2u);
  EXPECT_EQ(conditions[1].type, "Configured");
  EXPECT_EQ(conditions[1].status, "False");
  EXPECT_EQ(conditions[1].reason, "ConfigInvalid");
  EXPECT_EQ(world.cluster.job_status.at("asked").failed, 0u) << "left out of run counters";
}

TEST_F(Configure, AFailedCallIsTriedAgainWithBackoff) {
  int calls = 0;
  world.cluster.rule = [&](const CreateJob& job) {
    if (job.configure && ++calls == 1) return JobEnd{"Failed", 1, {}, "Error"};
    return Answer(job);
  };
  world.cluster.PutWant("w", {"asked/1"});
  world.Run();
  EXPECT_EQ(Ready("w"), "True Available");
  EXPECT_EQ(Asked(), 2u);
}

TEST_F(Configure, ADeletedWantCancelsTheCall) {
  JobsHang();
  world.cluster.PutWant("w", {"asked/1"});
  world.Run();
  world.cluster.DeleteWant("w");
  world.Run();
  EXPECT_TRUE(world.cluster.live.empty());
  EXPECT_EQ(world.BuildStatuses("w"), Strings{"cancelled"});
}

TEST_F(Configure, AnAnswerThatComesAsItsWantEndsIsNotCancelledAsWell) {
  world.cluster.PutWant("w", {"asked/1"}).ttl = kMinute;
  world.Settle();
  world.cluster.StepJobs();
  world.Settle();
  world.Advance(2 * kMinute);
  world.Tick();  // expired
  world.cluster.StepJobs();
  world.Run();
  EXPECT_EQ(world.WantStatusName("w"), "expired");
  EXPECT_EQ(world.BuildStatuses("w"), Strings{"cancelled"});
}

TEST_F(Configure, ATaintDoesNotHitWhatIsOnlyAsked) {
  JobsHang();
  world.cluster.PutWant("w", {"asked/1"});
  world.Run();
  world.cluster.PutTaint("bad", {"asked/1"});
  world.Settle();
  EXPECT_TRUE(world.state().taints()[0].runs.empty());
}

TEST_F(Configure, AJobThatChangesWhileItIsAskedIsAskedAnew) {
  JobsHang();
  world.cluster.PutWant("w", {"asked/1"});
  world.Run();
  world.cluster.Touch(*world.cluster.data_jobs().at("asked"));
  world.Settle();
  world.cluster.rule = [this](const CreateJob& job) { return Answer(job); };
  world.cluster.DeleteJobByHand(world.cluster.created[0].run_id);
  world.Run();
  EXPECT_EQ(Ready("w"), "True Available");
}

TEST_F(Configure, CallsObeyTheLimitsOfRuns) {
  PlannerWorld small(PlannerWorld::Defaults(), 1);
  small.cluster.PutDataJob("raw", {"raw/{d}"});
  for (const char* name : {"one", "two"}) {
    ObservedDataJob& job = small.cluster.PutDataJob(name, {std::string(name) + "/{d}"});
    job.configure_container = true;
    job.args.clear();
  }
  small.cluster.rule = [](const CreateJob&) { return JobEnd{"Hang", 0, {}, ""}; };
  small.cluster.PutWant("w", {"one/1", "two/1"});
  small.Run();
  EXPECT_EQ(small.cluster.live.size(), 1u);
  EXPECT_EQ(small.violation(), "");
}

TEST_F(Configure, ADataJobThatSaysInputsAsWellIsRefused) {
  world.cluster.PutDataJob("both", {"both/{d}"}, {"raw/{d}"}).configure_container = true;
  world.Run();
  const auto& conditions = world.cluster.job_status.at("both").conditions;
  EXPECT_EQ(conditions[0].reason, "InvalidJob");
}

}  // namespace
}  // namespace databuild
