// A databuild.v1.BuildEvent read in place: the fields that the fold, filters and postings need, as
// views into the encoded bytes. Nothing is allocated unless the encoding is one that no release
// writes (a single message in several pieces).
//
// EventDecoder accepts exactly what libprotobuf accepts and sees what it sees. Field names and
// units are those of databuild.proto. The views are valid as long as the bytes and until the
// decoder's next Decode. A decoder is for one thread at a time.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>

#include "bel/wire_table.h"
#include "databuild/v1/databuild.pb.h"

namespace databuild {

using Text = std::string_view;

// Elements of a repeated field, each read by T when the iterator stands on it.
template <class T>
class ListView {
 public:
  class Iterator {
   public:
    explicit Iterator(WireList::Iterator at) : at_(at) {}
    auto operator*() const { return T::Read(*at_); }
    Iterator& operator++() {
      ++at_;
      return *this;
    }
    friend bool operator==(const Iterator&, const Iterator&) = default;

   private:
    WireList::Iterator at_;
  };
  Iterator begin() const { return Iterator(list.begin()); }
  Iterator end() const { return Iterator(list.end()); }
  uint32_t size() const { return list.size(); }
  bool empty() const { return list.empty(); }

  WireList list;
};

struct TextElement {
  static Text Read(Text body) { return body; }
};

struct RefView {
  Text str;
  static RefView Read(Text body);
};

struct InstanceRefView {
  Text ref, instance_id;
  static InstanceRefView Read(Text body);
};

struct RangeElement {
  static v1::PartitionRange Read(Text body);
};

struct UnproducibleView {
  Text ref, kind;
  static UnproducibleView Read(Text body);
};

struct DataDepView {
  int32_t dep_type_code = 0;
  RefView partition_ref;
  static DataDepView Read(Text body);
};

struct LabelView {
  Text label;
};

using Texts = ListView<TextElement>;
using Refs = ListView<RefView>;
using InstanceRefs = ListView<InstanceRefView>;
using Ranges = ListView<RangeElement>;

struct CauseView {
  Text partition_ref, job_run_id, job_label, reason, message;
};

struct BuildStatusView {
  int32_t code = 0;
};

struct BuildRequestView {
  BuildStatusView status;
  Refs requested_partitions;
  Ranges requested_ranges;
  Text message, want_id, reason;
  uint32_t attempt = 0;
  bool has_cause = false;
  CauseView cause;
  ListView<UnproducibleView> unproducible;
};

struct PartitionView {
  RefView partition_ref;
  int32_t status_code = 0;
  uint32_t ordinal = 0;
  Text job_run_id, instance_id, tainted_by;
  bool has_cause = false;
  bool has_external = false;
  CauseView cause;
};

struct JobView {
  Text job_run_id;
  LabelView job_label;
  Refs target_partitions;
  int32_t status_code = 0, outcome = 0, kind = 0;
  Text message, reason, job_name;
  int64_t generation = 0, started_at = 0, finished_at = 0;
  uint32_t attempt = 0;
  Texts instance_ids;
  InstanceRefs input_instances;
  Refs missing_dependencies;
  WireOptional exit_code;
  Texts configs;  // each an encoded databuild.v1.JobConfig
};

struct DelegationView {
  RefView partition_ref;
  Refs partition_refs;
  Ranges ranges;
  Text delegated_to_build_request_id;
  bool historical = false;
};

struct ConfigView {
  Refs outputs;
  ListView<DataDepView> inputs;
};

struct TaskView {
  LabelView job;
  ConfigView config;
  int64_t generation = 0;
  Text body;  // the encoded databuild.v1.Task
  static TaskView Read(Text body);
};

struct GraphView {
  ListView<TaskView> nodes;
};

struct JobGraphView {
  GraphView job_graph;
  uint32_t plan_number = 0, part = 0;
  bool last = false;
};

struct InvalidationView {
  RefView partition_ref;
  Text taint_id, instance_id;
};

struct RunCancelView {
  Text job_run_id;
};

struct BuildCancelView {
  Text reason;
};

struct SourceTypeView {
  int32_t code = 0;
};

struct SourceView {
  SourceTypeView source_type;
  Text name;
  bool authenticated = false;
};

struct WantView {
  Refs requested_partitions;
  Ranges requested_ranges;
  Text want_id, comment, correlation_id, name, retry_token;
  SourceView source;
  int32_t lifecycle = 0, priority = 0;
  int64_t created_at = 0, data_timestamp = 0, generation = 0;
  WireOptional ttl_seconds, sla_seconds, delete_after_seconds;
  bool suspend = false;
};

struct TaintView {
  Refs refs;
  Texts globs, tainted_run_ids;
  InstanceRefs tainted_instances, downstream_instances;
  int64_t created_at = 0;
  SourceTypeView source_type;
  Text comment, taint_id, name, source_name;
  int32_t lifecycle = 0, cascade = 0;
  bool source_authenticated = false;
};

struct JobDefinitionView {
  Text job_label;
  Text body;  // the encoded databuild.v1.JobDefinitionEvent
};

struct AdoptionView {
  Refs partition_refs;
  Texts instance_ids;
  Text from_build_request_id, to_build_request_id;
};

struct EventView {
  Text event_id, build_request_id;
  int64_t timestamp = 0, idx = 0;
  WireKind kind;  // number: as in databuild.proto, 0 for a kind that this release does not know
  std::variant<std::monostate, BuildRequestView, PartitionView, JobView, DelegationView,
               JobGraphView, InvalidationView, RunCancelView, BuildCancelView, WantView, TaintView,
               JobDefinitionView, AdoptionView>
      payload;

  // The payload if it is of this kind, else nullptr.
  template <class T>
  const T* As() const {
    return std::get_if<T>(&payload);
  }
};

class EventDecoder {
 public:
  // False: the bytes are not an encoded BuildEvent, and `event` holds nothing of use.
  bool Decode(Text bytes, EventView& event);

 private:
  std::string whole_;  // the event as libprotobuf writes it, when it came in pieces
};

}  // namespace databuild
