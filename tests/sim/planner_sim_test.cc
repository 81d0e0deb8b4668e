// Random worlds, from a seed: people apply and delete wants and taints and change DataJobs, Jobs
// fail, hang and miss inputs, somebody deletes Jobs, the operator restarts. After every step the
// log must be legal and no ref may have two live runs; when people stop and Jobs behave, every live
// want must be satisfied.
//
//   SIM_SEEDS=5000 tests_planner_sim        more seeds
//   SIM_SEED=17 tests_planner_sim           one seed, with its transcript when it fails
#include <gtest/gtest.h>

#include <cstdlib>
#include <iostream>
#include <random>

#include "tests/support/planner_world.h"

namespace databuild {
namespace {

class Sim {
 public:
  explicit Sim(uint64_t seed) : random_(seed) {
    world.cluster.rule = [this](const CreateJob& job) { return EndOf(job); };
    PutJobs();
  }

  std::string Play() {
    for (int step = 0; step < 60 && world.violation().empty(); ++step) {
      Act();
      if (const std::string wrong = Check(); !wrong.empty()) return wrong;
    }
    return Calm();
  }

  PlannerWorld world;

 private:
  uint64_t Draw(uint64_t below) { return random_() % below; }
  bool Chance(int percent) { return Draw(100) < static_cast<uint64_t>(percent); }
  std::string Day() { return "2025-01-0" + std::to_string(1 + Draw(5)); }

  void PutJobs() {
    world.cluster.PutDataJob("raw", {"raw/{date}"}).retry.limit = 2;
    world.cluster.PutDataJob("rates", {"rates/{date}"}).retry.limit = 2;
    ObservedDataJob& clean =
        world.cluster.PutDataJob("clean", {"clean/{date}", "bad/{date}"}, {"raw/{date}"});
    clean.retry.limit = 1;
    if (Chance(50)) clean.batch_max = 3;
    world.cluster.PutDataJob("total", {"total/{date}"},
                             {"clean/{date|-P1D..P0D}", "?total/{date|-P1D}"});
  }

  std::string Ref() {
    static const char* kKinds[] = {"raw/", "clean/", "bad/", "total/", "rates/"};
    return kKinds[Draw(5)] + Day();
  }

  JobEnd EndOf(const CreateJob& job) {
    if (calm_) return JobEnd{};
    if (job.job_label == "clean" && Chance(10) && job.inputs.size() < 2) {
      return {"MissingDependencies", 75, {"rates/" + job.outputs[0].first.substr(6)}, "Error"};
    }
    if (Chance(15)) return {"Failed", 1, {}, "Error"};
    if (Chance(5)) return {"", 137, {}, "Error"};
    if (Chance(10)) return {"Hang", 0, {}, ""};
    return {};
  }

  void Act() {
    switch (Draw(12)) {
      case 0:
      case 1:
      case 2:
        return PutWant();
      case 3:
        return DeleteOne(wants_, [&](const std::string& name) { world.cluster.DeleteWant(name); });
      case 4: {
        const std::string name = "t" + std::to_string(next_++);
        world.cluster.PutTaint(name, {Ref()}, {}, Chance(30));
        taints_.push_back(name);
        return;
      }
      case 5:
        return DeleteOne(taints_,
                         [&](const std::string& name) { world.cluster.DeleteTaint(name); });
      case 6:
        return world.Restart();
      case 7:
        if (!world.cluster.live.empty()) {
          auto it = world.cluster.live.begin();
          std::advance(it, static_cast<long>(Draw(world.cluster.live.size())));
          world.cluster.DeleteJobByHand(it->first);
        }
        return;
      case 8:
        world.Advance(static_cast<DurationNs>(Draw(120)) * kSecond);
        return;
      case 9:
      case 10:
        world.cluster.StepJobs();
        return;
      default:
        for (uint64_t i = 0; i < Draw(6); ++i) world.Tick();
        return;
    }
  }

  void PutWant() {
    const std::string name = "w" + std::to_string(next_++);
    std::vector<std::string> refs{Ref()};
    for (uint64_t more = Draw(4); more > 0; --more) {
      const std::string ref = Ref();
      if (std::find(refs.begin(), refs.end(), ref) == refs.end()) refs.push_back(ref);
    }
    ObservedWant& want = world.cluster.PutWant(name, refs);
    if (Chance(20)) want.ttl = static_cast<DurationNs>(1 + Draw(10)) * kMinute;
    wants_.push_back(name);
  }

  template <typename Delete>
  void DeleteOne(std::vector<std::string>& names, Delete&& remove) {
    if (names.empty()) return;
    const size_t at = Draw(names.size());
    remove(names[at]);
    names.erase(names.begin() + static_cast<long>(at));
  }

  std::string Check() {
    if (!world.violation().empty()) return world.violation();
    for (const Partition& partition : world.state().partitions()) {
      size_t live = 0;
      for (Index i = 0; i < world.state().runs().size(); ++i) {
        const auto& targets = world.state().run(i).partitions;
        const Index self = world.state().FindPartition(partition.ref);
        if (world.state().RunLive(i) &&
            std::find(targets.begin(), targets.end(), self) != targets.end())
          ++live;
      }
      if (live > 1) return "two live runs of " + partition.ref;
    }
    if (const std::string part = world.ReplayDiffers(); !part.empty())
      return "replay and live fold differ in " + part;
    return "";
  }

  // People stop, Jobs behave, what hung is deleted: every live want gets what it asks for.
  std::string Calm() {
    calm_ = true;
    for (const std::string& name : wants_) {
      const Index want = world.state().FindWant(world.cluster.WantUid(name));
      if (want == kNone || !world.state().want(want).Live()) continue;
      world.cluster.SetRetry(name, "calm");
    }
    for (int i = 0; i < 50; ++i) {
      world.Run(24 * kHour);
      if (world.cluster.live.empty()) break;
      for (const auto& [run, job] : std::map<std::string, CreateJob>(world.cluster.live)) {
        world.cluster.DeleteJobByHand(run);
      }
    }
    if (const std::string wrong = Check(); !wrong.empty()) return wrong;
    for (const std::string& name : wants_) {
      const Index want = world.state().FindWant(world.cluster.WantUid(name));
      if (want == kNone) return "want " + name + " was never recorded";
      const Want& recorded = world.state().want(want);
      if (recorded.Live() && recorded.status != v1::WANT_SATISFIED) {
        std::string why;
        for (Index partition : recorded.partitions) {
          if (!world.state().Usable(partition)) why += world.state().partition(partition).ref + " ";
        }
        return "want " + name + " is not satisfied in a calm world: " + why;
      }
    }
    const size_t events = world.log.size();
    world.Advance(kMinute);
    for (int i = 0; i < 5; ++i) world.Tick();
    return world.log.size() == events ? "" : "a quiet world still decides events";
  }

  std::mt19937_64 random_;
  bool calm_ = false;
  uint64_t next_ = 0;
  std::vector<std::string> wants_, taints_;
};

uint64_t FromEnvironment(const char* name, uint64_t otherwise) {
  const char* text = std::getenv(name);
  return text ? std::strtoull(text, nullptr, 10) : otherwise;
}

TEST(PlannerSim, EveryLiveWantIsSatisfiedOnceTheWorldIsCalm) {
  const uint64_t only = FromEnvironment("SIM_SEED", 0);
  const uint64_t seeds = FromEnvironment("SIM_SEEDS", 300);
  for (uint64_t seed = only ? only : 1; seed <= (only ? only : seeds); ++seed) {
    Sim sim(seed);
    const std::string wrong = sim.Play();
    if (only && !wrong.empty()) std::cerr << sim.world.Transcript();
    ASSERT_EQ(wrong, "") << "replay with SIM_SEED=" << seed;
  }
}

}  // namespace
}  // namespace databuild
