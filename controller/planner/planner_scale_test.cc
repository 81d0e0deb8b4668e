// Much at once: plans of many rounds, long lists in events, queues, and statuses that name a few
// of many.
#include <algorithm>

#include "tests/support/planner_fixture.h"

namespace databuild {
namespace {

constexpr size_t kMaxEventBytes = 1 << 20;

class PlannerScaleTest : public PlannerStory {
 protected:
  size_t LargestEvent() const {
    size_t largest = 0;
    for (const v1::BuildEvent& event : world.log) largest = std::max(largest, event.ByteSizeLong());
    return largest;
  }
  size_t SkippedRuns() const {
    return static_cast<size_t>(
        std::count_if(world.log.begin(), world.log.end(), [](const v1::BuildEvent& event) {
          return event.has_job_event() && event.job_event().status_code() == v1::JOB_SKIPPED;
        }));
  }
};

TEST_F(PlannerScaleTest, ALargePlanIsRecordedInSlicesThatAreWholeRevisions) {
  world.cluster.PutDataJob("raw", {"raw/{n:int}"}).batch_max = 100;
  world.cluster.PutDataJob("clean", {"clean/{n:int}"}, {"raw/{n}"}).batch_max = 100;
  world.Settle();
  world.cluster.PutWant("w", {}).ranges = {Numbers("clean", 1, 6'000)};
  size_t most = 0;
  for (int tick = 0; tick < 100 && world.cluster.live.empty(); ++tick) {
    most = std::max(most, world.Tick());
  }
  EXPECT_LE(most, 8'192u);
  ASSERT_FALSE(world.cluster.live.empty());
  int parts = 0;
  for (const v1::BuildEvent& event : world.log) {
    if (!event.has_job_graph_event()) continue;
    ++parts;
    EXPECT_LE(event.ByteSizeLong(), kMaxEventBytes / 2);
  }
  EXPECT_GT(parts, 3);
  EXPECT_EQ(world.state().build(world.WantOf("w").builds.front()).units.size(), 12'000u);
  world.Run();
  EXPECT_EQ(world.WantStatusName("w"), "satisfied");
  EXPECT_EQ(world.cluster.created.size(), 120u);
}

TEST_F(PlannerScaleTest, AProcessThatDiesAmongTheSlicesIsFollowedByOneThatGoesOn) {
  world.cluster.PutDataJob("raw", {"raw/{n:int}"}).batch_max = 100;
  world.Settle();
  world.cluster.PutWant("w", {}).ranges = {Numbers("raw", 1, 9'000)};
  const auto requested = [&] { return world.CountEvents(v1::BuildEvent::kPartitionEvent); };
  for (int tick = 0; tick < 50 && requested() == 0; ++tick) world.Tick();
  ASSERT_GT(requested(), 0u);
  ASSERT_LT(requested(), 18'000u);
  world.Restart();
  world.Run();
  EXPECT_EQ(world.WantStatusName("w"), "satisfied");
  EXPECT_EQ(world.BuildStatuses("w"), Strings{"completed"});
  EXPECT_EQ(world.cluster.created.size(), 90u);
}

TEST_F(PlannerScaleTest, AWantDeletedWhileItsPlanGoesOnLeavesNothingBehind) {
  world.cluster.PutDataJob("raw", {"raw/{n:int}"});
  world.Settle();
  world.cluster.PutWant("w", {}).ranges = {Numbers("raw", 1, 9'000)};
  for (int tick = 0; tick < 3; ++tick) world.Tick();
  world.cluster.DeleteWant("w");
  world.Run();
  EXPECT_EQ(world.BuildStatuses("w"), Strings{"cancelled"});
  EXPECT_TRUE(world.cluster.live.empty());
  EXPECT_EQ(world.RefStatus("raw/1"), "cancelled");
  EXPECT_EQ(world.RefStatus("raw/9000"), "cancelled");
}

// Lists of 1,000 refs of 1,024 bytes were more than an event may have: nothing could be recorded.
TEST_F(PlannerScaleTest, LongRefsThatAreDelegatedFitIntoEvents) {
  const std::string prefix = std::string(500, 'a') + "/" + std::string(500, 'b');
  world.cluster.PutDataJob("raw", {prefix + "/{n:int}"}).batch_max = 100;
  JobsHang();
  world.cluster.PutWant("first", {}).ranges = {Numbers(prefix, 1, 1'100)};
  world.Settle();
  world.cluster.PutWant("second", {}).ranges = {Numbers(prefix, 1, 1'100)};
  world.Settle();
  EXPECT_LE(LargestEvent(), kMaxEventBytes);
  const Index build = world.WantOf("second").builds.front();
  EXPECT_EQ(world.state().build(build).delegations.size(), 1'100u);
  world.cluster.DeleteWant("first");
  world.Run();
  EXPECT_LE(LargestEvent(), kMaxEventBytes);
  EXPECT_EQ(world.state().build(build).open_instances, 1'100u);  // adopted
}

TEST_F(PlannerScaleTest, OfManyRefsThatNobodyMakesAnEventListsSomeAndAllAreBuiltOnceTheyCanBe) {
  world.cluster.PutWant("w", {}).ranges = {Numbers("raw", 1, 1'200)};
  world.Run();
  EXPECT_EQ(Ready("w"), "False NoProducer");
  EXPECT_EQ(world.cluster.want_status["w"].waiting, 1'200u);
  EXPECT_EQ(world.state().build(world.WantOf("w").builds.front()).unproducible.size(), 500u);
  world.cluster.PutDataJob("raw", {"raw/{n:int}"}).batch_max = 100;
  world.Run();
  EXPECT_EQ(Ready("w"), "True Available");
}

TEST_F(PlannerScaleTest, ADataJobForARefThatWasNotListedBuildsAgain) {
  world.cluster.PutWant("w", {}).ranges = {Numbers("raw", 1, 1'200)};
  world.Run();
  world.cluster.PutDataJob("one", {"raw/1200"});
  world.Run();
  EXPECT_EQ(world.RefStatus("raw/1200"), "available");
}

// The TaintEvent could not be recorded; the planner decided it again for ever, and nothing else.
TEST_F(PlannerScaleTest, ATaintTooLargeForAnEventSaysSoAndHoldsUpNothing) {
  const std::string prefix = std::string(400, 'a');
  world.cluster.PutDataJob("raw", {prefix + "/{n:int}"}).batch_max = 100;
  world.cluster.PutWant("w", {}).ranges = {Numbers(prefix, 1, 2'000)};
  world.Run();
  ASSERT_EQ(world.WantStatusName("w"), "satisfied");
  world.cluster.PutTaint("all", {}, {prefix + "/*"});
  world.cluster.PutTaint("one", {prefix + "/7"});
  world.Run();
  const auto& conditions = world.cluster.taint_status["all"].conditions;
  ASSERT_FALSE(conditions.empty());
  EXPECT_EQ(conditions[0].reason, "InvalidTaint");
  EXPECT_NE(conditions[0].message.find("2000 instances"), std::string::npos)
      << conditions[0].message;
  EXPECT_EQ(world.RunsOf(prefix + "/7"), 2u);
}

TEST_F(PlannerScaleTest, ALaterBuildOfAWantLooksOnlyAtWhatIsMissing) {
  world.cluster.PutDataJob("raw", {"raw/{n:int}"}).batch_max = 100;
  world.cluster.PutWant("a", {}).ranges = {Numbers("raw", 1, 1'000)};
  world.Run();
  world.cluster.PutWant("b", {}).ranges = {Numbers("raw", 1, 1'000)};
  world.Run();
  EXPECT_EQ(SkippedRuns(), 1'000u);  // what b finds is said once
  const size_t before = world.log.size();
  world.cluster.PutTaint("t", {"raw/500"});
  world.Run();
  EXPECT_EQ(SkippedRuns(), 1'000u);
  EXPECT_LT(world.log.size() - before, 40u);
  EXPECT_EQ(Ready("a"), "True Available");
  EXPECT_EQ(Ready("b"), "True Available");
}

TEST_F(PlannerScaleTest, WantsOverWhatIsThereAreSatisfiedTogether) {
  world.cluster.PutDataJob("raw", {"raw/{n}"});
  world.cluster.PutWant("first", {"raw/1"});
  world.Run();
  constexpr size_t kWants = 200;
  for (size_t i = 0; i < kWants; ++i) world.cluster.PutWant("w" + std::to_string(i), {"raw/1"});
  const size_t patches = world.cluster.effects["patch_status"];
  world.Tick();
  for (size_t i = 0; i < kWants; ++i)
    ASSERT_EQ(Ready("w" + std::to_string(i)), "True Available") << i;
  EXPECT_EQ(world.state().wants_by_status().at(v1::WANT_SATISFIED), kWants + 1);
  world.Run();
  EXPECT_LE(world.cluster.effects["patch_status"], patches + 2 * kWants);
}

TEST_F(PlannerScaleTest, AStatusNamesAFewOfEveryStageAndCountsAll) {
  world.cluster.PutDataJob("raw", {"raw/{n:int}"}).max_concurrent_runs = 30;
  world.cluster.rule = [](const CreateJob& job) {
    const bool bad = job.outputs[0].first == "raw/200";
    return bad ? JobEnd{"Failed", 1, {}, "Error"} : JobEnd{"Hang", 0, {}, ""};
  };
  ObservedDataJob& broken = world.cluster.PutDataJob("broken", {"broken/{n:int}"});
  broken.retry.limit = 0;
  world.Settle();
  ObservedWant& want = world.cluster.PutWant("w", {});
  want.ranges = {Numbers("raw", 1, 200), Numbers("nobody", 1, 50)};
  world.Run(kMinute);
  const WantStatus& status = world.cluster.want_status["w"];
  EXPECT_EQ(status.total, 250u);
  EXPECT_EQ(status.building, 30u);
  EXPECT_EQ(status.waiting, 220u);
  EXPECT_EQ(status.details.size(), 20u);
  EXPECT_EQ(status.details[0].reason, "NoProducer");
  EXPECT_EQ(world.cluster.WantCondition("w", "Ready").reason, "NoProducer");
}

TEST_F(PlannerScaleTest, PositionsInTheQueueFollowPriorityThenDeadlineThenAge) {
  world.cluster.PutDataJob("raw", {"raw/{n:int}"}).max_concurrent_runs = 1;
  JobsHang();
  world.cluster.PutWant("first", {"raw/1", "raw/2"});
  world.Settle();
  world.cluster.PutWant("later", {"raw/3"});
  world.cluster.PutWant("due", {"raw/4"}).sla = kHour;
  world.cluster.PutWant("urgent", {"raw/5"}).priority = 10;
  world.Settle();
  const auto message = [&](const char* want, const char* ref) {
    return world.Why(want, ref).message;
  };
  EXPECT_EQ(message("urgent", "raw/5"), "waits for a free slot, position 1 of 4");
  EXPECT_EQ(message("due", "raw/4"), "waits for a free slot, position 2 of 4");
  EXPECT_EQ(message("first", "raw/2"), "waits for a free slot, position 3 of 4");
  EXPECT_EQ(message("later", "raw/3"), "waits for a free slot, position 4 of 4");
}

TEST_F(PlannerScaleTest, AJobAtItsLimitHoldsUpNoOther) {
  world.cluster.PutDataJob("slow", {"slow/{n:int}"}).max_concurrent_runs = 1;
  world.cluster.PutDataJob("quick", {"quick/{n:int}"});
  JobsHang();
  ObservedWant& urgent = world.cluster.PutWant("urgent", {"slow/1", "slow/2", "slow/3"});
  urgent.priority = 10;
  world.cluster.PutWant("w", {"quick/1", "quick/2"});
  world.Settle();
  EXPECT_EQ(world.cluster.live.size(), 3u);
}

TEST_F(PlannerScaleTest, UnitsAreBatchedByWhatTheyAgreeOnInOrder) {
  ObservedDataJob& job = world.cluster.PutDataJob("raw", {"raw/{region}/{n:int}"});
  job.batch_max = 3;
  job.batch_by = {"region"};
  world.cluster.PutWant("w", {"raw/a/1", "raw/b/1", "raw/a/2", "raw/b/2", "raw/a/3", "raw/a/4"});
  world.Run();
  std::vector<size_t> sizes;
  for (const CreateJob& run : world.cluster.created) {
    sizes.push_back(run.outputs.size());
    for (const auto& [ref, instance] : run.outputs) {
      EXPECT_EQ(ref.substr(0, 5), run.outputs[0].first.substr(0, 5));
    }
  }
  std::sort(sizes.begin(), sizes.end());
  EXPECT_EQ(sizes, (std::vector<size_t>{1, 2, 3}));
}

TEST_F(PlannerScaleTest, ADeadlineIsKeptToTheSecond) {
  world.cluster.PutDataJob("raw", {"raw/{n:int}"}).suspend = true;
  ObservedWant& want = world.cluster.PutWant("w", {"raw/1"});
  want.sla = kMinute;
  want.ttl = 2 * kMinute;
  world.Settle();
  world.Advance(kMinute - kSecond);
  world.Settle();
  EXPECT_EQ(world.cluster.WantCondition("w", "SLAMet").status, "Unknown");
  world.Advance(kSecond);
  world.Settle();
  EXPECT_EQ(world.cluster.WantCondition("w", "SLAMet").status, "False");
  world.Advance(kMinute - kSecond);
  world.Settle();
  EXPECT_EQ(world.WantStatusName("w"), "created");
  world.Advance(kSecond);
  world.Settle();
  EXPECT_EQ(world.WantStatusName("w"), "expired");
}

// Created after its deadline had passed, over data that had been there in time.
TEST_F(PlannerScaleTest, AWantForThePastMeetsItsSlaByDataThatWasThereInTime) {
  world.cluster.PutDataJob("raw", {"raw/{n:int}"});
  world.cluster.PutWant("first", {"raw/1"});
  world.Run();
  world.Advance(kHour);
  ObservedWant& met = world.cluster.PutWant("met", {"raw/1"});
  met.data_timestamp = world.clock.now - kHour;
  met.sla = 10 * kMinute;
  ObservedWant& missed = world.cluster.PutWant("missed", {"raw/1"});
  missed.data_timestamp = world.clock.now - 2 * kHour;
  missed.sla = 10 * kMinute;
  world.Run();
  EXPECT_EQ(world.cluster.WantCondition("met", "SLAMet").status, "True");
  EXPECT_EQ(world.cluster.WantCondition("missed", "SLAMet").status, "False");
}

}  // namespace
}  // namespace databuild
