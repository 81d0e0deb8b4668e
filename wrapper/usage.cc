#include "wrapper/usage.h"

#include <fcntl.h>
#include <unistd.h>

#include <charconv>
#include <string_view>
#include <vector>

namespace databuild::exec {
namespace {

// These files are small; 64 KiB is far beyond the longest.
std::optional<std::string> ReadSmallFile(const std::string& path) {
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return std::nullopt;
  std::string text(64 * 1024, '\0');
  const ssize_t size = read(fd, text.data(), text.size());
  close(fd);
  if (size < 0) return std::nullopt;
  text.resize(static_cast<size_t>(size));
  return text;
}

std::optional<uint64_t> ParseNumber(std::string_view text) {
  uint64_t value = 0;
  const auto read = std::from_chars(text.data(), text.data() + text.size(), value);
  if (read.ec != std::errc()) return std::nullopt;  // "max" among others
  return value;
}

// The number after `key` and a blank at the beginning of a line.
std::optional<uint64_t> Keyed(const std::string& text, std::string_view key) {
  size_t at = 0;
  while (at < text.size()) {
    const std::string_view line = std::string_view(text).substr(at, text.find('\n', at) - at);
    if (line.size() > key.size() && line.substr(0, key.size()) == key) {
      size_t digits = key.size();
      while (digits < line.size() && (line[digits] == ' ' || line[digits] == '\t')) ++digits;
      if (digits > key.size()) return ParseNumber(line.substr(digits));
    }
    at += line.size() + 1;
  }
  return std::nullopt;
}

// One controller's directory: inside a container the mount is the container's own group; on a host
// the group's path is below the mount.
class Group {
 public:
  Group(std::string mount, std::string path) : mount_(std::move(mount)), path_(std::move(path)) {}

  std::optional<std::string> Text(const char* file) const {
    auto text = ReadSmallFile(mount_ + path_ + "/" + file);
    return text ? text : ReadSmallFile(mount_ + "/" + file);
  }
  std::optional<uint64_t> Number(const char* file) const {
    const auto text = Text(file);
    return text ? ParseNumber(*text) : std::nullopt;
  }
  std::optional<uint64_t> Number(const char* file, std::string_view key) const {
    const auto text = Text(file);
    return text ? Keyed(*text, key) : std::nullopt;
  }

 private:
  const std::string mount_;
  const std::string path_;
};

// Where `controller` ("" for v2) has this process, from lines "4:memory:/kubepods/…".
std::optional<std::string> GroupPath(const std::string& lines, std::string_view controller) {
  size_t at = 0;
  while (at < lines.size()) {
    const std::string_view line = std::string_view(lines).substr(at, lines.find('\n', at) - at);
    at += line.size() + 1;
    const size_t first = line.find(':'), second = line.find(':', first + 1);
    if (first == line.npos || second == line.npos) continue;
    const std::string names = "," + std::string(line.substr(first + 1, second - first - 1)) + ",";
    if (names == "," + std::string(controller) + "," ||
        (!controller.empty() && names.find("," + std::string(controller) + ",") != names.npos)) {
      const std::string_view path = line.substr(second + 1);
      return path == "/" ? std::string() : std::string(path);
    }
  }
  return std::nullopt;
}

std::optional<Usage> FromV2(const std::string& root, const std::string& groups) {
  const auto path = GroupPath(groups, "");
  if (!path) return std::nullopt;
  const Group group(root + "/sys/fs/cgroup", *path);
  Usage usage;
  usage.source = "cgroup2";
  usage.memory_bytes = group.Number("memory.current");
  if (!usage.memory_bytes) return std::nullopt;  // a hybrid host: the controllers are in v1
  if (const auto microseconds = group.Number("cpu.stat", "usage_usec")) {
    usage.cpu_seconds = static_cast<double>(*microseconds) / 1e6;
  }
  usage.memory_peak_bytes = group.Number("memory.peak");  // since Linux 5.19
  usage.memory_limit_bytes = group.Number("memory.max");
  usage.oom_kills = group.Number("memory.events", "oom_kill");
  usage.processes = group.Number("pids.current");
  return usage;
}

std::optional<Usage> FromV1(const std::string& root, const std::string& groups) {
  const auto path = GroupPath(groups, "memory");
  if (!path) return std::nullopt;
  const Group memory(root + "/sys/fs/cgroup/memory", *path);
  Usage usage;
  usage.source = "cgroup1";
  usage.memory_bytes = memory.Number("memory.usage_in_bytes");
  if (!usage.memory_bytes) return std::nullopt;
  usage.memory_peak_bytes = memory.Number("memory.max_usage_in_bytes");
  usage.memory_limit_bytes = memory.Number("memory.limit_in_bytes");
  // "No limit" in v1 is the largest page-aligned number.
  if (usage.memory_limit_bytes && *usage.memory_limit_bytes >= uint64_t{1} << 62) {
    usage.memory_limit_bytes.reset();
  }
  usage.oom_kills = memory.Number("memory.oom_control", "oom_kill");
  for (const char* mount : {"/sys/fs/cgroup/cpuacct", "/sys/fs/cgroup/cpu,cpuacct"}) {
    const Group cpu(root + mount, GroupPath(groups, "cpuacct").value_or(""));
    if (const auto nanoseconds = cpu.Number("cpuacct.usage")) {
      usage.cpu_seconds = static_cast<double>(*nanoseconds) / 1e9;
      break;
    }
  }
  const Group pids(root + "/sys/fs/cgroup/pids", GroupPath(groups, "pids").value_or(""));
  usage.processes = pids.Number("pids.current");
  return usage;
}

// One process only: better than nothing where no cgroup is visible.
std::optional<Usage> FromProc(const std::string& root, int pid) {
  const std::string directory = root + "/proc/" + std::to_string(pid);
  const auto status = ReadSmallFile(directory + "/status");
  const auto stat = ReadSmallFile(directory + "/stat");
  if (!status || !stat) return std::nullopt;
  Usage usage;
  usage.source = "proc";
  if (const auto resident = Keyed(*status, "VmRSS:")) usage.memory_bytes = *resident * 1024;
  if (const auto peak = Keyed(*status, "VmHWM:")) usage.memory_peak_bytes = *peak * 1024;
  // Fields count from after the command's name, which may itself contain blanks and brackets:
  // utime, stime, and both of the children waited for, are fields 14 to 17 of proc(5).
  const size_t name_end = stat->rfind(')');
  if (name_end != stat->npos) {
    uint64_t ticks = 0;
    size_t at = name_end + 2;
    for (int field = 3; field <= 17 && at < stat->size(); ++field) {
      const size_t end = std::min(stat->find(' ', at), stat->size());
      if (field >= 14)
        ticks += ParseNumber(std::string_view(*stat).substr(at, end - at)).value_or(0);
      at = end + 1;
    }
    usage.cpu_seconds = static_cast<double>(ticks) / static_cast<double>(sysconf(_SC_CLK_TCK));
  }
  return usage;
}

}  // namespace

Usage ReadUsage(const std::string& root, int pid) {
  const std::string groups = ReadSmallFile(root + "/proc/self/cgroup").value_or("");
  std::optional<Usage> usage = FromV2(root, groups);
  if (!usage) usage = FromV1(root, groups);
  if (!usage) usage = FromProc(root, pid);
  return usage.value_or(Usage());
}

}  // namespace databuild::exec
