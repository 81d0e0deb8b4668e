// One machine-readable reason for every partition that is wanted and not there.
#pragma once

#include <string>
#include <vector>

#include "bel/base/clock.h"

namespace databuild {

// The fixed list. Names are API: they appear in conditions, answers and docs.
namespace reason {
inline constexpr char kAvailable[] = "Available";
inline constexpr char kBuilding[] = "Building";
inline constexpr char kWaitingForInputs[] = "WaitingForInputs";
inline constexpr char kWaitingForDelegate[] = "WaitingForDelegate";
inline constexpr char kWaitingForExternal[] = "WaitingForExternal";
inline constexpr char kQueued[] = "Queued";
inline constexpr char kBackingOff[] = "BackingOff";
inline constexpr char kSuspended[] = "Suspended";
inline constexpr char kNoProducer[] = "NoProducer";
inline constexpr char kAmbiguousProducer[] = "AmbiguousProducer";
inline constexpr char kInvalidWant[] = "InvalidWant";
inline constexpr char kInvalidJob[] = "InvalidJob";
inline constexpr char kJobRefused[] = "JobRefused";
inline constexpr char kRunTooLarge[] = "RunTooLarge";
inline constexpr char kPlanTooLarge[] = "PlanTooLarge";
inline constexpr char kCycle[] = "Cycle";
inline constexpr char kNodeLost[] = "NodeLost";
inline constexpr char kBuildFailed[] = "BuildFailed";
inline constexpr char kExpired[] = "Expired";
inline constexpr char kCancelled[] = "Cancelled";
}  // namespace reason

// "waits for P, made by J, whose run R ...": one step of the chain.
struct ReasonLink {
  std::string ref;
  std::string job_label;
  std::string job_run_id;
  std::string reason;
};

struct PartitionReason {
  std::string ref;
  std::string state;   // status name of the newest instance, "wanted" if there is none
  std::string reason;  // one of reason::k…
  std::string message;
  std::string job_run_id;
  std::vector<ReasonLink> chain;  // from the ref to the root
  TimeNs next_change = 0;         // 0: not known
};

// True for reasons after which nothing happens until a person acts.
bool NeedsAPerson(const std::string& reason);

}  // namespace databuild
