// One GET, for `databuild-controller probe`: the image has no shell and no other HTTP client.
#pragma once

#include <string>

#include "bel/base/clock.h"
#include "bel/base/result.h"

namespace databuild {

// Ok on 200. Else one line: what was asked and what came back. Plain HTTP only; `url` is
// http://HOST:PORT/PATH. Tries again, once a second, until `timeout` has passed.
Status Probe(const std::string& url, DurationNs timeout);

}  // namespace databuild
