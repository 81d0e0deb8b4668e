// TokenReview and SubjectAccessReview for the service API, over the API client.
#pragma once

#include <chrono>

#include "controller/api/auth.h"
#include "controller/kube/api_client.h"

namespace databuild::kube {

// Thread-safe. The token goes into a request body only, never into a log or an error.
class KubeReviewClient final : public ReviewClient {
 public:
  explicit KubeReviewClient(ApiClient& client) : client_(client) {}

  Result<TokenReviewAnswer> ReviewToken(const std::string& token,
                                        const std::vector<std::string>& audiences) override;
  Result<bool> ReviewAccess(const Caller& caller, const AccessQuestion& question) override;

 private:
  ApiClient& client_;
};

}  // namespace databuild::kube
