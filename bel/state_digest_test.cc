#include "bel/state_digest.h"

#include <set>

#include "bel/query_testing.h"
#include "bel/state_archive.h"
#include "gtest/gtest.h"

namespace databuild {
namespace {

// A bit of everything.
void Live(QueryWorld& world) {
  world.Want("w1", {"a/x=1", "a/x=2", "b/y"}, 60);
  world.Build("b1", "w1");
  world.Make("a/x=1");
  world.Instance("a/x=2", 1, v1::PARTITION_REQUESTED);
  world.Schedule("r1", "//a", {"a/x=2"}, {"a/x=1"});
  world.Finish("r1", v1::JOB_FAILED, v1::JOB_OUTCOME_FAILED);
  world.Taint("t1", "a/x=1", 1);
  v1::JobDefinitionEvent& definition = *world.Next("").mutable_job_definition_event();
  definition.set_job_label("//a");
  definition.set_accepted(true);
  world.Apply();
  v1::DelegationEvent& delegation = *world.Next("b1").mutable_delegation_event();
  for (const char* ref : {"b/y", "b/z", "a/x=1"}) delegation.add_partition_refs()->set_str(ref);
  delegation.set_delegated_to_build_request_id("b0");
  world.Apply();
  v1::JobGraphEvent& graph = *world.Next("b1").mutable_job_graph_event();
  graph.set_plan_number(1);
  graph.set_part(1);
  graph.mutable_job_graph()->add_nodes()->mutable_job()->set_label("//a");
  world.Apply();  // its last part is still to come
}

TEST(StateDigest, FoldsOfTheSameEventsAgree) {
  QueryWorld one, other;
  Live(one);
  Live(other);
  EXPECT_EQ(StateDigest(one.state), StateDigest(other.state));
  EXPECT_EQ(FormatDigest(StateDigest(one.state)).size(), 16u);
  EXPECT_NE(StateDigest(one.state), StateDigest(BuildState()));
}

TEST(StateDigest, EveryEventChangesIt) {
  std::set<uint64_t> seen;
  QueryWorld world;
  const auto differs = [&](const char* what) {
    EXPECT_TRUE(seen.insert(StateDigest(world.state)).second) << what;
  };
  differs("nothing");
  Live(world);
  differs("a life");
  world.Move("w1", v1::WANT_EXPIRED);
  differs("a want's end");
  world.Instance("a/x=2", 1, v1::PARTITION_FAILED);
  differs("an instance's end");
  world.Schedule("r2", "//a", {"a/x=2"});
  differs("a run");
  world.Next("b1").mutable_build_cancel_event()->set_reason("Expired");
  world.Apply();
  differs("an intent");
}

TEST(StateDigest, ThePartThatDiffersIsTold) {
  QueryWorld one, other;
  Live(one);
  Live(other);
  one.Instance("a/x=2", 1, v1::PARTITION_ANALYZED);
  other.Instance("a/x=2", 1, v1::PARTITION_CANCELLED);
  for (int i = 0; i < kStateSections; ++i) {
    const auto section = static_cast<StateSection>(i);
    ASSERT_EQ(StateSize(one.state, section), StateSize(other.state, section));
    for (size_t at = 0; at < StateSize(one.state, section); ++at) {
      const StateRange range{section, at, at + 1};
      const bool touched = (section == StateSection::kPartitions &&
                            one.state.partition(static_cast<Index>(at)).ref == "a/x=2") ||
                           (section == StateSection::kInstances &&
                            one.state.instance(static_cast<Index>(at)).id == "a/x=2#1") ||
                           section == StateSection::kBuilds || section == StateSection::kGlobals;
      if (!touched) {
        EXPECT_EQ(StateDigest(one.state, range), StateDigest(other.state, range))
            << StateSectionName(section) << " " << at;
      }
      if (section == StateSection::kInstances && touched) {
        EXPECT_NE(StateDigest(one.state, range), StateDigest(other.state, range));
      }
    }
  }
}

template <class Entity>
void ComesBack(const BuildState& state, StateSection section, const char* what) {
  ASSERT_GT(StateSize(state, section), 0u) << what;
  std::string bytes, again;
  EncodeState(state, {section, 0, StateSize(state, section)}, bytes);
  StateReader read(bytes);
  StateWriter write(again);
  for (size_t i = 0; i < StateSize(state, section); ++i) {
    Entity entity;
    read(entity);
    write(entity);
  }
  EXPECT_TRUE(read.ok() && read.AtEnd()) << what;
  EXPECT_EQ(bytes, again) << what;
}

TEST(StateArchive, WhatIsWrittenCanBeRead) {
  QueryWorld world;
  Live(world);
  ComesBack<databuild::Partition>(world.state, StateSection::kPartitions, "partitions");
  ComesBack<databuild::Instance>(world.state, StateSection::kInstances, "instances");
  ComesBack<databuild::Run>(world.state, StateSection::kRuns, "runs");
  ComesBack<databuild::Build>(world.state, StateSection::kBuilds, "builds");
  ComesBack<databuild::Want>(world.state, StateSection::kWants, "wants");
  ComesBack<databuild::Taint>(world.state, StateSection::kTaints, "taints");
  ComesBack<databuild::Job>(world.state, StateSection::kJobs, "jobs");
}

TEST(StateArchive, ATornTextIsNoticedAndNothingBeyondItIsRead) {
  QueryWorld world;
  Live(world);
  std::string bytes;
  EncodeState(world.state, {StateSection::kWants, 0, 1}, bytes);
  for (size_t size = 0; size < bytes.size(); ++size) {
    const std::string torn = bytes.substr(0, size);
    StateReader read(torn);
    Want want;
    read(want);
    EXPECT_FALSE(read.ok()) << size;
  }
}

}  // namespace
}  // namespace databuild
