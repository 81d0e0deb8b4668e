// Partitions in bytewise order of their refs: for lists by prefix and keyset pages. Not
// thread-safe while it changes.
#pragma once

#include <absl/container/btree_set.h>

#include <string_view>
#include <vector>

#include "bel/entities.h"

namespace databuild {

// Puts them in bytewise order of ref, all at once.
void SortByRef(const EntityList<Partition>& partitions, std::vector<Index>& order);

class RefOrder {
 public:
  explicit RefOrder(const EntityList<Partition>& partitions) : order_(ByRef{&partitions}) {}

 private:
  struct ByRef {
    using is_transparent = void;
    const EntityList<Partition>* partitions;
    std::string_view Ref(Index i) const { return (*partitions)[i].ref; }
    std::string_view Ref(std::string_view ref) const { return ref; }
    template <class A, class B>
    bool operator()(const A& a, const B& b) const {
      return Ref(a) < Ref(b);
    }
  };
  using Order = absl::btree_set<Index, ByRef>;

 public:
  using const_iterator = Order::const_iterator;
  const_iterator begin() const { return order_.begin(); }
  const_iterator end() const { return order_.end(); }
  // The first one whose ref is not before `ref`, and the first one that is after it.
  const_iterator lower_bound(std::string_view ref) const { return order_.lower_bound(ref); }
  const_iterator upper_bound(std::string_view ref) const { return order_.upper_bound(ref); }
  const_iterator find(Index partition) const { return order_.find(partition); }
  size_t size() const { return order_.size(); }

  const_iterator Add(Index partition) { return order_.insert(partition).first; }
  // Where all that are there already come before it.
  void AddLast(Index partition) { order_.insert(order_.end(), partition); }

 private:
  Order order_;
};

}  // namespace databuild
