// One line per message, field, enum value, service and rpc of a .proto file: what must never change
// on the wire.
#pragma once

#include <string>
#include <vector>

namespace google::protobuf {
class FileDescriptor;
}

namespace databuild {

// Lines in file order:
//   message <full name>
//   field <full name> <number> <type> <singular|optional|repeated|map> <oneof name or ->
//   value <enum full name>.<name> <number>
//   service <full name>
//   rpc <full name> <input type> <output type>
std::vector<std::string> DescriptorLines(const google::protobuf::FileDescriptor& file);

// The recorded lines that `actual` lacks, each as it was recorded. Empty lines and '#' lines are
// skipped.
std::vector<std::string> MissingLines(const std::vector<std::string>& recorded,
                                      const std::vector<std::string>& actual);

}  // namespace databuild
