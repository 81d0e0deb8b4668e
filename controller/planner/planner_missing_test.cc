// Runs that end without data for reasons of their own: inputs they miss, pods that cannot start;
// and what runs that made it say about it.
#include "controller/planner/run_outcome.h"
#include "tests/support/planner_fixture.h"

namespace databuild {
namespace {

class MissingDependencies : public PlannerStory {
 protected:
  // Runs of `label` report `missing` until they are given all of it.
  void Misses(const std::string& label, const Strings& missing) {
    world.cluster.rule = [=](const CreateJob& job) {
      if (job.job_label != label) return JobEnd{};
      for (const std::string& ref : missing) {
        const bool given = std::any_of(job.inputs.begin(), job.inputs.end(),
                                       [&](const auto& input) { return input.first == ref; });
        if (!given) return JobEnd{"MissingDependencies", 75, missing, "Error"};
      }
      return JobEnd{};
    };
  }
  // Never satisfied.
  void AlwaysMisses(const std::string& label, const Strings& missing) {
    world.cluster.rule = [=](const CreateJob& job) {
      return job.job_label == label ? JobEnd{"MissingDependencies", 75, missing, "Error"}
                                    : JobEnd{};
    };
  }
  const v1::JobEvent& LastEventOf(const std::string& label, v1::JobStatus status) const {
    for (auto it = world.log.rbegin(); it != world.log.rend(); ++it) {
      if (it->has_job_event() && it->job_event().job_label().label() == label &&
          it->job_event().status_code() == status)
        return it->job_event();
    }
    static const v1::JobEvent kNone;
    return kNone;
  }
};

TEST_F(MissingDependencies, AreMadeAndThePartitionIsTriedAgainWithThem) {
  world.cluster.PutDataJob("rates", {"rates/{d}"});
  world.cluster.PutDataJob("revenue", {"revenue/{d}"}).retry.limit = 0;
  Misses("revenue", {"rates/1", "rates/2"});
  world.cluster.PutWant("w", {"revenue/1"});
  world.Run();
  EXPECT_EQ(Ready("w"), "True Available");
  EXPECT_EQ(world.RunsOf("revenue/1"), 2u);
  EXPECT_EQ(world.RunsOf("rates/2"), 1u);
  EXPECT_EQ(LastEventOf("revenue", v1::JOB_FAILED).missing_dependencies_size(), 2);
  EXPECT_EQ(LastEventOf("revenue", v1::JOB_SCHEDULED).input_instances_size(), 2);
  EXPECT_EQ(world.BuildStatuses("w"), Strings{"completed"});
}

TEST_F(MissingDependencies, AreWaitedForWhileAnotherWantMakesThem) {
  world.cluster.PutDataJob("rates", {"rates/{d}"});
  world.cluster.PutDataJob("revenue", {"revenue/{d}"});
  world.cluster.rule = [](const CreateJob& job) {
    return job.job_label == "rates" ? JobEnd{"Hang", 0, {}, ""}
                                    : JobEnd{"MissingDependencies", 75, {"rates/1"}, "Error"};
  };
  world.cluster.PutWant("owner", {"rates/1"});
  world.Run();
  world.cluster.PutWant("w", {"revenue/1"});
  world.Run();
  const PartitionReason why = world.Why("w", "revenue/1");
  EXPECT_EQ(why.reason, "WaitingForInputs");
  EXPECT_NE(why.message.find("waits for rates/1"), std::string::npos) << why.message;
  EXPECT_NE(world.cluster.WantCondition("w", "Ready").message.find("rates/1"), std::string::npos);
  EXPECT_EQ(world.RunsOf("rates/1"), 1u);
}

TEST_F(MissingDependencies, TheSameSetTwiceFailsAndSaysSo) {
  world.cluster.PutDataJob("rates", {"rates/{d}"});
  world.cluster.PutDataJob("revenue", {"revenue/{d}"}).retry.limit = 5;
  AlwaysMisses("revenue", {"rates/1"});
  world.cluster.PutWant("w", {"revenue/1"});
  world.Run();
  EXPECT_EQ(Ready("w"), "False BuildFailed");
  EXPECT_EQ(world.RunsOf("revenue/1"), 2u);
  EXPECT_NE(world.cluster.WantCondition("w", "Stalled")
                .message.find("was given rates/1 and reported it missing again"),
            std::string::npos);
}

TEST_F(MissingDependencies, ThatNobodyMakesAreNamedAsWithoutProducer) {
  world.cluster.PutDataJob("revenue", {"revenue/{d}"});
  AlwaysMisses("revenue", {"nobody/1"});
  world.cluster.PutWant("w", {"revenue/1"});
  world.Run();
  EXPECT_EQ(Ready("w"), "False NoProducer");
  EXPECT_NE(world.cluster.WantCondition("w", "Stalled").message.find("nobody/1"),
            std::string::npos);
  Misses("revenue", {"nobody/1"});
  world.cluster.PutDataJob("somebody", {"nobody/{d}"});
  world.Run();
  EXPECT_EQ(Ready("w"), "True Available");
}

TEST_F(MissingDependencies, ThatAreNotNamedFailTheInstance) {
  world.cluster.PutDataJob("revenue", {"revenue/{d}"});
  AlwaysMisses("revenue", {});
  world.cluster.PutWant("w", {"revenue/1"});
  world.Run();
  EXPECT_EQ(world.RunsOf("revenue/1"), 1u);
  EXPECT_NE(world.cluster.WantCondition("w", "Stalled").message.find("named none"),
            std::string::npos);
}

TEST_F(MissingDependencies, OfItselfAreACycle) {
  world.cluster.PutDataJob("revenue", {"revenue/{d}"});
  AlwaysMisses("revenue", {"revenue/1"});
  world.cluster.PutWant("w", {"revenue/1"});
  world.Run();
  EXPECT_EQ(world.cluster.WantCondition("w", "Stalled").status, "True");
  EXPECT_EQ(world.RunsOf("revenue/1"), 1u);
}

TEST_F(MissingDependencies, ThatNeedWhatMissesThemAreACycle) {
  world.cluster.PutDataJob("a", {"a/{d}"});
  world.cluster.PutDataJob("b", {"b/{d}"}, {"c/{d}"});
  world.cluster.PutDataJob("c", {"c/{d}"}, {"a/{d}"});
  AlwaysMisses("a", {"b/1"});
  world.cluster.PutWant("w", {"c/1"});
  world.Run();
  EXPECT_EQ(Ready("w"), "False Cycle");
  EXPECT_NE(world.cluster.WantCondition("w", "Stalled")
                .message.find("b/1 as missing, which cannot be made without a/1"),
            std::string::npos);
}

// ---- What stands in the log alone

std::string LogLine(const CreateJob& job, int sequence, const std::string& content) {
  return R"({"timestamp":"1","jobId":")" + job.run_id + R"(","sequenceNumber":")" +
         std::to_string(sequence) + R"(",)" + content + "}\n";
}

TEST_F(MissingDependencies, ThatDoNotFitTheReceiptAreReadFromTheLog) {
  world.cluster.PutDataJob("rates", {"rates/{d}"});
  world.cluster.PutDataJob("revenue", {"revenue/{d}"});
  world.cluster.rule = [](const CreateJob& job) {
    if (job.job_label != "revenue" || !job.inputs.empty()) return JobEnd{};
    JobEnd end{"MissingDependencies", 75, {}, "Error"};
    end.receipt_members = R"("missingCount":1,"missingTruncated":true,"lastSequence":3)";
    end.log = LogLine(job, 3,
                      R"("jobEvent":{"eventType":"missing_dependencies",)"
                      R"("metadata":{"refs":"[\"rates/1\"]"}})");
    return end;
  };
  world.cluster.PutWant("w", {"revenue/1"});
  world.Run();
  EXPECT_EQ(Ready("w"), "True Available");
  EXPECT_EQ(world.RunsOf("rates/1"), 1u);
}

TEST_F(MissingDependencies, WhoseLogIsGoneAreALostRun) {
  world.cluster.PutDataJob("revenue", {"revenue/{d}"});
  int runs = 0;
  world.cluster.rule = [&](const CreateJob&) {
    JobEnd end;
    if (++runs > 1) return end;
    end = {"MissingDependencies", 75, {}, "Error"};
    end.receipt_members = R"("missingCount":900,"lastSequence":3)";
    return end;
  };
  world.cluster.PutWant("w", {"revenue/1"});
  world.Run();
  EXPECT_EQ(Ready("w"), "True Available");
  EXPECT_EQ(LastEventOf("revenue", v1::JOB_FAILED).outcome(), v1::JOB_OUTCOME_NO_RECEIPT);
  EXPECT_EQ(LastEventOf("revenue", v1::JOB_FAILED).reason(), "LogLost");
}

class Manifests : public MissingDependencies {
 protected:
  void SetUp() override {
    world.cluster.PutDataJob("raw", {"raw/{d}"});
    world.cluster.PutDataJob("sum", {"sum/{d}"}, {"raw/1", "raw/2"});
    world.cluster.PutWant("w", {"sum/1"});
  }
  // Runs of sum say this in their receipt.
  void Says(const std::string& members) {
    world.cluster.rule = [=](const CreateJob& job) {
      JobEnd end;
      if (job.job_label == "sum") end.receipt_members = members;
      return end;
    };
  }
  const v1::PartitionManifest& OfSum() const {
    return LastEventOf("sum", v1::JOB_COMPLETED).manifests(0);
  }
};

TEST_F(Manifests, AreThePlansWhereTheRunSaysNothing) {
  world.Run();
  EXPECT_EQ(OfSum().outputs(0).str(), "sum/1");
  EXPECT_EQ(OfSum().input_instances_size(), 2);
  EXPECT_FALSE(OfSum().input_instances(0).instance_id().empty());
  EXPECT_FALSE(OfSum().output_instances(0).instance_id().empty());
  EXPECT_EQ(OfSum().task().job().label(), "sum");
}

TEST_F(Manifests, WhatTheRunReadIsWhatItIsMadeFrom) {
  Says(R"("manifestParts":1,"manifest":{"outputs":[{"str":"sum/1"}],"metadata":{"sum/1":"7"},)"
       R"("inputInstances":[{"ref":"raw/2","instanceId":"x"},{"ref":"else/1"}]})");
  world.Run();
  ASSERT_EQ(OfSum().input_instances_size(), 2);
  EXPECT_EQ(OfSum().input_instances(0).ref(), "raw/2");
  EXPECT_EQ(OfSum().input_instances(0).instance_id(),
            world.state()
                .instance(world.state().partition(world.state().FindPartition("raw/2")).current)
                .id.str());
  EXPECT_EQ(OfSum().input_instances(1).ref(), "else/1");
  EXPECT_EQ(OfSum().metadata().at("sum/1"), "7");
  // Lineage and cascade go by it.
  world.cluster.PutTaint("unread", {"raw/1"}, {}, true);
  world.Run();
  EXPECT_EQ(world.RunsOf("sum/1"), 1u);
  world.cluster.PutTaint("read", {"raw/2"}, {}, true);
  world.Run();
  EXPECT_EQ(world.RunsOf("sum/1"), 2u);
}

TEST_F(Manifests, ThatNameAnotherOutputFailTheRun) {
  Says(R"("manifestParts":1,"manifest":{"outputs":[{"str":"sum/2"}]})");
  world.Run();
  EXPECT_EQ(Ready("w"), "False BuildFailed");
  EXPECT_EQ(LastEventOf("sum", v1::JOB_FAILED).reason(), "ManifestInvalid");
}

TEST_F(Manifests, ThatDoNotFitTheReceiptAreReadFromTheLog) {
  world.cluster.rule = [](const CreateJob& job) {
    JobEnd end;
    if (job.job_label != "sum") return end;
    end.receipt_members = R"("manifestParts":2,"lastSequence":9)";
    end.log = LogLine(job, 8, R"("manifest":{"outputs":[{"str":"sum/1"}]})") +
              LogLine(job, 9, R"("manifest":{"metadata":{"sum/1":"long"}})");
    return end;
  };
  world.Run();
  EXPECT_EQ(OfSum().metadata().at("sum/1"), "long");
}

TEST_F(Manifests, ThatAreLostWithTheLogAreThePlans) {
  Says(R"("manifestParts":2,"lastSequence":9)");
  world.Run();
  EXPECT_EQ(Ready("w"), "True Available");
  EXPECT_EQ(OfSum().input_instances_size(), 2);
  EXPECT_NE(LastEventOf("sum", v1::JOB_COMPLETED).message().find("lost"), std::string::npos);
}

// ---- What reaches the Job

TEST(JobSafety, WhatAWantSaysNeverReachesTheJob) {
  std::vector<CreateJob> made;
  for (const bool talkative : {false, true}) {
    PlannerWorld world;
    world.cluster.PutDataJob("raw", {"raw/{d}"}).template_json = R"({"spec":{}})";
    ObservedWant& want = world.cluster.PutWant("w", {"raw/1"});
    if (talkative) {
      want.comment = "image: evil, args: [$(x)]";
      want.correlation_id = want.source.name = want.comment;
      want.source.type = "ApiRequest";
      want.meta.retry_token = "serviceAccountName: admin";
      want.priority = 7;
      want.ttl = want.sla = kHour;
    }
    world.Run();
    ASSERT_EQ(world.cluster.created.size(), 1u);
    made.push_back(world.cluster.created[0]);
  }
  EXPECT_EQ(made[0].run_id, made[1].run_id);
  EXPECT_EQ(made[0].outputs, made[1].outputs);
  EXPECT_EQ(made[0].inputs, made[1].inputs);
  EXPECT_EQ(made[0].args, made[1].args);
  EXPECT_EQ(made[0].env, made[1].env);
  EXPECT_EQ(made[0].definition->template_json, made[1].definition->template_json);
}

// ---- Pods that cannot start

class StartTrouble : public PlannerStory {};

TEST_F(StartTrouble, ThePodThatCannotStartIsGoneBeforeTheNextRun) {
  PlannerOptions options = PlannerWorld::Defaults();
  options.keep_finished_jobs = kHour;
  PlannerWorld kept(options);
  kept.cluster.PutDataJob("raw", {"raw/{d}"});
  int runs = 0;
  kept.cluster.rule = [&](const CreateJob&) {
    JobEnd end;
    if (++runs == 1) end.waiting_reason = "ImagePullBackOff";
    return end;
  };
  kept.cluster.PutWant("w", {"raw/1"});
  kept.Settle();
  kept.cluster.StepJobs();
  kept.Settle();
  kept.Advance(kStartTrouble);
  kept.Settle();
  kept.Advance(kMinute);  // more than the backoff
  kept.Settle();
  EXPECT_EQ(kept.RunsOf("raw/1"), 1u);
  EXPECT_EQ(kept.Why("w", "raw/1").reason, "BackingOff");
  EXPECT_NE(kept.Why("w", "raw/1").message.find("ImagePullBackOff"), std::string::npos);
  EXPECT_EQ(kept.cluster.effects["delete_job"], 1u);
  kept.Run();
  EXPECT_EQ(kept.RunsOf("raw/1"), 2u);
  EXPECT_EQ(kept.RefStatus("raw/1"), "available");
}

TEST_F(StartTrouble, ANewWantAlsoWaitsUntilThePodOfTheFormerOnesRunIsGone) {
  world.cluster.PutDataJob("raw", {"raw/{d}"});
  int runs = 0;
  world.cluster.rule = [&](const CreateJob&) {
    JobEnd end;
    if (++runs == 1) end.waiting_reason = "ImagePullBackOff";
    return end;
  };
  world.cluster.PutWant("first", {"raw/1"});
  world.Settle();
  world.cluster.StepJobs();
  world.Settle();
  world.Advance(kStartTrouble);
  world.Settle();
  world.cluster.DeleteWant("first");  // the instance is cancelled, the Job is on its way out
  world.cluster.PutWant("second", {"raw/1"});
  world.Settle();
  ASSERT_EQ(world.RunsOf("raw/1"), 1u);
  EXPECT_EQ(world.Why("second", "raw/1").reason, "BackingOff");
  world.Run();
  EXPECT_EQ(world.RunsOf("raw/1"), 2u);
  EXPECT_EQ(world.MostLiveRunsOf("raw/1"), 1u);
  EXPECT_EQ(world.RefStatus("raw/1"), "available");
}

}  // namespace
}  // namespace databuild
