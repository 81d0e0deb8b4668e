// Ids of everything in the log: derived, never random, so that a decision made again is the same
// decision.
//
//   n-th instance of a ref, from 1     UUIDv5(log_id, "instance", ref, n)
//   an instance that a peer made       UUIDv5(log_id, "external", peer's graph, peer's instance id)
//   k-th run over instances, from 1    UUIDv5(log_id, "run", label, instance ids, k)
//   skipped run                        UUIDv5(build_request_id, "skipped", label, sorted refs)
//   n-th build of a want, from 1       UUIDv5(want_id, "build", n)
//   event                              UUIDv5(log_id, "event", kind, entity, state or mark,
//   ordinal) want, taint                        uid of the Kubernetes object
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
// Of a partition that a peer made: the same whenever the peer's event is heard.
std::string ExternalInstanceId(std::string_view log_id, std::string_view graph,
                               std::string_view peers_instance_id);
std::string RunId(std::string_view log_id, std::string_view label,
                  const std::vector<std::string>& instance_ids, uint32_t k);
std::string SkippedRunId(std::string_view build_request_id, std::string_view label,
                         std::vector<std::string> refs);
std::string BuildRequestId(std::string_view want_id, uint32_t n);

}  // namespace databuild
