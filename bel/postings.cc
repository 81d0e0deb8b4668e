#include "bel/postings.h"

#include <algorithm>
#include <cstring>

#include "bel/base/check.h"
#include "bel/base/hash.h"
#include "bel/build_state.h"
#include "bel/range.h"

namespace databuild {
namespace {

constexpr uint32_t kFirstChunk = 12;  // bytes of deltas
constexpr uint32_t kLargestChunk = 2'036;
constexpr size_t kFirstSlots = 64;

}  // namespace

uint64_t Postings::Hash(Term term, std::string_view text) {
  return HashBytes(text, static_cast<uint64_t>(term)) | 1;
}

const Postings::Slot* Postings::Find(uint64_t hash) const {
  const std::vector<Slot>& slots = shards_[hash >> 56].slots;
  if (slots.empty()) return nullptr;
  const size_t mask = slots.size() - 1;
  for (size_t at = hash >> 1 & mask;; at = (at + 1) & mask) {
    if (slots[at].hash == hash) return &slots[at];
    if (slots[at].hash == 0) return nullptr;
  }
}

void Postings::Grow(Shard& shard) {
  std::vector<Slot> old = std::move(shard.slots);
  shard.slots.assign(std::max(kFirstSlots, old.size() * 2), Slot());
  const size_t mask = shard.slots.size() - 1;
  for (const Slot& slot : old) {
    if (slot.hash == 0) continue;
    size_t at = slot.hash >> 1 & mask;
    while (shard.slots[at].hash != 0) at = (at + 1) & mask;
    shard.slots[at] = slot;
  }
}

Postings::Slot& Postings::FindOrAdd(uint64_t hash) {
  Shard& shard = shards_[hash >> 56];
  if (shard.used * 5 >= shard.slots.size() * 4) Grow(shard);
  const size_t mask = shard.slots.size() - 1;
  size_t at = hash >> 1 & mask;
  while (shard.slots[at].hash != 0 && shard.slots[at].hash != hash) at = (at + 1) & mask;
  if (shard.slots[at].hash == 0) {
    shard.slots[at].hash = hash;
    ++shard.used;
  }
  return shard.slots[at];
}

Postings::Chunk Postings::Header(uint32_t chunk) const {
  Chunk header;
  std::memcpy(&header, At(chunk), sizeof header);
  return header;
}

uint32_t Postings::NewChunk(uint32_t previous, uint32_t size) {
  const uint32_t words = (sizeof(Chunk) + size) / 4;
  if (next_word_ + words > arena_.size() * kBlockWords) {
    next_word_ = std::max<uint32_t>(1, static_cast<uint32_t>(arena_.size() * kBlockWords));
    arena_.push_back(std::make_unique<char[]>(kBlockWords * 4));
  }
  const uint32_t chunk = next_word_;
  next_word_ += words;
  const Chunk header{previous, static_cast<uint32_t>(idx_), 0, static_cast<uint16_t>(size)};
  std::memcpy(At(chunk), &header, sizeof header);
  return chunk;
}

bool Postings::AddTerm(Term term, std::string_view text) {
  if (text.empty()) return false;
  Slot& slot = FindOrAdd(Hash(term, text));
  const auto idx = static_cast<uint32_t>(idx_);
  if (slot.last_idx == idx) return false;  // named twice by one event
  const uint32_t previous_idx = std::exchange(slot.last_idx, idx);
  ++count_;
  if (slot.chunk == 0) {
    slot.chunk = NewChunk(0, kFirstChunk);
    return true;
  }
  char delta[5];
  uint32_t size = 0;
  uint32_t value = idx - previous_idx;
  for (; value >= 0x80; value >>= 7) delta[size++] = static_cast<char>(value | 0x80);
  delta[size++] = static_cast<char>(value);
  Chunk header = Header(slot.chunk);
  if (header.used + size > header.size) {
    slot.chunk = NewChunk(slot.chunk, std::min(kLargestChunk, header.size * 2 + kFirstChunk));
    return false;
  }
  std::memcpy(At(slot.chunk) + sizeof header + header.used, delta, size);
  header.used = static_cast<uint16_t>(header.used + size);
  std::memcpy(At(slot.chunk), &header, sizeof header);
  return false;
}

void Postings::Collect(Term term, std::string_view text, int64_t since_idx,
                       std::vector<uint32_t>& out) const {
  const Slot* const slot = Find(Hash(term, text));
  if (slot == nullptr || slot->last_idx <= since_idx) return;
  for (uint32_t chunk = slot->chunk; chunk != 0;) {
    const Chunk header = Header(chunk);
    uint32_t idx = header.first_idx;
    if (idx > since_idx) out.push_back(idx);
    const char* at = At(chunk) + sizeof header;
    const char* const end = at + header.used;
    while (at < end) {
      uint32_t delta = 0;
      for (int shift = 0;; shift += 7) {
        const auto byte = static_cast<uint8_t>(*at++);
        delta |= static_cast<uint32_t>(byte & 0x7f) << shift;
        if (byte < 0x80) break;
      }
      idx += delta;
      if (idx > since_idx) out.push_back(idx);
    }
    if (header.first_idx <= since_idx) return;
    chunk = header.previous;
  }
}

uint64_t Postings::Estimate(Term term, std::string_view text, int64_t since_idx) const {
  const Slot* const slot = Find(Hash(term, text));
  if (slot == nullptr || slot->last_idx <= since_idx) return 0;
  uint64_t most = 0;
  for (uint32_t chunk = slot->chunk; chunk != 0;) {
    const Chunk header = Header(chunk);
    most += 1 + header.used;
    chunk = header.first_idx <= since_idx ? 0 : header.previous;
  }
  return most;
}

size_t Postings::bytes() const {
  size_t bytes = arena_.size() * kBlockWords * 4;
  for (const Shard& shard : shards_) bytes += shard.slots.capacity() * sizeof(Slot);
  for (const std::string& ref : strays_) bytes += ref.size() + 64;
  return bytes;
}

void Postings::Add(const EventView& event, const BuildState& state) {
  if (event.idx > kMaxIdx) return;
  CHECK(event.idx > idx_);
  idx_ = event.idx;
  AddTerm(Term::kBuild, event.build_request_id);
  std::visit([&](const auto& payload) { AddTerms(payload, state); }, event.payload);
}

void Postings::AddRef(std::string_view ref, const BuildState& state) {
  if (AddTerm(Term::kRef, ref) && state.FindPartition(ref) == kNone) strays_.emplace(ref);
}

void Postings::AddRanges(const Ranges& ranges, const BuildState& state) {
  for (const v1::PartitionRange& range : ranges) {
    // A range that cannot be read names nothing.
    (void)ForEachRef(range, [&](std::string_view ref) { AddRef(ref, state); });
  }
}

void Postings::AddTerms(const BuildRequestView& build, const BuildState& state) {
  AddTerm(Term::kWant, build.want_id);
  for (const RefView ref : build.requested_partitions) AddRef(ref.str, state);
  AddRanges(build.requested_ranges, state);
}

void Postings::AddTerms(const PartitionView& partition, const BuildState& state) {
  AddRef(partition.partition_ref.str, state);
  AddTerm(Term::kRun, partition.job_run_id);
  AddTerm(Term::kTaint, partition.tainted_by);
}

void Postings::AddTerms(const JobView& run, const BuildState& state) {
  AddTerm(Term::kRun, run.job_run_id);
  AddTerm(Term::kLabel, run.job_label.label);
  for (const RefView ref : run.target_partitions) AddRef(ref.str, state);
}

void Postings::AddTerms(const DelegationView& delegation, const BuildState& state) {
  AddRef(delegation.partition_ref.str, state);
  for (const RefView ref : delegation.partition_refs) AddRef(ref.str, state);
  AddRanges(delegation.ranges, state);
}

void Postings::AddTerms(const InvalidationView& hit, const BuildState& state) {
  AddRef(hit.partition_ref.str, state);
  AddTerm(Term::kTaint, hit.taint_id);
}

void Postings::AddTerms(const RunCancelView& cancel, const BuildState&) {
  AddTerm(Term::kRun, cancel.job_run_id);
}

void Postings::AddTerms(const WantView& want, const BuildState& state) {
  AddTerm(Term::kWant, want.want_id);
  for (const RefView ref : want.requested_partitions) AddRef(ref.str, state);
  AddRanges(want.requested_ranges, state);
}

void Postings::AddTerms(const TaintView& taint, const BuildState& state) {
  AddTerm(Term::kTaint, taint.taint_id);
  for (const RefView ref : taint.refs) AddRef(ref.str, state);
  for (const InstanceRefView hit : taint.tainted_instances) AddRef(hit.ref, state);
  for (const InstanceRefView hit : taint.downstream_instances) AddRef(hit.ref, state);
}

void Postings::AddTerms(const JobDefinitionView& definition, const BuildState&) {
  AddTerm(Term::kLabel, definition.job_label);
}

void Postings::AddTerms(const AdoptionView& adoption, const BuildState& state) {
  AddTerm(Term::kBuild, adoption.from_build_request_id);
  AddTerm(Term::kBuild, adoption.to_build_request_id);
  for (const RefView ref : adoption.partition_refs) AddRef(ref.str, state);
}

}  // namespace databuild
