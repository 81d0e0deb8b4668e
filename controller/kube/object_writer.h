// Wants and Taints that callers of the service API put, created through the API server.
#pragma once

#include <atomic>
#include <string>

#include "controller/api/object_creator.h"
#include "controller/kube/api_client.h"

namespace databuild::kube {

// The object's JSON. Pure.
std::string ObjectBody(const NewObject& object);

// Thread-safe. Its client is one that is not fenced with the lease: a standby writes as well.
class ObjectWriter final : public ObjectCreator {
 public:
  explicit ObjectWriter(ApiClient& client) : client_(client) {}

  Result<std::string> Create(const NewObject& object,
                             std::chrono::steady_clock::time_point deadline) override;

 private:
  Result<std::string> FindMine(const NewObject& object, const ObjectPath& path,
                               const CallOptions& call);

  ApiClient& client_;
  std::atomic<int> in_flight_{0};
};

}  // namespace databuild::kube
