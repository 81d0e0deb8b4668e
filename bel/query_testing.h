// A fold whose history is written by hand, for the tests of the query engine.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "bel/query.h"
#include "gtest/gtest.h"

namespace databuild {

inline constexpr TimeNs kStart = 1'736'035'200 * kSecond;  // 2025-01-05T00:00:00Z

// Writes history straight into a fold.
class QueryWorld {
 public:
  v1::BuildEvent& Next(const std::string& build = "b1") {
    event_ = v1::BuildEvent();
    event_.set_idx(++idx_);
    event_.set_timestamp(kStart + idx_ * kSecond);
    event_.set_build_request_id(build);
    return event_;
  }
  void Apply() { state.Apply(event_); }

  void Instance(const std::string& ref, int ordinal, v1::PartitionStatus status,
                const std::string& run = "") {
    v1::PartitionEvent& partition = *Next().mutable_partition_event();
    partition.mutable_partition_ref()->set_str(ref);
    partition.set_instance_id(ref + "#" + std::to_string(ordinal));
    partition.set_ordinal(static_cast<uint32_t>(ordinal));
    partition.set_status_code(status);
    partition.set_job_run_id(run);
    Apply();
  }
  void Build(const std::string& id, const std::string& want) {
    v1::BuildRequestEvent& build = *Next(id).mutable_build_request_event();
    build.mutable_status()->set_code(v1::BUILD_REQUEST_RECEIVED);
    build.set_want_id(want);
    build.set_attempt(1);
    Apply();
  }
  void Make(const std::string& ref, int ordinal = 1) {
    Instance(ref, ordinal, v1::PARTITION_REQUESTED);
    Instance(ref, ordinal, v1::PARTITION_ANALYZED);
    Instance(ref, ordinal, v1::PARTITION_BUILDING);
    Instance(ref, ordinal, v1::PARTITION_AVAILABLE);
  }
  void Want(const std::string& id, const std::vector<std::string>& refs,
            std::optional<uint64_t> ttl = {}) {
    v1::WantEvent& want = *Next("").mutable_want_event();
    want.set_want_id(id);
    want.set_name("name-" + id);
    want.set_lifecycle(v1::WANT_CREATED);
    want.set_created_at(kStart + idx_ * kSecond);
    if (ttl) want.set_ttl_seconds(*ttl);
    for (const std::string& ref : refs) want.add_requested_partitions()->set_str(ref);
    Apply();
  }
  void Move(const std::string& want_id, v1::WantLifecycle to) {
    v1::WantEvent& want = *Next("").mutable_want_event();
    want.set_want_id(want_id);
    want.set_lifecycle(to);
    Apply();
  }
  void Schedule(const std::string& run_id, const std::string& label,
                const std::vector<std::string>& refs, const std::vector<std::string>& inputs = {}) {
    v1::JobEvent& run = *Next().mutable_job_event();
    run.set_job_run_id(run_id);
    run.mutable_job_label()->set_label(label);
    run.set_status_code(v1::JOB_SCHEDULED);
    run.set_attempt(1);
    for (const std::string& ref : refs) {
      run.add_target_partitions()->set_str(ref);
      run.add_instance_ids(ref + "#1");
    }
    for (const std::string& ref : inputs) {
      v1::PartitionInstanceRef& input = *run.add_input_instances();
      input.set_ref(ref);
      input.set_instance_id(ref + "#1");
    }
    Apply();
  }
  void Finish(const std::string& run_id, v1::JobStatus status, v1::JobOutcome outcome) {
    v1::JobEvent& run = *Next().mutable_job_event();
    run.set_job_run_id(run_id);
    run.set_status_code(status);
    run.set_outcome(outcome);
    run.set_started_at(kStart + 100 * kSecond);
    run.set_finished_at(kStart + 102 * kSecond);
    run.set_exit_code(outcome == v1::JOB_OUTCOME_SUCCEEDED ? 0 : 3);
    Apply();
  }
  void Taint(const std::string& id, const std::string& ref, int ordinal) {
    v1::TaintEvent& taint = *Next("").mutable_taint_event();
    taint.set_taint_id(id);
    taint.set_lifecycle(v1::TAINT_CREATED);
    taint.add_refs()->set_str(ref);
    v1::PartitionInstanceRef& hit = *taint.add_tainted_instances();
    hit.set_ref(ref);
    hit.set_instance_id(ref + "#" + std::to_string(ordinal));
    const v1::PartitionInstanceRef instance = hit;
    Apply();
    v1::PartitionInvalidationEvent& invalidation = *Next("").mutable_partition_invalidation_event();
    invalidation.set_taint_id(id);
    invalidation.mutable_partition_ref()->set_str(ref);
    invalidation.set_instance_id(instance.instance_id());
    Apply();
  }

  QueryView View() const { return {state, "sales", nullptr}; }

  BuildState state;

 private:
  int64_t idx_ = 0;
  v1::BuildEvent event_;
};

// The field an INVALID_ARGUMENT names.
inline std::string FieldOf(const Error& error) {
  EXPECT_EQ(error.code, Errc::kInvalidArgument) << error.message;
  return error.message.substr(0, error.message.find(": "));
}

}  // namespace databuild
