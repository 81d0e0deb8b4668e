// What the container uses: from its cgroup (v2 or v1), else from /proc.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace databuild::exec {

struct Usage {
  std::string source = "none";                // "cgroup2", "cgroup1", "proc", "none"
  std::optional<double> cpu_seconds;          // used up to now
  std::optional<uint64_t> memory_bytes;       // now
  std::optional<uint64_t> memory_peak_bytes;  // highest up to now
  std::optional<uint64_t> memory_limit_bytes;
  std::optional<uint64_t> oom_kills;  // processes the kernel killed for lack of memory
  std::optional<uint64_t> processes;
};

// `root` is "" but in tests. `pid` stands for the whole container where only /proc can be read.
// Never fails: what cannot be read is absent.
Usage ReadUsage(const std::string& root, int pid);

}  // namespace databuild::exec
