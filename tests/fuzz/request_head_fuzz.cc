// Request line and headers through the server's own parser, then path, query and percent escapes
// into the method table and ApplyQuery.
//
// Whatever is taken for a request of a method prints as JSON and reads back as the same request; a
// path that was found is found again by its escaped values.
#include <google/protobuf/message.h>

#include <boost/beast/http/parser.hpp>
#include <cstdint>
#include <cstdio>
#include <cstdlib>

#include "controller/api/http_session.h"
#include "controller/api/message_codec.h"
#include "controller/api/method_table.h"

namespace databuild {
namespace {

namespace http = boost::beast::http;

void Stop(const char* what, const std::string& detail) {
  std::fprintf(stderr, "%s: %s\n", what, detail.c_str());
  std::abort();
}

// As a session reads it; nullopt: refused or not complete.
std::optional<HttpRequest> Parse(std::string_view bytes) {
  http::request_parser<http::string_body> parser;
  parser.header_limit(16 * 1024);
  parser.body_limit(1024 * 1024);
  parser.eager(true);
  boost::beast::error_code error;
  parser.put(boost::asio::buffer(bytes.data(), bytes.size()), error);
  if (error || !parser.is_header_done()) return std::nullopt;
  return RequestOf(parser.release());
}

void CheckEscapes(const std::string& text) {
  if (PercentDecode(PercentEncode(text), false) != text) Stop("escaped and back", text);
  const auto decoded = PercentDecode(text, false);
  if (decoded && PercentDecode(PercentEncode(*decoded), false) != *decoded)
    Stop("decoded, escaped and back", text);
}

void CheckQuery(const Method& method, const std::string& query) {
  const auto pairs = ParseQuery(query);
  if (!pairs) return;
  std::string again;
  for (const auto& [name, value] : *pairs)
    again += PercentEncode(name) + "=" + PercentEncode(value) + "&";
  if (ParseQuery(again) != pairs) Stop("a query and back", query);
  const std::unique_ptr<google::protobuf::Message> request(method.request->New());
  if (!ApplyQuery(*pairs, method.inner, *request).ok()) return;
  const auto json = EncodeJson(*request, JsonStyle::kConnect);
  if (!json.ok()) Stop("a request that cannot be printed", json.error().message);
  const std::unique_ptr<google::protobuf::Message> read(method.request->New());
  const Status decoded = DecodeJson(*json, *read);
  if (!decoded.ok()) Stop("a request that cannot be read back", decoded.error().message);
  if (read->SerializeAsString() != request->SerializeAsString())
    Stop("another request came back", *json);
}

void Check(const MethodTable& table, const HttpRequest& request) {
  CheckEscapes(request.path);
  const RestMatch match = table.FindRest(request.method, request.path);
  if (match.method == nullptr) return;
  std::string path = match.method->rest_path;
  for (const auto& [name, value] : match.values) {
    const size_t begin = path.find('{');
    path.replace(begin, path.find('}') - begin + 1, PercentEncode(value));
  }
  const RestMatch again =
      table.FindRest(request.method, "/api/v1/graphs/" + PercentEncode(match.graph) + "/" + path);
  if (again.method != match.method || again.values != match.values || again.graph != match.graph)
    Stop("a path and back", request.path);
  CheckQuery(*match.method, request.query);
}

}  // namespace
}  // namespace databuild

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const databuild::MethodTable table = databuild::MakeMethodTable();
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  if (const auto request = databuild::Parse(bytes)) databuild::Check(table, *request);
  for (const databuild::Method& method : table.methods())
    databuild::CheckQuery(method, std::string(bytes.substr(0, 200)));
  return 0;
}
