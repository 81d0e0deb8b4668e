// The corpus is what it says: legal throughout, of the promised shape, the same for the same seed.
#include "tests/support/corpus.h"

#include <set>

#include "bel/build_state.h"
#include "bel/transition.h"
#include "gtest/gtest.h"

namespace databuild {
namespace {

TEST(Corpus, EveryEventIsALegalNextStateAndTimesAscend) {
  Corpus corpus(7);
  BuildState state;
  TimeNs last = 0;
  std::set<std::string> ids;
  for (int64_t idx = 1; idx <= 60'000; ++idx) {
    const v1::BuildEvent& event = corpus.NextEvent();
    const Status legal = CheckTransition(state, event);
    ASSERT_TRUE(legal.ok()) << idx << ": " << legal.error().message;
    ASSERT_EQ(event.idx(), idx);
    ASSERT_GT(event.timestamp(), last);
    ASSERT_TRUE(ids.insert(event.event_id()).second);
    last = event.timestamp();
    state.Apply(event);
  }
}

TEST(Corpus, TheSameSeedGivesTheSameBytesAndAnotherSeedOthers) {
  Corpus a(1), b(1), c(2);
  int same = 0;
  for (int i = 0; i < 2'000; ++i) {
    const StoredEvent event = a.Next();
    EXPECT_EQ(event, b.Next());
    same += event.payload == c.Next().payload;
  }
  EXPECT_EQ(same, 0);
}

TEST(Corpus, NamesOfWhatIsInItAreFoundInTheFold) {
  Corpus corpus(3);
  BuildState state;
  for (int i = 0; i < 100'000; ++i) state.Apply(corpus.NextEvent());
  EXPECT_GE(corpus.builds(), 1'000);
  for (int64_t build = 0; build < 900; ++build) {  // begun long ago: the last lanes may lag
    EXPECT_NE(state.FindBuild(corpus.BuildId(build)), kNone) << build;
    EXPECT_NE(state.FindPartition(corpus.Ref(build, 7, 1)), kNone) << build;
    EXPECT_NE(state.FindRun(corpus.RunId(build, 0)), kNone) << build;
  }
  EXPECT_NE(state.FindJob(Corpus::Label(199)), kNone);
  // Of 20 builds one makes older refs again.
  EXPECT_EQ(corpus.Ref(419, 0, 0), corpus.Ref(19, 0, 0));
  EXPECT_NE(corpus.Ref(418, 0, 0), corpus.Ref(18, 0, 0));
}

}  // namespace
}  // namespace databuild
