// How a Kubernetes client reaches a LoopbackServer.
#pragma once

#include "controller/kube/credentials.h"
#include "tests/support/loopback_server.h"

namespace databuild::testing {

inline kube::ClusterAccess AccessTo(const LoopbackServer& server) {
  kube::ClusterAccess access;
  access.server = server.url();
  access.origin = "test";
  return access;
}

}  // namespace databuild::testing
