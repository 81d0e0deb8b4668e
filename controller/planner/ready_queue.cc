#include "controller/planner/ready_queue.h"

namespace databuild {

void ReadyQueue::Put(Index unit, Place place) {
  const auto known = places_.find(unit);
  if (known != places_.end()) {
    if (known->second.key == place.key && known->second.batch == place.batch) return;
    Remove(unit);
  }
  jobs_[place.job].insert(place.key);
  if (place.batched) batches_[{place.job, place.batch}].insert(place.key);
  places_.emplace(unit, std::move(place));
}

void ReadyQueue::Remove(Index unit) {
  const auto known = places_.find(unit);
  if (known == places_.end()) return;
  const Place& place = known->second;
  const auto job = jobs_.find(place.job);
  job->second.erase(place.key);
  if (job->second.empty()) jobs_.erase(job);
  if (place.batched) {
    const auto batch = batches_.find({place.job, place.batch});
    batch->second.erase(place.key);
    if (batch->second.empty()) batches_.erase(batch);
  }
  places_.erase(known);
}

size_t ReadyQueue::Position(Index unit) const {
  const auto known = places_.find(unit);
  if (known == places_.end()) return 0;
  size_t position = 1;
  for (const auto& [job, order] : jobs_) position += order.order_of_key(known->second.key);
  return position;
}

std::vector<Index> ReadyQueue::Batch(Index unit, size_t most) const {
  std::vector<Index> units{unit};
  const auto known = places_.find(unit);
  if (known == places_.end() || !known->second.batched) return units;
  const auto batch = batches_.find({known->second.job, known->second.batch});
  for (const Key& key : batch->second) {
    if (units.size() >= most) break;
    if (std::get<3>(key) != unit) units.push_back(std::get<3>(key));
  }
  return units;
}

std::set<std::pair<ReadyQueue::Key, Index>> ReadyQueue::Heads() const {
  std::set<std::pair<Key, Index>> heads;
  for (const auto& [job, order] : jobs_) heads.emplace(*order.begin(), job);
  return heads;
}

const ReadyQueue::Key* ReadyQueue::Head(Index job) const {
  const auto known = jobs_.find(job);
  return known == jobs_.end() ? nullptr : &*known->second.begin();
}

}  // namespace databuild
