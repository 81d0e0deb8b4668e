#include "bel/event_matcher.h"

#include <algorithm>

#include "bel/range.h"
#include "bel/ranges/ranges.h"
#include "databuild/v1/databuild.pb.h"

namespace databuild {
namespace {

template <typename Set>
Status Fill(const google::protobuf::RepeatedPtrField<std::string>& entries, const char* field,
            Set& set) {
  for (const std::string& entry : entries) {
    if (entry.empty()) {
      return Error{Errc::kInvalidArgument,
                   std::string("filter.") + field + ": holds an empty text"};
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
  return Error{Errc::kInvalidArgument, std::string("filter: has ") + std::to_string(count) + " " +
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

std::vector<EventMatcher::Names> EventMatcher::names() const {
  std::vector<Names> names;
  if (by_ref_ && globs_.empty()) names.push_back({Term::kRef, &refs_});
  if (by_label_) names.push_back({Term::kLabel, &labels_});
  if (by_run_) names.push_back({Term::kRun, &runs_});
  if (by_build_) names.push_back({Term::kBuild, &builds_});
  if (by_want_) names.push_back({Term::kWant, &wants_});
  if (by_taint_) names.push_back({Term::kTaint, &taints_});
  return names;
}

bool EventMatcher::Matches(const v1::BuildEvent& event) const {
  const std::string bytes = event.SerializeAsString();
  EventDecoder decoder;
  EventView view;
  return decoder.Decode(bytes, view) && Matches(view);
}

bool EventMatcher::Matches(const EventView& event) const {
  // Cheap ones first.
  if (by_build_ && !MatchesBuild(event)) return false;
  if (by_run_ && !MatchesRun(event)) return false;
  if (by_label_ && !MatchesLabel(event)) return false;
  if (by_want_ && !MatchesWant(event)) return false;
  if (by_taint_ && !MatchesTaint(event)) return false;
  return !by_ref_ || MatchesAnyRef(event);
}

bool EventMatcher::MatchesRef(std::string_view ref) const {
  if (ref.empty()) return false;  // not set: no ref
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

template <typename List>
bool EventMatcher::AnyRef(const List& refs) const {
  for (const auto ref : refs) {
    if constexpr (requires { ref.str; }) {
      if (MatchesRef(ref.str)) return true;
    } else {
      if (MatchesRef(ref.ref)) return true;
    }
  }
  return false;
}

bool EventMatcher::AnyRange(const Ranges& ranges) const {
  for (const v1::PartitionRange& range : ranges) {
    if (MatchesRange(range)) return true;
  }
  return false;
}

bool EventMatcher::MatchesAnyRef(const EventView& event) const {
  if (const auto* build = event.As<BuildRequestView>()) {
    return AnyRef(build->requested_partitions) || AnyRange(build->requested_ranges);
  }
  if (const auto* partition = event.As<PartitionView>()) {
    return MatchesRef(partition->partition_ref.str);
  }
  if (const auto* run = event.As<JobView>()) return AnyRef(run->target_partitions);
  if (const auto* delegation = event.As<DelegationView>()) {
    return MatchesRef(delegation->partition_ref.str) || AnyRef(delegation->partition_refs) ||
           AnyRange(delegation->ranges);
  }
  if (const auto* hit = event.As<InvalidationView>()) return MatchesRef(hit->partition_ref.str);
  if (const auto* want = event.As<WantView>()) {
    return AnyRef(want->requested_partitions) || AnyRange(want->requested_ranges);
  }
  if (const auto* taint = event.As<TaintView>()) {
    return AnyRef(taint->refs) || AnyRef(taint->tainted_instances) ||
           AnyRef(taint->downstream_instances);
  }
  const auto* adoption = event.As<AdoptionView>();
  return adoption != nullptr && AnyRef(adoption->partition_refs);
}

bool EventMatcher::MatchesLabel(const EventView& event) const {
  if (const auto* run = event.As<JobView>()) return labels_.contains(run->job_label.label);
  const auto* definition = event.As<JobDefinitionView>();
  return definition != nullptr && labels_.contains(definition->job_label);
}

bool EventMatcher::MatchesRun(const EventView& event) const {
  if (const auto* run = event.As<JobView>()) return runs_.contains(run->job_run_id);
  if (const auto* cancel = event.As<RunCancelView>()) return runs_.contains(cancel->job_run_id);
  const auto* partition = event.As<PartitionView>();
  return partition != nullptr && runs_.contains(partition->job_run_id);
}

bool EventMatcher::MatchesBuild(const EventView& event) const {
  if (builds_.contains(event.build_request_id)) return true;
  const auto* adoption = event.As<AdoptionView>();
  return adoption != nullptr && (builds_.contains(adoption->from_build_request_id) ||
                                 builds_.contains(adoption->to_build_request_id));
}

bool EventMatcher::MatchesWant(const EventView& event) const {
  if (const auto* want = event.As<WantView>()) return wants_.contains(want->want_id);
  const auto* build = event.As<BuildRequestView>();
  return build != nullptr && wants_.contains(build->want_id);
}

bool EventMatcher::MatchesTaint(const EventView& event) const {
  if (const auto* taint = event.As<TaintView>()) return taints_.contains(taint->taint_id);
  if (const auto* hit = event.As<InvalidationView>()) return taints_.contains(hit->taint_id);
  const auto* partition = event.As<PartitionView>();
  return partition != nullptr && taints_.contains(partition->tainted_by);
}

}  // namespace databuild
