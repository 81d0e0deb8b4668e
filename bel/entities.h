// What the fold knows of each thing in a graph. Plain values, linked by index into BuildState's
// arrays.
//
// An `extra` holds what few of a kind have. Indexes are dense, never reused, and valid for the life
// of the BuildState. kNone means "none". Times are Unix nanoseconds; 0 means "not yet". `*_idx` are
// positions in the log.
#pragma once

#include <absl/container/btree_map.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "bel/base/clock.h"
#include "bel/compact.h"
#include "bel/entity_id.h"
#include "bel/entity_list.h"
#include "databuild/v1/databuild.pb.h"

namespace databuild {

using Index = uint32_t;
inline constexpr Index kNone = UINT32_MAX;
using IndexList = SmallList<Index>;

// Why something did not come to be: the root, never an intermediate.
struct CauseInfo {
  std::string ref;
  std::string run_id;
  std::string label;
  std::string reason;
  std::string message;
};

// One ref. `current` is its newest AVAILABLE instance: what a reader of the data gets.
struct Partition {
  CompactText ref;
  Index newest = kNone;   // newest instance of any status
  Index current = kNone;  // newest AVAILABLE instance
  uint32_t instances = 0;
  TimeNs last_updated = 0;
  IndexList wants;    // live wants that contain the ref
  IndexList waiters;  // units with a MATERIALIZE input on the ref; may hold finished ones

  struct Extra {
    IndexList delegators;  // open builds that leave the ref to another build
    IndexList blocked;     // live wants whose last build ended for want of this ref
    uint32_t invalidations = 0;
    TimeNs last_invalidated = 0;
  };
  Rare<Extra> extra;
};

// One build of a ref. AVAILABLE, FAILED and CANCELLED are final; trying again is a new instance.
struct Instance {
  EntityId id;
  Index partition = kNone;
  Index previous = kNone;  // the ref's instance before this one
  uint32_t ordinal = 0;    // from 1
  v1::PartitionStatus status = v1::PARTITION_UNKNOWN;
  Index build = kNone;  // owner: the build whose work this is
  Index unit = kNone;   // how it is made; kNone until analyzed, or external
  Index run = kNone;    // newest run over it
  uint32_t runs = 0;
  TimeNs requested_at = 0;
  TimeNs updated_at = 0;
  int64_t available_idx = 0;

  struct Extra {
    IndexList taints;          // taints in force on it; not empty: not to be used
    uint32_t failed_runs = 0;  // count against retry.limit
    uint32_t lost_runs = 0;    // count against retry.infrastructureLimit
    TimeNs last_failure_at = 0;
    bool external = false;   // a peer made it
    bool withdrawn = false;  // its peer took it back; nothing of ours makes it good again
    CauseInfo cause;         // of FAILED and CANCELLED
  };
  Rare<Extra> extra;

  bool Tainted() const { return extra.present() && (extra->withdrawn || !extra->taints.empty()); }
};

struct UnitInput {
  UnitInput() = default;
  UnitInput(Index of, bool made_first) : partition(of), materialize(made_first) {}
  Index partition : 31 = 0;
  Index materialize : 1 = 1;  // else QUERY: never waited for
};

// Outputs of one DataJob that bind the same captures: made together, always.
struct Unit {
  Index job = kNone;
  int64_t generation = 0;
  Index build = kNone;   // changes when the unit is adopted
  IndexList partitions;  // outputs, in the order of the DataJob's patterns
  IndexList instances;   // one per output
  SmallList<UnitInput> inputs;
};

struct Run {
  EntityId id;
  Index job = kNone;
  Index build = kNone;
  v1::JobStatus status = v1::JOB_UNKNOWN;
  v1::JobOutcome outcome = v1::JOB_OUTCOME_UNKNOWN;
  v1::JobKind kind = v1::JOB_KIND_BUILD;
  int64_t generation = 0;
  uint32_t attempt = 0;
  IndexList partitions;  // targets
  IndexList instances;   // same order; empty for SKIPPED
  IndexList inputs;      // instances it was told to read
  int64_t scheduled_idx = 0;
  TimeNs scheduled_at = 0;
  TimeNs started_at = 0;
  TimeNs ended_at = 0;
  std::optional<int32_t> exit_code;
  CompactText job_name;  // of the Kubernetes Job, once seen
  int64_t last_idx = 0;

  struct Extra {
    IndexList missing;  // partitions it reported as missing
    bool cancel_requested = false;
    std::string reason;
    std::string message;
  };
  Rare<Extra> extra;
};

struct Delegation {
  Index owner : 31 = 0;  // build that makes or made it
  Index historical : 1 = 0;
};

struct Unproducible {
  Index partition = kNone;
  bool external = false;  // false: no DataJob makes it
};

struct Build {
  EntityId id;
  Index want = kNone;
  uint32_t ordinal = 0;  // n-th build of the want, from 1
  v1::BuildRequestStatusCode status = v1::BUILD_REQUEST_UNKNOWN;
  IndexList units;  // owned, finished ones included
  uint32_t open_instances = 0;
  IndexList requested;  // instances this build asked for and that no plan covers yet
  absl::btree_map<Index, Delegation> delegations;  // by partition
  std::vector<Unproducible> unproducible;
  uint32_t plan_number = 0;  // of the newest complete plan
  uint32_t open_plan = 0;    // of the plan whose parts are arriving; 0: none
  uint32_t open_part = 0;
  bool cancel_requested = false;
  CompactText cancel_reason;
  Rare<CauseInfo> cause;
  CompactText reason;
  CompactText message;
  uint32_t runs_total = 0, runs_completed = 0, runs_failed = 0, runs_cancelled = 0,
           runs_skipped = 0;
  int64_t received_idx = 0;
  int64_t planned_idx = 0;  // when its plan was whole, or given up: what it could know
  TimeNs received_at = 0;
  TimeNs started_at = 0;
  TimeNs ended_at = 0;
  int64_t last_idx = 0;
};

// How something was asked for: a SourceTypeCode, and above it whether the API knew its caller. One
// number, so that states from before that mark read as claims.
enum class AskedBy : int32_t {};
inline constexpr int32_t kAuthenticatedSource = 1 << 16;

constexpr AskedBy MakeAskedBy(int32_t code, bool authenticated) {
  return static_cast<AskedBy>((code & (kAuthenticatedSource - 1)) |
                              (authenticated ? kAuthenticatedSource : 0));
}
constexpr v1::SourceTypeCode CodeOf(AskedBy asked) {
  return static_cast<v1::SourceTypeCode>(static_cast<int32_t>(asked) & (kAuthenticatedSource - 1));
}
constexpr bool IsAuthenticated(AskedBy asked) {
  return (static_cast<int32_t>(asked) & kAuthenticatedSource) != 0;
}

struct Want {
  EntityId id;  // uid of the object
  CompactText name;
  v1::WantLifecycle status = v1::WANT_UNKNOWN;
  IndexList partitions;
  uint64_t unavailable = 0;  // of `partitions`: without a current untainted instance
  TimeNs created_at = 0;
  TimeNs data_timestamp = 0;
  std::optional<DurationNs> ttl;
  std::optional<DurationNs> sla;
  std::optional<DurationNs> delete_after;
  int32_t priority = 0;
  bool suspend = false;
  AskedBy source{};
  CompactText source_name;
  CompactText comment;
  CompactText correlation_id;
  CompactText retry_token;
  int64_t generation = 0;
  bool sla_violated = false;
  TimeNs first_satisfied_at = 0;
  TimeNs ended_at = 0;  // EXPIRED or CANCELLED
  IndexList builds;
  IndexList blocked_on;  // partitions the last build ended for
  std::vector<v1::PartitionRange> ranges;
  int64_t created_idx = 0;
  int64_t retry_idx = 0;  // last change of retry_token
  int64_t taint_idx = 0;  // last taint that hit one of its partitions
  int64_t last_idx = 0;   // last event that changed what its status says

  bool Live() const {
    return status == v1::WANT_CREATED || status == v1::WANT_SATISFIED ||
           status == v1::WANT_UNSATISFIED;
  }
};

struct Taint {
  EntityId id;
  std::string name;
  v1::TaintLifecycle status = v1::TAINT_UNKNOWN;
  IndexList partitions;
  std::vector<std::string> globs;
  bool cascade = false;
  IndexList instances;   // hit directly
  IndexList downstream;  // hit by cascade
  IndexList runs;        // live runs whose product is tainted when it comes
  AskedBy source{};
  std::string source_name;
  std::string comment;
  TimeNs created_at = 0;
  TimeNs ended_at = 0;
  int64_t created_idx = 0;
  int64_t last_idx = 0;
};

// True for outcomes that count against retry.infrastructureLimit: the work was lost, it did not
// fail.
bool IsInfrastructure(v1::JobOutcome outcome);
// True for outcomes that count against retry.limit. Missing dependencies, changed definitions and
// cancellations count against neither.
bool IsFailure(v1::JobOutcome outcome);

// A DataJob as last recorded.
struct Job {
  std::string label;
  v1::JobDefinitionEvent definition;
  bool defined = false;  // false: only named by runs so far
  uint32_t active_runs = 0;
  uint64_t runs_completed = 0, runs_failed = 0, runs_cancelled = 0, runs_skipped = 0;
  uint64_t partitions_made = 0;
  Index last_run = kNone;
  // With `configure: Container`: how its image said that units are made, by their first output; an
  // encoded JobConfig. Of the definition in force.
  absl::btree_map<Index, std::string> configs;
  Index last_configure = kNone;  // newest run that asked
  int64_t accepted_idx = 0;  // when the definition in force was accepted (uid, generation, digest)
  int64_t retry_idx = 0;     // last change of the retry token
  int64_t last_idx = 0;

  bool Accepted() const { return defined && definition.accepted() && !definition.deleted(); }
};

}  // namespace databuild
