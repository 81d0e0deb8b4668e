// `databuild-exec install PATH`: the program puts a copy of itself into a volume.
#pragma once

#include <string>

#include "bel/base/result.h"

namespace databuild::exec {

// Copies /proc/self/exe to `path`, mode 0755, by a rename: whoever sees the file sees all of it.
Status InstallSelf(const std::string& path);

}  // namespace databuild::exec
