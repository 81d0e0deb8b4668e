// Wants: accepted, updated, judged against time and data, and when they build (again).
#include <algorithm>

#include "bel/range.h"
#include "controller/planner/planner.h"

namespace databuild {
namespace {

uint64_t Seconds(DurationNs duration) { return static_cast<uint64_t>(duration / kSecond); }

}  // namespace

std::string Planner::ValidateWant(const ObservedWant& want) const {
  if (!want.error.empty()) return want.error;
  if (want.partitions.empty() && want.ranges.empty()) {
    return "spec.partitions and spec.ranges are both empty; name at least one partition";
  }
  for (const std::string& ref : want.partitions) {
    if (!IsPartitionRef(ref))
      return "spec.partitions: not a partition ref (printable ASCII, 1 to 1,024 bytes): " + ref;
  }
  const Result<std::vector<PartitionRange>> ranges = CompileRanges(want.ranges);
  if (!ranges.ok()) return ranges.error().message;
  if (want.delete_after && !want.ttl)
    return "spec.deleteAfter needs spec.ttl: without one the want never ends";
  return "";
}

void Planner::DecideWant(const std::string& uid) {
  const ObservedWant* observed = snapshot_.FindWant(uid);
  const Index want = state_.FindWant(uid);
  if (want == kNone || state_.want(want).status == v1::WANT_UNKNOWN) {
    if (observed && !observed->meta.deleting && ValidateWant(*observed).empty())
      CreateWant(*observed);
    return;
  }
  if (!state_.want(want).Live()) {
    const Want& ended = state_.want(want);
    if (ended.delete_after && observed && ended.status == v1::WANT_EXPIRED) {
      const TimeNs due = ended.ended_at + *ended.delete_after;
      if (now_ < due) WakeAt(due, {KeyKind::kWant, uid});
      effect_dirty_.insert({KeyKind::kWant, uid});
    }
    return;
  }
  if (!observed && !snapshot_.absent_objects.contains(uid)) {
    if (suspects_.insert(uid).second) effect_dirty_.insert({KeyKind::kWant, uid});
    return;  // not shown is not proof: a live GET decides
  }
  if (!observed || observed->meta.deleting) {
    v1::WantEvent* event = batch_->Want(uid, v1::WANT_CANCELLED, "");
    event->set_reason(reason::kCancelled);
    event->set_message("the Want was deleted");
    return;
  }
  if (DecideDeadlines(want)) return;
  DecideWantUpdate(want, *observed);
  DecideSatisfaction(want);
}

void Planner::CreateWant(const ObservedWant& want) {
  v1::WantEvent* event = batch_->Want(want.meta.uid, v1::WANT_CREATED, "");
  uint64_t total = want.partitions.size();
  for (const std::string& ref : want.partitions) event->add_requested_partitions()->set_str(ref);
  for (const RangeSpec& range : want.ranges) {
    *event->add_requested_ranges() = ToProto(range);
    const Result<PartitionRange> compiled = PartitionRange::Compile(range, "spec.ranges");
    if (compiled.ok()) total += compiled->size();
  }
  event->set_name(want.meta.name);
  event->set_created_at(want.meta.created_at);
  event->set_data_timestamp(want.data_timestamp.value_or(want.meta.created_at));
  if (want.ttl) event->set_ttl_seconds(Seconds(*want.ttl));
  if (want.sla) event->set_sla_seconds(Seconds(*want.sla));
  if (want.delete_after) event->set_delete_after_seconds(Seconds(*want.delete_after));
  event->set_priority(want.priority);
  event->set_suspend(want.suspend);
  event->mutable_source()->mutable_source_type()->set_code(SourceCodeOf(want.source.type));
  const bool authenticated = options_.Authenticated(want.source);
  event->mutable_source()->set_name(authenticated ? want.source.caller : want.source.name);
  event->mutable_source()->set_authenticated(authenticated);
  event->set_comment(want.comment);
  event->set_correlation_id(want.correlation_id);
  event->set_generation(want.meta.generation);
  event->set_retry_token(want.meta.retry_token);
  event->set_total_partitions(total);
}

bool Planner::AllMadeBy(const Want& want, TimeNs deadline) const {
  return std::all_of(want.partitions.begin(), want.partitions.end(), [&](Index partition) {
    return state_.instance(state_.partition(partition).current).updated_at <= deadline;
  });
}

// SLA before TTL when both are due. True if the want ended.
bool Planner::DecideDeadlines(Index index) {
  const Want& want = state_.want(index);
  if (want.sla && !want.sla_violated && want.status != v1::WANT_SATISFIED &&
      want.first_satisfied_at == 0) {
    const TimeNs deadline = want.data_timestamp + *want.sla;
    if (now_ < deadline) {
      WakeAt(deadline, {KeyKind::kWant, want.id});
    } else if (want.unavailable > 0 || !AllMadeBy(want, deadline)) {
      batch_->Want(want.id, v1::WANT_SLA_VIOLATED, "")
          ->set_message("not available by " + FormatRfc3339(deadline));
    }
  }
  if (!want.ttl) return false;
  const TimeNs deadline = want.created_at + *want.ttl;
  if (now_ < deadline) {
    WakeAt(deadline, {KeyKind::kWant, want.id});
    return false;
  }
  v1::WantEvent* event = batch_->Want(want.id, v1::WANT_EXPIRED, "");
  event->set_reason(reason::kExpired);
  event->set_message("its ttl ended at " + FormatRfc3339(deadline));
  return true;
}

void Planner::DecideWantUpdate(Index index, const ObservedWant& observed) {
  const Want& want = state_.want(index);
  if (want.generation == observed.meta.generation && want.retry_token == observed.meta.retry_token)
    return;
  const std::string ordinal = std::to_string(observed.meta.generation) + "/" +
                              observed.meta.retry_token + "/" + std::to_string(want.last_idx);
  v1::WantEvent* event = batch_->Want(want.id, v1::WANT_UPDATED, ordinal);
  event->set_generation(observed.meta.generation);
  event->set_retry_token(observed.meta.retry_token);
  event->set_priority(observed.priority);
  event->set_suspend(observed.suspend);
  event->set_comment(observed.comment);
}

void Planner::DecideSatisfaction(Index index) {
  const Want& want = state_.want(index);
  const std::string ordinal = std::to_string(want.last_idx);
  if (want.unavailable == 0) {
    if (want.builds.empty())
      return StartBuild(index, "Accepted");  // historical delegation is recorded by a build
    const Index last = state_.LastBuild(index);
    const bool planning =
        state_.BuildOpen(last) && state_.build(last).status != v1::BUILD_REQUEST_EXECUTING;
    if (want.status != v1::WANT_SATISFIED && !planning)
      batch_->Want(want.id, v1::WANT_SATISFIED, ordinal);
    return;
  }
  if (want.status == v1::WANT_SATISFIED) {
    batch_->Want(want.id, v1::WANT_UNSATISFIED, ordinal);
    return;
  }
  const Index last = state_.LastBuild(index);
  if (last != kNone && state_.BuildOpen(last)) return;
  const std::string trigger = BuildTrigger(index);
  if (!trigger.empty()) StartBuild(index, trigger);
}

std::string Planner::BuildTrigger(Index index) const {
  const Want& want = state_.want(index);
  const Index last = state_.LastBuild(index);
  if (last == kNone) return "Accepted";
  const Build& build = state_.build(last);
  if (build.status == v1::BUILD_REQUEST_COMPLETED || build.status == v1::BUILD_REQUEST_CANCELLED) {
    return "Unsatisfied";
  }
  if (want.retry_idx > build.received_idx) return "Retry";
  if (want.taint_idx > build.received_idx) return "Taint";
  for (Index partition : want.blocked_on) {
    if (state_.Usable(partition)) return "InputAvailable";
    const Producer producer = catalogue_.Find(state_.partition(partition).ref);
    if (producer.kind != Producer::Kind::kOne) continue;
    const Job& job = state_.job(producer.job);
    if (job.accepted_idx > build.planned_idx) return "JobChanged";
    if (job.retry_idx > build.received_idx) return "Retry";
  }
  // The build's last event names only so many of the refs that nobody makes.
  if (build.unproducible.size() < kMaxRefsPerEvent) return "";
  const bool changed = std::any_of(state_.jobs().begin(), state_.jobs().end(), [&](const Job& job) {
    return job.accepted_idx > build.planned_idx;
  });
  return changed ? "JobChanged" : "";
}

void Planner::StartBuild(Index index, const std::string& trigger) {
  const Want& want = state_.want(index);
  const uint32_t attempt = static_cast<uint32_t>(want.builds.size()) + 1;
  const std::string id = batch_->BuildIdFor(want.id, attempt);
  v1::BuildRequestEvent* received = batch_->Build(id, v1::BUILD_REQUEST_RECEIVED);
  received->set_want_id(want.id);
  received->set_attempt(attempt);
  received->set_reason(trigger);
  if (!want.comment.empty()) received->set_comment(want.comment);
  // The first build is asked for all that the want names, a later one for what is missing; for a
  // range again only where that is too much to list.
  const Missing& missing = progress_.Of(index);
  if (attempt > 1 && missing.count() > 0 && missing.count() <= kMaxRefsPerEvent) {
    for (Index at = missing.Next(0); at != kNone; at = missing.Next(at + 1)) {
      received->add_requested_partitions()->set_str(state_.partition(at).ref);
    }
  } else if (want.ranges.empty()) {
    for (Index partition : want.partitions) {
      received->add_requested_partitions()->set_str(state_.partition(partition).ref);
    }
  } else {
    for (const v1::PartitionRange& range : want.ranges) *received->add_requested_ranges() = range;
  }
  batch_->Build(id, v1::BUILD_REQUEST_PLANNING)->set_want_id(want.id);
}

}  // namespace databuild
