// The two calls that read the log itself.
#pragma once

#include "controller/api/method_table.h"

namespace databuild {

// GraphService.ListEvents: by index.
Result<Outcome> HandleListEvents(const Call& call);
// DataBuildService.GetBuildEvents: by time or index, forwards or the last page below a time.
Result<Outcome> HandleGetBuildEvents(const Call& call);

}  // namespace databuild
