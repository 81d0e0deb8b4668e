// ObjectCreator: how PutWants and PutTaints reach the API server. Implemented by controller/kube.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "bel/base/clock.h"
#include "bel/base/result.h"

namespace databuild {

// One Want or Taint to be made. Everything in it has been checked by the rules of its definition.
struct NewObject {
  enum class Kind { kWant, kTaint };
  Kind kind = Kind::kWant;
  std::string graph;
  std::string name;
  std::string caller;       // who was authenticated; empty: nobody was asked who they are
  std::string request;      // digest of the request it is made for
  std::string source_type;  // CliManual | DashboardManual | Scheduled | ApiRequest
  std::string source_name;  // the caller
  std::string comment;
  std::vector<std::string> partitions;

  // Of Wants. 0 and empty: not given.
  std::optional<TimeNs> data_timestamp;
  uint64_t ttl_seconds = 0;
  uint64_t sla_seconds = 0;
  int32_t priority = 0;
  std::string correlation_id;

  // Of Taints.
  std::vector<std::string> globs;
  bool cascade_downstream = false;
};

// Thread-safe. Creating an object that is there already for the same request and caller answers
// its uid: repeating a call is safe.
class ObjectCreator {
 public:
  virtual ~ObjectCreator() = default;
  // The uid. Blocks until `deadline` at most. kAlreadyExists: the name belongs to another request.
  // kUnavailable, kDeadlineExceeded: no answer, it may be there or not. Others: the API server
  // refused, in its words.
  virtual Result<std::string> Create(const NewObject& object,
                                     std::chrono::steady_clock::time_point deadline) = 0;
};

}  // namespace databuild
