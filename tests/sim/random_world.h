// RandomWorld: one simulated graph from a seed. People apply, change and delete objects, Jobs fail,
// hang, vanish and miss inputs, the log refuses or loses replies, the cluster is slow to tell and
// to act, the clock jumps, the operator dies at any append or effect, or a second one takes over.
// Then all of that stops, and everything wanted has to come to what a plain evaluator says.
#pragma once

#include <map>
#include <random>
#include <string>
#include <vector>

#include "tests/sim/log_checker.h"
#include "tests/support/planner_world.h"

namespace databuild {

class RandomWorld {
 public:
  // `forget`: see FaultyStorage::Faults.
  explicit RandomWorld(uint64_t seed, int forget = 0);
  // "" or the first thing that went wrong.
  std::string Play();
  std::string Transcript() const { return world_.Transcript(); }

 private:
  uint64_t Draw(uint64_t below) { return random_() % below; }
  bool Chance(int percent) { return Draw(100) < static_cast<uint64_t>(percent); }
  std::string Day() { return "2025-01-0" + std::to_string(1 + Draw(5)); }
  std::string Ref();

  void PutJobs();
  JobEnd EndOf(const CreateJob& job);
  void DrawFaults(int forget);
  void Act();
  void PutWant();
  void PutTaint();
  void ChangeJob();
  template <typename Delete>
  void DeleteOne(std::vector<std::string>& names, Delete&& remove);

  std::string Check();
  std::string CheckEnd(const v1::BuildEvent& event) const;
  void Calm();
  std::string Judge();
  std::string JudgeWant(const std::string& name);
  std::string Statuses() const;
  std::string Quiet();

  enum class Fate { kAvailable, kFailed, kNoProducer };
  // What becomes of a ref in a calm world: the oracle. Knows the jobs of PutJobs and nothing else.
  Fate FateOf(const std::string& ref) const;

  std::mt19937_64 random_;
  PlannerWorld world_;
  LogChecker checker_;
  size_t checked_ = 0;
  bool calm_ = false;
  uint64_t next_ = 0;
  std::vector<std::string> wants_, taints_;
};

}  // namespace databuild
