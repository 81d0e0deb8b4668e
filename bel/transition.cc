#include "bel/transition.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <vector>

#include "databuild/v1/databuild.pb.h"

namespace databuild {
namespace {

struct Rule {
  EntityKind kind;
  int from;  // 0: the entity does not exist yet
  std::vector<int> to;
};

constexpr EntityKind kInstance = EntityKind::kInstance;
constexpr EntityKind kRun = EntityKind::kRun;
constexpr EntityKind kBuild = EntityKind::kBuild;
constexpr EntityKind kWant = EntityKind::kWant;
constexpr EntityKind kTaint = EntityKind::kTaint;

const std::vector<Rule>& Table() {
  using namespace v1;  // NOLINT: the enum values of this table only
  static const std::vector<Rule> kTable = {
      {kInstance, 0, {PARTITION_REQUESTED}},
      {kInstance,
       PARTITION_REQUESTED,
       {PARTITION_ANALYZED, PARTITION_AVAILABLE, PARTITION_FAILED, PARTITION_CANCELLED}},
      {kInstance, PARTITION_ANALYZED, {PARTITION_BUILDING, PARTITION_FAILED, PARTITION_CANCELLED}},
      {kInstance,
       PARTITION_BUILDING,
       {PARTITION_AVAILABLE, PARTITION_FAILED, PARTITION_CANCELLED, PARTITION_ANALYZED}},
      {kRun, 0, {JOB_SCHEDULED, JOB_SKIPPED}},
      {kRun, JOB_SCHEDULED, {JOB_RUNNING, JOB_COMPLETED, JOB_FAILED, JOB_CANCELLED}},
      {kRun, JOB_RUNNING, {JOB_COMPLETED, JOB_FAILED, JOB_CANCELLED}},
      {kBuild, 0, {BUILD_REQUEST_RECEIVED}},
      {kBuild,
       BUILD_REQUEST_RECEIVED,
       {BUILD_REQUEST_PLANNING, BUILD_REQUEST_CANCELLED, BUILD_REQUEST_FAILED}},
      {kBuild,
       BUILD_REQUEST_PLANNING,
       {BUILD_REQUEST_ANALYSIS_COMPLETED, BUILD_REQUEST_PRECONDITION_FAILED, BUILD_REQUEST_FAILED,
        BUILD_REQUEST_CANCELLED}},
      {kBuild,
       BUILD_REQUEST_ANALYSIS_COMPLETED,
       {BUILD_REQUEST_EXECUTING, BUILD_REQUEST_COMPLETED, BUILD_REQUEST_FAILED,
        BUILD_REQUEST_CANCELLED}},
      {kBuild,
       BUILD_REQUEST_EXECUTING,
       {BUILD_REQUEST_COMPLETED, BUILD_REQUEST_FAILED, BUILD_REQUEST_PRECONDITION_FAILED,
        BUILD_REQUEST_CANCELLED}},
      {kWant, 0, {WANT_CREATED}},
      {kWant, WANT_CREATED, {WANT_SATISFIED, WANT_EXPIRED, WANT_CANCELLED}},
      {kWant, WANT_UNSATISFIED, {WANT_SATISFIED, WANT_EXPIRED, WANT_CANCELLED}},
      {kWant, WANT_SATISFIED, {WANT_UNSATISFIED, WANT_EXPIRED, WANT_CANCELLED}},
      {kTaint, 0, {TAINT_CREATED}},
      {kTaint, TAINT_CREATED, {TAINT_REPAIRED, TAINT_LIFTED}},
  };
  return kTable;
}

// Marks, and the states of their entity in which each may be set.
struct MarkRule {
  EntityKind kind;
  std::string_view prefix;  // of the mark's text
  std::vector<int> in;      // empty: any state that is not final
};

const std::vector<MarkRule>& MarkTable() {
  using namespace v1;  // NOLINT: the enum values of this table only
  static const std::vector<MarkRule> kMarks = {
      {kWant, "sla_violated", {WANT_CREATED, WANT_UNSATISFIED}},
      {kWant, "updated", {WANT_CREATED, WANT_UNSATISFIED, WANT_SATISFIED}},
      {kBuild, "graph", {BUILD_REQUEST_PLANNING, BUILD_REQUEST_EXECUTING}},
      {kBuild, "cancel", {}},
      {kRun, "cancel", {}},
      {kInstance, "invalidated", {PARTITION_AVAILABLE}},
  };
  return kMarks;
}

Error Invalid(std::string message) { return Error{Errc::kInvalidArgument, std::move(message)}; }

std::string Lower(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(),
                 [](unsigned char c) { return std::tolower(c); });
  return text;
}

Transition To(EntityKind kind, const std::string& id, int to) { return {kind, id, to, ""}; }
Transition Mark(EntityKind kind, const std::string& id, std::string mark) {
  return {kind, id, 0, std::move(mark)};
}

Transition WantTransition(const v1::WantEvent& want) {
  if (want.lifecycle() == v1::WANT_SLA_VIOLATED) return Mark(kWant, want.want_id(), "sla_violated");
  if (want.lifecycle() == v1::WANT_UPDATED) {
    return Mark(kWant, want.want_id(),
                "updated:" + std::to_string(want.generation()) + "/" + want.retry_token());
  }
  return To(kWant, want.want_id(), want.lifecycle());
}

std::optional<Transition> RawTransition(const v1::BuildEvent& event) {
  switch (event.event_type_case()) {
    case v1::BuildEvent::kBuildRequestEvent:
      return To(kBuild, event.build_request_id(), event.build_request_event().status().code());
    case v1::BuildEvent::kPartitionEvent:
      return To(kInstance, event.partition_event().instance_id(),
                event.partition_event().status_code());
    case v1::BuildEvent::kJobEvent:
      return To(kRun, event.job_event().job_run_id(), event.job_event().status_code());
    case v1::BuildEvent::kJobGraphEvent:
      return Mark(kBuild, event.build_request_id(),
                  "graph:" + std::to_string(event.job_graph_event().plan_number()) + "/" +
                      std::to_string(event.job_graph_event().part()));
    case v1::BuildEvent::kPartitionInvalidationEvent:
      if (event.partition_invalidation_event().instance_id().empty()) return std::nullopt;
      return Mark(kInstance, event.partition_invalidation_event().instance_id(),
                  "invalidated:" + event.partition_invalidation_event().taint_id());
    case v1::BuildEvent::kJobRunCancelEvent:
      return Mark(kRun, event.job_run_cancel_event().job_run_id(), "cancel");
    case v1::BuildEvent::kBuildCancelEvent:
      return Mark(kBuild, event.build_request_id(), "cancel");
    case v1::BuildEvent::kWantEvent:
      return WantTransition(event.want_event());
    case v1::BuildEvent::kTaintEvent:
      return To(kTaint, event.taint_event().taint_id(), event.taint_event().lifecycle());
    default:
      return std::nullopt;
  }
}

Error Illegal(const Transition& step, std::optional<int> from, const std::string& why) {
  const std::string to = step.mark.empty() ? StatusName(step.kind, step.to) : "mark " + step.mark;
  return Error{Errc::kInvalidTransition, std::string(EntityKindName(step.kind)) + " " + step.id +
                                             ": from " + StatusName(step.kind, from) + " to " + to +
                                             ": " + why};
}

Status CheckMark(const StatusView& view, const Transition& step, std::optional<int> from) {
  if (!from) return Illegal(step, from, "the entity does not exist");
  for (const MarkRule& rule : MarkTable()) {
    if (rule.kind != step.kind || !std::string_view(step.mark).starts_with(rule.prefix)) continue;
    const bool allowed = rule.in.empty()
                             ? !IsFinal(step.kind, *from)
                             : std::find(rule.in.begin(), rule.in.end(), *from) != rule.in.end();
    if (!allowed) return Illegal(step, from, "the mark cannot be set in this state");
    if (view.HasMark(step.kind, step.id, step.mark))
      return Illegal(step, from, "the mark is already set");
    return {};
  }
  return Illegal(step, from, "no such mark");
}

}  // namespace

const char* EntityKindName(EntityKind kind) {
  switch (kind) {
    case EntityKind::kInstance:
      return "partition instance";
    case EntityKind::kRun:
      return "job run";
    case EntityKind::kBuild:
      return "build";
    case EntityKind::kWant:
      return "want";
    case EntityKind::kTaint:
      return "taint";
  }
  return "entity";
}

Result<std::optional<Transition>> TransitionOf(const v1::BuildEvent& event) {
  if (event.event_type_case() == v1::BuildEvent::EVENT_TYPE_NOT_SET) {
    return Invalid("event " + event.event_id() + " has no payload; set one of event_type");
  }
  std::optional<Transition> step = RawTransition(event);
  if (!step) return step;
  if (step->id.empty()) {
    return Invalid("event " + event.event_id() + " of a " + EntityKindName(step->kind) +
                   " carries no id of it");
  }
  if (step->mark.empty() && step->to == 0) {
    return Invalid("event " + event.event_id() + " records status UNKNOWN for " +
                   EntityKindName(step->kind) + " " + step->id + "; UNKNOWN is never recorded");
  }
  return step;
}

Result<std::optional<Transition>> LegalTransition(const StatusView& view,
                                                  const v1::BuildEvent& event) {
  ASSIGN_OR_RETURN(std::optional<Transition> step, TransitionOf(event));
  if (!step) return step;
  const std::optional<int> from = view.StatusOf(step->kind, step->id);
  if (!step->mark.empty()) {
    RETURN_IF_ERROR(CheckMark(view, *step, from));
    return step;
  }
  for (const Rule& rule : Table()) {
    if (rule.kind != step->kind || rule.from != from.value_or(0)) continue;
    if (std::find(rule.to.begin(), rule.to.end(), step->to) != rule.to.end()) return step;
    return Illegal(*step, from, "not a legal next state");
  }
  return Illegal(*step, from, "nothing may follow this state");
}

Status CheckTransition(const StatusView& view, const v1::BuildEvent& event) {
  RETURN_IF_ERROR(LegalTransition(view, event));
  return {};
}

std::string StatusName(EntityKind kind, std::optional<int> status) {
  if (!status) return "-";
  std::string name;
  size_t prefix = 0;
  switch (kind) {
    case kInstance:
      name = v1::PartitionStatus_Name(*status), prefix = sizeof("PARTITION_") - 1;
      break;
    case kRun:
      name = v1::JobStatus_Name(*status), prefix = sizeof("JOB_") - 1;
      break;
    case kBuild:
      name = v1::BuildRequestStatusCode_Name(*status), prefix = sizeof("BUILD_REQUEST_") - 1;
      break;
    case kWant:
      name = v1::WantLifecycle_Name(*status), prefix = sizeof("WANT_") - 1;
      break;
    case kTaint:
      name = v1::TaintLifecycle_Name(*status), prefix = sizeof("TAINT_") - 1;
      break;
  }
  return name.size() > prefix ? Lower(name.substr(prefix)) : std::to_string(*status);
}

bool IsFinal(EntityKind kind, int status) {
  return std::none_of(Table().begin(), Table().end(),
                      [&](const Rule& rule) { return rule.kind == kind && rule.from == status; });
}

}  // namespace databuild
