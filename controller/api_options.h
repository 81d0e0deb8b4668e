// The service API as the configuration has it. The operator adds what only it has: graphs, clients,
// clock, metrics.
#pragma once

#include "bel/base/result.h"
#include "controller/api/api_server.h"
#include "controller/api/auth.h"
#include "controller/config/config.h"

namespace databuild {

// kInvalidArgument: an address or a way of authentication that is none.
Result<AuthOptions> AuthOptionsOf(const Config& config);
Result<ApiServerOptions> ApiServerOptionsOf(const Config& config);

}  // namespace databuild
