#include "bel/ref_blocks.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <iterator>
#include <random>
#include <set>
#include <string>

#include "bel/build_state.h"

namespace databuild {
namespace {

// A fold of partitions that change at random, and what of it can be found.
class World {
 public:
  explicit World(uint32_t seed) : random_(seed) {}

  void Step() {
    const std::string ref = "p" + std::to_string(random_() % 3'000);
    if (random_() % 8 == 0) return Invalidate(ref);
    v1::BuildEvent& event = Next();
    v1::PartitionEvent& change = *event.mutable_partition_event();
    change.mutable_partition_ref()->set_str(ref);
    const int ordinal = 1 + static_cast<int>(random_() % 3);
    change.set_instance_id(ref + "#" + std::to_string(ordinal));
    change.set_ordinal(static_cast<uint32_t>(ordinal));
    static constexpr v1::PartitionStatus kStatuses[] = {
        v1::PARTITION_REQUESTED, v1::PARTITION_ANALYZED, v1::PARTITION_BUILDING,
        v1::PARTITION_AVAILABLE, v1::PARTITION_FAILED,   v1::PARTITION_CANCELLED};
    change.set_status_code(kStatuses[random_() % 6]);
    state.Apply(event);
  }

  // Every partition of the kinds, in order of ref, as a walk with skips finds them and as a look at
  // each does.
  void CheckWalk(RefKindSet kinds) {
    std::vector<Index> found, all;
    const RefOrder& order = state.by_ref();
    for (auto at = state.ref_blocks().Skip(order.begin(), kinds); at != order.end();) {
      const Index here = *at;
      if ((SetOf(state.KindOf(here)) & kinds) != 0) found.push_back(here);
      if (++at == order.end() || state.ref_blocks().SameBlock(here, *at)) continue;
      at = state.ref_blocks().Skip(at, kinds);
    }
    std::copy_if(order.begin(), order.end(), std::back_inserter(all),
                 [&](Index i) { return (SetOf(state.KindOf(i)) & kinds) != 0; });
    ASSERT_EQ(found, all);
  }

  BuildState state;

 private:
  v1::BuildEvent& Next() {
    event_ = v1::BuildEvent();
    event_.set_idx(++idx_);
    event_.set_timestamp(idx_);
    return event_;
  }
  void Invalidate(const std::string& ref) {
    v1::BuildEvent& event = Next();
    v1::PartitionInvalidationEvent& hit = *event.mutable_partition_invalidation_event();
    hit.mutable_partition_ref()->set_str(ref);
    hit.set_instance_id(ref + "#1");
    hit.set_taint_id("t");
    state.Apply(event);
  }

  std::mt19937 random_;
  int64_t idx_ = 0;
  v1::BuildEvent event_;
};

TEST(RefBlocks, FindEveryPartitionOfAKindWhateverChanges) {
  for (uint32_t seed = 1; seed <= 5; ++seed) {
    World world(seed);
    for (int step = 1; step <= 20'000; ++step) {
      if (step == 5'000) world.state.BeginReplay();
      world.Step();
      if (step == 9'000) world.state.EndReplay();
      if (step % 1'000 != 0 || (step >= 5'000 && step < 9'000)) continue;
      for (RefKind kind = 0; kind < kRefKinds; ++kind) world.CheckWalk(SetOf(kind));
      world.CheckWalk(static_cast<RefKindSet>(SetOf(3) | SetOf(8) | SetOf(15)));
      world.CheckWalk(kAllRefKinds);
      ASSERT_FALSE(testing::Test::HasFatalFailure()) << "seed " << seed << ", step " << step;
    }
  }
}

// Most blocks hold nothing of what is asked for, and are stepped over.
TEST(RefBlocks, SkipGoesToTheOneThatDiffers) {
  BuildState state;
  const auto apply = [&](int i, v1::PartitionStatus status) {
    v1::BuildEvent event;
    event.set_idx(i + 1);
    v1::PartitionEvent& change = *event.mutable_partition_event();
    std::string ref = std::to_string(i);
    ref.insert(0, 6 - ref.size(), '0');
    change.mutable_partition_ref()->set_str(ref);
    change.set_instance_id(ref);
    change.set_ordinal(1);
    change.set_status_code(status);
    state.Apply(event);
  };
  for (int i = 0; i < 5'000; ++i)
    apply(i, i == 3'210 ? v1::PARTITION_FAILED : v1::PARTITION_AVAILABLE);
  const RefKindSet failed = SetOf(RefKindOf(v1::PARTITION_FAILED, false));
  const auto at = state.ref_blocks().Skip(state.by_ref().begin(), failed);
  ASSERT_NE(at, state.by_ref().end());
  const Index wanted = state.FindPartition("003210");
  EXPECT_TRUE(state.ref_blocks().SameBlock(*at, wanted));
  const auto end = std::next(state.by_ref().find(wanted), 128);
  EXPECT_EQ(state.ref_blocks().Skip(end, failed), state.by_ref().end());
  EXPECT_EQ(state.ref_blocks().Skip(state.by_ref().begin(),
                                    SetOf(RefKindOf(v1::PARTITION_BUILDING, true))),
            state.by_ref().end());
}

}  // namespace
}  // namespace databuild
