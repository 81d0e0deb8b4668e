// The rules of every list: page size, opaque page tokens, how much one request may look at.
//
// Keyset paging over an immutable order with a unique key (a ref, or the position in order of
// creation): a walk over all pages while rows are inserted yields every row that existed at its
// start exactly once.
#pragma once

#include <google/protobuf/repeated_ptr_field.h>

#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>

#include "bel/base/clock.h"
#include "bel/base/result.h"

namespace google::protobuf {
class Message;
}

namespace databuild {

inline constexpr uint32_t kDefaultPageSize = 50;
inline constexpr uint32_t kMaxPageSize = 500;
// Rows one request examines; then it answers with what it has, has_more and a token.
inline constexpr size_t kMaxCandidates = 50'000;

// kInvalidArgument whose message begins with the field.
Error FieldError(std::string_view field, std::string_view what);

// A request's Unix nanoseconds; beyond what a signed number holds: an error that names the field.
Result<TimeNs> TimeField(std::string_view field, uint64_t value);

// What else an answer shall hold, of the words it offers.
Status CheckInclude(const google::protobuf::RepeatedPtrField<std::string>& include,
                    std::initializer_list<std::string_view> offered);

// A build's status by name: "completed" or "BUILD_REQUEST_COMPLETED", in any case.
Result<int> BuildStatusField(std::string_view field, const std::string& name);
// The same of a partition's: "available" or "PARTITION_AVAILABLE".
Result<int> PartitionStatusField(std::string_view field, const std::string& name);

// Where a page begins and ends.
struct PageStart {
  uint32_t size = kDefaultPageSize;
  std::optional<std::string> after;  // key of the last row of the page before
};

struct PageBounds {
  uint32_t default_size = kDefaultPageSize;
  uint32_t max_size = kMaxPageSize;
};

// Reads page_size (101) and page_token (102) of a list request. A token holds the last key and a
// hash of every other field of the request and of `scope` (method and graph): one for other
// filters, or a mangled one, is an error.
Result<PageStart> StartPage(const google::protobuf::Message& request, std::string_view scope,
                            PageBounds bounds = {});
std::string PageToken(const google::protobuf::Message& request, std::string_view scope,
                      std::string_view last_key);

// Keys that are positions.
std::string PositionKey(uint64_t position);
Result<uint64_t> PositionOf(const PageStart& start);  // CHECKs start.after

}  // namespace databuild
