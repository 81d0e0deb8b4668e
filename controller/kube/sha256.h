// SHA-256 as lower-case hex. Pure.
#pragma once

#include <string>
#include <string_view>

namespace databuild::kube {

std::string Sha256Hex(std::string_view text);

}  // namespace databuild::kube
