// Finding the job that makes a ref, among 10,000 patterns: the time must not follow the number of
// patterns (but for caches, which 100 patterns fit into), so the limit is the look-up among 100.
#include <cstdlib>
#include <string>
#include <vector>

#include "bench/bench_report.h"
#include "controller/planner/pattern_index.h"

namespace databuild {
namespace {

constexpr int kManyPatterns = 10'000;
constexpr int kFewPatterns = 100;
constexpr int kLookups = 50'000;

std::string DataSet(int i) {
  return "team" + std::to_string(i % 50) + "/dataset-" + std::to_string(i) + "/date=";
}

PatternIndex IndexOf(int patterns) {
  PatternIndex index;
  for (int i = 0; i < patterns; ++i) {
    Result<OutputPattern> pattern = OutputPattern::Parse(DataSet(i) + "{date:date}");
    index.Add(static_cast<PatternIndex::JobKey>(i), *pattern);
  }
  return index;
}

// Nanoseconds a look-up takes, over refs of different data sets and days.
double LookupTime(const PatternIndex& index, int patterns) {
  std::vector<std::string> refs;
  for (int i = 0; i < 1'000; ++i) {
    refs.push_back(DataSet(i * 7'919 % patterns) + "2025-0" + std::to_string(1 + i % 9) + "-15");
  }
  size_t found = 0;
  double seconds = TimeOf([&] {
    for (int i = 0; i < kLookups; ++i) found += index.Find(refs[i % refs.size()]).size();
  });
  if (found != kLookups) {
    std::fprintf(stderr, "bench: %zu producers for %d refs\n", found, kLookups);
    std::exit(2);
  }
  return seconds * 1e9 / kLookups;
}

}  // namespace
}  // namespace databuild

int main() {
  using namespace databuild;
  BenchReport report;
  const PatternIndex many = IndexOf(kManyPatterns);
  const PatternIndex few = IndexOf(kFewPatterns);
  report.Measure(
      {"L1", "producer of a ref, 10,000 patterns", "100 patterns", "ns", 3.0, true},
      [&] { return LookupTime(many, kManyPatterns); },
      [&] { return LookupTime(few, kFewPatterns); });
  return 0;  // the verdict is in the table
}
