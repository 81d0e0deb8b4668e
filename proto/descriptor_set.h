// databuild.proto as a google.protobuf.FileDescriptorSet with its comments.
#pragma once

#include <string_view>

namespace databuild {

std::string_view DescriptorSet();

}  // namespace databuild
