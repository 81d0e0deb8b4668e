#include "bel/query_timelines.h"

#include <functional>

#include "databuild/v1/databuild.pb.h"
#include "gtest/gtest.h"

namespace databuild {
namespace {

v1::BuildEvent Event(const std::string& build, const std::function<void(v1::BuildEvent&)>& fill) {
  v1::BuildEvent event;
  event.set_idx(42);
  event.set_timestamp(1'000);
  event.set_build_request_id(build);
  fill(event);
  return event;
}

v1::BuildEvent Failed() {
  return Event("b", [](v1::BuildEvent& event) {
    event.mutable_build_request_event()->mutable_status()->set_code(v1::BUILD_REQUEST_FAILED);
    event.mutable_build_request_event()->set_reason("BuildFailed");
  });
}

v1::BuildEvent Available() {
  return Event("b", [](v1::BuildEvent& event) {
    v1::PartitionEvent& partition = *event.mutable_partition_event();
    partition.mutable_partition_ref()->set_str("a/1");
    partition.set_status_code(v1::PARTITION_AVAILABLE);
    partition.set_job_run_id("r");
    partition.set_instance_id("i");
  });
}

v1::BuildEvent Hit() {
  return Event("", [](v1::BuildEvent& event) {
    v1::PartitionInvalidationEvent& hit = *event.mutable_partition_invalidation_event();
    hit.mutable_partition_ref()->set_str("a/1");
    hit.set_taint_id("t");
    hit.set_reason("wrong source");
  });
}

v1::BuildEvent Delegated() {
  return Event("b", [](v1::BuildEvent& event) {
    v1::DelegationEvent& delegation = *event.mutable_delegation_event();
    delegation.add_partition_refs()->set_str("a/1");
    delegation.add_partition_refs()->set_str("a/2");
    delegation.set_delegated_to_build_request_id("c");
  });
}

v1::BuildEvent Adopted() {
  return Event("c", [](v1::BuildEvent& event) {
    v1::AdoptionEvent& adoption = *event.mutable_adoption_event();
    adoption.add_partition_refs()->set_str("a/1");
    adoption.set_from_build_request_id("c");
    adoption.set_to_build_request_id("b");
  });
}

v1::BuildEvent RunFailed() {
  return Event("b", [](v1::BuildEvent& event) {
    v1::JobEvent& run = *event.mutable_job_event();
    run.set_job_run_id("r");
    run.set_status_code(v1::JOB_FAILED);
    run.add_target_partitions()->set_str("a/1");
    run.set_message("exit code 3");
  });
}

TEST(Timelines, OfABuildHoldsItsStatesPlansAndSharing) {
  v1::BuildTimelineEvent out;
  ASSERT_TRUE(ToTimeline(Failed(), "b", out));
  EXPECT_EQ(out.status().name(), "failed");
  EXPECT_EQ(out.message(), "BuildFailed");
  EXPECT_EQ(out.event_type(), "build_request_event");
  EXPECT_EQ(out.idx(), 42);
  EXPECT_EQ(out.timestamp(), 1'000);
  ASSERT_TRUE(ToTimeline(Delegated(), "b", out));
  EXPECT_FALSE(out.has_status());
  EXPECT_EQ(out.message(), "2 partitions left to build c");
  ASSERT_TRUE(ToTimeline(Adopted(), "b", out));
  EXPECT_EQ(out.message(), "1 partition taken from build c");
  ASSERT_TRUE(ToTimeline(Adopted(), "c", out));
  EXPECT_EQ(out.message(), "1 partition given to build b");
  const v1::BuildEvent plan = Event("b", [](v1::BuildEvent& event) {
    event.mutable_job_graph_event()->set_plan_number(2);
    event.mutable_job_graph_event()->mutable_job_graph()->add_nodes();
  });
  ASSERT_TRUE(ToTimeline(plan, "b", out));
  EXPECT_EQ(out.message(), "plan 2: 1 task");
  const v1::BuildEvent cancel = Event("b", [](v1::BuildEvent& event) {
    event.mutable_build_cancel_event()->set_reason("WantDeleted");
  });
  ASSERT_TRUE(ToTimeline(cancel, "b", out));
  EXPECT_EQ(out.cancel_reason(), "WantDeleted");
  EXPECT_FALSE(ToTimeline(Failed(), "other", out));
  EXPECT_FALSE(ToTimeline(Available(), "b", out));
  EXPECT_FALSE(ToTimeline(RunFailed(), "b", out));
  EXPECT_EQ(out.cancel_reason(), "WantDeleted") << "what does not belong writes nothing";
}

TEST(Timelines, OfAPartitionHoldsItsInstancesInvalidationsAndDelegations) {
  v1::PartitionTimelineEvent out;
  ASSERT_TRUE(ToTimeline(Available(), "a/1", out));
  EXPECT_EQ(out.status_name(), "available");
  EXPECT_EQ(out.build_request_id(), "b");
  EXPECT_EQ(out.job_run_id(), "r");
  EXPECT_EQ(out.instance_id(), "i");
  ASSERT_TRUE(ToTimeline(Hit(), "a/1", out));
  EXPECT_EQ(out.message(), "invalidated by taint t: wrong source");
  EXPECT_FALSE(out.has_job_run_id());
  ASSERT_TRUE(ToTimeline(Delegated(), "a/2", out));
  EXPECT_EQ(out.status_code(), v1::PARTITION_DELEGATED);
  EXPECT_FALSE(ToTimeline(Available(), "a/2", out));
  EXPECT_FALSE(ToTimeline(Hit(), "a/2", out));
  EXPECT_FALSE(ToTimeline(Delegated(), "a/3", out));
  EXPECT_FALSE(ToTimeline(RunFailed(), "a/1", out));
}

TEST(Timelines, OfAJobRunHoldsItsStatesAndItsCancellation) {
  v1::JobRunTimelineEvent out;
  ASSERT_TRUE(ToTimeline(RunFailed(), "r", out));
  EXPECT_EQ(out.status_name(), "failed");
  EXPECT_EQ(out.message(), "exit code 3");
  EXPECT_EQ(out.event_type(), "job_event");
  const v1::BuildEvent cancel = Event("b", [](v1::BuildEvent& event) {
    event.mutable_job_run_cancel_event()->set_job_run_id("r");
    event.mutable_job_run_cancel_event()->set_reason("BuildCancelled");
  });
  ASSERT_TRUE(ToTimeline(cancel, "r", out));
  EXPECT_EQ(out.cancel_reason(), "BuildCancelled");
  EXPECT_FALSE(out.has_status_code());
  EXPECT_FALSE(ToTimeline(RunFailed(), "other", out));
  EXPECT_FALSE(ToTimeline(cancel, "other", out));
  EXPECT_FALSE(ToTimeline(Available(), "r", out)) << "the partition has a timeline of its own";
}

TEST(Timelines, TheirFiltersAskForOneThing) {
  EXPECT_EQ(BuildTimelineFilter("b").build_request_ids(0), "b");
  EXPECT_EQ(PartitionTimelineFilter("a/1").partition_refs(0), "a/1");
  EXPECT_EQ(JobRunTimelineFilter("r").job_run_ids(0), "r");
}

}  // namespace
}  // namespace databuild
