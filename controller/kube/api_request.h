// Paths, queries and bodies of requests to the Kubernetes API. Pure.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace databuild::kube {

// One kind of object, as its path names it. Views point to string literals.
struct ResourceType {
  std::string_view group;  // empty: the core group
  std::string_view version;
  std::string_view plural;
  std::string_view kind;
};

inline constexpr ResourceType kWants{"databuild.dev", "v1alpha1", "wants", "Want"};
inline constexpr ResourceType kTaints{"databuild.dev", "v1alpha1", "taints", "Taint"};
inline constexpr ResourceType kDataJobs{"databuild.dev", "v1alpha1", "datajobs", "DataJob"};
inline constexpr ResourceType kJobs{"batch", "v1", "jobs", "Job"};
inline constexpr ResourceType kPods{"", "v1", "pods", "Pod"};
inline constexpr ResourceType kEvents{"", "v1", "events", "Event"};
inline constexpr ResourceType kNodes{"", "v1", "nodes", "Node"};
inline constexpr ResourceType kNamespaces{"", "v1", "namespaces", "Namespace"};
inline constexpr ResourceType kConfigMaps{"", "v1", "configmaps", "ConfigMap"};
// Of people at a command line; the operator has no right to them.
inline constexpr ResourceType kSecrets{"", "v1", "secrets", "Secret"};
inline constexpr ResourceType kLeases{"coordination.k8s.io", "v1", "leases", "Lease"};
inline constexpr ResourceType kTokenReviews{"authentication.k8s.io", "v1", "tokenreviews",
                                            "TokenReview"};
inline constexpr ResourceType kAccessReviews{"authorization.k8s.io", "v1", "subjectaccessreviews",
                                             "SubjectAccessReview"};

// "batch/v1" or "v1".
std::string ApiVersion(const ResourceType& type);

using Query = std::vector<std::pair<std::string, std::string>>;

// Percent-encodes everything but RFC 3986's unreserved characters.
std::string EncodeUrl(std::string_view text);
// "?a=1&b=2", or nothing for an empty query.
std::string EncodeQuery(const Query& query);

// Empty namespace: all namespaces, or a cluster-wide resource. Empty name: the collection.
struct ObjectPath {
  ResourceType type;
  std::string ns;
  std::string name;
  std::string subresource;

  std::string Text() const;
};

struct ListOptions {
  std::string label_selector;
  std::string field_selector;
  int limit = 0;                       // 0: no paging
  std::string continue_token;          // with it no resourceVersion is sent
  std::string resource_version;        // empty: the most recent state (a quorum read)
  std::string resource_version_match;  // NotOlderThan | Exact | empty
};
Query ListQuery(const ListOptions& options);

struct WatchOptions {
  std::string label_selector;
  std::string field_selector;
  std::string resource_version;
  int timeout_seconds = 0;
};
Query WatchQuery(const WatchOptions& options);

struct LogOptions {
  std::string container;
  bool follow = false;
  bool timestamps = false;
  std::string since_time;  // RFC 3339; empty: from the start
  int64_t limit_bytes = 0;
  int tail_lines = 0;  // only the last so many; 0: all
};
Query LogQuery(const LogOptions& options);

enum class Propagation { kBackground, kForeground };
struct DeleteOptions {
  Propagation propagation = Propagation::kBackground;
  std::string uid;               // precondition; empty: none
  std::string resource_version;  // precondition; empty: none
  int64_t grace_seconds = -1;    // -1: the object's own
};
// The DeleteOptions document. Propagation is always sent: a Job's own default orphans its pods.
std::string DeleteBody(const DeleteOptions& options);

}  // namespace databuild::kube
