#include "bel/query_page.h"

#include <google/protobuf/message.h>

#include <cctype>
#include <charconv>
#include <memory>

#include "bel/base/base64.h"
#include "bel/base/check.h"
#include "bel/base/crc32c.h"
#include "databuild/v1/databuild.pb.h"

namespace databuild {
namespace {

constexpr char kTokenVersion = '1';
constexpr int kPageSizeField = 101;
constexpr int kPageTokenField = 102;

std::string Bytes32(uint32_t value) {
  std::string bytes;
  for (int shift = 0; shift < 32; shift += 8)
    bytes.push_back(static_cast<char>((value >> shift) & 255));
  return bytes;
}

// Checksum of all that chooses the rows: the request without its paging, and the scope.
uint32_t FilterHash(const google::protobuf::Message& request, std::string_view scope) {
  const std::unique_ptr<google::protobuf::Message> filter(request.New());
  filter->CopyFrom(request);
  for (int number : {kPageSizeField, kPageTokenField}) {
    const auto* field = filter->GetDescriptor()->FindFieldByNumber(number);
    if (field != nullptr) filter->GetReflection()->ClearField(filter.get(), field);
  }
  return ExtendCrc32c(Crc32c(scope), filter->SerializeAsString());
}

struct NamedEnum {
  const google::protobuf::EnumDescriptor* type;
  std::string prefix;  // of all its names
};

// A value by name, with or without the prefix, in any case; 0 has no name.
Result<int> EnumField(std::string_view field, const std::string& name, const NamedEnum& named) {
  std::string wanted = name;
  for (char& c : wanted) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  if (!wanted.starts_with(named.prefix)) wanted.insert(0, named.prefix);
  const auto* value = named.type->FindValueByName(wanted);
  if (value != nullptr && value->number() != 0) return value->number();
  std::string names;
  for (int i = 1; i < named.type->value_count(); ++i) {
    const std::string known = named.type->value(i)->name().substr(named.prefix.size());
    names += (names.empty() ? "" : ", ") + known;
  }
  return FieldError(field, "'" + name + "' is none of " + names);
}

Error BadToken() {
  return FieldError(
      "page_token",
      "not a token of this list with these filters; leave it out to begin at the first page");
}

}  // namespace

Error FieldError(std::string_view field, std::string_view what) {
  return {Errc::kInvalidArgument, std::string(field) + ": " + std::string(what)};
}

Result<TimeNs> TimeField(std::string_view field, uint64_t value) {
  if (value > static_cast<uint64_t>(INT64_MAX))
    return FieldError(field, "Unix nanoseconds before the year 2262");
  return static_cast<TimeNs>(value);
}

Status CheckInclude(const google::protobuf::RepeatedPtrField<std::string>& include,
                    std::initializer_list<std::string_view> offered) {
  for (const std::string& word : include) {
    if (std::find(offered.begin(), offered.end(), word) != offered.end()) continue;
    std::string words;
    for (const std::string_view known : offered)
      words += (words.empty() ? "" : ", ") + std::string(known);
    return FieldError("include", "'" + word + "' is none of " + words);
  }
  return {};
}

Result<int> BuildStatusField(std::string_view field, const std::string& name) {
  return EnumField(field, name, {v1::BuildRequestStatusCode_descriptor(), "BUILD_REQUEST_"});
}

Result<int> PartitionStatusField(std::string_view field, const std::string& name) {
  return EnumField(field, name, {v1::PartitionStatus_descriptor(), "PARTITION_"});
}

Result<PageStart> StartPage(const google::protobuf::Message& request, std::string_view scope,
                            PageBounds bounds) {
  const auto* reflection = request.GetReflection();
  const auto* size_field = request.GetDescriptor()->FindFieldByNumber(kPageSizeField);
  const auto* token_field = request.GetDescriptor()->FindFieldByNumber(kPageTokenField);
  CHECK(size_field != nullptr && token_field != nullptr);
  PageStart start;
  start.size = bounds.default_size;
  const uint32_t size = reflection->GetUInt32(request, size_field);
  if (size > bounds.max_size) {
    return FieldError("page_size", "at most " + std::to_string(bounds.max_size) + ", got " +
                                       std::to_string(size));
  }
  if (size > 0) start.size = size;
  const std::string token = reflection->GetString(request, token_field);
  if (token.empty()) return start;
  // version, hash of the filter, key, checksum of all before
  const auto bytes = token.size() <= 4'096 ? DecodeBase64(token, kBase64Url) : std::nullopt;
  if (!bytes || bytes->size() < 9 || (*bytes)[0] != kTokenVersion) return BadToken();
  const std::string_view all(*bytes);
  if (Bytes32(Crc32c(all.substr(0, all.size() - 4))) != all.substr(all.size() - 4))
    return BadToken();
  if (Bytes32(FilterHash(request, scope)) != all.substr(1, 4)) return BadToken();
  start.after = std::string(all.substr(5, all.size() - 9));
  return start;
}

std::string PageToken(const google::protobuf::Message& request, std::string_view scope,
                      std::string_view last_key) {
  std::string bytes(1, kTokenVersion);
  bytes += Bytes32(FilterHash(request, scope));
  bytes += last_key;
  bytes += Bytes32(Crc32c(bytes));
  return EncodeBase64(bytes, kBase64Url);
}

std::string PositionKey(uint64_t position) { return std::to_string(position); }

Result<uint64_t> PositionOf(const PageStart& start) {
  CHECK(start.after.has_value());
  uint64_t position = 0;
  const char* end = start.after->data() + start.after->size();
  const auto [stop, error] = std::from_chars(start.after->data(), end, position);
  if (error != std::errc() || stop != end) return BadToken();
  return position;
}

}  // namespace databuild
