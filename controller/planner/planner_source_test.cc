// Who asked: a claim of whoever made the object, or the caller whom the API knew.
#include "tests/support/planner_fixture.h"

namespace databuild {
namespace {

TEST(WhoAsked, TheCallersMarkIsBelievedOnlyWhereNobodyElseCanWriteIt) {
  for (const bool known : {false, true}) {
    PlannerOptions options = PlannerWorld::Defaults();
    options.callers_known = known;
    PlannerWorld world(options);
    world.cluster.PutDataJob("raw", {"raw/{d}"});
    world.cluster.PutWant("claimed", {"raw/1"}).source = {"CliManual", "alice", ""};
    world.cluster.PutWant("called", {"raw/2"}).source = {"Scheduled", "somebody", "bob"};
    world.cluster.PutTaint("taint", {"raw/1"}).source = {"CliManual", "somebody", "carol"};
    world.Run();
    const BuildState& state = world.state();
    const auto want = [&](const std::string& name) -> const Want& { return world.WantOf(name); };
    EXPECT_EQ(want("claimed").source_name, "alice");
    EXPECT_FALSE(IsAuthenticated(want("claimed").source));
    EXPECT_EQ(want("called").source_name, known ? "bob" : "somebody");
    EXPECT_EQ(IsAuthenticated(want("called").source), known);
    EXPECT_EQ(CodeOf(want("called").source), v1::SCHEDULED);
    EXPECT_EQ(state.taint(0).source_name, known ? "carol" : "somebody");
    EXPECT_EQ(IsAuthenticated(state.taint(0).source), known);
    EXPECT_EQ(world.ReplayDiffers(), "");
  }
}

}  // namespace
}  // namespace databuild
