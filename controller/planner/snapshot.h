// Snapshot: the planner's picture of one graph in the cluster, kept up to date by deltas.
#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>
#include <unordered_map>

#include "controller/planner/effect.h"
#include "controller/planner/run_output.h"

namespace databuild {

// Owned by the graph's worker; no locks.
struct Snapshot {
  std::unordered_map<std::string, std::shared_ptr<const ObservedWant>> wants;          // by uid
  std::unordered_map<std::string, std::shared_ptr<const ObservedTaint>> taints;        // by uid
  std::map<std::string, std::shared_ptr<const ObservedDataJob>> data_jobs;             // by name
  std::unordered_map<std::string, std::shared_ptr<const ObservedJob>> jobs;            // by run id
  std::unordered_map<std::string, std::shared_ptr<const ObservedExternal>> externals;  // by ref
  std::unordered_map<std::string, TemplateProof> proofs;  // by DataJob uid
  std::unordered_map<std::string, JobRefused> refused;    // by run id
  std::unordered_map<std::string, TimeNs> created;        // by run id: Jobs made but not yet shown
  std::set<std::string> absent_runs;   // run ids that a live GET found nothing of
  std::set<std::string> podless_runs;  // run ids whose ended Job has no pod, by a live GET
  std::unordered_map<std::string, RunOutput> outputs;  // by run id, until its Job is gone
  std::set<std::string> logged_runs;     // run ids whose log is stored, while their Job is shown
  std::set<std::string> absent_objects;  // uids that a live GET found nothing of

  void Apply(const Delta& delta);

  const ObservedWant* FindWant(const std::string& uid) const;
  const ObservedTaint* FindTaint(const std::string& uid) const;
  const ObservedDataJob* FindDataJob(const std::string& name) const;
  const ObservedJob* FindJob(const std::string& run_id) const;
  const ObservedExternal* FindExternal(const std::string& ref) const;
};

}  // namespace databuild
