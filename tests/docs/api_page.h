// docs/api.md as it must read: the method table in words, and examples whose answers come from the
// real service over a small graph that the planner has built.
#pragma once

#include <string>

namespace databuild {

// The same text every time.
std::string RenderApiPage();

}  // namespace databuild
