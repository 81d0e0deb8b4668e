#include "controller/metrics/graph_metrics.h"

#include <gtest/gtest.h>

#include "bel/build_state.h"
#include "controller/metrics/metrics.h"

namespace databuild {
namespace {

constexpr TimeNs kStart = 1'736'035'200 * kSecond;

class GraphMetricsTest : public testing::Test {
 protected:
  v1::BuildEvent& Next() {
    event_ = v1::BuildEvent();
    event_.set_idx(++idx_);
    event_.set_timestamp(kStart + idx_ * kSecond);
    event_.set_build_request_id("b1");
    return event_;
  }
  void Apply() {
    state_.Apply(event_);
    ObserveAppended("sales", event_, state_, metrics_);
  }
  void Want(const std::string& id, v1::WantLifecycle lifecycle,
            std::optional<uint64_t> sla_seconds = {}) {
    v1::WantEvent& want = *Next().mutable_want_event();
    want.set_want_id(id);
    want.set_lifecycle(lifecycle);
    want.set_created_at(kStart);
    if (sla_seconds) want.set_sla_seconds(*sla_seconds);
    if (lifecycle == v1::WANT_CREATED) want.add_requested_partitions()->set_str("sales/" + id);
    Apply();
  }
  struct Span {
    TimeNs started = 0;
    TimeNs finished = 0;
  };
  void Run(const std::string& id, v1::JobStatus status, v1::JobOutcome outcome, Span span) {
    v1::JobEvent& run = *Next().mutable_job_event();
    run.set_job_run_id(id);
    run.mutable_job_label()->set_label("//sales:revenue");
    run.set_status_code(status);
    run.set_outcome(outcome);
    run.set_started_at(span.started);
    run.set_finished_at(span.finished);
    Apply();
  }

  int64_t idx_ = 0;
  v1::BuildEvent event_;
  BuildState state_;
  Metrics metrics_;
};

TEST_F(GraphMetricsTest, StatesOfWantsAreCountedAndEmptyStatesAreZeroNotAbsent) {
  Want("w1", v1::WANT_CREATED);
  Want("w2", v1::WANT_CREATED, 60);
  Want("w1", v1::WANT_SATISFIED);
  CollectGraph("sales", state_, kStart + 100 * kSecond, metrics_);
  EXPECT_EQ(metrics_.Value(Metric::kWants, {"sales", "created"}), 1);
  EXPECT_EQ(metrics_.Value(Metric::kWants, {"sales", "satisfied"}), 1);
  EXPECT_EQ(metrics_.Value(Metric::kWantOldestUnsatisfied, {"sales"}), 100);
  EXPECT_EQ(metrics_.Value(Metric::kWantSlaMargin, {"sales"}), -40);
  EXPECT_EQ(metrics_.Value(Metric::kPartitions, {"sales", "unknown"}), 2);
  EXPECT_NE(metrics_.Scrape().find("databuild_wants{graph=\"sales\",state=\"expired\"} 0"),
            std::string::npos);

  Want("w2", v1::WANT_SLA_VIOLATED);
  CollectGraph("sales", state_, kStart + 100 * kSecond, metrics_);
  EXPECT_EQ(metrics_.Value(Metric::kWantSlaViolations, {"sales"}), 1);
  EXPECT_EQ(metrics_.Scrape().find("databuild_want_sla_margin_seconds{"), std::string::npos)
      << "no deadline is ahead, so there is no margin";
}

TEST_F(GraphMetricsTest, RunsAreCountedByOutcomeAndTimedAsTheyHappen) {
  Run("r1", v1::JOB_SCHEDULED, v1::JOB_OUTCOME_UNKNOWN, {0, 0});
  const TimeNs scheduled = event_.timestamp();
  Run("r1", v1::JOB_RUNNING, v1::JOB_OUTCOME_UNKNOWN, {scheduled + 3 * kSecond, 0});
  Run("r1", v1::JOB_FAILED, v1::JOB_OUTCOME_OUT_OF_MEMORY, {scheduled + 3 * kSecond,
      scheduled + 48 * kSecond});
  Run("r2", v1::JOB_SCHEDULED, v1::JOB_OUTCOME_UNKNOWN, {0, 0});
  CollectGraph("sales", state_, kStart, metrics_);
  EXPECT_EQ(metrics_.Value(Metric::kJobRuns, {"sales", "out_of_memory"}), 1);
  EXPECT_EQ(metrics_.Value(Metric::kJobRuns, {"sales", "succeeded"}), 0);
  EXPECT_EQ(metrics_.Value(Metric::kJobRunsActive, {"sales", "scheduled"}), 1);
  EXPECT_EQ(metrics_.Value(Metric::kJobRunsActive, {"sales", "running"}), 0);
  EXPECT_EQ(metrics_.Value(Metric::kJobResults, {"sales", "//sales:revenue", "failed"}), 1);
  const std::string text = metrics_.Scrape();
  EXPECT_NE(text.find("databuild_job_run_start_latency_seconds_sum{graph=\"sales\"} 3\n"),
            std::string::npos)
      << text;
  EXPECT_NE(
      text.find(
          "databuild_job_run_duration_seconds_sum{graph=\"sales\",outcome=\"out_of_memory\"} 45\n"),
      std::string::npos)
      << text;
}

}  // namespace
}  // namespace databuild
