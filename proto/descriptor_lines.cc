#include "proto/descriptor_lines.h"

#include <google/protobuf/descriptor.h>
#include <google/protobuf/descriptor.pb.h>

#include <set>

namespace databuild {
namespace {

namespace pb = google::protobuf;

std::string TypeName(const pb::FieldDescriptor& field) {
  if (field.is_map()) {
    return "map<" + TypeName(*field.message_type()->map_key()) + "," +
           TypeName(*field.message_type()->map_value()) + ">";
  }
  if (field.message_type() != nullptr) return field.message_type()->full_name();
  if (field.enum_type() != nullptr) return field.enum_type()->full_name();
  return field.type_name();
}

std::string LabelName(const pb::FieldDescriptor& field) {
  if (field.is_map()) return "map";
  if (field.is_repeated()) return "repeated";
  return field.has_optional_keyword() ? "optional" : "singular";
}

void AddEnum(const pb::EnumDescriptor& type, std::vector<std::string>& lines) {
  for (int i = 0; i < type.value_count(); ++i) {
    lines.push_back("value " + type.full_name() + "." + type.value(i)->name() + " " +
                    std::to_string(type.value(i)->number()));
  }
}

void AddMessage(const pb::Descriptor& type, std::vector<std::string>& lines) {
  if (type.options().map_entry()) return;
  lines.push_back("message " + type.full_name());
  for (int i = 0; i < type.field_count(); ++i) {
    const pb::FieldDescriptor& field = *type.field(i);
    const pb::OneofDescriptor* oneof = field.real_containing_oneof();
    lines.push_back("field " + field.full_name() + " " + std::to_string(field.number()) + " " +
                    TypeName(field) + " " + LabelName(field) + " " +
                    (oneof != nullptr ? oneof->name() : std::string("-")));
  }
  for (int i = 0; i < type.enum_type_count(); ++i) AddEnum(*type.enum_type(i), lines);
  for (int i = 0; i < type.nested_type_count(); ++i) AddMessage(*type.nested_type(i), lines);
}

void AddService(const pb::ServiceDescriptor& service, std::vector<std::string>& lines) {
  lines.push_back("service " + service.full_name());
  for (int i = 0; i < service.method_count(); ++i) {
    const pb::MethodDescriptor& method = *service.method(i);
    lines.push_back("rpc " + method.full_name() + " " + method.input_type()->full_name() + " " +
                    method.output_type()->full_name());
  }
}

}  // namespace

std::vector<std::string> DescriptorLines(const pb::FileDescriptor& file) {
  std::vector<std::string> lines;
  for (int i = 0; i < file.message_type_count(); ++i) AddMessage(*file.message_type(i), lines);
  for (int i = 0; i < file.enum_type_count(); ++i) AddEnum(*file.enum_type(i), lines);
  for (int i = 0; i < file.service_count(); ++i) AddService(*file.service(i), lines);
  return lines;
}

std::vector<std::string> MissingLines(const std::vector<std::string>& recorded,
                                      const std::vector<std::string>& actual) {
  const std::set<std::string> known(actual.begin(), actual.end());
  std::vector<std::string> missing;
  for (const std::string& line : recorded) {
    if (line.empty() || line[0] == '#') continue;
    if (!known.contains(line)) missing.push_back(line);
  }
  return missing;
}

}  // namespace databuild
