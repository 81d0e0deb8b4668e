// Bodies of requests, JSON and binary: what is taken prints as JSON and reads back as the same
// request; what is refused is the caller's mistake and names a field.
//
// The input's first byte chooses the method, the second the form.
#include <google/protobuf/message.h>
#include <google/protobuf/stubs/logging.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>

#include "controller/api/message_codec.h"
#include "controller/api/method_table.h"

namespace databuild {
namespace {

using Request = std::unique_ptr<google::protobuf::Message>;

void Stop(const char* what, const std::string& detail) {
  std::fprintf(stderr, "%s: %s\n", what, detail.c_str());
  std::abort();
}

void Check(const Method& method, bool binary, const std::string& body) {
  const Request request(method.request->New());
  const Status taken = binary ? DecodeBinary(body, *request) : DecodeJson(body, *request);
  if (!taken.ok()) {
    const bool named = taken.error().message.find(": ") != std::string::npos;
    if (taken.error().code != Errc::kInvalidArgument || !named)
      Stop("a refusal that names nothing", taken.error().message);
    return;
  }
  for (const JsonStyle style : {JsonStyle::kConnect, JsonStyle::kRest}) {
    const auto json = EncodeJson(*request, style);
    if (!json.ok()) Stop("a request that cannot be printed", json.error().message);
    const Request read(method.request->New());
    const Status again = DecodeJson(*json, *read);
    if (!again.ok()) {
      if (again.error().message.find("nested over") != std::string::npos) continue;
      Stop("a request that cannot be read back", again.error().message + " " + *json);
    }
    // Maps have no order: compared as text.
    if (read->DebugString() != request->DebugString()) Stop("another request came back", *json);
  }
}

}  // namespace
}  // namespace databuild

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  [[maybe_unused]] static const auto silenced = google::protobuf::SetLogHandler(nullptr);
  static const databuild::MethodTable table = databuild::MakeMethodTable();
  if (size < 2) return 0;
  const auto& methods = table.methods();
  databuild::Check(methods[data[0] % methods.size()], data[1] % 2 != 0,
                   std::string(reinterpret_cast<const char*>(data) + 2, size - 2));
  return 0;
}
