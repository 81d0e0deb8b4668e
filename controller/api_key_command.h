// databuild-controller api-key: makes, lists and removes API keys in a Secret, with the rights of
// whoever calls.
#pragma once

#include <string>

#include "bel/base/clock.h"
#include "bel/base/result.h"
#include "controller/config/command_line.h"

namespace databuild {

namespace kube {
class ApiClient;
}

// The text for stdout. A new key stands in it and nowhere else. Errors say what to do.
Result<std::string> RunApiKeyCommand(const ApiKeyOrder& order);
Result<std::string> RunApiKeyCommand(const ApiKeyOrder& order, kube::ApiClient& client,
                                     const Clock& clock);

}  // namespace databuild
