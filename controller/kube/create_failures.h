// Why a Job has no pod: asks for the FailedCreate events of Jobs that have been without one for a
// while.
//
// Events have no watch cache, so a quiet watch on them expires and has to list again and again.
// Asking only when there is something to explain leaves an idle cluster alone.
#pragma once

#include <chrono>
#include <stop_token>
#include <thread>

#include "bel/base/clock.h"
#include "controller/kube/api_client.h"
#include "controller/kube/cluster_view.h"

namespace databuild::kube {

struct CreateFailureOptions {
  DurationNs patience = 15 * kSecond;          // a Job this young may well get its pod yet
  std::chrono::milliseconds interval{15'000};  // between two questions about a graph
  std::chrono::milliseconds call_timeout{30'000};
};

// Own thread. The destructor stops and joins.
class CreateFailureReader {
 public:
  CreateFailureReader(ApiClient& client, ClusterView& view, const Clock& clock,
                      CreateFailureOptions options);
  ~CreateFailureReader();

  void Start();
  void Stop();

 private:
  void Run(std::stop_token stop);
  void Read(const std::string& graph, std::stop_token stop);

  ApiClient& client_;
  ClusterView& view_;
  const Clock& clock_;
  const CreateFailureOptions options_;
  std::jthread thread_;
};

}  // namespace databuild::kube
