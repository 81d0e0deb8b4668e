// Batched: many calls in one request. Each is admitted, answered and refused by itself.
#pragma once

#include "controller/api/admission.h"

namespace databuild {

inline constexpr int kMaxBatch = 100;

// The method behind a field of RequestContainer; nullptr: a batch may not hold it.
const Method* MethodOfEntry(const MethodTable& table, const std::string& field);

// `batch` is a BatchedRequest; only its caller and graph (empty: none was named) are used. Nothing
// waits: an entry with wait_ms is answered at once.
Result<Outcome> HandleBatch(const MethodTable& table, const Admission& admission,
                            const Call& batch);

}  // namespace databuild
