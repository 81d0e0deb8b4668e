// Partitions of other graphs: what a peer says of them becomes events of ours.
#include "bel/ids.h"
#include "controller/planner/planner.h"

namespace databuild {

// Of a ref that somebody here has asked for, or asks for now (`asked`), and that nobody here makes.
// Its instance is named after the peer's: an event that is heard twice is recorded once.
void Planner::DecideExternal(const std::string& ref, bool asked) {
  const ObservedExternal* external = snapshot_.FindExternal(ref);
  const Index partition = state_.FindPartition(ref);
  if (!external || (partition == kNone && !asked)) return;
  const uint32_t before = partition == kNone ? 0 : state_.partition(partition).instances;
  const std::string id =
      ExternalInstanceId(options_.log_id, external->graph, external->instance_id);
  const InstanceName name{id, ref, before + 1};
  const auto say = [&](v1::ExternalPartition* said) {
    said->set_graph(external->graph);
    said->set_instance_id(external->instance_id);
    said->set_idx(external->idx);
  };
  const Index known = state_.FindInstance(name.id);
  if (external->withdrawn) {
    if (known == kNone || state_.instance(known).extra->withdrawn) return;
    v1::PartitionInvalidationEvent* event = batch_->Invalidation("", known);
    event->set_reason(external->reason);
    return say(event->mutable_external());
  }
  if (known != kNone || !catalogue_.FindPeer(ref)) return;
  // While work of our own is under way for it, from a time when a DataJob made it, that comes
  // first.
  if (partition != kNone && state_.LiveInstance(partition) != kNone) return;
  for (const v1::PartitionStatus status : {v1::PARTITION_REQUESTED, v1::PARTITION_AVAILABLE})
    say(batch_->Partition("", name, status)->mutable_external());
}

// What peers said before anybody here asked. True if there was something: the plan is made again,
// with it.
bool Planner::RecordExternals(const Analysis& analysis) {
  const size_t before = batch_->size();
  for (const auto& [ref, external] : analysis.unproducible) {
    if (!external || !snapshot_.FindExternal(ref)) continue;
    if (Full()) return true;
    DecideExternal(ref, true);
  }
  return batch_->size() > before;
}

// Why there is nothing to wait for but other people.
CauseInfo Planner::Unmade(const std::string& ref) const {
  if (!catalogue_.FindPeer(ref))
    return {ref, "", "", reason::kNoProducer, "no DataJob makes " + ref};
  const PartitionReason why = catalogue_.WhyNobodyMakes(ref);
  return {ref, "", "", why.reason, why.message};
}

}  // namespace databuild
