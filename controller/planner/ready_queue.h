// ReadyQueue: units that could run now, in the order of work: priority, then earliest deadline,
// then age. Per DataJob, so that one that may not start more runs holds up no other, and nobody
// looks through its units. Owned by the planner; not thread-safe.
#pragma once

#include <ext/pb_ds/assoc_container.hpp>
#include <ext/pb_ds/tree_policy.hpp>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <tuple>
#include <unordered_map>
#include <vector>

#include "bel/entities.h"

namespace databuild {

class ReadyQueue {
 public:
  // Priority negated, deadline, position of the want's creation, unit.
  using Key = std::tuple<int64_t, TimeNs, int64_t, Index>;

  // What a unit waits as. Units of one job and one `batch` may share a run.
  struct Place {
    Key key;
    Index job = kNone;
    std::string batch;
    bool batched = false;  // false: its runs make one unit
  };

  // In a new place if it was there before.
  void Put(Index unit, Place place);
  void Remove(Index unit);
  size_t size() const { return places_.size(); }
  // How many units come before it, itself counted; 0 if it is not ready.
  size_t Position(Index unit) const;
  // `unit` and those that may share its run, in order, at most `most`.
  std::vector<Index> Batch(Index unit, size_t most) const;

  // The jobs' first units, for the caller to take from: heads in order of work.
  std::set<std::pair<Key, Index>> Heads() const;  // key, job
  // The first unit of one job; nullptr if none is ready.
  const Key* Head(Index job) const;

 private:
  using Order =
      __gnu_pbds::tree<Key, __gnu_pbds::null_type, std::less<Key>, __gnu_pbds::rb_tree_tag,
                       __gnu_pbds::tree_order_statistics_node_update>;
  std::unordered_map<Index, Place> places_;  // by unit
  std::map<Index, Order> jobs_;              // none is empty
  std::map<std::pair<Index, std::string>, std::set<Key>> batches_;
};

}  // namespace databuild
