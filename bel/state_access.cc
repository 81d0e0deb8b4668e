#include "bel/state_access.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <future>
#include <map>
#include <numeric>
#include <utility>
#include <vector>

#include "bel/base/hash.h"
#include "bel/state_archive.h"

namespace databuild {
namespace {

enum PostingPart : uint32_t { kShardPart, kBlockPart, kRestPart };

using Counts = std::map<int, uint64_t>;

// A count that has gone back to zero is as if it had never been.
void WriteCounts(StateWriter& write, const Counts& counts) {
  std::vector<std::pair<int, uint64_t>> used;
  for (const auto& entry : counts) {
    if (entry.second != 0) used.push_back(entry);
  }
  write(static_cast<uint64_t>(used.size()));
  for (const auto& [key, count] : used) write(key, count);
}

void ReadCounts(StateReader& read, Counts& counts) {
  uint64_t size = 0;
  read(size);
  for (uint64_t i = 0; i < size && read.ok(); ++i) {
    int key = 0;
    read(key);
    read(counts[key]);
  }
}

template <class List>
bool ReadList(size_t elements, std::string_view content, List& list) {
  StateReader read(content);
  for (size_t i = 0; i < elements && read.ok(); ++i) read(list.emplace_back());
  return read.ok() && read.AtEnd();
}

template <class List>
void NameById(const List& list, NameTable& names) {
  names.Reserve(list.size());
  for (size_t i = 0; i < list.size(); ++i) names.Add(list[i].id.hash(), static_cast<Index>(i));
}

}  // namespace

void StateAccess::EncodeGlobals(const BuildState& state, std::string& out) {
  StateWriter write(out);
  write(state.idx_, state.last_event_at_, state.delegations_, state.open_plans_);
  for (const Counts* counts :
       {&state.partitions_by_status_, &state.wants_by_status_, &state.builds_by_status_,
        &state.runs_by_status_, &state.runs_by_outcome_, &state.taints_by_status_}) {
    WriteCounts(write, *counts);
  }
}

bool StateAccess::DecodeSection(StateSection section, size_t elements, std::string_view content,
                                BuildState& state) {
  switch (section) {
    case StateSection::kPartitions:
      return ReadList(elements, content, state.partitions_);
    case StateSection::kInstances:
      return ReadList(elements, content, state.instances_);
    case StateSection::kUnits:
      return ReadList(elements, content, state.units_);
    case StateSection::kRuns:
      return ReadList(elements, content, state.runs_);
    case StateSection::kBuilds:
      return ReadList(elements, content, state.builds_);
    case StateSection::kWants:
      return ReadList(elements, content, state.wants_);
    case StateSection::kTaints:
      return ReadList(elements, content, state.taints_);
    case StateSection::kJobs:
      return ReadList(elements, content, state.jobs_);
    case StateSection::kGlobals: {
      StateReader read(content);
      read(state.idx_, state.last_event_at_, state.delegations_, state.open_plans_);
      for (Counts* counts :
           {&state.partitions_by_status_, &state.wants_by_status_, &state.builds_by_status_,
            &state.runs_by_status_, &state.runs_by_outcome_, &state.taints_by_status_}) {
        ReadCounts(read, *counts);
      }
      return elements == 1 && read.ok() && read.AtEnd();
    }
  }
  return false;
}

bool StateAccess::EncodePostings(const Postings& postings,
                                 const std::function<bool(uint32_t, std::string_view)>& put) {
  for (const Postings::Shard& shard : postings.shards_) {
    const std::string_view slots(reinterpret_cast<const char*>(shard.slots.data()),
                                 shard.slots.size() * sizeof(Postings::Slot));
    if (!put(kShardPart, slots)) return false;
  }
  for (size_t i = 0; i < postings.arena_.size(); ++i) {
    const bool last = i + 1 == postings.arena_.size();
    const size_t words =
        last ? postings.next_word_ - i * Postings::kBlockWords : Postings::kBlockWords;
    if (!put(kBlockPart, {postings.arena_[i].get(), words * 4})) return false;
  }
  std::string rest;
  StateWriter write(rest);
  write(postings.idx_, postings.count_, postings.next_word_,
        std::vector<std::string>(postings.strays_.begin(), postings.strays_.end()));
  return put(kRestPart, rest);
}

bool StateAccess::DecodePostings(uint32_t part, std::string_view content, Postings& postings) {
  if (part == kShardPart) {
    const size_t count = content.size() / sizeof(Postings::Slot);
    if (content.size() % sizeof(Postings::Slot) != 0 ||
        (count != 0 && !std::has_single_bit(count)) || postings.shards_read_ == Postings::kShards) {
      return false;
    }
    Postings::Shard& shard = postings.shards_[postings.shards_read_++];
    shard.slots.resize(count);
    if (count != 0)
      std::memcpy(static_cast<void*>(shard.slots.data()), content.data(), content.size());
    shard.used = static_cast<size_t>(std::count_if(
        shard.slots.begin(), shard.slots.end(), [](const auto& slot) { return slot.hash != 0; }));
    return true;
  }
  if (part == kBlockPart) {
    if (content.size() > Postings::kBlockWords * 4) return false;
    postings.arena_.push_back(std::make_unique<char[]>(Postings::kBlockWords * 4));
    std::memcpy(postings.arena_.back().get(), content.data(), content.size());
    return true;
  }
  std::vector<std::string> strays;
  StateReader read(content);
  read(postings.idx_, postings.count_, postings.next_word_, strays);
  postings.strays_.insert(strays.begin(), strays.end());
  return part == kRestPart && read.ok() && read.AtEnd();
}

std::vector<Index> StateAccess::OrderOfRefs(const BuildState& state) {
  std::vector<Index> order;
  order.reserve(state.partitions_.size());
  if (!state.replaying_) {
    order.assign(state.by_ref_.begin(), state.by_ref_.end());
    return order;
  }
  order.resize(state.partitions_.size());
  std::iota(order.begin(), order.end(), 0);
  SortByRef(state.partitions_, order);
  return order;
}

bool StateAccess::DecodeOrder(std::string_view content, BuildState& state) {
  Index partition = kNone;
  for (; content.size() >= sizeof partition; content.remove_prefix(sizeof partition)) {
    std::memcpy(&partition, content.data(), sizeof partition);
    if (partition >= state.partitions_.size()) return false;
    state.by_ref_.AddLast(partition);
  }
  return content.empty();
}

bool StateAccess::Complete(BuildState& state, Postings& postings) {
  const std::future<void> instances =
      std::async(std::launch::async, [&] { NameById(state.instances_, state.instance_names_); });
  state.partition_names_.Reserve(state.partitions_.size());
  for (size_t i = 0; i < state.partitions_.size(); ++i) {
    state.partition_names_.Add(HashBytes(state.partitions_[i].ref), static_cast<Index>(i));
  }
  NameById(state.runs_, state.run_names_);
  NameById(state.builds_, state.build_names_);
  NameById(state.wants_, state.want_names_);
  NameById(state.taints_, state.taint_names_);
  for (size_t i = 0; i < state.jobs_.size(); ++i) {
    state.job_names_.Add(HashBytes(state.jobs_[i].label), static_cast<Index>(i));
  }
  instances.wait();
  if (state.by_ref_.size() != state.partitions_.size()) return false;
  state.BeginReplay();  // the blocks of refs are made once, by EndReplay
  const size_t blocks = postings.arena_.size(), words = postings.next_word_;
  constexpr size_t kBlock = Postings::kBlockWords;
  // The end of what is used lies in the last block.
  const bool blocks_fit =
      blocks == 0 ? words == 1 : words > (blocks - 1) * kBlock && words <= blocks * kBlock;
  return postings.shards_read_ == Postings::kShards && blocks_fit && postings.idx_ == state.idx_;
}

}  // namespace databuild
