// For tests: values for every field of a request, derived from its descriptor: good, empty, bad and
// huge ones, each in the words of all three doors.
#pragma once

#include <google/protobuf/descriptor.h>
#include <google/protobuf/message.h>

#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

namespace databuild {

enum class Expect {
  kAnswered,  // a good value: 200
  kNoFault,   // an answer, or an error that is the caller's and says what to mend
  kRefused,   // INVALID_ARGUMENT that names the field
};

// One value of one field. A door that cannot say it has nothing.
struct FieldValue {
  std::string kind;  // "good", "empty", "bad: a number", ...
  Expect expect = Expect::kNoFault;
  std::optional<nlohmann::json> json;
  std::optional<std::vector<std::string>> texts;  // of a query: one for each time it is given
  std::optional<std::string> wire;                // with its tag
};

using FieldPath = std::vector<const google::protobuf::FieldDescriptor*>;

// What the world of the test knows by these names: "want_id" -> "s1-want".
std::optional<std::string> KnownText(const std::string& field);

// Every field that a request can set, fields of its messages included, down to `depth` names.
std::vector<FieldPath> FieldPaths(const google::protobuf::Descriptor& request, size_t depth);

std::vector<FieldValue> ValuesOf(const FieldPath& path, size_t huge_text);

// "filter.partitionRefs" as a request and an error may call it, without '_', '[n]' and case.
std::string PlainName(const FieldPath& path);
std::string PlainName(const std::string& field);

// The value put where the path says; the key of a map's entry is "k".
void PutJson(const FieldPath& path, const nlohmann::json& value, nlohmann::json& request);
std::string PutWire(const FieldPath& path, const std::string& wire);

}  // namespace databuild
