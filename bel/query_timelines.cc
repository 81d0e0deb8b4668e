#include "bel/query_timelines.h"

#include <algorithm>
#include <string_view>

#include "bel/query_render.h"

namespace databuild {
namespace {

// Name of the payload's field, such as "build_request_event".
std::string PayloadName(const v1::BuildEvent& event) {
  const auto* field = v1::BuildEvent::descriptor()->FindFieldByNumber(event.event_type_case());
  return field == nullptr ? "" : field->name();
}

// The first text that says something.
std::string FirstOf(std::initializer_list<std::string_view> texts) {
  for (const std::string_view text : texts) {
    if (!text.empty()) return std::string(text);
  }
  return "";
}

std::string Count(int count, const std::string& what) {
  return std::to_string(count) + " " + what + (count == 1 ? "" : "s");
}

std::string Describe(const v1::DelegationEvent& event) {
  std::string what = event.has_partition_ref() ? event.partition_ref().str()
                                               : Count(event.partition_refs_size(), "partition");
  if (event.ranges_size() > 0) what += " and " + Count(event.ranges_size(), "range");
  return FirstOf(
      {event.message(), what + (event.historical() ? " made by build " : " left to build ") +
                            event.delegated_to_build_request_id()});
}

std::string Describe(const v1::AdoptionEvent& event, const std::string& build) {
  const bool taken = event.to_build_request_id() == build;
  return Count(event.partition_refs_size(), "partition") + (taken ? " taken from" : " given to") +
         " build " + (taken ? event.from_build_request_id() : event.to_build_request_id());
}

bool Names(const v1::DelegationEvent& event, const std::string& ref) {
  return event.partition_ref().str() == ref ||
         std::any_of(event.partition_refs().begin(), event.partition_refs().end(),
                     [&](const v1::PartitionRef& named) { return named.str() == ref; });
}

}  // namespace

v1::EventFilter BuildTimelineFilter(const std::string& build_request_id) {
  v1::EventFilter filter;
  filter.add_build_request_ids(build_request_id);
  return filter;
}

bool ToTimeline(const v1::BuildEvent& event, const std::string& build_request_id,
                v1::BuildTimelineEvent& out) {
  v1::BuildTimelineEvent made;
  if (event.has_adoption_event()) {
    made.set_message(Describe(event.adoption_event(), build_request_id));
  } else if (event.build_request_id() != build_request_id) {
    return false;
  } else if (event.has_build_request_event()) {
    const v1::BuildRequestEvent& build = event.build_request_event();
    *made.mutable_status() = build.status();
    made.mutable_status()->set_name(NameOf(build.status().code()));
    made.set_message(FirstOf({build.message(), build.cause().message(), build.reason()}));
  } else if (event.has_build_cancel_event()) {
    made.set_message("cancellation asked for");
    made.set_cancel_reason(event.build_cancel_event().reason());
  } else if (event.has_job_graph_event()) {
    const v1::JobGraphEvent& plan = event.job_graph_event();
    made.set_message(FirstOf({plan.message(), "plan " + std::to_string(plan.plan_number()) + ": " +
                                                  Count(plan.job_graph().nodes_size(), "task")}));
  } else if (event.has_delegation_event()) {
    made.set_message(Describe(event.delegation_event()));
  } else {
    return false;
  }
  made.set_timestamp(event.timestamp());
  made.set_event_type(PayloadName(event));
  made.set_idx(event.idx());
  out = std::move(made);
  return true;
}

v1::EventFilter PartitionTimelineFilter(const std::string& ref) {
  v1::EventFilter filter;
  filter.add_partition_refs(ref);
  return filter;
}

bool ToTimeline(const v1::BuildEvent& event, const std::string& ref,
                v1::PartitionTimelineEvent& out) {
  v1::PartitionTimelineEvent made;
  if (event.has_partition_event() && event.partition_event().partition_ref().str() == ref) {
    const v1::PartitionEvent& partition = event.partition_event();
    made.set_status_code(partition.status_code());
    made.set_status_name(NameOf(partition.status_code()));
    made.set_message(
        FirstOf({partition.message(), partition.cause().message(), partition.cause().reason()}));
    if (!partition.job_run_id().empty()) made.set_job_run_id(partition.job_run_id());
    made.set_instance_id(partition.instance_id());
  } else if (event.has_partition_invalidation_event() &&
             event.partition_invalidation_event().partition_ref().str() == ref) {
    const v1::PartitionInvalidationEvent& hit = event.partition_invalidation_event();
    made.set_message("invalidated" +
                     (hit.taint_id().empty() ? std::string() : " by taint " + hit.taint_id()) +
                     (hit.reason().empty() ? std::string() : ": " + hit.reason()));
    made.set_instance_id(hit.instance_id());
  } else if (event.has_delegation_event() && Names(event.delegation_event(), ref)) {
    made.set_status_code(v1::PARTITION_DELEGATED);
    made.set_status_name(NameOf(v1::PARTITION_DELEGATED));
    made.set_message(Describe(event.delegation_event()));
  } else {
    return false;
  }
  made.set_timestamp(event.timestamp());
  made.set_build_request_id(event.build_request_id());
  made.set_idx(event.idx());
  out = std::move(made);
  return true;
}

v1::EventFilter JobRunTimelineFilter(const std::string& job_run_id) {
  v1::EventFilter filter;
  filter.add_job_run_ids(job_run_id);
  return filter;
}

bool ToTimeline(const v1::BuildEvent& event, const std::string& job_run_id,
                v1::JobRunTimelineEvent& out) {
  v1::JobRunTimelineEvent made;
  if (event.has_job_event() && event.job_event().job_run_id() == job_run_id) {
    const v1::JobEvent& run = event.job_event();
    made.set_status_code(run.status_code());
    made.set_status_name(NameOf(run.status_code()));
    made.set_message(FirstOf({run.message(), run.cause().message(), run.reason()}));
  } else if (event.has_job_run_cancel_event() &&
             event.job_run_cancel_event().job_run_id() == job_run_id) {
    made.set_message("cancellation asked for");
    made.set_cancel_reason(event.job_run_cancel_event().reason());
  } else {
    return false;
  }
  made.set_timestamp(event.timestamp());
  made.set_event_type(PayloadName(event));
  made.set_idx(event.idx());
  out = std::move(made);
  return true;
}

}  // namespace databuild
