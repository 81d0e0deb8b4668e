// Postings: for every ref, job label, run, build, want and taint the events that an EventFilter
// naming it would match.
//
// A term is known by a 64-bit hash alone: a list may hold events of another term of the same hash,
// so whoever reads one checks the events themselves. It never lacks an event. Lists are chains of
// growing chunks of delta-coded idx, each chunk readable by itself, newest first. The table of
// terms is cut into shards, so that no single Add has to move all of it.
//
// One writer; readers hold the same lock as readers of the BuildState.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "bel/event_view.h"

namespace databuild {

class BuildState;

enum class Term : uint8_t { kRef = 1, kLabel, kRun, kBuild, kWant, kTaint };

class Postings {
 public:
  static constexpr int64_t kMaxIdx = UINT32_MAX;  // events beyond are not recorded

  // idx follows that of the event before. `state` has folded the event.
  void Add(const EventView& event, const BuildState& state);

  // Events after since_idx of the term, appended in no order.
  void Collect(Term term, std::string_view text, int64_t since_idx,
               std::vector<uint32_t>& out) const;
  // Upper bound of what Collect would append.
  uint64_t Estimate(Term term, std::string_view text, int64_t since_idx) const;

  // Refs that events name and the fold has no partition for.
  const std::set<std::string, std::less<>>& strays() const { return strays_; }

  // Position of the last event that was added.
  int64_t idx() const { return idx_; }
  uint64_t count() const { return count_; }  // postings
  size_t bytes() const;                      // of memory

 private:
  friend class StateAccess;
  struct Slot {
    uint64_t hash = 0;   // 0: free
    uint32_t chunk = 0;  // the newest one, in words of the arena
    uint32_t last_idx = 0;
  };
  struct Shard {
    std::vector<Slot> slots;
    size_t used = 0;
  };
  struct Chunk {
    uint32_t previous = 0;  // 0: none
    uint32_t first_idx = 0;
    uint16_t used = 0;  // bytes of deltas
    uint16_t size = 0;  // room for them
  };
  static constexpr size_t kShards = 256;
  static constexpr size_t kBlockWords = 1 << 18;

  static uint64_t Hash(Term term, std::string_view text);
  const Slot* Find(uint64_t hash) const;
  Slot& FindOrAdd(uint64_t hash);
  static void Grow(Shard& shard);
  void AddRef(std::string_view ref, const BuildState& state);
  // True: it is the term's first event.
  bool AddTerm(Term term, std::string_view text);
  uint32_t NewChunk(uint32_t previous, uint32_t size);
  char* At(uint32_t chunk) const {
    return arena_[chunk / kBlockWords].get() + chunk % kBlockWords * 4;
  }
  Chunk Header(uint32_t chunk) const;

  // One overload for each payload that names terms.
  void AddTerms(const BuildRequestView& build, const BuildState& state);
  void AddTerms(const PartitionView& partition, const BuildState& state);
  void AddTerms(const JobView& run, const BuildState& state);
  void AddTerms(const DelegationView& delegation, const BuildState& state);
  void AddTerms(const InvalidationView& hit, const BuildState& state);
  void AddTerms(const RunCancelView& cancel, const BuildState& state);
  void AddTerms(const WantView& want, const BuildState& state);
  void AddTerms(const TaintView& taint, const BuildState& state);
  void AddTerms(const JobDefinitionView& definition, const BuildState& state);
  void AddTerms(const AdoptionView& adoption, const BuildState& state);
  void AddTerms(const JobGraphView&, const BuildState&) {}
  void AddTerms(const BuildCancelView&, const BuildState&) {}
  void AddTerms(const std::monostate&, const BuildState&) {}
  void AddRanges(const Ranges& ranges, const BuildState& state);

  int64_t idx_ = 0;
  uint64_t count_ = 0;
  std::array<Shard, kShards> shards_;
  std::vector<std::unique_ptr<char[]>> arena_;
  uint32_t next_word_ = 1;  // 0 means none
  std::set<std::string, std::less<>> strays_;
  size_t shards_read_ = 0;  // from a snapshot
};

}  // namespace databuild
