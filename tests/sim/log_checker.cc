#include "tests/sim/log_checker.h"

namespace databuild {
namespace {

std::vector<std::string> RefsOf(const google::protobuf::RepeatedPtrField<v1::PartitionRef>& list) {
  std::vector<std::string> refs;
  for (const v1::PartitionRef& ref : list) refs.push_back(ref.str());
  return refs;
}

// Reasons of a build for giving up work that is its own choice; the others are the work's fate.
bool OwnChoice(const std::string& reason) {
  return reason == "Cancelled" || reason == "Expired" || reason == "Available";
}

}  // namespace

void LogChecker::Expect(bool holds, const std::string& otherwise) {
  if (!holds && wrong_.empty()) wrong_ = "event " + std::to_string(idx_) + ": " + otherwise;
}

bool LogChecker::Usable(const std::string& ref) const {
  const auto current = current_.find(ref);
  return current != current_.end() && instances_.at(current->second).taints.empty();
}

void LogChecker::Take(const v1::BuildEvent& event) {
  ++idx_;
  Expect(event.idx() == idx_, "has idx " + std::to_string(event.idx()));
  Expect(event.timestamp() > timestamp_, "is not later than the one before");
  timestamp_ = event.timestamp();
  switch (event.event_type_case()) {
    case v1::BuildEvent::kJobEvent:
      return TakeJob(event);
    case v1::BuildEvent::kPartitionEvent:
      return TakePartition(event);
    case v1::BuildEvent::kBuildRequestEvent:
      return TakeBuild(event);
    case v1::BuildEvent::kWantEvent:
      return TakeWant(event);
    case v1::BuildEvent::kTaintEvent:
      return TakeTaint(event);
    case v1::BuildEvent::kDelegationEvent:
      return TakeDelegation(event);
    case v1::BuildEvent::kPartitionInvalidationEvent: {
      const auto& hit = event.partition_invalidation_event();
      instances_[hit.instance_id()].taints.insert(hit.taint_id());
      return;
    }
    case v1::BuildEvent::kAdoptionEvent:
      for (const std::string& id : event.adoption_event().instance_ids())
        builds_[event.adoption_event().to_build_request_id()].waits_for.erase(id);
      return;
    default:
      return;
  }
}

void LogChecker::TakeJob(const v1::BuildEvent& event) {
  const v1::JobEvent& job = event.job_event();
  if (job.kind() == v1::JOB_KIND_CONFIGURE) return;  // makes nothing
  Run& run = runs_[job.job_run_id()];
  if (job.status_code() == v1::JOB_SCHEDULED) {
    run.refs = RefsOf(job.target_partitions());
    run.live = true;
    for (const std::string& ref : run.refs) {
      const auto [live, is_new] = live_run_.emplace(ref, job.job_run_id());
      Expect(is_new, "two live runs of " + ref + ": " + live->second + ", " + job.job_run_id());
    }
    for (const v1::DataDep& input : job.config().inputs()) {
      Expect(input.dep_type_code() != v1::MATERIALIZE || Usable(input.partition_ref().str()),
             "scheduled without its input " + input.partition_ref().str());
    }
    return;
  }
  if (job.status_code() == v1::JOB_RUNNING || job.status_code() == v1::JOB_SKIPPED) return;
  run.live = false;
  for (const std::string& ref : run.refs) live_run_.erase(ref);
}

void LogChecker::TakePartition(const v1::BuildEvent& event) {
  const v1::PartitionEvent& partition = event.partition_event();
  Instance& instance = instances_[partition.instance_id()];
  const std::string& ref = instance.ref = partition.partition_ref().str();
  if (partition.status_code() == v1::PARTITION_AVAILABLE) {
    const Run& run = runs_[partition.job_run_id()];
    Expect(run.taints.empty() || !partition.tainted_by().empty(),
           ref + " is good although its run began before a taint");
    instance.available = true;
    instance.taints.insert(run.taints.begin(), run.taints.end());
    if (!partition.tainted_by().empty()) instance.taints.insert(partition.tainted_by());
    current_[ref] = partition.instance_id();
  }
  if (partition.status_code() == v1::PARTITION_ANALYZED) instance.planned = true;
  // What a cancelled run was making ends with it; who came to wait for it meanwhile asks again.
  if (partition.status_code() == v1::PARTITION_CANCELLED && partition.job_run_id().empty() &&
      instance.planned && OwnChoice(partition.cause().reason())) {
    for (const auto& [id, build] : builds_) {
      Expect(!build.open || !wants_.contains(build.want) ||
                 !build.waits_for.contains(partition.instance_id()),
             ref + " is given up although build " + id + " waits for it");
    }
  }
}

void LogChecker::TakeBuild(const v1::BuildEvent& event) {
  Build& build = builds_[event.build_request_id()];
  switch (event.build_request_event().status().code()) {
    case v1::BUILD_REQUEST_RECEIVED:
      build.want = event.build_request_event().want_id();
      return;
    case v1::BUILD_REQUEST_COMPLETED: {
      build.open = false;
      const auto want = wants_.find(build.want);
      if (want == wants_.end()) return;
      for (const std::string& ref : want->second)
        Expect(Usable(ref), "a build is complete without " + ref);
      return;
    }
    case v1::BUILD_REQUEST_FAILED:
    case v1::BUILD_REQUEST_CANCELLED:
    case v1::BUILD_REQUEST_PRECONDITION_FAILED:
      build.open = false;
      return;
    default:
      return;
  }
}

void LogChecker::TakeWant(const v1::BuildEvent& event) {
  const v1::WantEvent& want = event.want_event();
  switch (want.lifecycle()) {
    case v1::WANT_CREATED:
      wants_[want.want_id()] = RefsOf(want.requested_partitions());
      return;
    case v1::WANT_SATISFIED:
      for (const std::string& ref : wants_[want.want_id()])
        Expect(Usable(ref), "want " + want.want_id() + " is satisfied without " + ref);
      return;
    case v1::WANT_CANCELLED:
    case v1::WANT_EXPIRED:
      wants_.erase(want.want_id());
      return;
    default:
      return;
  }
}

void LogChecker::TakeTaint(const v1::BuildEvent& event) {
  const v1::TaintEvent& taint = event.taint_event();
  if (taint.lifecycle() == v1::TAINT_CREATED) {
    for (const std::string& ref : RefsOf(taint.refs())) {
      const auto live = live_run_.find(ref);
      if (live != live_run_.end()) runs_[live->second].taints.insert(taint.taint_id());
    }
  }
  if (taint.lifecycle() == v1::TAINT_LIFTED) {
    for (auto& [id, instance] : instances_) instance.taints.erase(taint.taint_id());
    for (auto& [id, run] : runs_) run.taints.erase(taint.taint_id());
  }
}

void LogChecker::TakeDelegation(const v1::BuildEvent& event) {
  const v1::DelegationEvent& delegation = event.delegation_event();
  if (delegation.historical()) return;
  Build& build = builds_[event.build_request_id()];
  if (!delegation.instance_id().empty()) build.waits_for.insert(delegation.instance_id());
  build.waits_for.insert(delegation.instance_ids().begin(), delegation.instance_ids().end());
}

}  // namespace databuild
