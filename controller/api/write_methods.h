// PutWants and PutTaints: objects created through the API server, answered with their CREATED
// events.
#pragma once

#include "controller/api/method_table.h"

namespace databuild {

// From the first object of a call, or of a batch, to the last.
inline constexpr std::chrono::seconds kCreateTime{10};

Result<Outcome> HandlePutWants(const Call& call);
Result<Outcome> HandlePutTaints(const Call& call);

}  // namespace databuild
