#include "controller/planner/event_batch.h"

#include "bel/ids.h"

namespace databuild {

v1::Cause ToProto(const CauseInfo& cause) {
  v1::Cause out;
  out.set_partition_ref(cause.ref);
  out.set_job_run_id(cause.run_id);
  out.set_job_label(cause.label);
  out.set_reason(cause.reason);
  out.set_message(cause.message);
  return out;
}

v1::SourceTypeCode SourceCodeOf(const std::string& type) {
  if (type == "DashboardManual") return v1::DASHBOARD_MANUAL;
  if (type == "Scheduled") return v1::SCHEDULED;
  if (type == "ApiRequest") return v1::API_REQUEST;
  return v1::CLI_MANUAL;
}

v1::BuildEvent& EventBatch::Add(const std::string& build,
                                std::initializer_list<std::string_view> identity) {
  v1::BuildEvent& event = events_.emplace_back();
  size_t size = identity.size();
  for (std::string_view part : identity) size += part.size();
  std::string joined;
  joined.reserve(size);
  for (std::string_view part : identity) joined.append(part).append("\n");
  event.set_event_id(UuidV5(log_id_, {"event", joined}));
  if (!build.empty()) event.set_build_request_id(build);
  return event;
}

std::string EventBatch::BuildIdFor(const std::string& want_id, uint32_t n) const {
  return BuildRequestId(want_id, n);
}

v1::BuildRequestEvent* EventBatch::Build(const std::string& build,
                                         v1::BuildRequestStatusCode status) {
  auto* payload =
      Add(build, {"build", build, std::to_string(status)}).mutable_build_request_event();
  payload->mutable_status()->set_code(status);
  return payload;
}

v1::PartitionEvent* EventBatch::Partition(const std::string& build, const InstanceName& instance,
                                          v1::PartitionStatus status) {
  const Index known = state_.FindInstance(instance.id);
  const std::string runs = std::to_string(known == kNone ? 0 : state_.instance(known).runs);
  auto* payload = Add(build, {"partition", instance.id, std::to_string(status), runs})
                      .mutable_partition_event();
  payload->mutable_partition_ref()->set_str(instance.ref);
  payload->set_instance_id(instance.id);
  payload->set_status_code(status);
  payload->set_ordinal(instance.ordinal);
  return payload;
}

v1::PartitionEvent* EventBatch::Partition(Index instance, v1::PartitionStatus status) {
  const Instance& made = state_.instance(instance);
  const std::string build = made.build == kNone ? "" : state_.build(made.build).id.str();
  return Partition(build, {made.id, state_.partition(made.partition).ref, made.ordinal}, status);
}

v1::JobEvent* EventBatch::Job(const std::string& build, const std::string& run_id,
                              const std::string& label, v1::JobStatus status) {
  auto* payload = Add(build, {"run", run_id, std::to_string(status)}).mutable_job_event();
  payload->set_job_run_id(run_id);
  payload->mutable_job_label()->set_label(label);
  payload->set_status_code(status);
  return payload;
}

v1::DelegationEvent* EventBatch::Delegation(const std::string& build, const std::string& owner,
                                            std::string_view first_ref) {
  const Index known = state_.FindBuild(build);
  const std::string seen = std::to_string(known == kNone ? 0 : state_.build(known).last_idx);
  auto* payload =
      Add(build, {"delegation", build, owner, first_ref, seen}).mutable_delegation_event();
  payload->mutable_partition_ref()->set_str(std::string(first_ref));
  payload->set_delegated_to_build_request_id(owner);
  return payload;
}

v1::JobGraphEvent* EventBatch::Graph(const std::string& build, uint32_t plan, uint32_t part) {
  auto* payload = Add(build, {"graph", build, std::to_string(plan), std::to_string(part)})
                      .mutable_job_graph_event();
  payload->set_plan_number(plan);
  payload->set_part(part);
  return payload;
}

v1::WantEvent* EventBatch::Want(const std::string& want_id, v1::WantLifecycle lifecycle,
                                std::string_view ordinal) {
  auto* payload =
      Add("", {"want", want_id, std::to_string(lifecycle), ordinal}).mutable_want_event();
  payload->set_want_id(want_id);
  payload->set_lifecycle(lifecycle);
  return payload;
}

v1::TaintEvent* EventBatch::Taint(const std::string& taint_id, v1::TaintLifecycle lifecycle) {
  auto* payload = Add("", {"taint", taint_id, std::to_string(lifecycle)}).mutable_taint_event();
  payload->set_taint_id(taint_id);
  payload->set_lifecycle(lifecycle);
  return payload;
}

v1::PartitionInvalidationEvent* EventBatch::Invalidation(const std::string& taint_id,
                                                         Index instance) {
  const Instance& hit = state_.instance(instance);
  auto* payload =
      Add("", {"invalidation", taint_id, hit.id.str()}).mutable_partition_invalidation_event();
  payload->mutable_partition_ref()->set_str(state_.partition(hit.partition).ref);
  payload->set_taint_id(taint_id);
  payload->set_instance_id(hit.id);
  return payload;
}

v1::JobRunCancelEvent* EventBatch::CancelRun(const std::string& build, const std::string& run_id) {
  auto* payload = Add(build, {"cancel run", run_id}).mutable_job_run_cancel_event();
  payload->set_job_run_id(run_id);
  return payload;
}

v1::BuildCancelEvent* EventBatch::CancelBuild(const std::string& build) {
  return Add(build, {"cancel build", build}).mutable_build_cancel_event();
}

v1::AdoptionEvent* EventBatch::Adoption(const std::string& from, const std::string& to,
                                        std::string_view first_ref) {
  auto* payload = Add(to, {"adoption", from, to, first_ref}).mutable_adoption_event();
  payload->set_from_build_request_id(from);
  payload->set_to_build_request_id(to);
  return payload;
}

v1::JobDefinitionEvent* EventBatch::Definition(const std::string& label, std::string_view ordinal) {
  auto* payload = Add("", {"definition", label, ordinal}).mutable_job_definition_event();
  payload->set_job_label(label);
  return payload;
}

}  // namespace databuild
