// Requests and answers as JSON, and requests from a URL's query.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "bel/base/result.h"

namespace google::protobuf {
class Message;
}

namespace databuild {

// proto3 JSON, strictly: unknown fields, unknown enum values and values of another type are errors
// that name the field. Field names in either spelling; enum values also without prefix and in any
// case ("available"). At most 32 levels deep.
Status DecodeJson(const std::string& text, google::protobuf::Message& out);

// The binary form as strictly: a field that is not known here may be a filter, and to leave it out
// would widen the answer.
Status DecodeBinary(const std::string& bytes, google::protobuf::Message& out);

enum class JsonStyle {
  kConnect,  // lowerCamelCase names, default values left out
  kRest,     // names as in the .proto, default values present (but not in lists of events)
};
// kInternal: a string that is no UTF-8.
Result<std::string> EncodeJson(const google::protobuf::Message& message, JsonStyle style);

using NamedValues = std::vector<std::pair<std::string, std::string>>;

// Sets fields of a request from a query: `page_size=10&status=created&status=satisfied`. Names as
// in the .proto or in lowerCamelCase; `inner` is a message field whose fields may stand at the top
// ("" for none). A PartitionRef is its string. Unknown names, values of the wrong type and single
// fields given twice are errors that name the field.
Status ApplyQuery(const NamedValues& query, std::string_view inner,
                  google::protobuf::Message& request);

}  // namespace databuild
