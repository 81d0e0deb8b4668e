#include "controller/api/message_codec.h"

#include <google/protobuf/message.h>
#include <google/protobuf/unknown_field_set.h>
#include <google/protobuf/util/json_util.h>

#include <algorithm>
#include <cctype>
#include <charconv>
#include <nlohmann/json.hpp>
#include <optional>

#include "bel/base/check.h"
#include "bel/query_page.h"
#include "databuild/v1/databuild.pb.h"

namespace databuild {
namespace {

namespace pb = google::protobuf;
using Json = nlohmann::json;

constexpr int kMaxDepth = 32;

std::string Upper(std::string_view text) {
  std::string out(text);
  for (char& c : out) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  return out;
}

// "PARTITION_" for PartitionStatus: what all names have in common up to a '_'.
std::string CommonPrefix(const pb::EnumDescriptor& type) {
  std::string prefix = type.value(0)->name();
  for (int i = 1; i < type.value_count(); ++i) {
    const std::string& name = type.value(i)->name();
    const auto [end, unused] =
        std::mismatch(prefix.begin(), prefix.end(), name.begin(), name.end());
    prefix.erase(end, prefix.end());
  }
  const size_t underscore = prefix.rfind('_');
  return underscore == std::string::npos ? "" : prefix.substr(0, underscore + 1);
}

const pb::EnumValueDescriptor* EnumValue(const pb::EnumDescriptor& type, std::string_view text) {
  const std::string name = Upper(text);
  if (const auto* value = type.FindValueByName(name)) return value;
  if (const auto* value = type.FindValueByName(CommonPrefix(type) + name)) return value;
  int number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc() && end == text.data() + text.size() ? type.FindValueByNumber(number)
                                                                  : nullptr;
}

Error BadEnum(const std::string& path, const pb::EnumDescriptor& type, const std::string& text) {
  std::string names;
  const std::string prefix = CommonPrefix(type);
  for (int i = 0; i < type.value_count(); ++i) {
    std::string name = type.value(i)->name().substr(prefix.size());
    for (char& c : name) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    names += (i == 0 ? "" : ", ") + name;
  }
  return FieldError(path, "'" + text + "' is none of " + names);
}

const pb::FieldDescriptor* FieldNamed(const pb::Descriptor& type, const std::string& name) {
  if (const auto* field = type.FindFieldByName(name)) return field;
  for (int i = 0; i < type.field_count(); ++i) {
    if (type.field(i)->json_name() == name) return type.field(i);
  }
  return nullptr;
}

int DepthOf(const std::string& text) {
  int depth = 0, deepest = 0;
  bool in_string = false;
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (in_string) {
      if (c == '\\') ++i;
      if (c == '"') in_string = false;
    } else if (c == '"') {
      in_string = true;
    } else if (c == '{' || c == '[') {
      deepest = std::max(deepest, ++depth);
    } else if (c == '}' || c == ']') {
      --depth;
    }
  }
  return deepest;
}

template <typename Number>
std::optional<Number> ParseNumber(const std::string& text) {
  Number number{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return number;
}

// Whole numbers as JSON gives them: a number, or one in quotes.
template <typename Number>
bool IsWhole(const Json& json) {
  if (json.is_string()) return ParseNumber<Number>(json.get_ref<const std::string&>()).has_value();
  return json.is_number_integer() && ParseNumber<Number>(json.dump()).has_value();
}

Status CheckScalar(const Json& json, const pb::FieldDescriptor& field, const std::string& path) {
  const auto whole = [&](bool is_whole) {
    return is_whole ? Status() : Status(FieldError(path, "must be a whole number in range"));
  };
  switch (field.cpp_type()) {
    case pb::FieldDescriptor::CPPTYPE_INT32:
      return whole(IsWhole<int32_t>(json));
    case pb::FieldDescriptor::CPPTYPE_INT64:
      return whole(IsWhole<int64_t>(json));
    case pb::FieldDescriptor::CPPTYPE_UINT32:
      return whole(IsWhole<uint32_t>(json));
    case pb::FieldDescriptor::CPPTYPE_UINT64:
      return whole(IsWhole<uint64_t>(json));
    case pb::FieldDescriptor::CPPTYPE_BOOL:
      return json.is_boolean() ? Status() : Status(FieldError(path, "must be true or false"));
    case pb::FieldDescriptor::CPPTYPE_STRING:
      return json.is_string() ? Status() : Status(FieldError(path, "must be a text"));
    default:
      return {};
  }
}

// Walks a request beside its descriptor: unknown fields are reported with their path, enum names
// made canonical.
class RequestWalk {
 public:
  Status Object(Json& json, const pb::Descriptor& type, const std::string& path) {
    if (!json.is_object()) return FieldError(path.empty() ? "body" : path, "must be a JSON object");
    std::vector<const pb::FieldDescriptor*> seen;
    for (auto& [name, value] : json.items()) {
      const pb::FieldDescriptor* field = FieldNamed(type, name);
      const std::string here = path.empty() ? name : path + "." + name;
      if (field == nullptr) return FieldError(here, "there is no such field in " + type.name());
      if (value.is_null()) continue;  // proto3 JSON: not set
      for (const auto* other : seen) {
        const auto* choice = field->real_containing_oneof();
        if (other == field) return FieldError(here, "given in both spellings");
        if (choice != nullptr && other->real_containing_oneof() == choice)
          return FieldError(here, "give it or " + other->name() + ", not both");
      }
      seen.push_back(field);
      RETURN_IF_ERROR(Field(value, *field, here));
    }
    return {};
  }

 private:
  Status Field(Json& json, const pb::FieldDescriptor& field, const std::string& path) {
    if (field.is_map()) {
      if (!json.is_object()) return FieldError(path, "must be a JSON object");
      const pb::FieldDescriptor& value_field = *field.message_type()->map_value();
      for (auto& [key, value] : json.items())
        RETURN_IF_ERROR(Value(value, value_field, path + "." + key));
      return {};
    }
    if (!field.is_repeated()) return Value(json, field, path);
    if (!json.is_array()) return FieldError(path, "must be a JSON array");
    for (size_t i = 0; i < json.size(); ++i) {
      RETURN_IF_ERROR(Value(json[i], field, path + "[" + std::to_string(i) + "]"));
    }
    return {};
  }

  Status Value(Json& json, const pb::FieldDescriptor& field, const std::string& path) {
    if (field.message_type() != nullptr) return Object(json, *field.message_type(), path);
    if (field.enum_type() == nullptr) return CheckScalar(json, field, path);
    if (!json.is_string() && !json.is_number_integer())
      return FieldError(path, "must be the name of a value");
    const std::string text = json.is_string() ? json.get<std::string>() : json.dump();
    const auto* value = EnumValue(*field.enum_type(), text);
    if (value == nullptr) return BadEnum(path, *field.enum_type(), text);
    json = value->name();
    return {};
  }
};

Status CheckKnownValue(const pb::Message& message, const pb::FieldDescriptor& field, int i,
                       const std::string& path);

// Fields and enum values that this version does not know, at any depth. All keys of maps are texts.
Status CheckKnown(const pb::Message& message, const std::string& path) {
  const pb::Reflection& reflection = *message.GetReflection();
  const pb::UnknownFieldSet& unknown = reflection.GetUnknownFields(message);
  const auto here = [&](const std::string& name) {
    return path.empty() ? name : path + "." + name;
  };
  if (!unknown.empty()) {
    const int number = unknown.field(0).number();
    const auto* field = message.GetDescriptor()->FindFieldByNumber(number);
    return field != nullptr
               ? FieldError(here(field->name()), "of another type in binary form")
               : FieldError(here(std::to_string(number)),
                            "there is no such field in " + message.GetDescriptor()->name());
  }
  std::vector<const pb::FieldDescriptor*> fields;
  reflection.ListFields(message, &fields);
  for (const auto* field : fields) {
    const int count = field->is_repeated() ? reflection.FieldSize(message, field) : 1;
    for (int i = 0; i < count; ++i)
      RETURN_IF_ERROR(CheckKnownValue(message, *field, i, here(field->name())));
  }
  return {};
}

Status CheckKnownValue(const pb::Message& message, const pb::FieldDescriptor& field, int i,
                       const std::string& path) {
  const pb::Reflection& get = *message.GetReflection();
  const bool many = field.is_repeated();
  if (field.is_map()) {
    const pb::Message& entry = get.GetRepeatedMessage(message, &field, i);
    const auto* key = entry.GetDescriptor()->map_key();
    const auto* value = entry.GetDescriptor()->map_value();
    if (value->message_type() == nullptr) return {};
    return CheckKnown(entry.GetReflection()->GetMessage(entry, value),
                      path + "." + entry.GetReflection()->GetString(entry, key));
  }
  if (field.message_type() != nullptr)
    return CheckKnown(
        many ? get.GetRepeatedMessage(message, &field, i) : get.GetMessage(message, &field), path);
  if (field.enum_type() == nullptr) return {};
  const int value =
      many ? get.GetRepeatedEnumValue(message, &field, i) : get.GetEnumValue(message, &field);
  if (field.enum_type()->FindValueByNumber(value) != nullptr) return {};
  return BadEnum(path, *field.enum_type(), std::to_string(value));
}

// RFC 3629: no overlong forms, no surrogates, nothing over U+10FFFF.
bool IsUtf8(std::string_view text) {
  for (size_t i = 0; i < text.size();) {
    const auto byte = [&](size_t at) {
      return at < text.size() ? static_cast<unsigned char>(text[at]) : 0u;
    };
    const unsigned lead = byte(i);
    if (lead < 0x80) {
      ++i;
      continue;
    }
    const size_t length = lead >= 0xC2 && lead < 0xE0   ? 2
                          : lead >= 0xE0 && lead < 0xF0 ? 3
                          : lead >= 0xF0 && lead < 0xF5 ? 4
                                                        : 0;
    if (length == 0) return false;
    for (size_t k = 1; k < length; ++k) {
      if ((byte(i + k) & 0xC0) != 0x80) return false;
    }
    const unsigned second = byte(i + 1);
    if ((lead == 0xE0 && second < 0xA0) || (lead == 0xED && second > 0x9F) ||
        (lead == 0xF0 && second < 0x90) || (lead == 0xF4 && second > 0x8F)) {
      return false;
    }
    i += length;
  }
  return true;
}

// Sets or adds one value.
Status SetValue(const std::string& name, const std::string& text, const pb::FieldDescriptor& field,
                pb::Message& to) {
  const pb::Reflection& reflection = *to.GetReflection();
  const bool many = field.is_repeated();
  if (!IsUtf8(text)) return FieldError(name, "not UTF-8 text");
  const auto number = [&]<typename T>(std::optional<T> value, auto set, auto add) -> Status {
    if (!value) return FieldError(name, "'" + text + "' is not a whole number in range");
    many ? (reflection.*add)(&to, &field, *value) : (reflection.*set)(&to, &field, *value);
    return {};
  };
  switch (field.cpp_type()) {
    case pb::FieldDescriptor::CPPTYPE_STRING:
      many ? reflection.AddString(&to, &field, text) : reflection.SetString(&to, &field, text);
      return {};
    case pb::FieldDescriptor::CPPTYPE_INT32:
      return number(ParseNumber<int32_t>(text), &pb::Reflection::SetInt32,
                    &pb::Reflection::AddInt32);
    case pb::FieldDescriptor::CPPTYPE_INT64:
      return number(ParseNumber<int64_t>(text), &pb::Reflection::SetInt64,
                    &pb::Reflection::AddInt64);
    case pb::FieldDescriptor::CPPTYPE_UINT32:
      return number(ParseNumber<uint32_t>(text), &pb::Reflection::SetUInt32,
                    &pb::Reflection::AddUInt32);
    case pb::FieldDescriptor::CPPTYPE_UINT64:
      return number(ParseNumber<uint64_t>(text), &pb::Reflection::SetUInt64,
                    &pb::Reflection::AddUInt64);
    case pb::FieldDescriptor::CPPTYPE_BOOL:
      if (text != "true" && text != "false")
        return FieldError(name, "true or false, not '" + text + "'");
      many ? reflection.AddBool(&to, &field, text == "true")
           : reflection.SetBool(&to, &field, text == "true");
      return {};
    case pb::FieldDescriptor::CPPTYPE_ENUM: {
      const auto* value = EnumValue(*field.enum_type(), text);
      if (value == nullptr) return BadEnum(name, *field.enum_type(), text);
      many ? reflection.AddEnum(&to, &field, value) : reflection.SetEnum(&to, &field, value);
      return {};
    }
    case pb::FieldDescriptor::CPPTYPE_MESSAGE: {
      if (field.message_type() != v1::PartitionRef::descriptor()) break;
      pb::Message* ref =
          many ? reflection.AddMessage(&to, &field) : reflection.MutableMessage(&to, &field);
      ref->GetReflection()->SetString(ref, ref->GetDescriptor()->FindFieldByNumber(1), text);
      return {};
    }
    default:
      break;
  }
  return FieldError(name, "cannot be given in a query");
}

Result<std::string> Print(const pb::Message& message, JsonStyle style, bool defaults) {
  pb::util::JsonPrintOptions options;
  options.preserve_proto_field_names = style == JsonStyle::kRest;
  options.always_print_primitive_fields = defaults;
  std::string text;
  const auto printed = pb::util::MessageToJsonString(message, &text, options);
  if (printed.ok()) return text;
  return Error{Errc::kInternal, "print " + message.GetTypeName() + " as JSON: " +
                                    std::string(printed.message()) + "; ask for application/proto"};
}

// Pages of events are large and their fields mostly unset: the page keeps its defaults, the events
// do not.
template <typename Page>
Result<std::string> PrintEventPage(const Page& page, JsonStyle style) {
  Page frame = page;
  frame.clear_events();
  ASSIGN_OR_RETURN(const std::string rest, Print(frame, style, style == JsonStyle::kRest));
  std::string text = "{\"events\":[";
  for (int i = 0; i < page.events_size(); ++i) {
    if (i > 0) text.push_back(',');
    ASSIGN_OR_RETURN(const std::string event, Print(page.events(i), style, false));
    text += event;
  }
  text.push_back(']');
  static constexpr std::string_view kEmpty = "{\"events\":[]";
  const std::string_view tail =
      std::string_view(rest).substr(rest.starts_with(kEmpty) ? kEmpty.size() : 1);
  if (!tail.starts_with('}') && !tail.starts_with(',')) text.push_back(',');
  return text.append(tail);
}

}  // namespace

Status DecodeJson(const std::string& text, pb::Message& out) {
  if (text.empty()) return {};  // an empty body is an empty message
  if (DepthOf(text) > kMaxDepth) {
    return FieldError("body", "nested over " + std::to_string(kMaxDepth) + " levels");
  }
  Json json = Json::parse(text, nullptr, false);
  if (json.is_discarded()) return FieldError("body", "not well-formed JSON");
  RETURN_IF_ERROR(RequestWalk().Object(json, *out.GetDescriptor(), ""));
  const std::string canonical = json.dump(-1, ' ', false, Json::error_handler_t::replace);
  const auto parsed = pb::util::JsonStringToMessage(canonical, &out);
  if (!parsed.ok()) return FieldError("body", std::string(parsed.message()));
  return {};
}

Status DecodeBinary(const std::string& bytes, pb::Message& out) {
  if (!out.ParseFromString(bytes))
    return FieldError("body", "not a " + out.GetTypeName() + " in binary form");
  return CheckKnown(out, "");
}

Result<std::string> EncodeJson(const pb::Message& message, JsonStyle style) {
  if (const auto* page = dynamic_cast<const v1::EventPage*>(&message))
    return PrintEventPage(*page, style);
  if (const auto* page = dynamic_cast<const v1::ListBuildEventsResponse*>(&message)) {
    return PrintEventPage(*page, style);
  }
  return Print(message, style, style == JsonStyle::kRest);
}

Status ApplyQuery(const NamedValues& query, std::string_view inner, pb::Message& request) {
  const auto* inner_field =
      inner.empty() ? nullptr : request.GetDescriptor()->FindFieldByName(std::string(inner));
  std::vector<const pb::FieldDescriptor*> seen;
  for (const auto& [name, text] : query) {
    pb::Message* target = &request;
    const auto* field = FieldNamed(*request.GetDescriptor(), name);
    if (field == nullptr && inner_field != nullptr) {
      field = FieldNamed(*inner_field->message_type(), name);
      if (field != nullptr) target = request.GetReflection()->MutableMessage(&request, inner_field);
    }
    if (field == nullptr) return FieldError(name, "there is no such parameter here");
    if (!field->is_repeated()) {
      if (std::find(seen.begin(), seen.end(), field) != seen.end())
        return FieldError(name, "given twice");
      seen.push_back(field);
    }
    RETURN_IF_ERROR(SetValue(name, text, *field, *target));
  }
  return {};
}

}  // namespace databuild
