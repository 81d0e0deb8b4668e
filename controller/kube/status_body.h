// status of Want, Taint and DataJob as JSON, and when two of them say the same. Pure.
#pragma once

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "controller/kube/json_view.h"
#include "controller/planner/effect.h"

namespace databuild::kube {

using AnyStatus = std::variant<WantStatus, TaintStatus, DataJobStatus>;

// What is remembered of the status an object has in the cluster: enough to tell whether another one
// differs, and since when its conditions hold.
struct StatusShadow {
  struct Since {
    std::string type;
    std::string status;
    std::string time;  // lastTransitionTime as written
  };
  std::string resource_version;
  uint64_t digest = 0;      // of all but lastTransitionTime
  uint64_t conditions = 0;  // of type, status and reason of the conditions and observedGeneration
  std::vector<Since> since;
};

// From the object as the API server shows it.
StatusShadow ShadowOf(const JsonView& object);

struct StatusBody {
  std::string patch;    // a JSON patch that applies to this UID only
  StatusShadow shadow;  // what the object will look like; resource_version empty
};
// Conditions that keep their status keep the lastTransitionTime of `before`; others get `now`.
StatusBody RenderStatus(const AnyStatus& status, const std::string& uid, const StatusShadow& before,
                        TimeNs now);

// Decimal versions by length, then by digits. False if either is not a version.
bool VersionIsOlder(const std::string& version, const std::string& than);

}  // namespace databuild::kube
