#include "controller/planner/plan_walk.h"

#include "controller/planner/reason.h"

namespace databuild {

PlanWalk::PlanWalk(const BuildState& state, const Catalogue& catalogue, Index build, Roots roots)
    : state_(state), catalogue_(catalogue), build_(build), roots_(std::move(roots)) {}

bool PlanWalk::Advance(size_t refs) {
  const size_t end = looked_ + refs;
  while (analysis_.refused.reason.empty()) {
    if (looked_ >= end) return false;
    if (!stack_.empty()) {
      Step();
    } else if (const std::string* root = roots_()) {
      Enter(*root);
    } else {
      return true;
    }
  }
  return true;
}

// The next input of the unit on top.
void PlanWalk::Step() {
  Frame& top = stack_.back();
  const auto& inputs = analysis_.units[top.unit].plan.inputs;
  if (top.next_input == inputs.size()) {
    on_stack_[top.unit] = false;
    stack_.pop_back();
    return;
  }
  const auto& [ref, materialize] = inputs[top.next_input++];
  if (materialize) Enter(ref);
}

// Looks at one ref; a unit that has to be planned is pushed on the stack.
void PlanWalk::Enter(const std::string& ref) {
  ++looked_;
  if (const auto seen = seen_.find(ref); seen != seen_.end()) {
    if (seen->second != kSettled && on_stack_[seen->second]) RefuseCycle(seen->second);
    return;
  }
  const Index partition = state_.FindPartition(ref);
  if (partition != kNone && Settled(partition, ref)) {
    seen_.emplace(state_.partition(partition).ref, kSettled);
    return;
  }
  const Producer producer = catalogue_.Find(ref);
  if (producer.kind == Producer::Kind::kOne) return AddUnit(ref, producer);
  analysis_.unproducible.emplace_back(ref, catalogue_.FindPeer(ref) != nullptr);
  seen_.emplace(unknown_.emplace_back(ref), kSettled);
}

bool PlanWalk::Settled(Index partition, const std::string& ref) {
  if (state_.Usable(partition)) {
    if (build_ == kNone) analysis_.available.push_back(partition);
    return true;
  }
  const Index live = state_.LiveInstance(partition);
  if (live == kNone) {
    // What failed since this build began fails it; it is not asked for again.
    const Index newest = state_.partition(partition).newest;
    return build_ != kNone && newest != kNone &&
           state_.instance(newest).status == v1::PARTITION_FAILED &&
           state_.instance(newest).updated_at > state_.build(build_).received_at;
  }
  const Instance& instance = state_.instance(live);
  if (instance.build == kNone) return true;
  if (instance.build == build_) return instance.unit != kNone;
  if (build_ != kNone) {
    const auto& known = state_.build(build_).delegations;
    const auto it = known.find(partition);
    if (it != known.end() && it->second.owner == instance.build) return true;
  }
  analysis_.delegations.emplace_back(ref, instance.build);
  return true;
}

void PlanWalk::AddUnit(const std::string& ref, const Producer& producer) {
  Result<UnitPlan> plan = catalogue_.Plan(producer.job, producer.captures);
  const std::string& label = state_.job(producer.job).label;
  if (!plan.ok()) {
    const bool large = plan.error().code == Errc::kTooLarge;
    analysis_.refused = {ref, "", label, large ? reason::kRunTooLarge : reason::kInvalidJob,
                         plan.error().message};
    return;
  }
  if (plan->unconfigured && build_ != kNone) {
    for (const std::string& output : plan->outputs)
      seen_.emplace(unknown_.emplace_back(output), kSettled);
    analysis_.unconfigured.push_back({producer.job, std::move(plan->outputs)});
    return;
  }
  const size_t index = analysis_.units.size();
  const PlannedUnit& unit =
      analysis_.units.emplace_back(PlannedUnit{producer.job, std::move(plan).value()});
  for (const std::string& output : unit.plan.outputs) seen_[output] = index;
  refs_ += unit.plan.outputs.size();
  on_stack_.push_back(true);
  stack_.push_back({index});
  if (refs_ <= kMaxRefsPerPlan && stack_.size() <= kMaxPlanDepth) return;
  analysis_.refused = {unit.plan.outputs.front(), "", label, reason::kPlanTooLarge,
                       refs_ > kMaxRefsPerPlan ? "the plan has more than 1,000,000 refs"
                                               : "the plan is more than 10,000 levels deep"};
}

void PlanWalk::RefuseCycle(size_t closing) {
  std::string path;
  bool inside = false;
  for (const Frame& frame : stack_) {
    inside = inside || frame.unit == closing;
    if (inside) path += analysis_.units[frame.unit].plan.outputs.front() + " needs ";
  }
  const PlannedUnit& unit = analysis_.units[closing];
  const std::string& first = unit.plan.outputs.front();
  analysis_.refused = {first, "", state_.job(unit.job).label, reason::kCycle, path + first};
}

}  // namespace databuild
