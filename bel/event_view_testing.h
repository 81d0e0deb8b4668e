// Compares the view of an event with what libprotobuf reads. For tests and the fuzz target.
#pragma once

#include <string>

#include "bel/event_view.h"

namespace databuild {

// The first field that differs; empty: none does.
class ViewComparison {
 public:
  static std::string Difference(const EventView& view, const v1::BuildEvent& event) {
    ViewComparison compare;
    compare.Event(view, event);
    return compare.difference_;
  }

 private:
  template <class A, class B>
  void Same(const char* field, const A& a, const B& b) {
    if (difference_.empty() && !(a == static_cast<A>(b))) difference_ = field;
  }
  template <class Views, class Protos, class Equal>
  void SameList(const char* field, const Views& views, const Protos& protos, Equal&& equal) {
    Same(field, static_cast<int>(views.size()), protos.size());
    if (!difference_.empty()) return;
    int i = 0;
    for (const auto& view : views) {
      if (!equal(view, protos.Get(i++))) Same(field, 1, 0);
    }
    Same(field, i, protos.size());
  }
  template <class Protos>
  void SameRefs(const char* field, const Refs& views, const Protos& protos) {
    SameList(field, views, protos,
             [](const RefView& a, const auto& b) { return a.str == b.str(); });
  }
  template <class Protos>
  void SameTexts(const char* field, const databuild::Texts& views, const Protos& protos) {
    SameList(field, views, protos, [](Text a, const auto& b) { return a == b; });
  }
  template <class Protos>
  void SameInstances(const char* field, const InstanceRefs& views, const Protos& protos) {
    SameList(field, views, protos, [](const InstanceRefView& a, const auto& b) {
      return a.ref == b.ref() && a.instance_id == b.instance_id();
    });
  }
  template <class Protos>
  void SameRanges(const char* field, const Ranges& views, const Protos& protos) {
    SameList(field, views, protos, [](const v1::PartitionRange& a, const auto& b) {
      return a.ref() == b.ref() && a.captures_size() == b.captures_size();
    });
  }
  template <class Proto>
  void SameOptional(const char* field, const WireOptional& a, bool present, Proto b) {
    Same(field, a.present, present);
    if (present) Same(field, static_cast<Proto>(a.value), b);
  }

  void Cause(const CauseView& view, const v1::Cause& cause) {
    Same("cause.partition_ref", view.partition_ref, cause.partition_ref());
    Same("cause.job_run_id", view.job_run_id, cause.job_run_id());
    Same("cause.job_label", view.job_label, cause.job_label());
    Same("cause.reason", view.reason, cause.reason());
    Same("cause.message", view.message, cause.message());
  }

  void Payload(const BuildRequestView& view, const v1::BuildRequestEvent& event) {
    Same("build.status", view.status.code, event.status().code());
    SameRefs("build.requested_partitions", view.requested_partitions, event.requested_partitions());
    SameRanges("build.requested_ranges", view.requested_ranges, event.requested_ranges());
    Same("build.message", view.message, event.message());
    Same("build.want_id", view.want_id, event.want_id());
    Same("build.reason", view.reason, event.reason());
    Same("build.attempt", view.attempt, event.attempt());
    Same("build.has_cause", view.has_cause, event.has_cause());
    Cause(view.cause, event.cause());
    SameList("build.unproducible", view.unproducible, event.unproducible(),
             [](const UnproducibleView& a, const v1::UnproduciblePartition& b) {
               return a.ref == b.ref() && a.kind == b.kind();
             });
  }
  void Payload(const PartitionView& view, const v1::PartitionEvent& event) {
    Same("partition.partition_ref", view.partition_ref.str, event.partition_ref().str());
    Same("partition.status_code", view.status_code, event.status_code());
    Same("partition.ordinal", view.ordinal, event.ordinal());
    Same("partition.job_run_id", view.job_run_id, event.job_run_id());
    Same("partition.instance_id", view.instance_id, event.instance_id());
    Same("partition.tainted_by", view.tainted_by, event.tainted_by());
    Same("partition.has_external", view.has_external, event.has_external());
    Same("partition.has_cause", view.has_cause, event.has_cause());
    Cause(view.cause, event.cause());
  }
  void Payload(const JobView& view, const v1::JobEvent& event) {
    Same("job.job_run_id", view.job_run_id, event.job_run_id());
    Same("job.job_label", view.job_label.label, event.job_label().label());
    SameRefs("job.target_partitions", view.target_partitions, event.target_partitions());
    Same("job.status_code", view.status_code, event.status_code());
    Same("job.outcome", view.outcome, event.outcome());
    Same("job.kind", view.kind, event.kind());
    Same("job.message", view.message, event.message());
    Same("job.reason", view.reason, event.reason());
    Same("job.job_name", view.job_name, event.job_name());
    Same("job.generation", view.generation, event.generation());
    Same("job.started_at", view.started_at, event.started_at());
    Same("job.finished_at", view.finished_at, event.finished_at());
    Same("job.attempt", view.attempt, event.attempt());
    SameTexts("job.instance_ids", view.instance_ids, event.instance_ids());
    SameInstances("job.input_instances", view.input_instances, event.input_instances());
    SameRefs("job.missing_dependencies", view.missing_dependencies, event.missing_dependencies());
    SameList("job.configs", view.configs, event.configs(),
             [](const Text& body, const v1::JobConfig& b) {
               v1::JobConfig a;
               return a.ParseFromArray(body.data(), static_cast<int>(body.size())) &&
                      a.outputs_size() == b.outputs_size() && a.args_size() == b.args_size() &&
                      a.inputs_size() == b.inputs_size() && a.env_size() == b.env_size();
             });
    SameOptional("job.exit_code", view.exit_code, event.has_exit_code(), event.exit_code());
  }
  void Payload(const DelegationView& view, const v1::DelegationEvent& event) {
    Same("delegation.partition_ref", view.partition_ref.str, event.partition_ref().str());
    SameRefs("delegation.partition_refs", view.partition_refs, event.partition_refs());
    SameRanges("delegation.ranges", view.ranges, event.ranges());
    Same("delegation.owner", view.delegated_to_build_request_id,
         event.delegated_to_build_request_id());
    Same("delegation.historical", view.historical, event.historical());
  }
  void Payload(const JobGraphView& view, const v1::JobGraphEvent& event) {
    Same("graph.plan_number", view.plan_number, event.plan_number());
    Same("graph.part", view.part, event.part());
    Same("graph.last", view.last, event.last());
    const auto same_input = [](const DataDepView& a, const v1::DataDep& b) {
      return a.dep_type_code == b.dep_type_code() && a.partition_ref.str == b.partition_ref().str();
    };
    SameList("graph.nodes", view.job_graph.nodes, event.job_graph().nodes(),
             [&](const TaskView& a, const v1::Task& b) {
               SameRefs("task.outputs", a.config.outputs, b.config().outputs());
               SameList("task.inputs", a.config.inputs, b.config().inputs(), same_input);
               return a.job.label == b.job().label() && a.generation == b.generation();
             });
  }
  void Payload(const InvalidationView& view, const v1::PartitionInvalidationEvent& event) {
    Same("invalidation.partition_ref", view.partition_ref.str, event.partition_ref().str());
    Same("invalidation.taint_id", view.taint_id, event.taint_id());
    Same("invalidation.instance_id", view.instance_id, event.instance_id());
  }
  void Payload(const RunCancelView& view, const v1::JobRunCancelEvent& event) {
    Same("run_cancel.job_run_id", view.job_run_id, event.job_run_id());
  }
  void Payload(const BuildCancelView& view, const v1::BuildCancelEvent& event) {
    Same("build_cancel.reason", view.reason, event.reason());
  }
  void Payload(const WantView& view, const v1::WantEvent& event) {
    SameRefs("want.requested_partitions", view.requested_partitions, event.requested_partitions());
    SameRanges("want.requested_ranges", view.requested_ranges, event.requested_ranges());
    Same("want.want_id", view.want_id, event.want_id());
    Same("want.comment", view.comment, event.comment());
    Same("want.correlation_id", view.correlation_id, event.correlation_id());
    Same("want.name", view.name, event.name());
    Same("want.retry_token", view.retry_token, event.retry_token());
    Same("want.source.code", view.source.source_type.code, event.source().source_type().code());
    Same("want.source.name", view.source.name, event.source().name());
    Same("want.lifecycle", view.lifecycle, event.lifecycle());
    Same("want.priority", view.priority, event.priority());
    Same("want.created_at", view.created_at, event.created_at());
    Same("want.data_timestamp", view.data_timestamp, event.data_timestamp());
    Same("want.generation", view.generation, event.generation());
    Same("want.suspend", view.suspend, event.suspend());
    SameOptional("want.ttl", view.ttl_seconds, event.has_ttl_seconds(), event.ttl_seconds());
    SameOptional("want.sla", view.sla_seconds, event.has_sla_seconds(), event.sla_seconds());
    SameOptional("want.delete_after", view.delete_after_seconds, event.has_delete_after_seconds(),
                 event.delete_after_seconds());
  }
  void Payload(const TaintView& view, const v1::TaintEvent& event) {
    SameRefs("taint.refs", view.refs, event.refs());
    SameTexts("taint.globs", view.globs, event.globs());
    SameTexts("taint.tainted_run_ids", view.tainted_run_ids, event.tainted_run_ids());
    SameInstances("taint.tainted", view.tainted_instances, event.tainted_instances());
    SameInstances("taint.downstream", view.downstream_instances, event.downstream_instances());
    Same("taint.created_at", view.created_at, event.created_at());
    Same("taint.source", view.source_type.code, event.source_type().code());
    Same("taint.comment", view.comment, event.comment());
    Same("taint.taint_id", view.taint_id, event.taint_id());
    Same("taint.name", view.name, event.name());
    Same("taint.source_name", view.source_name, event.source_name());
    Same("taint.lifecycle", view.lifecycle, event.lifecycle());
    Same("taint.cascade", view.cascade, event.cascade());
  }
  void Payload(const JobDefinitionView& view, const v1::JobDefinitionEvent& event) {
    Same("definition.job_label", view.job_label, event.job_label());
    v1::JobDefinitionEvent whole;
    Same("definition.body", whole.ParseFromString(std::string(view.body)), true);
    Same("definition", whole.SerializeAsString(), event.SerializeAsString());
  }
  void Payload(const AdoptionView& view, const v1::AdoptionEvent& event) {
    SameRefs("adoption.partition_refs", view.partition_refs, event.partition_refs());
    SameTexts("adoption.instance_ids", view.instance_ids, event.instance_ids());
    Same("adoption.from", view.from_build_request_id, event.from_build_request_id());
    Same("adoption.to", view.to_build_request_id, event.to_build_request_id());
  }

  template <class View, class Proto>
  void Kind(const EventView& view, const Proto& payload) {
    Same("payload", view.As<View>() != nullptr, true);
    if (difference_.empty()) Payload(*view.As<View>(), payload);
  }

  void Event(const EventView& view, const v1::BuildEvent& event) {
    Same("event_id", view.event_id, event.event_id());
    Same("timestamp", view.timestamp, event.timestamp());
    Same("build_request_id", view.build_request_id, event.build_request_id());
    Same("idx", view.idx, event.idx());
    Same("kind", static_cast<int>(view.kind.number), event.event_type_case());
    switch (event.event_type_case()) {
      case v1::BuildEvent::kBuildRequestEvent:
        return Kind<BuildRequestView>(view, event.build_request_event());
      case v1::BuildEvent::kPartitionEvent:
        return Kind<PartitionView>(view, event.partition_event());
      case v1::BuildEvent::kJobEvent:
        return Kind<JobView>(view, event.job_event());
      case v1::BuildEvent::kDelegationEvent:
        return Kind<DelegationView>(view, event.delegation_event());
      case v1::BuildEvent::kJobGraphEvent:
        return Kind<JobGraphView>(view, event.job_graph_event());
      case v1::BuildEvent::kPartitionInvalidationEvent:
        return Kind<InvalidationView>(view, event.partition_invalidation_event());
      case v1::BuildEvent::kJobRunCancelEvent:
        return Kind<RunCancelView>(view, event.job_run_cancel_event());
      case v1::BuildEvent::kBuildCancelEvent:
        return Kind<BuildCancelView>(view, event.build_cancel_event());
      case v1::BuildEvent::kWantEvent:
        return Kind<WantView>(view, event.want_event());
      case v1::BuildEvent::kTaintEvent:
        return Kind<TaintView>(view, event.taint_event());
      case v1::BuildEvent::kJobDefinitionEvent:
        return Kind<JobDefinitionView>(view, event.job_definition_event());
      case v1::BuildEvent::kAdoptionEvent:
        return Kind<AdoptionView>(view, event.adoption_event());
      case v1::BuildEvent::EVENT_TYPE_NOT_SET:
        Same("payload", view.As<std::monostate>() != nullptr, true);
    }
  }

  std::string difference_;
};

// Empty when the decoder and libprotobuf both refuse the bytes or both read the same.
inline std::string DecoderDisagreement(std::string_view bytes) {
  EventDecoder decoder;
  EventView view;
  v1::BuildEvent event;
  const bool ours = decoder.Decode(bytes, view);
  const bool theirs = event.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()));
  if (ours != theirs)
    return theirs ? "only libprotobuf reads it" : "only the view decoder reads it";
  return ours ? ViewComparison::Difference(view, event) : "";
}

}  // namespace databuild
