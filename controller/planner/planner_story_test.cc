// Longer stories: who takes work over, what a taint reaches, what is tried again.
#include <algorithm>

#include "tests/support/planner_fixture.h"

namespace databuild {
namespace {

class PlannerStoryTest : public PlannerStory {
 protected:
  // raw -> clean -> total over three days
  void PutChain() {
    world.cluster.PutDataJob("raw", {"raw/{date}"});
    world.cluster.PutDataJob("clean", {"clean/{date}"}, {"raw/{date}"});
    world.cluster.PutDataJob("total", {"total/{date}"}, {"clean/{date|-P2D..P0D}"});
  }
  // The newest run that was asked to make the ref.
  const CreateJob& LastJobOf(const std::string& ref) const {
    const auto& all = world.cluster.created;
    const auto makes = [&](const CreateJob& job) { return job.outputs.at(0).first == ref; };
    const auto last = std::find_if(all.rbegin(), all.rend(), makes);
    CHECK(last != all.rend());
    return *last;
  }
  std::string OwnerOf(const std::string& ref) const {
    const Index live = world.state().LiveInstance(world.state().FindPartition(ref));
    if (live == kNone) return "";
    return world.state().want(world.state().build(world.state().instance(live).build).want).name;
  }
};

TEST_F(PlannerStoryTest, OfAWantThatIsPartlyThereOnlyTheRestIsBuilt) {
  PutChain();
  world.cluster.PutWant("two", {"clean/2025-01-01", "clean/2025-01-02"});
  world.Run();
  world.cluster.PutWant("three", {"total/2025-01-03", "clean/2025-01-01"});
  world.Run();
  EXPECT_EQ(Ready("three"), "True Available");
  for (const char* ref : {"raw/2025-01-01", "clean/2025-01-01", "clean/2025-01-02",
                          "clean/2025-01-03", "total/2025-01-03"})
    EXPECT_EQ(world.RunsOf(ref), 1u) << ref;
}

TEST_F(PlannerStoryTest, ARetryOfAWantBuildsItsWholeClosureAgainAndIsRecorded) {
  world.cluster.PutDataJob("raw", {"raw/{n}"}).retry.limit = 0;
  world.cluster.PutDataJob("clean", {"clean/{n}"}, {"raw/{n}"});
  JobsFail();
  world.cluster.PutWant("w", {"clean/1", "clean/2"});
  world.Run();
  EXPECT_EQ(Ready("w"), "False BuildFailed");
  JobsSucceed();
  world.Run();
  EXPECT_EQ(world.RunsOf("raw/1"), 1u) << "nothing is tried again by itself";
  world.cluster.SetRetry("w", "please");
  world.Run();
  EXPECT_EQ(Ready("w"), "True Available");
  EXPECT_EQ(world.RunsOf("raw/1"), 2u);
  EXPECT_EQ(world.RunsOf("raw/2"), 2u);
  EXPECT_EQ(world.BuildStatuses("w"), (Strings{"failed", "completed"}));
  EXPECT_EQ(world.WantOf("w").retry_token, "please");
}

TEST_F(PlannerStoryTest, ARetryOfADataJobBuildsItsFailedRefsAgainAndIsRecorded) {
  ObservedDataJob raw = world.cluster.PutDataJob("raw", {"raw/{n}"});
  raw.retry.limit = 0;
  world.cluster.Touch(raw);
  world.cluster.PutDataJob("other", {"other/{n}"}).retry.limit = 0;
  JobsFail();
  world.cluster.PutWant("a", {"raw/1"});
  world.cluster.PutWant("b", {"other/1"});
  world.Run();
  EXPECT_EQ(Ready("a"), "False BuildFailed");
  JobsSucceed();
  world.cluster.SetJobRetry("raw", "please");
  world.Run();
  EXPECT_EQ(Ready("a"), "True Available");
  EXPECT_EQ(Ready("b"), "False BuildFailed") << "another job's failure";
  const Index job = world.state().FindJob("raw");
  EXPECT_EQ(world.state().job(job).definition.retry_token(), "please");
}

TEST_F(PlannerStoryTest, WorkIsTakenOverAgainAndAgainWhileSomebodyNeedsIt) {
  PutChain();
  JobsHang();
  world.cluster.PutWant("a", {"clean/2025-01-01"});
  world.Run(kMinute);
  for (const char* name : {"b", "c"}) {
    world.cluster.PutWant(name, {"clean/2025-01-01"});
    world.Run(kMinute);
  }
  ASSERT_EQ(OwnerOf("raw/2025-01-01"), "a");
  world.cluster.DeleteWant("a");
  world.Run(kMinute);
  EXPECT_EQ(OwnerOf("raw/2025-01-01"), "b");
  EXPECT_EQ(OwnerOf("clean/2025-01-01"), "b");
  world.cluster.DeleteWant("b");
  world.Run(kMinute);
  EXPECT_EQ(OwnerOf("raw/2025-01-01"), "c");
  EXPECT_EQ(OwnerOf("clean/2025-01-01"), "c");
  EXPECT_EQ(world.cluster.live.size(), 1u) << "the first run is still the one";
  world.cluster.DeleteWant("c");
  JobsSucceed();
  world.Run();
  EXPECT_TRUE(world.cluster.live.empty()) << "nobody is left";
  EXPECT_EQ(world.RunsOf("raw/2025-01-01"), 1u);
  EXPECT_EQ(world.CountEvents(v1::BuildEvent::kAdoptionEvent), 2u);
}

TEST_F(PlannerStoryTest, WorkThatIsTakenOverAsItsInputIsTaintedWaitsForTheNewInput) {
  PlannerWorld limited(PlannerWorld::Defaults(), 1);
  limited.cluster.PutDataJob("raw", {"raw/{d}"});
  limited.cluster.PutDataJob("clean", {"clean/{d}"}, {"raw/{d}"});
  limited.cluster.PutWant("input", {"raw/1"});
  limited.Run();
  limited.SetRunsElsewhere(1);
  limited.cluster.PutWant("first", {"clean/1"});
  limited.cluster.PutWant("second", {"clean/1"});
  limited.Settle();
  ASSERT_EQ(limited.Why("first", "clean/1").reason, "Queued");
  limited.cluster.DeleteWant("first");
  limited.Tick();  // asks whether it is gone; the answer comes together with what follows
  limited.cluster.PutTaint("t", {"raw/1"});
  limited.SetRunsElsewhere(0);
  limited.Run();
  EXPECT_EQ(limited.violation(), "");
  EXPECT_EQ(limited.CountEvents(v1::BuildEvent::kAdoptionEvent), 1u);
  EXPECT_EQ(limited.RunsOf("raw/1"), 2u);
  ASSERT_EQ(limited.RunsOf("clean/1"), 1u);
  const BuildState& state = limited.state();
  const Instance& made = state.instance(state.partition(state.FindPartition("clean/1")).current);
  EXPECT_EQ(state.run(made.run).inputs.front(),
            state.partition(state.FindPartition("raw/1")).current);
}

TEST_F(PlannerStoryTest, ACascadeFollowsWhatRunsReadAsFarAsItGoes) {
  PutChain();
  world.cluster.PutDataJob("report", {"report/{date}"}, {"total/{date}"});
  world.cluster.PutWant("w", {"report/2025-01-03", "total/2025-01-04"});
  world.Run();
  world.cluster.DeleteWant("w");
  world.Run();
  world.cluster.PutTaint("t", {"raw/2025-01-04"}, {}, true);
  world.Run();
  // clean and total of the fourth; nothing of the third read it.
  EXPECT_EQ(world.cluster.taint_status["t"].downstream, 2u);
  world.cluster.PutTaint("u", {"raw/2025-01-01"}, {}, true);
  world.Run();
  // clean of the first, total and report of the third.
  EXPECT_EQ(world.cluster.taint_status["u"].downstream, 3u);
  EXPECT_TRUE(world.cluster.live.empty()) << "nobody wants them";
}

TEST_F(PlannerStoryTest, ACascadeReachesRunsUnderWay) {
  PutChain();
  world.cluster.PutWant("raw", {"raw/2025-01-01"});
  world.Run();
  JobsHang();
  world.cluster.PutWant("w", {"clean/2025-01-01"});
  world.Run(kMinute);
  ASSERT_EQ(world.cluster.live.size(), 1u);
  world.cluster.PutTaint("t", {"raw/2025-01-01"}, {}, true);
  world.Run(kMinute);
  JobsSucceed();
  world.cluster.FinishHanging();
  world.Run();
  EXPECT_EQ(world.RunsOf("raw/2025-01-01"), 2u);
  EXPECT_EQ(world.RunsOf("clean/2025-01-01"), 2u) << "the first one read bad data";
  EXPECT_EQ(Ready("w"), "True Available");
}

TEST_F(PlannerStoryTest, ATaintedQueryInputCountsAsAbsentAndIsNotBuilt) {
  world.cluster.PutDataJob("rates", {"rates/{n}"});
  world.cluster.PutDataJob("report", {"report/{n}"}, {"?rates/{n}"});
  world.cluster.PutWant("rates", {"rates/1"});
  world.Run();
  world.cluster.DeleteWant("rates");
  world.cluster.PutWant("good", {"report/1"});
  world.Run();
  EXPECT_EQ(LastJobOf("report/1").inputs.size(), 1u);
  world.cluster.PutTaint("bad", {"rates/1"});
  world.cluster.PutTaint("again", {"report/1"});
  world.Run();
  EXPECT_EQ(world.RunsOf("report/1"), 2u);
  EXPECT_TRUE(LastJobOf("report/1").inputs.empty());
  EXPECT_EQ(world.RunsOf("rates/1"), 1u) << "a query asks for nothing";
  const auto scheduled =
      std::find_if(world.log.rbegin(), world.log.rend(), [](const v1::BuildEvent& event) {
        return event.job_event().status_code() == v1::JOB_SCHEDULED;
      });
  ASSERT_EQ(scheduled->job_event().absent_query_inputs_size(), 1);
  EXPECT_EQ(scheduled->job_event().absent_query_inputs(0).str(), "rates/1");
}

TEST_F(PlannerStoryTest, AnSlaAndATtlAtTheSameMomentAreAMissFirst) {
  world.cluster.PutDataJob("raw", {"raw/{n}"});
  JobsHang();
  ObservedWant& want = world.cluster.PutWant("w", {"raw/1"});
  want.sla = want.ttl = kMinute;
  world.Run(10 * kMinute);
  EXPECT_EQ(world.cluster.WantCondition("w", "SLAMet").status, "False");
  std::vector<v1::WantLifecycle> lives;
  for (const v1::BuildEvent& event : world.log) {
    if (event.has_want_event()) lives.push_back(event.want_event().lifecycle());
  }
  EXPECT_EQ(lives, (std::vector{v1::WANT_CREATED, v1::WANT_SLA_VIOLATED, v1::WANT_EXPIRED}));
}

TEST_F(PlannerStoryTest, LiftingATaintCancelsSuccessorsThatHaveNotStarted) {
  world.cluster.PutDataJob("raw", {"raw/{n}"}).max_concurrent_runs = 1;
  world.cluster.PutWant("w", {"raw/1", "raw/2"});
  world.Run();
  JobsHang();
  world.cluster.PutTaint("t", {"raw/1", "raw/2"});
  world.Run(kMinute);
  ASSERT_EQ(world.cluster.live.size(), 1u) << "the other one waits for it";
  const std::string started = world.cluster.live.begin()->second.outputs.at(0).first;
  const std::string waiting = started == "raw/1" ? "raw/2" : "raw/1";
  world.cluster.DeleteTaint("t");
  world.Run(kMinute);
  EXPECT_EQ(Ready("w"), "True Available") << "the first instances are good again";
  const auto newest = [&](const std::string& ref) {
    return world.state().partition(world.state().FindPartition(ref)).newest;
  };
  EXPECT_EQ(world.state().instance(newest(waiting)).status, v1::PARTITION_CANCELLED);
  EXPECT_EQ(world.state().instance(newest(started)).status, v1::PARTITION_BUILDING);
  JobsSucceed();
  world.cluster.FinishHanging();
  world.Run();
  const Partition& replaced = world.state().partition(world.state().FindPartition(started));
  EXPECT_EQ(replaced.current, replaced.newest) << "a successor that has started replaces";
  EXPECT_EQ(world.RunsOf(waiting), 1u);
}

}  // namespace
}  // namespace databuild
