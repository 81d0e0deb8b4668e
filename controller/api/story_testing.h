// For tests: histories with something of everything in them, legal and complete.
#pragma once

#include <algorithm>
#include <string>
#include <vector>

#include "bel/event_log_testing.h"
#include "controller/api/log_source.h"

namespace databuild {

// A want "NAME-want" for NAME/a and NAME/b; its build "NAME-build", whose run "NAME-run" of the job
// "//NAME" makes both; a taint "NAME-taint" that hits NAME/a.
class Story {
 public:
  explicit Story(std::string name) : name_(std::move(name)) {}

  std::vector<v1::BuildEvent> Tell() {
    Want(v1::WANT_CREATED);
    for (auto to : {v1::BUILD_REQUEST_RECEIVED, v1::BUILD_REQUEST_PLANNING,
                    v1::BUILD_REQUEST_ANALYSIS_COMPLETED, v1::BUILD_REQUEST_EXECUTING})
      Build(to);
    Instances(v1::PARTITION_REQUESTED);
    Instances(v1::PARTITION_ANALYZED);
    Run(v1::JOB_SCHEDULED);
    Instances(v1::PARTITION_BUILDING);
    Run(v1::JOB_COMPLETED);
    Instances(v1::PARTITION_AVAILABLE);
    Build(v1::BUILD_REQUEST_COMPLETED);
    Want(v1::WANT_SATISFIED);
    Taint();
    return std::move(events_);
  }

 private:
  v1::BuildEvent& Add() {
    v1::BuildEvent& event = events_.emplace_back();
    event.set_event_id(EventId(name_ + "/" + std::to_string(events_.size())));
    return event;
  }
  v1::BuildEvent& OfBuild() {
    v1::BuildEvent& event = Add();
    event.set_build_request_id(name_ + "-build");
    return event;
  }
  void Want(v1::WantLifecycle to) {
    v1::WantEvent& want = *Add().mutable_want_event();
    want.set_want_id(name_ + "-want");
    want.set_lifecycle(to);
    if (to != v1::WANT_CREATED) return;
    want.set_name(name_);
    want.set_comment("asked for by " + name_);
    want.set_created_at(1'736'035'200 * kSecond);
    for (const char* part : {"/a", "/b"}) want.add_requested_partitions()->set_str(name_ + part);
  }
  void Build(v1::BuildRequestStatusCode to) {
    v1::BuildRequestEvent& build = *OfBuild().mutable_build_request_event();
    build.mutable_status()->set_code(to);
    if (to != v1::BUILD_REQUEST_RECEIVED) return;
    build.set_want_id(name_ + "-want");
    build.set_attempt(1);
    for (const char* part : {"/a", "/b"}) build.add_requested_partitions()->set_str(name_ + part);
  }
  void Instances(v1::PartitionStatus to) {
    for (const char* part : {"/a", "/b"}) {
      v1::PartitionEvent& event = *OfBuild().mutable_partition_event();
      event.mutable_partition_ref()->set_str(name_ + part);
      event.set_instance_id(name_ + part + "#1");
      event.set_ordinal(1);
      event.set_status_code(to);
      event.set_job_label("//" + name_);
      event.set_job_run_id(name_ + "-run");
    }
  }
  void Run(v1::JobStatus to) {
    v1::JobEvent& run = *OfBuild().mutable_job_event();
    run.set_job_run_id(name_ + "-run");
    run.mutable_job_label()->set_label("//" + name_);
    run.set_status_code(to);
    run.set_attempt(1);
    if (to == v1::JOB_COMPLETED) run.set_outcome(v1::JOB_OUTCOME_SUCCEEDED);
    for (const char* part : {"/a", "/b"}) {
      run.add_target_partitions()->set_str(name_ + part);
      run.add_instance_ids(name_ + part + "#1");
    }
  }
  void Taint() {
    v1::TaintEvent& taint = *Add().mutable_taint_event();
    taint.set_taint_id(name_ + "-taint");
    taint.set_lifecycle(v1::TAINT_CREATED);
    taint.set_created_at(1'736'035'300 * kSecond);
    taint.add_refs()->set_str(name_ + "/a");
    v1::PartitionInstanceRef& hit = *taint.add_tainted_instances();
    hit.set_ref(name_ + "/a");
    hit.set_instance_id(name_ + "/a#1");
    v1::PartitionInvalidationEvent& mark = *Add().mutable_partition_invalidation_event();
    mark.set_taint_id(name_ + "-taint");
    mark.mutable_partition_ref()->set_str(name_ + "/a");
    mark.set_instance_id(name_ + "/a#1");
  }

  const std::string name_;
  std::vector<v1::BuildEvent> events_;
};

// The log of every run: two lines, and more to come.
class TwoLines final : public LogSource {
 public:
  Result<LogPage> ReadLog(const LogPageRequest& request) override {
    LogPage page;
    page.next = std::max<int64_t>(request.after, 2);
    for (int64_t line = request.after + 1; line <= 2; ++line)
      page.response.add_entries()->set_sequence_number(static_cast<uint64_t>(line));
    return page;
  }
};

}  // namespace databuild
