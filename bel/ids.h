// Ids of everything in the log: derived, never random, so that a decision made again is the same
// decision.
//
//   instance_id      = UUIDv5(log_id, "instance", ref, n)             n-th instance of the ref,
//   from 1 job_run_id       = UUIDv5(log_id, "run", label, instance ids, k)  k-th run over these
//   instances, from 1 skipped run id   = UUIDv5(build_request_id, "skipped", label, sorted refs)
//   build_request_id = UUIDv5(want_id, "build", n)                    n-th build of the want, from
//   1 event_id         = UUIDv5(log_id, "event", kind, entity, state or mark, ordinal) want_id,
//   taint_id = uid of the Kubernetes object
//
// UUIDv5: RFC 4122 section 4.3 over SHA-1; parts are joined by '\n', which no part may contain.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

namespace databuild {

// `space` is a UUID in text; any other text is first hashed into one. Thread-safe.
std::string UuidV5(std::string_view space, std::initializer_list<std::string_view> parts);

std::string InstanceId(std::string_view log_id, std::string_view ref, uint32_t n);
std::string RunId(std::string_view log_id, std::string_view label,
                  const std::vector<std::string>& instance_ids, uint32_t k);
std::string SkippedRunId(std::string_view build_request_id, std::string_view label,
                         std::vector<std::string> refs);
std::string BuildRequestId(std::string_view want_id, uint32_t n);

}  // namespace databuild
