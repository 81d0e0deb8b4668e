// LogChecker: what must hold for every log, found out without the fold and without the planner.
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "databuild/v1/databuild.pb.h"

namespace databuild {

class LogChecker {
 public:
  // The next event. After each, wrong() says what it broke.
  void Take(const v1::BuildEvent& event);
  // "" or the first thing that is wrong.
  const std::string& wrong() const { return wrong_; }

 private:
  struct Instance {
    std::string ref;
    bool planned = false;  // ANALYZED or more: there is work to hand over
    bool available = false;
    std::set<std::string> taints;  // ids of those in force
  };
  struct Run {
    std::vector<std::string> refs;
    std::set<std::string> taints;  // came while it was live: what it makes is bad
    bool live = false;
  };
  struct Build {
    std::string want;
    bool open = true;
    std::set<std::string> waits_for;  // instance ids that other builds own
  };

  void TakeJob(const v1::BuildEvent& event);
  void TakePartition(const v1::BuildEvent& event);
  void TakeBuild(const v1::BuildEvent& event);
  void TakeWant(const v1::BuildEvent& event);
  void TakeTaint(const v1::BuildEvent& event);
  void TakeDelegation(const v1::BuildEvent& event);
  void Expect(bool holds, const std::string& otherwise);
  bool Usable(const std::string& ref) const;

  int64_t idx_ = 0;
  int64_t timestamp_ = 0;
  std::string wrong_;
  std::map<std::string, Instance> instances_;              // by id
  std::map<std::string, std::string> current_;             // ref -> newest AVAILABLE instance
  std::map<std::string, Run> runs_;                        // by id
  std::map<std::string, std::string> live_run_;            // ref -> run id
  std::map<std::string, Build> builds_;                    // by id
  std::map<std::string, std::vector<std::string>> wants_;  // live ones: id -> refs
};

}  // namespace databuild
