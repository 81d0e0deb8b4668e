// A build event log made up from a seed: legal from the first event to the last, shaped like the
// log of a busy graph. The same seed gives the same bytes on every machine.
//
// 200 jobs in 20 domains make refs like "sales/rollup/region=eu-west-1/date=2020-01-05/hour=07".
// Builds of 8 runs with 2 partitions each, 16 builds at a time, interleaved at random; one build in
// 20 builds older refs again. A build is 96 events (its want's two included), so 10 million events
// are about 104,000 builds, 833,000 runs, 1.6 million partitions and 1.67 million instances.
// Not thread-safe.
#pragma once

#include <array>
#include <cstdint>
#include <string>

#include "bel/base/clock.h"
#include "bel/storage.h"
#include "databuild/v1/databuild.pb.h"

namespace databuild {

class Corpus {
 public:
  static constexpr int kJobs = 200;
  static constexpr int kEventsPerBuild = 96;
  static constexpr int kRunsPerBuild = 8;
  static constexpr int kRefsPerRun = 2;

  explicit Corpus(uint64_t seed);

  // The next event with idx (from 1) and timestamp set. Valid until the next call.
  const v1::BuildEvent& NextEvent();
  // The same, encoded; about 500,000 a second.
  StoredEvent Next();

  // Names of what is in it, by running number: for look-ups.
  static std::string Ref(int64_t build, int run, int output);
  std::string BuildId(int64_t build) const;
  std::string RunId(int64_t build, int run) const;
  static std::string Label(int job);
  // Builds begun so far.
  int64_t builds() const { return next_build_; }

 private:
  static constexpr int kLanes = 16;
  struct Lane {
    int64_t build = -1;
    int step = 0;
  };

  uint64_t Random();
  std::string Id(char kind, uint64_t number) const;
  static int64_t RefBuild(int64_t build);
  std::string InstanceOf(int64_t build, int output) const;
  void DefineJob(int job);
  void Step(const Lane& lane);
  void BuildStep(int64_t build, v1::BuildRequestStatusCode status);
  void WantStep(int64_t build, v1::WantLifecycle lifecycle);
  void PartitionStep(int64_t build, int output, v1::PartitionStatus status);
  void RunStep(int64_t build, int run, v1::JobStatus status);
  void GraphStep(int64_t build);

  const uint64_t seed_;
  uint64_t random_;
  int64_t idx_ = 0;
  TimeNs now_ = 1'577'836'800 * kSecond;  // 2020-01-01
  int64_t next_build_ = 0;
  std::array<Lane, kLanes> lanes_;
  v1::BuildEvent event_;
};

}  // namespace databuild
