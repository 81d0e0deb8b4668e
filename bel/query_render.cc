#include "bel/query_render.h"

#include <algorithm>
#include <array>
#include <cctype>

#include "bel/query_page.h"

namespace databuild {
namespace {

constexpr size_t kMaxRefsInRow = 100;
constexpr size_t kMaxBuildsInRow = 10;

std::string Lower(std::string_view name, std::string_view prefix) {
  if (name.starts_with(prefix)) name.remove_prefix(prefix.size());
  std::string text(name);
  for (char& c : text) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return text;
}

// What stands for itself in a URL: RFC 3986, 2.3.
constexpr std::array<bool, 256> kUnreserved = [] {
  std::array<bool, 256> is{};
  for (const char c : std::string_view("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                                       "0123456789-._~"))
    is[static_cast<unsigned char>(c)] = true;
  return is;
}();

std::string IdOfBuild(const BuildState& state, Index build) {
  return build == kNone ? std::string() : state.build(build).id;
}

}  // namespace

std::string NameOf(v1::PartitionStatus status) {
  return Lower(v1::PartitionStatus_Name(status), "PARTITION_");
}
std::string NameOf(v1::JobStatus status) { return Lower(v1::JobStatus_Name(status), "JOB_"); }
std::string NameOf(v1::WantLifecycle status) {
  return Lower(v1::WantLifecycle_Name(status), "WANT_");
}
std::string NameOf(v1::TaintLifecycle status) {
  return Lower(v1::TaintLifecycle_Name(status), "TAINT_");
}
std::string NameOf(v1::BuildRequestStatusCode status) {
  return Lower(v1::BuildRequestStatusCode_Name(status), "BUILD_REQUEST_");
}
std::string NameOf(v1::JobOutcome outcome) {
  return Lower(v1::JobOutcome_Name(outcome), "JOB_OUTCOME_");
}
std::string NameOf(v1::SourceTypeCode source) { return Lower(v1::SourceTypeCode_Name(source), ""); }

std::string TimeText(TimeNs time) { return time == 0 ? std::string() : FormatRfc3339(time); }

std::string UrlText(std::string_view text) {
  static constexpr char kHex[] = "0123456789ABCDEF";
  std::string out;
  out.reserve(text.size() + text.size() / 4);
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (kUnreserved[byte]) {
      out.push_back(c);
    } else {
      out += {'%', kHex[byte >> 4], kHex[byte & 15]};
    }
  }
  return out;
}

std::string Link(const QueryView& view, std::initializer_list<std::string_view> rest) {
  static constexpr std::string_view kPrefix = "/api/v1/graphs/";
  const std::string graph = UrlText(view.graph);
  size_t size = kPrefix.size() + graph.size() + 1;
  for (const std::string_view part : rest) size += part.size();
  std::string link;
  link.reserve(size);
  link.append(kPrefix).append(graph).push_back('/');
  for (const std::string_view part : rest) link += part;
  return link;
}

std::string EventsLink(const QueryView& view, std::string_view filter, std::string_view value) {
  return Link(view, {"events?", filter, "=", value});
}

void FillCause(const CauseInfo& cause, v1::Cause& out) {
  out.set_partition_ref(cause.ref);
  out.set_job_run_id(cause.run_id);
  out.set_job_label(cause.label);
  out.set_reason(cause.reason);
  out.set_message(cause.message);
}

Index ShownInstance(const BuildState& state, Index partition) {
  const Partition& p = state.partition(partition);
  return state.Usable(partition) ? p.current : p.newest;
}

uint64_t CountOf(const std::map<int, uint64_t>& counts, int status) {
  const auto found = counts.find(status);
  return found == counts.end() ? 0 : found->second;
}

Result<Index> PartitionOf(const QueryView& view, std::string_view field, const std::string& ref) {
  if (ref.empty()) return FieldError(field, "name the partition");
  const Index index = view.state.FindPartition(ref);
  if (index != kNone) return index;
  return Error{Errc::kNotFound, "partition " + ref + " in graph " + view.graph +
                                    ": no want, job or taint ever mentioned it"};
}

Result<Index> BuildOf(const QueryView& view, std::string_view field, const std::string& id) {
  if (id.empty()) return FieldError(field, "name the build");
  const Index index = view.state.FindBuild(id);
  if (index != kNone) return index;
  return Error{Errc::kNotFound,
               "build " + id + " in graph " + view.graph + ": the log knows no build with this id"};
}

v1::PartitionInstanceRef InstanceRef(const BuildState& state, Index instance) {
  v1::PartitionInstanceRef ref;
  ref.set_ref(state.partition(state.instance(instance).partition).ref);
  ref.set_instance_id(state.instance(instance).id);
  return ref;
}

v1::PartitionSummary PartitionRowV1(const QueryView& view, Index partition) {
  const BuildState& state = view.state;
  const Partition& p = state.partition(partition);
  v1::PartitionSummary row;
  row.mutable_partition_ref()->set_str(p.ref);
  row.set_status_code(state.RefStatus(partition));
  row.set_status_name(NameOf(row.status_code()));
  row.set_last_updated(p.last_updated);
  row.set_last_updated_time(TimeText(p.last_updated));
  row.set_builds_count(p.instances);
  row.set_invalidation_count(p.extra->invalidations);
  row.set_tainted(state.CurrentTainted(partition));
  if (p.current != kNone && state.instance(p.current).build != kNone) {
    row.set_last_successful_build(IdOfBuild(state, state.instance(p.current).build));
  }
  const Index shown = ShownInstance(state, partition);
  if (shown != kNone) row.set_instance_id(state.instance(shown).id);
  return row;
}

v1::PartitionSummaryV2 PartitionRow(const QueryView& view, Index partition) {
  const BuildState& state = view.state;
  const Partition& p = state.partition(partition);
  v1::PartitionSummaryV2 row;
  row.mutable_partition_ref()->set_str(p.ref);
  row.mutable_status()->set_code(state.RefStatus(partition));
  row.mutable_status()->set_name(NameOf(row.status().code()));
  row.set_last_updated(static_cast<uint64_t>(p.last_updated));
  row.set_last_updated_time(TimeText(p.last_updated));
  row.set_last_invalidated_at(static_cast<uint64_t>(p.extra->last_invalidated));
  row.set_last_invalidated_time(TimeText(p.extra->last_invalidated));
  row.set_builds_count(p.instances);
  row.set_invalidation_count(p.extra->invalidations);
  row.set_tainted(state.CurrentTainted(partition));
  Index before = kNone;
  for (Index i = p.newest; i != kNone; i = state.instance(i).previous) {
    const Index build = state.instance(i).build;
    if (build == kNone || build == before) continue;
    before = build;
    row.add_past_build_request(state.build(build).id);
    if (row.past_build_request_size() == static_cast<int>(kMaxBuildsInRow)) break;
  }
  if (const Index shown = ShownInstance(state, partition); shown != kNone) {
    const Instance& instance = state.instance(shown);
    row.set_instance_id(instance.id);
    if (instance.run != kNone) row.set_job_run_id(state.run(instance.run).id);
    if (instance.unit != kNone && state.unit(instance.unit).job != kNone) {
      row.set_job_label(state.job(state.unit(instance.unit).job).label);
    }
  }
  const std::string ref = UrlText(p.ref);
  (*row.mutable_links())["self"] = Link(view, {"partitions/", ref});
  (*row.mutable_links())["events"] = EventsLink(view, "partition_refs", ref);
  return row;
}

v1::PartitionInstance InstanceRow(const QueryView& view, Index index) {
  const BuildState& state = view.state;
  const Instance& instance = state.instance(index);
  v1::PartitionInstance row;
  row.set_instance_id(instance.id);
  row.set_status(instance.status);
  row.set_status_name(NameOf(instance.status));
  row.set_ordinal(instance.ordinal);
  row.set_build_request_id(IdOfBuild(state, instance.build));
  row.set_current(state.partition(instance.partition).current == index);
  row.set_updated_at(instance.updated_at);
  for (Index taint : instance.extra->taints) row.add_tainted_by(state.taint(taint).id);
  const CauseInfo& cause = instance.extra->cause;
  if (!cause.reason.empty() || !cause.ref.empty()) FillCause(cause, *row.mutable_cause());
  if (instance.run != kNone) {
    row.set_job_run_id(state.run(instance.run).id);
    for (Index input : state.run(instance.run).inputs)
      *row.add_input_instances() = InstanceRef(state, input);
  }
  return row;
}

v1::JobRunSummary JobRunRow(const QueryView& view, Index index) {
  const BuildState& state = view.state;
  const Run& run = state.run(index);
  v1::JobRunSummary row;
  row.set_job_run_id(run.id);
  if (run.job != kNone) row.set_job_label(state.job(run.job).label);
  row.set_build_request_id(IdOfBuild(state, run.build));
  row.set_status_code(run.status);
  row.set_status_name(NameOf(run.status));
  for (Index partition : run.partitions)
    row.add_target_partitions()->set_str(state.partition(partition).ref);
  for (Index instance : run.instances) row.add_instance_ids(state.instance(instance).id);
  for (Index input : run.inputs) *row.add_input_instances() = InstanceRef(state, input);
  for (Index missing : run.extra->missing)
    row.add_missing_dependencies()->set_str(state.partition(missing).ref);
  row.set_scheduled_at(run.scheduled_at);
  row.set_scheduled_time(TimeText(run.scheduled_at));
  row.set_scheduled_idx(run.scheduled_idx);
  if (run.started_at != 0) row.set_started_at(run.started_at);
  row.set_started_time(TimeText(run.started_at));
  if (run.ended_at != 0) row.set_completed_at(run.ended_at);
  row.set_completed_time(TimeText(run.ended_at));
  if (run.started_at != 0 && run.ended_at >= run.started_at) {
    row.set_duration_ms((run.ended_at - run.started_at) / kMillisecond);
  }
  row.set_cancelled(run.extra->cancel_requested || run.status == v1::JOB_CANCELLED);
  row.set_message(run.extra->message);
  row.set_reason(run.extra->reason);
  row.set_outcome(run.outcome);
  if (run.outcome != v1::JOB_OUTCOME_UNKNOWN) row.set_outcome_name(NameOf(run.outcome));
  row.set_kind(run.kind);
  row.set_attempt(run.attempt);
  row.set_generation(run.generation);
  if (run.exit_code) row.set_exit_code(*run.exit_code);
  row.set_job_name(run.job_name);
  (*row.mutable_links())["events"] = EventsLink(view, "job_run_ids", UrlText(run.id.str()));
  return row;
}

v1::PartitionWantSummary WantRow(const QueryView& view, Index index) {
  const BuildState& state = view.state;
  const Want& want = state.want(index);
  v1::PartitionWantSummary row;
  v1::PartitionWant& out = *row.mutable_want();
  out.set_want_id(want.id);
  out.set_name(want.name);
  out.set_created_at(static_cast<uint64_t>(want.created_at));
  out.set_data_timestamp(static_cast<uint64_t>(want.data_timestamp));
  if (want.ttl) out.set_ttl_seconds(static_cast<uint64_t>(*want.ttl / kSecond));
  if (want.sla) out.set_sla_seconds(static_cast<uint64_t>(*want.sla / kSecond));
  if (want.delete_after)
    out.set_delete_after_seconds(static_cast<uint64_t>(*want.delete_after / kSecond));
  if (want.ttl) out.set_expires_at(want.created_at + *want.ttl);
  if (want.sla) out.set_sla_deadline(want.data_timestamp + *want.sla);
  out.set_status(want.status);
  out.set_status_name(NameOf(want.status));
  out.set_sla_violated(want.sla_violated);
  out.set_priority(want.priority);
  out.set_suspend(want.suspend);
  out.set_correlation_id(want.correlation_id);
  out.set_generation(want.generation);
  out.mutable_source()->mutable_source_type()->set_code(CodeOf(want.source));
  out.mutable_source()->mutable_source_type()->set_name(NameOf(CodeOf(want.source)));
  out.mutable_source()->set_name(want.source_name);
  out.mutable_source()->set_authenticated(IsAuthenticated(want.source));
  out.set_total_partitions(want.partitions.size());
  for (const v1::PartitionRange& range : want.ranges) *out.add_ranges() = range;
  for (size_t i = 0; i < std::min(want.partitions.size(), kMaxRefsInRow); ++i) {
    out.add_refs()->set_str(state.partition(want.partitions[i]).ref);
  }
  if (!want.partitions.empty()) *out.mutable_ref() = out.refs(0);
  row.set_comment(want.comment);
  row.mutable_counts()->set_total(want.partitions.size());
  row.mutable_counts()->set_available(want.partitions.size() - want.unavailable);
  for (size_t i = want.builds.size(); i > 0 && want.builds.size() - i < kMaxBuildsInRow; --i) {
    row.add_build_request_ids(state.build(want.builds[i - 1]).id);
  }
  row.set_created_time(TimeText(want.created_at));
  row.set_data_time(TimeText(want.data_timestamp));
  if (want.ttl) row.set_expires_time(TimeText(out.expires_at()));
  if (want.sla) row.set_sla_time(TimeText(out.sla_deadline()));
  if (want.first_satisfied_at >= want.created_at && want.first_satisfied_at != 0) {
    row.set_duration_ms((want.first_satisfied_at - want.created_at) / kMillisecond);
  }
  const std::string id = UrlText(want.id.str());
  (*row.mutable_links())["self"] = Link(view, {"wants/", id});
  (*row.mutable_links())["events"] = EventsLink(view, "want_ids", id);
  return row;
}

}  // namespace databuild
