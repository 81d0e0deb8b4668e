// KubePodLogs: pods/log of the container `job`.
#pragma once

#include <chrono>
#include <memory>

#include "controller/kube/api_client.h"
#include "controller/logs/pod_logs.h"

namespace databuild::kube {

// Thread-safe. `open_timeout` is for the answer's head.
class KubePodLogs final : public PodLogs {
 public:
  KubePodLogs(ApiClient& client, std::chrono::milliseconds open_timeout)
      : client_(client), open_timeout_(open_timeout) {}

  Result<std::unique_ptr<PodLogStream>> Open(const PodLogRequest& request,
                                             std::stop_token stop) override;

 private:
  ApiClient& client_;
  const std::chrono::milliseconds open_timeout_;
};

}  // namespace databuild::kube
