#include "controller/metrics/process_metrics.h"

#include <sys/resource.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <sstream>
#include <string>
#include <vector>

#include "controller/metrics/metrics.h"

namespace databuild {
namespace {

// Fields of /proc/self/stat from the third on; the second, the name, may hold blanks and
// parentheses. proc(5).
std::vector<std::string> StatFields() {
  std::ifstream file("/proc/self/stat");
  const std::string text((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  const size_t end_of_name = text.rfind(')');
  if (end_of_name == std::string::npos) return {};
  std::istringstream rest(text.substr(end_of_name + 1));
  return {std::istream_iterator<std::string>(rest), std::istream_iterator<std::string>()};
}

double Number(const std::string& text) { return std::strtod(text.c_str(), nullptr); }

// Seconds since the epoch at which the machine started.
double BootTime() {
  std::ifstream file("/proc/stat");
  for (std::string key; file >> key;) {
    if (key == "btime") {
      double seconds = 0;
      file >> seconds;
      return seconds;
    }
    file.ignore(1 << 20, '\n');
  }
  return 0;
}

}  // namespace

void CollectProcess(Metrics& metrics) {
  const std::vector<std::string> stat = StatFields();
  const double ticks = static_cast<double>(sysconf(_SC_CLK_TCK));
  if (stat.size() > 21 && ticks > 0) {  // stat[n] is field n + 3 of proc(5)
    metrics.RaiseTo(Metric::kProcessCpu, {}, (Number(stat[11]) + Number(stat[12])) / ticks);
    metrics.Set(Metric::kProcessThreads, {}, Number(stat[17]));
    metrics.Set(Metric::kProcessStart, {}, BootTime() + Number(stat[19]) / ticks);
    metrics.Set(Metric::kProcessVirtual, {}, Number(stat[20]));
    metrics.Set(Metric::kProcessResident, {},
                Number(stat[21]) * static_cast<double>(sysconf(_SC_PAGESIZE)));
  }
  std::error_code error;
  std::filesystem::directory_iterator descriptor("/proc/self/fd", error);
  int open = -1;  // the iterator holds one itself
  for (; !error && descriptor != std::filesystem::directory_iterator(); descriptor.increment(error))
    ++open;
  if (!error) metrics.Set(Metric::kProcessOpenFds, {}, open);
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
    metrics.Set(Metric::kProcessMaxFds, {}, static_cast<double>(limit.rlim_cur));
  }
}

}  // namespace databuild
