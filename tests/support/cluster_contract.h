// The behaviours that the reconciler relies on in a Cluster, as one table of cases. They run
// against FakeCluster (a unit test) and against KubeCluster on a real API server (an end-to-end
// test): what the simulator proves over the fake holds on Kubernetes as far as the two agree here.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "controller/reconciler/cluster.h"

namespace databuild::testing {

// One graph of a cluster, seen through a Cluster, and what people do in it behind its back.
class ContractBed {
 public:
  virtual ~ContractBed() = default;

  virtual Cluster& cluster() = 0;
  virtual std::string graph() const = 0;
  virtual void PutWant(const std::string& name, const std::string& ref) = 0;
  virtual void DeleteWant(const std::string& name) = 0;
  virtual void PutDataJob(const std::string& name, bool usable) = 0;
  // Deletes the Job of a run and its pods.
  virtual void DeleteJob(const CreateJob& run) = 0;
  // Whether the cluster itself, asked past the view, has the Job, and the want of this uid.
  virtual bool HasJob(const CreateJob& run) = 0;
  virtual bool HasWant(const std::string& name, const std::string& uid) = 0;
  // status.progress of the want in the cluster.
  virtual std::string Progress(const std::string& want) = 0;
  // Lets time pass until nothing submitted waits or runs any more.
  virtual void Settle() = 0;

  // Collects deltas until one of type T satisfies `holds`; nothing if none comes in time.
  template <typename T>
  std::optional<T> Await(const std::function<bool(const T&)>& holds = [](const T&) {
    return true;
  }) {
    for (int look = 0; look < Looks(); ++look) {
      for (Delta& delta : cluster().TakeDeltas(graph())) deltas_.push_back(std::move(delta));
      for (auto it = deltas_.begin(); it != deltas_.end(); ++it) {
        const T* found = std::get_if<T>(&*it);
        if (!found || !holds(*found)) continue;
        T taken = *found;
        deltas_.erase(it);
        return taken;
      }
      Pause();
    }
    return std::nullopt;
  }
  // Whether a T has come by now. Settle first.
  template <typename T>
  bool Came() {
    for (Delta& delta : cluster().TakeDeltas(graph())) deltas_.push_back(std::move(delta));
    for (const Delta& delta : deltas_) {
      if (std::holds_alternative<T>(delta)) return true;
    }
    return false;
  }
  // Submits the effect again and again until a T comes, as the planner does: one live look that
  // finds the pods of a Job on their way out says nothing.
  template <typename T>
  bool Persist(const Effect& effect) {
    for (int look = 0; look < Looks(); ++look) {
      Submit(effect);
      Settle();
      if (Came<T>()) return true;
      Pause();
    }
    return false;
  }
  void Forget() { deltas_.clear(); }
  // Two effects on one object are never under way at once: the later one would be dropped.
  void Submit(Effect effect) {
    Settle();
    cluster().Submit(graph(), {std::move(effect)});
  }

 protected:
  virtual int Looks() const = 0;
  virtual void Pause() = 0;

 private:
  std::vector<Delta> deltas_;
};

struct ContractCase {
  const char* name;
  void (*check)(ContractBed&);  // with the expectations of GoogleTest
};

const std::vector<ContractCase>& ContractCases();

}  // namespace databuild::testing
