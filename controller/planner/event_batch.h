// EventBatch: the events one tick decides, with their derived ids. Appended as one atomic batch.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "bel/build_state.h"

namespace databuild {

// Names one instance: its id, and the n-th of which ref it is.
struct InstanceName {
  std::string id;
  std::string ref;
  uint32_t ordinal = 0;
};

class EventBatch {
 public:
  EventBatch(const BuildState& state, std::string log_id)
      : state_(state), log_id_(std::move(log_id)) {}

  const std::string& log_id() const { return log_id_; }
  size_t size() const { return events_.size(); }
  bool empty() const { return events_.empty(); }
  std::vector<v1::BuildEvent> Take() { return std::move(events_); }

  // Id of the n-th build of a want.
  std::string BuildIdFor(const std::string& want_id, uint32_t n) const;

  // Each fills the envelope: event_id from kind, entity, state or mark and `ordinal`;
  // build_request_id where `build` is not empty. The returned payload is the caller's to complete.
  v1::BuildRequestEvent* Build(const std::string& build, v1::BuildRequestStatusCode status);
  // For an instance that may not be in the state yet, or one that is.
  v1::PartitionEvent* Partition(const std::string& build, const InstanceName& instance,
                                v1::PartitionStatus status);
  v1::PartitionEvent* Partition(Index instance, v1::PartitionStatus status);
  v1::JobEvent* Job(const std::string& build, const std::string& run_id, const std::string& label,
                    v1::JobStatus status);
  v1::DelegationEvent* Delegation(const std::string& build, const std::string& owner,
                                  std::string_view first_ref);
  v1::JobGraphEvent* Graph(const std::string& build, uint32_t plan, uint32_t part);
  v1::WantEvent* Want(const std::string& want_id, v1::WantLifecycle lifecycle,
                      std::string_view ordinal);
  v1::TaintEvent* Taint(const std::string& taint_id, v1::TaintLifecycle lifecycle);
  v1::PartitionInvalidationEvent* Invalidation(const std::string& taint_id, Index instance);
  v1::JobRunCancelEvent* CancelRun(const std::string& build, const std::string& run_id);
  v1::BuildCancelEvent* CancelBuild(const std::string& build);
  v1::AdoptionEvent* Adoption(const std::string& from, const std::string& to,
                              std::string_view first_ref);
  v1::JobDefinitionEvent* Definition(const std::string& label, std::string_view ordinal);

 private:
  v1::BuildEvent& Add(const std::string& build, std::initializer_list<std::string_view> identity);

  const BuildState& state_;
  std::string log_id_;
  std::vector<v1::BuildEvent> events_;
};

v1::Cause ToProto(const CauseInfo& cause);
// Of spec.source.type; CLI_MANUAL if none is given.
v1::SourceTypeCode SourceCodeOf(const std::string& type);

}  // namespace databuild
