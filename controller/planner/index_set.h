// IndexSet: an ordered set of indexes, one bit each in blocks of 64. Where members lie side by
// side, as the partitions of a range do, a member takes less than a byte; alone it takes a node of
// a map. Not thread-safe.
#pragma once

#include <cstdint>
#include <map>

#include "bel/entities.h"

namespace databuild {

class IndexSet {
 public:
  // True if it was not there.
  bool Insert(Index index);
  // True if it was there.
  bool Erase(Index index);
  bool Contains(Index index) const;
  // The least member that is not below `from`; kNone if there is none.
  Index Next(Index from) const;
  Index First() const { return Next(0); }

  size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }
  void Clear();

 private:
  static constexpr Index kBits = 64;
  std::map<Index, uint64_t> blocks_;  // by index / 64; none is 0
  size_t size_ = 0;
};

}  // namespace databuild
