// Partitions that other graphs make. Nobody listens to them yet; what they say enters as a delta.
#include "tests/support/planner_fixture.h"

namespace databuild {
namespace {

class PlannerExternalTest : public ::testing::Test {
 protected:
  PlannerExternalTest() : world(Options()) {
    world.cluster.PutDataJob("raw", {"raw/{n}"});
    world.cluster.PutDataJob("clean", {"clean/{n}"}, {"raw/{n}", "rates/{n}"});
  }
  void TearDown() override {
    EXPECT_EQ(world.violation(), "");
    EXPECT_EQ(world.ReplayDiffers(), "");
    if (HasFailure()) std::cerr << world.Transcript();
  }
  static PlannerOptions Options() {
    PlannerOptions options = PlannerWorld::Defaults();
    options.peers.push_back({"treasury", "money", {*Glob::Compile("rates/*")}});
    options.peers.push_back(
        {"research", "lab", {*Glob::Compile("lab/**"), *Glob::Compile("both")}});
    options.peers.push_back({"archive", "old", {*Glob::Compile("both")}});
    return options;
  }
  std::string Ready(const std::string& want) const {
    const Condition& ready = world.cluster.WantCondition(want, "Ready");
    return ready.status + " " + ready.reason;
  }
  const v1::BuildRequestEvent& LastEnd() const {
    const v1::BuildRequestEvent* last = nullptr;
    for (const v1::BuildEvent& event : world.log) {
      if (event.build_request_event().status().code() == v1::BUILD_REQUEST_PRECONDITION_FAILED)
        last = &event.build_request_event();
    }
    CHECK(last);
    return *last;
  }
  static ObservedExternal Rates(const std::string& instance, int64_t idx) {
    return {"rates/1", "money", instance, idx, false, ""};
  }

  PlannerWorld world;
};

TEST_F(PlannerExternalTest, WhatAPeerMakesIsWaitedForAndAllElseIsBuilt) {
  world.cluster.PutWant("w", {"clean/1"});
  world.Run();
  EXPECT_EQ(world.RefStatus("raw/1"), "available");
  EXPECT_EQ(world.RefStatus("clean/1"), "cancelled");
  EXPECT_EQ(world.BuildStatuses("w"), std::vector<std::string>{"precondition_failed"});
  ASSERT_EQ(LastEnd().unproducible_size(), 1);
  EXPECT_EQ(LastEnd().unproducible(0).ref(), "rates/1");
  EXPECT_EQ(LastEnd().unproducible(0).kind(), "external");
  EXPECT_EQ(Ready("w"), "False WaitingForExternal");
  EXPECT_EQ(world.cluster.WantCondition("w", "Stalled").status, "False") << "no person is needed";
  EXPECT_EQ(world.cluster.WantCondition("w", "Reconciling").status, "True");
  const PartitionReason why = world.Why("w", "clean/1");
  EXPECT_NE(why.message.find("graph money of peer treasury"), std::string::npos) << why.message;
}

TEST_F(PlannerExternalTest, WhenThePeerHasMadeItTheWantBuildsAgain) {
  world.cluster.PutWant("w", {"clean/1"});
  world.Run();
  world.cluster.SayExternal(Rates("peer-1", 7));
  world.Run();
  EXPECT_EQ(Ready("w"), "True Available");
  EXPECT_EQ(world.RunsOf("raw/1"), 1u);
  std::vector<v1::PartitionStatus> steps;
  for (const v1::BuildEvent& event : world.log) {
    const v1::PartitionEvent& partition = event.partition_event();
    if (partition.partition_ref().str() != "rates/1") continue;
    steps.push_back(partition.status_code());
    EXPECT_EQ(partition.external().graph(), "money");
    EXPECT_EQ(partition.external().instance_id(), "peer-1");
    EXPECT_EQ(partition.external().idx(), 7);
  }
  EXPECT_EQ(steps, (std::vector{v1::PARTITION_REQUESTED, v1::PARTITION_AVAILABLE}));
}

TEST_F(PlannerExternalTest, WhatWasSaidBeforeAnybodyAskedCounts) {
  world.cluster.SayExternal(Rates("peer-1", 7));
  world.Run();
  EXPECT_EQ(world.CountEvents(v1::BuildEvent::kPartitionEvent), 0u) << "nobody asks for it";
  world.cluster.PutWant("w", {"clean/1"});
  world.Run();
  EXPECT_EQ(Ready("w"), "True Available");
  EXPECT_EQ(world.BuildStatuses("w"), std::vector<std::string>{"completed"});
}

TEST_F(PlannerExternalTest, WhatIsHeardTwiceIsRecordedOnce) {
  world.cluster.PutWant("w", {"rates/1"});
  world.cluster.SayExternal(Rates("peer-1", 7));
  world.Run();
  EXPECT_EQ(Ready("w"), "True Available");
  const size_t events = world.log.size();
  world.cluster.SayExternal(Rates("peer-1", 7));
  world.Run();
  world.Restart();
  world.cluster.SayExternal(Rates("peer-1", 7));
  world.Run();
  EXPECT_EQ(world.log.size(), events);
}

TEST_F(PlannerExternalTest, WhatThePeerTakesBackIsWaitedForOnceMore) {
  world.cluster.PutWant("w", {"rates/1"});
  world.cluster.SayExternal(Rates("peer-1", 7));
  world.Run();
  ObservedExternal withdrawn = Rates("peer-1", 9);
  withdrawn.withdrawn = true;
  withdrawn.reason = "wrong source";
  world.cluster.SayExternal(withdrawn);
  world.Run();
  EXPECT_EQ(world.WantStatusName("w"), "unsatisfied");
  EXPECT_EQ(Ready("w"), "False WaitingForExternal");
  EXPECT_EQ(world.cluster.want_status["w"].external, 1u);
  world.Restart();
  world.cluster.SayExternal(withdrawn);
  world.Run();
  EXPECT_EQ(world.CountEvents(v1::BuildEvent::kPartitionInvalidationEvent), 1u);
  world.cluster.SayExternal(Rates("peer-2", 12));
  world.Run();
  EXPECT_EQ(Ready("w"), "True Available");
}

TEST_F(PlannerExternalTest, ADataJobOfOurOwnComesBeforeAPeer) {
  world.cluster.PutDataJob("rates", {"rates/{n}"});
  world.cluster.SayExternal(Rates("peer-1", 7));
  world.cluster.PutWant("w", {"clean/1"});
  world.Run();
  EXPECT_EQ(Ready("w"), "True Available");
  EXPECT_EQ(world.RunsOf("rates/1"), 1u);
}

TEST_F(PlannerExternalTest, WhatTwoPeersWouldMakeNobodyMakes) {
  world.cluster.PutWant("w", {"both"});
  world.Run();
  EXPECT_EQ(Ready("w"), "False AmbiguousProducer");
  const std::string& message = world.Why("w", "both").message;
  EXPECT_NE(message.find("research and archive"), std::string::npos) << message;
  EXPECT_EQ(LastEnd().unproducible(0).kind(), "no_producer");
}

}  // namespace
}  // namespace databuild
