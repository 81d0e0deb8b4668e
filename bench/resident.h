// Resident memory of this process, once the allocator has given back what it keeps for later.
#pragma once

#include <jemalloc/jemalloc.h>

#include <fstream>

namespace databuild {

inline double ResidentBytes() {
  // 4096 is MALLCTL_ARENAS_ALL: every arena (jemalloc(3)).
  static_assert(MALLCTL_ARENAS_ALL == 4096);
  mallctl("arena.4096.purge", nullptr, nullptr, nullptr, 0);
  long pages = 0, resident = 0;
  std::ifstream("/proc/self/statm") >> pages >> resident;
  return static_cast<double>(resident) * 4'096;
}

}  // namespace databuild
