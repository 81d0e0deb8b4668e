// Faults between a client and an API server: cut, delayed, truncated and refused answers, over
// loopback.
//
// A FaultProxy is a LoopbackServer in front of an upstream: either a handler in this process or a
// real API server reached with TLS. Every request asks the plan which fault it gets.
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <random>
#include <string>

#include "controller/kube/credentials.h"
#include "tests/support/loopback_server.h"

namespace databuild::testing {

struct Fault {
  enum class Kind {
    kNone,
    kStatus,    // answer `status` with a metav1.Status (and Retry-After if retry_after > 0)
    kCut,       // reset after `bytes` of the answer
    kTruncate,  // end the connection in good order after `bytes` of the answer, in the middle of it
    kDelay,     // wait before forwarding
    kStall,     // wait after `bytes` of the answer, then go on
  };
  Kind kind = Kind::kNone;
  int status = 500;
  int retry_after = 0;
  size_t bytes = 0;
  std::chrono::milliseconds time{0};
};

// Called on connection threads.
using FaultPlan = std::function<Fault(const LoopbackRequest&)>;

// Faults of every kind with probability `rate`, the same for the same seed and order of requests.
FaultPlan RandomFaults(uint64_t seed, double rate);

// Answers through `upstream`, with the faults of `plan`.
LoopbackHandler WithFaults(LoopbackHandler upstream, FaultPlan plan);

// Sends requests on to a real API server, one connection each.
LoopbackHandler ForwardTo(const kube::ClusterAccess& access);

// The body of an error answer as the API server words it.
std::string StatusJson(int code, const std::string& reason, const std::string& message);

}  // namespace databuild::testing
