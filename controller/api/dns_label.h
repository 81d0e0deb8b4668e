// Names as Kubernetes has them for namespaces: RFC 1123 labels.
#pragma once

#include <algorithm>
#include <string_view>

namespace databuild {

// 1 to 63 lower-case letters, digits and '-', neither beginning nor ending with '-'.
inline bool IsDnsLabel(std::string_view name) {
  const auto fits = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-';
  };
  return !name.empty() && name.size() <= 63 && name.front() != '-' && name.back() != '-' &&
         std::all_of(name.begin(), name.end(), fits);
}

}  // namespace databuild
