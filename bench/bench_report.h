// What every benchmark here prints: a figure, a limit measured in the same run on the same machine,
// their ratio, and whether the ratio holds its bar. Medians of several rounds, figure and limit in
// turn, so that noise hits both. With DATABUILD_BENCH_RESULTS in the environment every figure is
// also added to that file: a JSON list of {id, what, value, unit, limit, ratio, bar, holds}. With
// BENCH_ONLY in the environment (ids, separated by commas) the others are left out.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <functional>
#include <sstream>
#include <string>
#include <vector>

namespace databuild {

inline constexpr int kRounds = 5;

inline double Seconds(std::chrono::steady_clock::duration took) {
  return std::chrono::duration<double>(took).count();
}

// Seconds one call takes.
inline double TimeOf(const std::function<void()>& work) {
  const auto started = std::chrono::steady_clock::now();
  work();
  return Seconds(std::chrono::steady_clock::now() - started);
}

inline double Median(std::vector<double> values) {
  std::nth_element(values.begin(), values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2),
                   values.end());
  return values[values.size() / 2];
}

struct Bar {
  const char* id;
  const char* what;
  const char* limit;
  const char* unit;
  double bar;
  bool at_most;  // the ratio may be at most `bar` (a time), else at least (a rate)
};

class BenchReport {
 public:
  // One round of `figure`, one of `limit`, five times; both give the value in the bar's unit.
  void Measure(const Bar& bar, const std::function<double()>& figure,
               const std::function<double()>& limit) {
    if (!Wanted(bar.id)) return;
    std::vector<double> figures, limits, ratios;
    for (int round = 0; round < kRounds; ++round) {
      limits.push_back(limit());
      figures.push_back(figure());
      ratios.push_back(figures.back() / limits.back());
    }
    Add(bar, {Median(figures), Median(limits), Median(ratios)});
  }

  // A figure with a bar of its own, not a ratio: the limit is 1.
  void MeasureAbsolute(const Bar& bar, const std::function<double()>& figure) {
    Measure(bar, figure, [] { return 1.0; });
  }
  // The same of one round: for what takes long and does not vary.
  void AddAbsolute(const Bar& bar, double value) { Add(bar, {value, 1, value}); }

  // Whether any of these is to be measured.
  static bool WantsOneOf(const std::vector<std::string>& ids) {
    return std::any_of(ids.begin(), ids.end(), Wanted);
  }

 private:
  static bool Wanted(const std::string& id) {
    const char* only = std::getenv("BENCH_ONLY");
    return only == nullptr ||
           ("," + std::string(only) + ",").find("," + id + ",") != std::string::npos;
  }

  struct Outcome {
    double value, limit, ratio;
  };

  void Add(const Bar& bar, const Outcome& outcome) {
    const bool holds = bar.at_most ? outcome.ratio <= bar.bar : outcome.ratio >= bar.bar;
    std::printf("%-4s %-44s %12.1f %-7s limit %12.1f (%s)  ratio %5.2f  bar %s %.2f  %s\n", bar.id,
                bar.what, outcome.value, bar.unit, outcome.limit, bar.limit, outcome.ratio,
                bar.at_most ? "<=" : ">=", bar.bar, holds ? "holds" : "MISSED");
    std::fflush(stdout);
    if (const char* path = std::getenv("DATABUILD_BENCH_RESULTS"))
      Record(path, bar, outcome, holds);
  }

  static void Record(const std::string& path, const Bar& bar, const Outcome& outcome, bool holds) {
    std::stringstream text;
    text << std::ifstream(path).rdbuf();
    std::string list = text.str();
    list.resize(list.find_last_of('}') == std::string::npos ? 0 : list.find_last_of('}') + 1);
    std::ofstream file(path);
    file << (list.empty() ? "[\n" : list + ",\n") << "{\"id\": \"" << bar.id << "\", \"what\": \""
         << bar.what << "\", \"value\": " << outcome.value << ", \"unit\": \"" << bar.unit
         << "\", \"limit\": " << outcome.limit << ", \"ratio\": " << outcome.ratio
         << ", \"bar\": \"" << (bar.at_most ? "<= " : ">= ") << bar.bar
         << "\", \"holds\": " << (holds ? "true" : "false") << "}\n]\n";
  }
};

}  // namespace databuild
