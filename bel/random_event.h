// Events with random content, for tests, benchmarks and fuzz corpora. Not a legal history.
#pragma once

#include <cstdint>
#include <random>

#include "databuild/v1/databuild.pb.h"

namespace databuild {

// Every field of every nested message may be set. `kind` counts through the payloads of BuildEvent.
v1::BuildEvent RandomEvent(std::mt19937_64& random, int kind);
int EventKinds();

}  // namespace databuild
