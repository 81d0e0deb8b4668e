#include "bel/event_matcher.h"

#include <algorithm>

#include "bel/range.h"
#include "bel/ranges/ranges.h"
#include "databuild/v1/databuild.pb.h"

namespace databuild {
namespace {

using v1::BuildEvent;

template <typename Set>
Status Fill(const google::protobuf::RepeatedPtrField<std::string>& entries, const char* field,
            Set& set) {
  for (const std::string& entry : entries) {
    if (entry.empty()) {
      return Error{Errc::kInvalidArgument, std::string("filter.") + field + " holds an empty text"};
    }
    set.insert(entry);
  }
  return {};
}

int Entries(const v1::EventFilter& filter) {
  return filter.partition_refs_size() + filter.partition_patterns_size() +
         filter.job_labels_size() + filter.job_run_ids_size() + filter.build_request_ids_size() +
         filter.want_ids_size() + filter.taint_ids_size();
}

Error TooMany(const char* what, int count, int limit) {
  return Error{Errc::kInvalidArgument, std::string("filter has ") + std::to_string(count) + " " +
                                           what + ", at most " + std::to_string(limit) +
                                           " are allowed"};
}

}  // namespace

Result<EventMatcher> EventMatcher::Compile(const v1::EventFilter& filter) {
  if (Entries(filter) > kMaxFilterEntries)
    return TooMany("entries", Entries(filter), kMaxFilterEntries);
  if (filter.partition_patterns_size() > kMaxFilterGlobs) {
    return TooMany("patterns", filter.partition_patterns_size(), kMaxFilterGlobs);
  }
  EventMatcher matcher;
  RETURN_IF_ERROR(Fill(filter.partition_refs(), "partition_refs", matcher.refs_));
  RETURN_IF_ERROR(Fill(filter.job_labels(), "job_labels", matcher.labels_));
  RETURN_IF_ERROR(Fill(filter.job_run_ids(), "job_run_ids", matcher.runs_));
  RETURN_IF_ERROR(Fill(filter.build_request_ids(), "build_request_ids", matcher.builds_));
  RETURN_IF_ERROR(Fill(filter.want_ids(), "want_ids", matcher.wants_));
  RETURN_IF_ERROR(Fill(filter.taint_ids(), "taint_ids", matcher.taints_));
  for (const std::string& pattern : filter.partition_patterns()) {
    auto glob = Glob::Compile(pattern);
    if (!glob.ok()) {
      return Error{glob.error().code, "filter.partition_patterns: " + glob.error().message};
    }
    matcher.globs_.push_back(std::move(glob.value()));
  }
  matcher.by_ref_ = !matcher.refs_.empty() || !matcher.globs_.empty();
  matcher.by_label_ = !matcher.labels_.empty();
  matcher.by_run_ = !matcher.runs_.empty();
  matcher.by_build_ = !matcher.builds_.empty();
  matcher.by_want_ = !matcher.wants_.empty();
  matcher.by_taint_ = !matcher.taints_.empty();
  return matcher;
}

bool EventMatcher::Matches(const BuildEvent& event) const {
  // Cheap ones first.
  if (by_build_ && !MatchesBuild(event)) return false;
  if (by_run_ && !MatchesRun(event)) return false;
  if (by_label_ && !MatchesLabel(event)) return false;
  if (by_want_ && !MatchesWant(event)) return false;
  if (by_taint_ && !MatchesTaint(event)) return false;
  return !by_ref_ || MatchesAnyRef(event);
}

bool EventMatcher::MatchesRef(std::string_view ref) const {
  if (refs_.contains(ref)) return true;
  return std::any_of(globs_.begin(), globs_.end(),
                     [&](const Glob& glob) { return glob.Matches(ref); });
}

bool EventMatcher::MatchesRange(const v1::PartitionRange& proto) const {
  const auto range = PartitionRange::Compile(FromProto(proto), proto.ref());
  if (!range.ok()) return false;  // was legal once, means nothing now
  for (const std::string& ref : refs_) {
    if (range->Contains(ref)) return true;
  }
  const std::string_view fixed = std::string_view(proto.ref()).substr(0, proto.ref().find('{'));
  for (const Glob& glob : globs_) {
    const std::string& prefix = glob.literal_prefix();
    const size_t common = std::min(prefix.size(), fixed.size());
    if (fixed.substr(0, common) != std::string_view(prefix).substr(0, common)) continue;
    for (uint64_t i = 0; i < range->size(); ++i) {
      if (glob.Matches(range->At(i))) return true;
    }
  }
  return false;
}

template <typename Refs>
bool EventMatcher::AnyRef(const Refs& refs) const {
  return std::any_of(refs.begin(), refs.end(), [&](const auto& ref) {
    if constexpr (requires { ref.str(); }) {
      return MatchesRef(ref.str());
    } else {
      return MatchesRef(ref.ref());
    }
  });
}

template <typename Ranges>
bool EventMatcher::AnyRange(const Ranges& ranges) const {
  return std::any_of(ranges.begin(), ranges.end(),
                     [&](const auto& range) { return MatchesRange(range); });
}

bool EventMatcher::MatchesAnyRef(const BuildEvent& event) const {
  switch (event.event_type_case()) {
    case BuildEvent::kBuildRequestEvent:
      return AnyRef(event.build_request_event().requested_partitions()) ||
             AnyRange(event.build_request_event().requested_ranges());
    case BuildEvent::kPartitionEvent:
      return MatchesRef(event.partition_event().partition_ref().str());
    case BuildEvent::kJobEvent:
      return AnyRef(event.job_event().target_partitions());
    case BuildEvent::kDelegationEvent:
      return MatchesRef(event.delegation_event().partition_ref().str()) ||
             AnyRef(event.delegation_event().partition_refs()) ||
             AnyRange(event.delegation_event().ranges());
    case BuildEvent::kPartitionInvalidationEvent:
      return MatchesRef(event.partition_invalidation_event().partition_ref().str());
    case BuildEvent::kWantEvent:
      return AnyRef(event.want_event().requested_partitions()) ||
             AnyRange(event.want_event().requested_ranges());
    case BuildEvent::kTaintEvent:
      return AnyRef(event.taint_event().refs()) ||
             AnyRef(event.taint_event().tainted_instances()) ||
             AnyRef(event.taint_event().downstream_instances());
    case BuildEvent::kAdoptionEvent:
      return AnyRef(event.adoption_event().partition_refs());
    default:
      return false;
  }
}

bool EventMatcher::MatchesLabel(const BuildEvent& event) const {
  if (event.has_job_event()) return labels_.contains(event.job_event().job_label().label());
  return event.has_job_definition_event() &&
         labels_.contains(event.job_definition_event().job_label());
}

bool EventMatcher::MatchesRun(const BuildEvent& event) const {
  switch (event.event_type_case()) {
    case BuildEvent::kJobEvent:
      return runs_.contains(event.job_event().job_run_id());
    case BuildEvent::kJobRunCancelEvent:
      return runs_.contains(event.job_run_cancel_event().job_run_id());
    case BuildEvent::kPartitionEvent:
      return runs_.contains(event.partition_event().job_run_id());
    default:
      return false;
  }
}

bool EventMatcher::MatchesBuild(const BuildEvent& event) const {
  if (builds_.contains(event.build_request_id())) return true;
  return event.has_adoption_event() &&
         (builds_.contains(event.adoption_event().from_build_request_id()) ||
          builds_.contains(event.adoption_event().to_build_request_id()));
}

bool EventMatcher::MatchesWant(const BuildEvent& event) const {
  if (event.has_want_event()) return wants_.contains(event.want_event().want_id());
  return event.has_build_request_event() && wants_.contains(event.build_request_event().want_id());
}

bool EventMatcher::MatchesTaint(const BuildEvent& event) const {
  switch (event.event_type_case()) {
    case BuildEvent::kTaintEvent:
      return taints_.contains(event.taint_event().taint_id());
    case BuildEvent::kPartitionInvalidationEvent:
      return taints_.contains(event.partition_invalidation_event().taint_id());
    case BuildEvent::kPartitionEvent:
      return taints_.contains(event.partition_event().tainted_by());
    default:
      return false;
  }
}

}  // namespace databuild
