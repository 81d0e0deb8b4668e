#include "bel/ref_order.h"

#include <boost/sort/spreadsort/string_sort.hpp>

namespace databuild {

void SortByRef(const Entities<Partition>& partitions, std::vector<Index>& order) {
  const auto ref = [&](Index i) { return partitions[i].ref.view(); };
  boost::sort::spreadsort::string_sort(
      order.begin(), order.end(),
      [&](Index i, size_t at) { return static_cast<unsigned char>(ref(i)[at]); },
      [&](Index i) { return ref(i).size(); }, [&](Index a, Index b) { return ref(a) < ref(b); });
}

}  // namespace databuild
